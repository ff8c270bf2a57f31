"""A picture as strips of levels, so that a large one is never held twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIXELS = 2**21
"""Pixels of a strip, about."""


@dataclass(frozen=True)
class Strips:
    """Levels of 8 or 16 bits of a picture (h, w, 3) in [0, 1], with its alpha (h, w) where it has one."""

    image: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    depth: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Give height, width and channels."""
        h, w, c = self.image.shape
        return h, w, c + (self.alpha is not None)

    @property
    def rows(self) -> int:
        """Give the rows of a strip; the last may have fewer."""
        return max(1, min(self.shape[0], PIXELS // self.shape[1]))

    @property
    def bytes(self) -> int:
        """Give the bytes of all levels."""
        h, w, c = self.shape
        return h * w * c * self.depth // 8

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Give the strips (rows, w, channels), from the top."""
        for first in range(0, self.shape[0], self.rows):
            part = slice(first, first + self.rows)
            strip = self._levels(self.image[part])
            yield strip if self.alpha is None else np.dstack([strip, self._levels(self.alpha[part])])

    def whole(self) -> NDArray[Any]:
        """Put all strips together."""
        found = np.empty(self.shape, self._kind)
        first = 0
        for strip in self:
            found[first : first + len(strip)] = strip
            first += len(strip)
        return found

    @property
    def _kind(self) -> Any:
        return np.uint8 if self.depth == 8 else np.uint16

    def _levels(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Round to the nearest level."""
        return np.rint(np.clip(values, 0, 1) * np.float32(2**self.depth - 1)).astype(self._kind)
