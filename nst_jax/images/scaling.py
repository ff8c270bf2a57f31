"""Resample image arrays, round them to 8 bits, lay them side by side: arrays in, arrays out."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UserError
from ..recipe import Recipe, Resample, Rounding
from .arrays import unit
from .resampling import filtered
from .transparency import resampled

MAX_PIXELS = 150_000_000
"""Pixels of a picture that is read or made, unless more are allowed."""
_most = MAX_PIXELS


@contextmanager
def allowing(pixels: int) -> Iterator[None]:
    """Allow so many pixels of a picture that is read or made.

    Raises:
        UserError: below 1.
    """
    global _most
    if pixels < 1:
        raise UserError(f"max_pixels is {pixels}: expected a number of pixels, such as {MAX_PIXELS}")
    before, _most = _most, pixels
    try:
        yield
    finally:
        _most = before


def allowed() -> int:
    """Say how many pixels a picture may have."""
    return _most


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


def fit(
    image: ArrayLike, shape: tuple[int, int], *, filter: Resample = "lanczos", alpha: ArrayLike | None = None
) -> NDArray[np.float32]:
    """Resample (h, w, c) or (h, w) to exactly `shape` = (height, width); for the filters see `filtered`.

    With `alpha` (h, w) every colour counts by its opacity, so that none hidden under alpha 0 leaks out; alpha itself
    is resampled by a call of its own. An array that has that shape already is returned untouched.
    """
    values = unit(image)
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ValueError(f"image has shape {values.shape}; expected (h, w) or (h, w, c), none of them 0")
    if alpha is None or values.shape[:2] == tuple(shape):
        return filtered(values, shape, filter)
    return resampled(values, alpha, shape, filter)


def pad(image: ArrayLike, multiple: int) -> NDArray[np.float32]:
    """Extend (h, w, 3) below and on the right, by reflection, to the next multiples of so many pixels.

    (h, w) -> multiple (ceil(h / multiple), ceil(w / multiple)); a margin wider than the picture reflects it again.
    """
    values = unit(image)
    height, width = values.shape[:2]
    return np.pad(values, ((0, -height % multiple), (0, -width % multiple), (0, 0)), "reflect")


class Sizing(NamedTuple):
    """How a picture comes to its size: the longer side in pixels (0 for its own), the filter, the sides' rounding."""

    size: int
    filter: Resample = "lanczos"
    rounding: Rounding = "nearest"


def sizing(recipe: Recipe) -> Sizing:
    """Say how the content comes to its size."""
    return Sizing(recipe.size, recipe.resample, recipe.rounding)


def style_sizing(recipe: Recipe, number: int = 0) -> Sizing:
    """Say how a style, by its number from 0, comes to its size: the content's, unless it has one of its own."""
    own = recipe.style_sizes[number] if recipe.style_sizes else recipe.style_size
    return sizing(recipe)._replace(size=own or recipe.size)


def resize(image: ArrayLike, size: int | Sizing, *, alpha: ArrayLike | None = None) -> NDArray[np.float32]:
    """Resample (h, w, 3) or (h, w) to a longer side of `size` pixels, aspect kept; 0 keeps its own size.

    (h, w) -> `resized((h, w), size)`; `alpha` as for `fit`.

    Raises:
        UserError: `size` is negative, or makes more pixels than are allowed.
    """
    values, to = unit(image), size if isinstance(size, Sizing) else Sizing(size)
    if to.size < 0:
        raise UserError(f"size is {to.size}; expected a number of pixels, or 0 to keep the picture's own size")
    height, width = values.shape[:2]
    rows, columns = resized((height, width), to)
    if rows * columns > allowed():
        found = f"size {to.size} makes {columns} x {rows} pixels, more than the limit of {allowed()}"
        raise UserError(f"{found}; use a smaller one, or allow more with --max-pixels")
    return fit(values, (rows, columns), filter=to.filter, alpha=alpha)


def resized(shape: tuple[int, int], size: int | Sizing) -> tuple[int, int]:
    """Give the (height, width) that `resize` makes of a picture of that shape.

    max(1, round(h size / max(h, w))), max(1, round(w size / max(h, w))); or rounded down.
    """
    to = size if isinstance(size, Sizing) else Sizing(size)
    if not to.size:
        return shape
    height, width = (side * to.size / max(shape) for side in shape)
    whole = math.floor if to.rounding == "down" else round
    return max(1, whole(height)), max(1, whole(width))


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
