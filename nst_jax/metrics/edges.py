"""Edges: whether the lines of a content are still those of its result."""

import numpy as np
from numpy.typing import NDArray

from nst_jax.errors import UserError
from nst_jax.metrics.planes import Plane, blurred, luma, mirrored
from nst_jax.types import ImageLike

Edges = NDArray[np.bool_]
"""One map (h, w) for each of the SHARES."""

SHARES = (0.05, 0.2)
"""The two thresholds: an edge is stronger than all but this share of a picture's pixels."""

SIGMA = 1.0
WEAKEST = 4 / 255
"""Sobel's answer, divided by 8, to a step of two levels in 8 bits is 1/255; below four such, nothing is an edge."""


def edges_of(image: ImageLike) -> Edges:
    """Find the edges of a picture (h, w, 3): (2, h, w), thin lines, at a high and at a low threshold.

    Sobel's gradient g of the luminance after a Gaussian of 1 pixel; an edge is where |g| is largest along g among its
    neighbours, and above the threshold. A threshold is a quantile of the picture's own |g|, so that contrast does not
    count.
    """
    down, right = _sobel(blurred(luma(image), SIGMA))
    strength = np.hypot(down, right)
    thin = _ridge(strength, down, right)
    limits = [max(np.quantile(strength, 1 - share), WEAKEST) for share in SHARES]
    return np.stack([thin & (strength >= limit) for limit in limits])


def edge_f1(image: ImageLike | Edges, content: ImageLike | Edges, *, tolerance: int = 1) -> float:
    """Measure how far the edges of a result are those of its content, both (h, w, 3): 1 all, 0 none.

    F1 = 2 P R / (P + R), averaged over two thresholds: P is the share of the result's edge pixels that have one of the
    content's within `tolerance` pixels (in a square), R the share of the content's that have one of the result's. No
    edges in either is 1, in one of them 0. Each picture can also be given by its `edges_of`.

    Raises:
        UserError: pictures of different sizes.

    Source: Martin, Fowlkes and Malik (2004), Learning to detect natural image boundaries; edges after Canny (1986), A
    computational approach to edge detection, without its hysteresis.
    """
    if image.dtype != bool and not np.isfinite(image).all():
        return float("nan")
    found, wanted = (np.asarray(x) if x.dtype == bool else edges_of(x) for x in (image, content))
    if found.shape != wanted.shape:
        sizes = " and ".join(f"{x.shape[2]}x{x.shape[1]}" for x in (found, wanted))
        raise UserError(f"pictures of {sizes} cannot be compared place by place: resize one")
    return float(np.mean([_f1(a, b, tolerance) for a, b in zip(found, wanted, strict=True)]))


def _f1(found: Edges, wanted: Edges, tolerance: int) -> float:
    if not found.any() or not wanted.any():
        return float(found.any() == wanted.any())
    precision = (found & _grown(wanted, tolerance)).sum() / found.sum()
    recall = (wanted & _grown(found, tolerance)).sum() / wanted.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _grown(mask: Edges, by: int) -> Edges:
    """Mark all within `by` pixels, in a square."""
    for axis in (0, 1):
        wide = np.pad(mask, [(by, by) if k == axis else (0, 0) for k in (0, 1)])
        mask = np.any([np.take(wide, range(k, k + mask.shape[axis]), axis=axis) for k in range(2 * by + 1)], axis=0)
    return mask


def _sobel(plane: Plane) -> tuple[Plane, Plane]:
    """Give the derivative of (h, w) down and to the right, per pixel."""
    h, w = plane.shape
    x = plane[np.ix_(mirrored(h, 1), mirrored(w, 1))]
    along = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 8
    across = (x[:-2] + 2 * x[1:-1] + x[2:]) / 8
    return along[2:] - along[:-2], across[:, 2:] - across[:, :-2]


def _ridge(strength: Plane, down: Plane, right: Plane) -> Edges:
    """Mark where the strength is largest among the two neighbours along the gradient, of eight directions."""
    octant = np.round(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    wide = np.pad(strength, 1)
    h, w = strength.shape
    thin = np.zeros(strength.shape, bool)
    for k, (i, j) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead, behind = (wide[1 + s * i : 1 + s * i + h, 1 + s * j : 1 + s * j + w] for s in (1, -1))
        # Of two equals the first, so that a line has the width of one pixel.
        thin |= (octant == k) & (strength >= ahead) & (strength > behind)
    return thin
