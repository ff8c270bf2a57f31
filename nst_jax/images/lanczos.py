"""Resample arrays by Lanczos's filter of three lobes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def lanczos(values: NDArray[np.float32], shape: tuple[int, int], *, clip: bool = True) -> NDArray[np.float32]:
    """Resample (h, w, c) or (h, w) to exactly `shape` = (height, width) by antialiased Lanczos-3.

    The filter runs in float32 on the sRGB values, one channel at a time; its width grows with the reduction, and
    its overshoot is clipped to [0, 1] unless told otherwise. An array that has that shape already is returned as it is.
    """
    height, width = shape
    if values.shape[:2] == (height, width):
        return values
    if values.ndim == 2:
        resampled = Image.fromarray(values).resize((width, height), Image.Resampling.LANCZOS)
        return np.asarray(resampled).clip(0, 1) if clip else np.asarray(resampled)
    return np.stack([lanczos(values[..., c], shape, clip=clip) for c in range(values.shape[2])], axis=-1)
