"""Sweeps and batches: many problems as one program."""

from nst_jax.axis import Axis
from nst_jax.batch.pairing import pairs, product
from nst_jax.batch.solve import Results, solve_batch
from nst_jax.batch.sweep import Sweep, grid, stack, unstack, zipped

__all__ = ["Axis", "Results", "Sweep", "grid", "pairs", "product", "solve_batch", "stack", "unstack", "zipped"]
