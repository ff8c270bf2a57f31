"""Gradient strategies as values: how the derivative of the objective comes about."""

from nst_jax.gradients import rows, windows
from nst_jax.gradients.gradient import Gradient, Objective, Terms, Window
from nst_jax.gradients.tiles import Tiles
from nst_jax.gradients.whole import Whole
from nst_jax.recipe import Recipe

__all__ = ["Gradient", "Objective", "Terms", "Tiles", "Whole", "Window", "chosen", "rows", "windows"]


def chosen(recipe: Recipe) -> Gradient:
    """Give the strategy that a recipe names."""
    return Tiles(recipe.tile) if recipe.tile else Whole()
