"""Gradient strategies as values: how the derivative of the objective comes about."""

from nst_jax.gradients.gradient import Gradient
from nst_jax.gradients.whole import Whole

__all__ = ["Gradient", "Whole"]
