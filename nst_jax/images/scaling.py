"""Resample image arrays, round them to 8 bits, lay them side by side: arrays in, arrays out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from ..errors import UserError


def to_uint8(image: ArrayLike) -> NDArray[np.uint8]:
    """Round an array in [0, 1] of any shape to the nearest of 256 levels: round(255 clip(x, 0, 1)).

    Raises:
        ValueError: a value is NaN or infinite; a diverged picture must not pass for black or white.
    """
    values = np.asarray(image, np.float32)
    if not np.isfinite(values).all():
        raise ValueError("image holds NaN or infinite values; expected finite numbers in [0, 1]")
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def fit(image: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resample (h, w, 3) or (h, w) to exactly `shape` = (height, width) by antialiased Lanczos-3.

    The filter runs in float32 on the sRGB values, one channel at a time; its width grows with the reduction, and
    its overshoot is clipped to [0, 1]. An array that has that shape already is returned untouched.
    """
    values = np.asarray(image, np.float32)
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ValueError(f"image has shape {values.shape}; expected (h, w) or (h, w, c), none of them 0")
    height, width = shape
    if values.shape[:2] == (height, width):
        return values
    if values.ndim == 2:
        resampled = Image.fromarray(values).resize((width, height), Image.Resampling.LANCZOS)
        return np.clip(np.asarray(resampled), 0, 1)
    return np.stack([fit(values[..., c], shape) for c in range(values.shape[2])], axis=-1)


def pad(image: ArrayLike, multiple: int) -> NDArray[np.float32]:
    """Extend (h, w, 3) below and on the right, by reflection, to the next multiples of so many pixels.

    (h, w) -> multiple (ceil(h / multiple), ceil(w / multiple)); a margin wider than the picture reflects it again.
    """
    values = np.asarray(image, np.float32)
    height, width = values.shape[:2]
    return np.pad(values, ((0, -height % multiple), (0, -width % multiple), (0, 0)), "reflect")


def resize(image: ArrayLike, size: int) -> NDArray[np.float32]:
    """Resample (h, w, 3) or (h, w) to a longer side of `size` pixels, aspect kept; 0 keeps its own size.

    (h, w) -> max(1, round(h size / max(h, w))), max(1, round(w size / max(h, w)))

    Raises:
        UserError: `size` is negative.
    """
    values = np.asarray(image, np.float32)
    if size < 0:
        raise UserError(f"size is {size}; expected a number of pixels, or 0 to keep the picture's own size")
    height, width = values.shape[:2]
    return fit(values, resized((height, width), size))


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
