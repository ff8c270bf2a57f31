"""The pixels themselves."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from nst_jax.canvases.canvas import Canvas
from nst_jax.types import Image, Scalar

COARSEST = 1 / 256
"""Frequency in cycles a pixel below which all are equal to `smoothed`."""


@dataclass(frozen=True)
class Pixels(Canvas):
    """The picture (h, w, 3) itself, each value held in [0, 1].

    Attributes:
        channels_first: keep it as (3, h, w). A TPU lays arrays out in tiles of their last two axes, and pads the last
            to 128: of three channels an optimizer's every vector would be 42 times as large.
    """

    low = 0.0
    high = 1.0
    channels_first: bool = False

    def prepared(self, platform: str) -> "Pixels":
        """Keep the channels first on a TPU."""
        return Pixels(channels_first=platform == "tpu")

    def encode(self, image: Image) -> jax.Array:
        """Give the picture."""
        return jnp.moveaxis(image, -1, 0) if self.channels_first else image

    def draw(self, x: jax.Array, size: tuple[int, int]) -> Image:
        """Give the picture."""
        return jnp.moveaxis(x, 0, -1) if self.channels_first else x

    def metric(self, gradient: jax.Array) -> jax.Array:
        """Smooth the gradient: see `smoothed`."""
        if self.channels_first:
            return smoothed(gradient)
        return jnp.moveaxis(smoothed(jnp.moveaxis(gradient, -1, 0)), 0, -1)

    def norm(self, gradient: jax.Array) -> Scalar:
        """Compute g . P g from the gradient's frequencies alone: Parseval."""
        return roughness(gradient if self.channels_first else jnp.moveaxis(gradient, -1, 0))

    def resized(self, x: jax.Array, size: tuple[int, int], *, positive: bool = False) -> jax.Array:
        """Resample the picture: bicubic, or linear where a cubic would make what is positive negative."""
        picture = self.draw(x, size)
        return self.encode(jax.image.resize(picture, (*size, picture.shape[-1]), "linear" if positive else "cubic"))


def smoothed(planes: jax.Array) -> jax.Array:
    """Multiply channels (c, h, w) by (f^2 + COARSEST^2)^(-1/4) at each frequency f, in cycles a pixel.

    The matrix P from which L-BFGS builds H: moving a large shape changes the loss less than moving as many pixels of
    grain does. The steepest descent in such a metric is a Sobolev gradient: Neuberger (1997), Sobolev gradients and
    differential equations. Symmetric and positive. With the channels first XLA transforms both axes in one go.
    """
    return jax.lax.platform_dependent(planes, tpu=_smoothed_by_products, default=_smoothed_by_fft)


def roughness(planes: jax.Array) -> Scalar:
    """Compute the sum of planes * smoothed(planes) from the frequencies alone: Parseval."""
    return jax.lax.platform_dependent(planes, tpu=_roughness_by_products, default=_roughness_by_fft)


def _smoothed_by_fft(planes: jax.Array) -> jax.Array:
    return jnp.fft.irfft2(jnp.fft.rfft2(planes) * _half_factor(planes)[None], s=planes.shape[1:])


def _roughness_by_fft(planes: jax.Array) -> Scalar:
    _, h, w = planes.shape
    found = jnp.fft.rfft2(planes)
    squares = jnp.sum(jnp.square(found.real) + jnp.square(found.imag), 0)
    # Of a real picture half the columns are there; those between the first and the last of an even width stand for two.
    columns = jnp.arange(w // 2 + 1)
    twice = jnp.where((columns == 0) | (2 * columns == w), 1, 2)
    return jnp.sum(squares * _half_factor(planes) * twice[None]) / (h * w)


def _half_factor(planes: jax.Array) -> jax.Array:
    return _factor(jnp.fft.fftfreq(planes.shape[1]), jnp.fft.rfftfreq(planes.shape[2]))


def _factor(rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Give the factor of each frequency, of rows (h,) and columns (w,): (h, w)."""
    return (rows[:, None] ** 2 + columns[None] ** 2 + COARSEST**2) ** -0.25


def _smoothed_by_products(planes: jax.Array) -> jax.Array:
    """Do the same with the matrices of real waves: a TPU multiplies fast, and its FFT takes a minute to compile.

    The factor is the same for a cosine and a sine, so the matrix is W^T diag W with waves W of rows times columns.
    """
    found, (rows, row_waves), (columns, column_waves) = _in_waves(planes)
    found = found * _factor(rows, columns)[None]
    found = jnp.einsum("cij,ih->chj", found, row_waves, precision="high")
    return jnp.einsum("chj,jw->chw", found, column_waves, precision="high")


def _roughness_by_products(planes: jax.Array) -> Scalar:
    found, (rows, _), (columns, _) = _in_waves(planes)
    return jnp.sum(jnp.square(found) * _factor(rows, columns)[None])


def _in_waves(planes: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """Give how much of each wave is in the channels, (c, h, w), and frequencies and waves of rows and columns."""
    _, h, w = planes.shape
    rows, columns = _waves(h), _waves(w)
    found = jnp.einsum("chw,ih->ciw", planes, rows[1], precision="high")
    return jnp.einsum("ciw,jw->cij", found, columns[1], precision="high"), rows, columns


def _waves(count: int) -> tuple[jax.Array, jax.Array]:
    """Give the frequencies (n,) in cycles a pixel and the orthonormal cosines and sines (n, n) of so many pixels."""
    number = jnp.arange(count)
    cycles = (number + 1) // 2  # 0, 1, 1, 2, 2, ...: a cosine and a sine each
    angles = 2 * jnp.pi / count * (cycles[:, None] * number[None] % count)
    waves = jnp.where((number % 2 == 1)[:, None] | (cycles == 0)[:, None], jnp.cos(angles), jnp.sin(angles))
    single = (cycles == 0) | (2 * cycles == count)
    return cycles / count, waves * jnp.sqrt(jnp.where(single, 1, 2) / count)[:, None]
