"""Keep what transparency hides out of everything: colours under alpha 0 are whatever a program left there."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..recipe import Resample
from .arrays import unit
from .resampling import filtered

NEUTRAL = 0.5
"""Middle grey (sRGB), the ground where nothing else is known."""

_FAINT = np.float32(1 / 255)


def visible(image: ArrayLike, alpha: ArrayLike | None) -> NDArray[np.float32]:
    """Replace the colours (h, w, 3) where alpha (h, w) is 0 by a smooth continuation of those around.

    Visible colours stay bit for bit; hidden ones never count. So a network sees no edge at a cut-out that the eye
    does not see. `read` has done this to its `Picture.rgb`. With nothing visible at all the picture is neutral grey.

    Push and pull: averages weighed by alpha over 2 x 2 positions, again and again until none is hidden, and back.
    Source: Gortler et al., The Lumigraph (1996), section 3.4.
    """
    colours = unit(image)
    if alpha is None:
        return colours
    weights = unit(alpha, "alpha")
    if (weights > 0).all():
        return colours
    if not weights.any():
        return np.full_like(colours, NEUTRAL)
    return _continued(np.where(weights[..., None] > 0, colours, np.float32(0)), weights)


def _continued(colours: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill the colours (h, w, c) of weight 0, some of which are not, from those of half the size."""
    if (weights > 0).all():
        return colours
    sums, total = _halved(colours * weights[..., None]), _halved(weights)
    means = np.divide(sums, total[..., None], out=np.zeros_like(sums), where=total[..., None] > 0)
    coarse = _continued(means, total)
    return np.where(weights[..., None] > 0, colours, filtered(coarse, colours.shape[:2]))


def _halved(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum (h, w, ...) over 2 x 2 positions: (ceil(h / 2), ceil(w / 2), ...), nothing beyond the border."""
    height, width = array.shape[:2]
    even = np.pad(array, [(0, height % 2), (0, width % 2)] + [(0, 0)] * (array.ndim - 2))
    return even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]


def compose(image: ArrayLike, alpha: ArrayLike | None, ground: ArrayLike = NEUTRAL) -> NDArray[np.float32]:
    """Lay a picture (h, w, 3) on a ground, as every viewer does: alpha x + (1 - alpha) ground, on sRGB values.

    For a style or a starting picture with transparency: `compose(picture.rgb, picture.alpha)` shows it on neutral
    grey; `ground` may be another level, a colour (3,), or a picture (h, w, 3) such as the content. An alpha of None is
    opaque. For statistics over the visible part alone, weigh the positions by alpha and use `visible` instead.
    """
    colours = unit(image)
    if alpha is None:
        return colours
    weights = unit(alpha, "alpha")[..., None]
    below = np.broadcast_to(np.asarray(ground, dtype=np.float32), colours.shape)
    return np.where(weights > 0, weights * colours + (1 - weights) * below, below)


def resampled(
    image: NDArray[np.float32], alpha: ArrayLike, shape: tuple[int, int], filter: Resample = "lanczos"
) -> NDArray[np.float32]:
    """Resample colours (h, w, c) each by its opacity: R(alpha x) / R(alpha), R being `filtered`.

    Where R(alpha) is fainter than a level of 8 bits its ratio is noise; the colours of `visible` take over there.
    """
    weights = unit(alpha, "alpha")
    colours = visible(image, weights)
    total = filtered(weights, shape, filter, clip=False)[..., None]
    premultiplied = filtered(colours * weights[..., None], shape, filter, clip=False)
    seen = total > 0  # R may have negative lobes
    ratio = np.where(seen, premultiplied, 0) + _FAINT * filtered(colours, shape, filter)
    return (ratio / (np.where(seen, total, 0) + _FAINT)).clip(0, 1)
