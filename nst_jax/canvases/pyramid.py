"""The picture as a sum of pictures, each half as large as the one before."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax

from nst_jax.canvases.canvas import Canvas
from nst_jax.canvases.logits import logits
from nst_jax.types import Image

LEAST_SIDE = 4
"""Pixels that a level has a side, at least."""


@dataclass(frozen=True)
class Pyramid(Canvas):
    """The picture as sigmoid(sum_k up^k(x_k)): details x_0 (h, w, 3), those of half its size x_1, and so on.

    The last is not detail but what is left. One step of an optimizer then moves large shapes as readily as grain.

    Source: Burt and Adelson, The Laplacian Pyramid as a Compact Image Code (1983); for style transfer Kolkin, Salavon
    and Shakhnarovich, Style Transfer by Relaxed Optimal Transport and Self-Similarity (2019), whose pyramid is of
    pixels and is clipped once it is done.

    Attributes:
        levels: how many, as far as each has 4 pixels a side.
    """

    levels: int = 5
    longest = 0.1

    def encode(self, image: Image) -> tuple[jax.Array, ...]:
        """Give the levels of a picture (h, w, 3), clipped to [0.01, 0.99], the finest first."""
        sizes = self.sizes((image.shape[0], image.shape[1]))
        seen = [logits(image)]
        for size in sizes[1:]:
            seen.append(_fit(seen[-1], size))
        details = [fine - _fit(coarse, size) for (fine, coarse), size in zip(pairwise(seen), sizes, strict=False)]
        return (*details, seen[-1])

    def draw(self, x: Any, size: tuple[int, int]) -> Image:
        """Draw the picture of `size` (h, w): (h, w, 3)."""
        *finer, picture = zip(x, self.sizes(size), strict=True)
        whole = picture[0]
        for level, its_size in reversed(finer):
            whole = _fit(whole, its_size) + level
        return jax.nn.sigmoid(whole)

    def sizes(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """List the sizes (h, w) of the levels, the finest first."""
        found = [size]
        while len(found) < self.levels and min(found[-1]) >= 2 * LEAST_SIDE:
            h, w = found[-1]
            found.append((-(-h // 2), -(-w // 2)))
        return found


def _fit(image: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Resample (h, w, 3) bilinearly; smoothed before it shrinks."""
    return jax.image.resize(image, (*size, image.shape[-1]), "linear", precision=jax.lax.Precision.HIGHEST)
