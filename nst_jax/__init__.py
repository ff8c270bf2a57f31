"""Neural style transfer as a JAX/Flax research instrument.

encoder = nst_jax.load_encoder()
solution = nst_jax.stylize(encoder, content, style, nst_jax.Recipe(beta=1e4))
problem = nst_jax.pose(encoder, content, style)
sweep = nst_jax.grid(problem, beta=[1e2, 1e3, 1e4], tv=[0, 1e5])
results = nst_jax.solve_batch(encoder, sweep)
nst_jax.report(results, "runs/beta")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_jax.batch import (
        Interrupted,
        Results,
        Sweep,
        Watch,
        grid,
        iterate,
        product,
        solve,
        solve_batch,
        stack,
        stylize,
        unstack,
        zipped,
    )
    from nst_jax.batch.solving import sweep
    from nst_jax.canvases import Canvas, Fourier, Pixels, Pyramid
    from nst_jax.descents import LBFGS, Adam, Descent, Point, Transformation, Zoom
    from nst_jax.errors import UserError
    from nst_jax.gradients import Gradient
    from nst_jax.losses import Loss, Place
    from nst_jax.networks import VGG, Branched, Encoder, Layer, Network, Preprocessing, features
    from nst_jax.numbers import vary
    from nst_jax.ops import FEATURES, GRAM, MOMENTS, Statistic
    from nst_jax.optimize import Solution
    from nst_jax.pages.results import report
    from nst_jax.posing import Compare, pose
    from nst_jax.problem import Problem, Term, terms, total
    from nst_jax.recipe import DEFAULT, GATYS_2015, INVERSION, TEXTURE, Recipe
    from nst_jax.record import save
    from nst_jax.saved import SavedStyle, load_style
    from nst_jax.saving import save_style
    from nst_jax.weights import load_encoder

__version__ = "0.2.0.dev0"

_HOMES = {
    "errors": ("UserError",),
    "recipe": ("DEFAULT", "GATYS_2015", "INVERSION", "TEXTURE", "Recipe"),
    "ops": ("FEATURES", "GRAM", "MOMENTS", "Statistic"),
    "networks": ("VGG", "Branched", "Encoder", "Layer", "Network", "Preprocessing", "features"),
    "weights": ("load_encoder",),
    "losses": ("Loss", "Place"),
    "canvases": ("Canvas", "Fourier", "Pixels", "Pyramid"),
    "descents": ("LBFGS", "Adam", "Descent", "Point", "Transformation", "Zoom"),
    "gradients": ("Gradient",),
    "problem": ("Problem", "Term", "terms", "total"),
    "numbers": ("vary",),
    "posing": ("Compare", "pose"),
    "optimize": ("Solution",),
    "record": ("save",),
    "saved": ("SavedStyle", "load_style"),
    "saving": ("save_style",),
    "batch.solving": ("sweep",),
    "batch": (
        "Interrupted", "Results", "Sweep", "Watch", "grid", "iterate", "product", "solve", "solve_batch",
        "stack", "stylize", "unstack", "zipped",
    ),
    "pages.results": ("report",),
}  # fmt: skip

__all__ = [
    "DEFAULT", "FEATURES", "GATYS_2015", "GRAM", "INVERSION", "LBFGS", "MOMENTS", "TEXTURE", "VGG", "Adam",
    "Branched", "Canvas", "Compare", "Descent", "Encoder", "Fourier", "Gradient", "Interrupted", "Layer", "Loss",
    "Network", "Pixels", "Place", "Point", "Preprocessing", "Problem", "Pyramid", "Recipe", "Results", "SavedStyle",
    "Solution", "Statistic", "Sweep", "Term", "Transformation", "UserError", "Watch", "Zoom", "features", "grid",
    "iterate", "load_encoder", "load_style", "pose", "product", "report", "save", "save_style", "solve",
    "solve_batch", "stack", "stylize", "sweep", "terms", "total", "unstack", "vary", "zipped",
]  # fmt: skip

_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # Lazy, so that `nst-jax --help` does not wait for jax.
    if name in _HOME:
        return getattr(import_module(f"nst_jax.{_HOME[name]}"), name)
    raise AttributeError(f"module 'nst_jax' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
