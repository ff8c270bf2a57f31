"""Resample image arrays, round them to 8 bits, lay them side by side: arrays in, arrays out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UserError
from .arrays import unit
from .lanczos import lanczos
from .transparency import resampled


def to_uint8(image: ArrayLike) -> NDArray[np.uint8]:
    """Round an array in [0, 1] of any shape to the nearest of 256 levels: round(255 clip(x, 0, 1)).

    Levels of 8 or 16 bits are known by their type and keep their meaning.

    Raises:
        ValueError: a value is NaN or infinite; a diverged picture must not pass for black or white.
    """
    values = unit(image)
    if not np.isfinite(values).all():
        raise ValueError("image holds NaN or infinite values; expected finite numbers in [0, 1]")
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def fit(image: ArrayLike, shape: tuple[int, int], *, alpha: ArrayLike | None = None) -> NDArray[np.float32]:
    """Resample (h, w, c) or (h, w) to exactly `shape` = (height, width) by antialiased Lanczos-3 (see `lanczos`).

    With `alpha` (h, w) every colour counts by its opacity, so that none hidden under alpha 0 leaks out; alpha itself
    is resampled by a call of its own. An array that has that shape already is returned untouched.
    """
    values = unit(image)
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ValueError(f"image has shape {values.shape}; expected (h, w) or (h, w, c), none of them 0")
    if alpha is None or values.shape[:2] == tuple(shape):
        return lanczos(values, shape)
    return resampled(values, alpha, shape)


def pad(image: ArrayLike, multiple: int) -> NDArray[np.float32]:
    """Extend (h, w, 3) below and on the right, by reflection, to the next multiples of so many pixels.

    (h, w) -> multiple (ceil(h / multiple), ceil(w / multiple)); a margin wider than the picture reflects it again.
    """
    values = unit(image)
    height, width = values.shape[:2]
    return np.pad(values, ((0, -height % multiple), (0, -width % multiple), (0, 0)), "reflect")


def resize(image: ArrayLike, size: int, *, alpha: ArrayLike | None = None) -> NDArray[np.float32]:
    """Resample (h, w, 3) or (h, w) to a longer side of `size` pixels, aspect kept; 0 keeps its own size.

    (h, w) -> max(1, round(h size / max(h, w))), max(1, round(w size / max(h, w))); `alpha` as for `fit`.

    Raises:
        UserError: `size` is negative.
    """
    values = unit(image)
    if size < 0:
        raise UserError(f"size is {size}; expected a number of pixels, or 0 to keep the picture's own size")
    height, width = values.shape[:2]
    return fit(values, resized((height, width), size), alpha=alpha)


def resized(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """Give the (height, width) that `resize` makes of a picture of that shape."""
    height, width = shape
    longer = max(height, width)
    return (max(1, round(height * size / longer)), max(1, round(width * size / longer))) if size else shape


def side_by_side(images: Sequence[ArrayLike], height: int, gap: int = 0) -> NDArray[np.float32]:
    """Put pictures (h_i, w_i, 3) in a row on white, each `height` pixels high, `gap` pixels apart."""
    if not images:
        raise ValueError("no images to put side by side; expected at least one")
    columns: list[NDArray[np.float32]] = []
    for image in images:
        own_height, own_width = np.shape(image)[:2]
        if columns and gap:
            columns.append(np.ones((height, gap, 3), np.float32))
        columns.append(fit(image, (height, max(1, round(own_width * height / own_height)))))
    return np.concatenate(columns, axis=1)
