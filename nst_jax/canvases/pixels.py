"""The pixels themselves."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from nst_jax.canvases.canvas import Canvas
from nst_jax.types import Image

COARSEST = 1 / 256
"""Frequency in cycles a pixel below which all are equal to `smoothed`."""


@dataclass(frozen=True)
class Pixels(Canvas):
    """The picture (h, w, 3) itself, each value held in [0, 1]."""

    low = 0.0
    high = 1.0

    def encode(self, image: Image) -> Image:
        """Give the picture."""
        return image

    def draw(self, x: Image, size: tuple[int, int]) -> Image:
        """Give the picture."""
        return x

    def metric(self, gradient: Image) -> Image:
        """Smooth the gradient: see `smoothed`."""
        return smoothed(gradient)

    def resized(self, x: Image, size: tuple[int, int], *, positive: bool = False) -> Image:
        """Resample (h, w, 3): bicubic, or linear where a cubic would make what is positive negative."""
        return jax.image.resize(x, (*size, x.shape[-1]), "linear" if positive else "cubic")


def smoothed(image: Image) -> Image:
    """Multiply an image (h, w, 3) by (f^2 + COARSEST^2)^(-1/4) at each frequency f, in cycles a pixel.

    The matrix P from which L-BFGS builds H: moving a large shape changes the loss less than moving as many pixels of
    grain does. The steepest descent in such a metric is a Sobolev gradient: Neuberger (1997), Sobolev gradients and
    differential equations. Symmetric and positive.
    """
    h, w, _ = image.shape
    squares = jnp.fft.fftfreq(h)[:, None] ** 2 + jnp.fft.rfftfreq(w)[None] ** 2
    factor = (squares + COARSEST**2) ** -0.25
    return jnp.fft.irfft2(jnp.fft.rfft2(image, axes=(0, 1)) * factor[..., None], s=(h, w), axes=(0, 1))
