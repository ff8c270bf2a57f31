"""Sweeps and batches: many problems as one program; a single picture is a sweep of one lane."""

from nst_jax.axis import Axis
from nst_jax.batch.pairing import product
from nst_jax.batch.run import Interrupted, Watch
from nst_jax.batch.solving import Results, iterate, solve, solve_batch, stylize
from nst_jax.batch.sweep import Sweep, grid, stack, unstack, zipped

__all__ = [
    "Axis", "Interrupted", "Results", "Sweep", "Watch", "grid", "iterate", "product", "solve", "solve_batch",
    "stack", "stylize", "unstack", "zipped",
]  # fmt: skip
