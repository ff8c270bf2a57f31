"""Look at the picture from ever new sides: what an optimizer cannot lean on, it does not draw."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.types import Image
from nst_jax.value import Value

GREY = 0.5


@dataclass(frozen=True)
class Transforms(Value):
    """Draw a shift, a scale and a rotation at each step, and see a picture (h, w, 3) with a border so.

    Position q of what is seen shows R(angle) (q - shift) / scale of the picture, both from their centres, bilinear;
    grey outside. In one resampling, where Mordvintsev et al. (2018) take one for each: pad 12, jitter 8, scale, rotate,
    jitter 4, whose draws these are.

    Attributes:
        padding: pixels of grey that are put around.
        jitters: most pixels of each shift; they are whole and add up.
        scales: one of them, each as likely.
        angles: one of them, in degrees, each as likely.
    """

    padding: int = 12
    jitters: tuple[int, ...] = (8, 4)
    scales: tuple[float, ...] = (0.9, 0.92, 0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06, 1.08, 1.1)
    angles: tuple[float, ...] = (*range(-10, 11), 0, 0, 0, 0, 0)

    def __call__(self, image: Image, key: jax.Array) -> Image:
        """Show a picture (h, w, 3): (h + 2 padding, w + 2 padding, 3)."""
        keys = jax.random.split(key, 2 + len(self.jitters))
        scale = jax.random.choice(keys[0], jnp.asarray(self.scales, jnp.float32))
        angle = jax.random.choice(keys[1], jnp.asarray(np.radians(self.angles), jnp.float32))
        shift = jnp.zeros(2)
        for k, most in zip(keys[2:], self.jitters, strict=True):
            shift += jax.random.randint(k, (2,), 0, most + 1) - most / 2
        return self.seen(image, scale, angle, shift)

    def seen(self, image: Image, scale: Any, angle: Any, shift: Any) -> Image:
        """Show a picture at a scale, an angle in radians and a shift (rows, columns) in pixels."""
        h, w, _ = image.shape
        rows, columns = h + 2 * self.padding, w + 2 * self.padding
        y = (jnp.arange(rows, dtype=jnp.float32) - (rows - 1) / 2 - shift[0])[:, None] / scale
        x = (jnp.arange(columns, dtype=jnp.float32) - (columns - 1) / 2 - shift[1])[None] / scale
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        return _bilinear(image, cosine * y - sine * x + (h - 1) / 2, sine * y + cosine * x + (w - 1) / 2)


def _bilinear(image: Image, y: jax.Array, x: jax.Array) -> Image:
    """Read a picture (h, w, 3) at rows y and columns x (h', w'), grey outside: (h', w', 3)."""
    h, w, c = image.shape
    flat = image.reshape(-1, c)
    top, left = jnp.floor(y), jnp.floor(x)
    total = jnp.zeros((*y.shape, c), image.dtype)
    for i in (0, 1):
        for j in (0, 1):
            row, column = top + i, left + j
            share = (1 - jnp.abs(y - row)) * (1 - jnp.abs(x - column))
            inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
            at = jnp.clip(row, 0, h - 1).astype(jnp.int32) * w + jnp.clip(column, 0, w - 1).astype(jnp.int32)
            total += share[..., None] * jnp.where(inside[..., None], flat[at], GREY)
    return total
