"""Resample arrays to a shape by one of the filters that style transfer programs use."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..recipe import Resample

_KERNELS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}


def filtered(
    values: NDArray[np.float32], shape: tuple[int, int], filter: Resample = "lanczos", *, clip: bool = True
) -> NDArray[np.float32]:
    """Resample (h, w, c) or (h, w) to exactly `shape` = (height, width).

    The filter runs in float32 on the sRGB values, one channel at a time, and its overshoot is clipped to [0, 1] unless
    told otherwise. It widens with the reduction (antialiasing), but for those called plain, which read the 2 x 2 or
    4 x 4 pixels around a place whatever the reduction, as OpenCV does. Lanczos has three lobes; the cubics are Keys'
    (1981) with a = -0.5, plain -0.75. An array that has that shape already is returned as it is.
    """
    height, width = shape
    if values.shape[:2] == (height, width):
        return values
    if values.ndim == 3:
        return np.stack([filtered(values[..., c], shape, filter, clip=clip) for c in range(values.shape[2])], axis=-1)
    if filter.endswith("-plain"):
        resampled = _plain(_plain(values, height, filter).T, width, filter).T
    else:
        resampled = np.asarray(Image.fromarray(values).resize((width, height), _KERNELS[filter]))
    return resampled.clip(0, 1) if clip else resampled


def _plain(values: NDArray[np.float32], length: int, filter: str) -> NDArray[np.float32]:
    """Resample (n, m) along its first axis to (length, m) from two or four neighbours; the border goes on beyond."""
    n = values.shape[0]
    at = (np.arange(length) + 0.5) * (n / length) - 0.5
    first = np.floor(at).astype(int)
    sums = np.zeros((length, values.shape[1]), np.float32)
    for tap in (0, 1) if filter == "bilinear-plain" else (-1, 0, 1, 2):
        x = np.abs(at - (first + tap))
        weight = 1 - x if filter == "bilinear-plain" else _cubic(x)
        sums += weight.astype(np.float32)[:, None] * values[np.clip(first + tap, 0, n - 1)]
    return sums


def _cubic(x: NDArray[np.float64], a: float = -0.75) -> NDArray[np.float64]:
    """Weigh a neighbour at a distance below 2 by Keys' cubic (1981), with OpenCV's constant."""
    near, far = ((a + 2) * x - (a + 3)) * x**2 + 1, ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, far)
