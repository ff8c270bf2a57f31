"""Descents as values: optimizers whose numbers are leaves of the problem."""

import numpy as np

from nst_jax.descents.adam import Adam
from nst_jax.descents.descent import NON_FINITE, RUNNING, STALLED, Descent, Point
from nst_jax.descents.lbfgs import LBFGS
from nst_jax.descents.transformation import Transformation, Zoom
from nst_jax.recipe import Recipe

__all__ = [
    "LBFGS", "NON_FINITE", "RUNNING", "STALLED", "Adam", "Descent", "Point", "Transformation", "Zoom", "chosen",
]  # fmt: skip


def chosen(recipe: Recipe) -> Descent:
    """Give the descent that a checked recipe names."""
    if recipe.optimizer == "adam":
        ema = np.float32(recipe.ema) if recipe.ema else None
        return Adam(lr=np.float32(recipe.lr), ema=ema, schedule=recipe.lr_schedule)
    return LBFGS(pairs=recipe.pair_precision) if recipe.optimizer == "lbfgs" else Zoom()
