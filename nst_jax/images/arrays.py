"""Say what the numbers of an array that comes in mean: fractions, or levels of 8 or 16 bits."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UserError

_TOP = {"uint8": 255, "uint16": 65535}
_SLACK = 1e-3  # what rounding may leave outside [0, 1]; an eighth of a level of 8 bits is 5e-4


def unit(values: ArrayLike, what: str = "image") -> NDArray[np.float32]:
    """Give an array of any shape as float32: floats as they are, uint8 levels over 255, uint16 levels over 65535.

    Raises:
        UserError: any other type, of which nobody can say where its white is.
    """
    array = np.asarray(values)
    if top := _TOP.get(array.dtype.name):
        return np.divide(array, np.float32(top), dtype=np.float32)
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        raise UserError(
            f"{what} holds {array.dtype.name}; expected floats in [0, 1], or levels as uint8 or uint16: convert it"
        )
    return np.asarray(array, np.float32)


def entering(values: ArrayLike, what: str = "image", *, channels: int = 3) -> NDArray[np.float32]:
    """Check an array that is to be one picture, and give it as float32 in [0, 1]: (h, w, 3), or (h, w) for 0 channels.

    The check for every array that comes from outside; what it means is decided as in `unit`. Rounding of up to 0.001
    outside [0, 1] is clipped.

    Raises:
        UserError: another shape or type, NaN or infinity, or numbers outside [0, 1].
    """
    array = unit(values, what)
    expected = f"(h, w, {channels})" if channels else "(h, w)"
    if array.ndim != (3 if channels else 2) or 0 in array.shape or (channels and array.shape[2] != channels):
        raise UserError(f"{what} has shape {array.shape}; expected {expected}{_hint(array.shape, channels)}")
    if not np.isfinite(array).all():
        raise UserError(f"{what} holds NaN or infinite values; expected finite numbers in [0, 1]: look where it began")
    low, high = float(array.min()), float(array.max())
    if low < -_SLACK or high > 1 + _SLACK:
        raise UserError(f"{what} holds numbers from {low:.4g} to {high:.4g}; expected [0, 1]: scale or clip it first")
    return array if low >= 0 and high <= 1 else array.clip(0, 1)


def _hint(shape: tuple[int, ...], channels: int) -> str:
    """Say what to do about the usual other shapes."""
    if len(shape) == 4:
        return ": one picture at a time"
    if channels and len(shape) == 3 and shape[0] == channels:
        return ": put the channels last"
    if channels and len(shape) == 3 and shape[2] == channels + 1:
        return ": alpha goes by itself"
    if channels and len(shape) == 2:
        return ": repeat grey over the channels"
    return ""
