"""Planes (h, w) of a picture, and what several measures do to them: NumPy in float64, so nothing is compiled."""

import numpy as np
from numpy.typing import NDArray

from nst_jax.colour import YUV
from nst_jax.errors import UserError
from nst_jax.types import ImageLike

Plane = NDArray[np.float64]

ROUNDING = 1 / 255**2 / 12
"""Variance of what rounding to 8 bits adds to a pixel: nothing below it is in the picture."""


def yuv(image: ImageLike) -> Plane:
    """Give Y, U and V (3, h, w) of a picture (h, w, 3), RGB in [0, 1]."""
    return np.moveaxis(np.asarray(image, np.float64) @ YUV.T, -1, 0)


def luma(image: ImageLike) -> Plane:
    """Give Y (h, w) of a picture (h, w, 3), RGB in [0, 1]."""
    return np.asarray(image, np.float64) @ YUV[0]


def blurred(plane: Plane, sigma: float) -> Plane:
    """Smooth (h, w) by a Gaussian of `sigma` pixels, cut at 4 sigma; beyond the border the plane is mirrored."""
    radius = int(4 * sigma + 0.5)
    window = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    window /= window.sum()
    for axis in (0, 1):
        length = plane.shape[axis]
        wide = np.take(plane, mirrored(length, radius), axis=axis)
        plane = np.sum([weight * np.take(wide, range(k, k + length), axis) for k, weight in enumerate(window)], axis=0)
    return plane


def mirrored(length: int, before: int, after: int | None = None) -> NDArray[np.intp]:
    """Number the places of a side and of so many beyond it, mirrored with the border pixel twice: 1 0 | 0 1 2 | 2 1."""
    at = np.arange(-before, length + (before if after is None else after)) % (2 * length)
    return np.where(at < length, at, 2 * length - 1 - at)


def check_side(image: ImageLike, least: int, what: str) -> None:
    """Refuse a picture that a measure finds nothing in.

    Raises:
        UserError: a side shorter than `least` pixels.
    """
    h, w = image.shape[:2]
    if min(h, w) < least:
        raise UserError(f"{what} needs a picture of at least {least}x{least} pixels, got {w}x{h}: use a larger size")
