"""Canvases as values: what moves, and the picture that it draws."""

from nst_jax.canvases.canvas import Canvas
from nst_jax.canvases.fourier import Fourier
from nst_jax.canvases.pixels import Pixels
from nst_jax.canvases.pyramid import Pyramid
from nst_jax.canvases.transforms import Transforms

CANVASES: dict[str, Canvas] = {"pixels": Pixels(), "fourier": Fourier(), "pyramid": Pyramid()}
"""By the names that recipes know."""

__all__ = ["CANVASES", "Canvas", "Fourier", "Pixels", "Pyramid", "Transforms"]
