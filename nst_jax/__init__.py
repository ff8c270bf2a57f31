"""Neural style transfer as a JAX/Flax research instrument.

encoder = nst_jax.load_encoder()
problem = nst_jax.pose(encoder, content, style)
solution = nst_jax.solve(encoder, problem, steps=500)
sweep = nst_jax.grid(problem, beta=[1e2, 1e3, 1e4], seed=range(4))
results = nst_jax.solve_batch(encoder, sweep, steps=500)
nst_jax.report(results, "runs/beta")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_jax.batch import Results, Sweep, grid, pairs, product, solve_batch, stack, unstack, zipped
    from nst_jax.errors import UserError
    from nst_jax.optimize import Solution, iterate, solve
    from nst_jax.pages.results import report
    from nst_jax.problem import Problem, pose, terms, total
    from nst_jax.recipe import DEFAULT, GATYS_2015, Recipe
    from nst_jax.vgg import Encoder, features
    from nst_jax.weights import load_encoder

__version__ = "0.1.0"

_HOMES = {
    "UserError": "errors",
    "DEFAULT": "recipe",
    "GATYS_2015": "recipe",
    "Recipe": "recipe",
    "Encoder": "vgg",
    "features": "vgg",
    "load_encoder": "weights",
    "Problem": "problem",
    "pose": "problem",
    "terms": "problem",
    "total": "problem",
    "Solution": "optimize",
    "iterate": "optimize",
    "solve": "optimize",
    **dict.fromkeys(
        ("Results", "Sweep", "grid", "pairs", "product", "solve_batch", "stack", "unstack", "zipped"), "batch"
    ),
    "report": "pages.results",
}

__all__ = [
    "DEFAULT", "GATYS_2015", "Encoder", "Problem", "Recipe", "Results", "Solution", "Sweep", "UserError",
    "features", "grid", "iterate", "load_encoder", "pairs", "pose", "product", "report", "solve", "solve_batch",
    "stack", "terms", "total", "unstack", "zipped",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Lazy, so that `nst-jax --help` does not wait for jax.
    if name in _HOMES:
        return getattr(import_module(f"nst_jax.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'nst_jax' has no attribute '{name}'")
