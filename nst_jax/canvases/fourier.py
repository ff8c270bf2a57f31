"""The picture by its frequencies, in colours that vary independently of each other."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.canvases.canvas import Canvas
from nst_jax.canvases.logits import logits
from nst_jax.types import Image

Basis = tuple[tuple[float, float, float], ...]

IMAGENET: Basis = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))
"""How red, green and blue are made of three colours that are uncorrelated in ImageNet's photographs: Mordvintsev et
al.'s own, not measured here."""

CONTRAST = 4.0
"""What the picture's logits are divided by, theirs."""


@dataclass(frozen=True)
class Fourier(Canvas):
    """The picture as sigmoid(C c), c = irfft2(s z) / 4, of coefficients z with s = sqrt(h w) / max(f, 1 / max(h, w)).

    f is the frequency in cycles a pixel, so that equal steps in z change all octaves of a picture alike; C are the
    columns of `colours`, divided by the length of the longest. x holds the real and the imaginary part of z
    (h, w // 2 + 1, 3).

    Source: Mordvintsev, Pezzotti, Schubert and Olah, Differentiable Image Parameterizations (2018), section 2 and 3.

    Attributes:
        colours: red, green and blue, by the three uncorrelated colours.
    """

    colours: Basis = IMAGENET
    longest = 0.1

    def encode(self, image: Image) -> dict[str, jax.Array]:
        """Give the coefficients of a picture (h, w, 3), clipped to [0.01, 0.99]."""
        h, w, _ = image.shape
        back = jnp.asarray(np.linalg.inv(self._basis()), jnp.float32)
        c = CONTRAST * jnp.einsum("hwc,kc->hwk", logits(image), back, precision="highest")
        z = jnp.fft.rfft2(c, axes=(0, 1)) / _scale(h, w)
        return {"real": z.real, "imaginary": z.imag}

    def draw(self, x: Any, size: tuple[int, int]) -> Image:
        """Draw the picture of `size` (h, w): (h, w, 3)."""
        z = jax.lax.complex(x["real"], x["imaginary"]) * _scale(*size)
        c = jnp.fft.irfft2(z, s=size, axes=(0, 1)) / CONTRAST
        basis = jnp.asarray(self._basis(), jnp.float32)
        return jax.nn.sigmoid(jnp.einsum("hwk,ck->hwc", c, basis, precision="highest"))

    def _basis(self) -> np.ndarray:
        basis = np.asarray(self.colours, float)
        return basis / np.linalg.norm(basis, axis=0).max()


def _scale(h: int, w: int) -> jax.Array:
    """Give s of every frequency: (h, w // 2 + 1, 1)."""
    f = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None])
    return jnp.asarray(np.sqrt(h * w) / np.maximum(f, 1 / max(h, w)), jnp.float32)[..., None]
