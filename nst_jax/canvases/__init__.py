"""Canvases as values: what moves, and the picture that it draws."""

from nst_jax.canvases.canvas import Canvas
from nst_jax.canvases.pixels import Pixels

__all__ = ["Canvas", "Pixels"]
