"""Colours: how far a result's are from its style's, and how much they flicker from pixel to pixel."""

import numpy as np

from nst_jax.metrics.planes import Plane, blurred, yuv
from nst_jax.types import ImageLike

SIGMA = 1.5
"""Of the blur, in pixels, below which a change of colour is a speckle."""

Moments = tuple[Plane, Plane]
"""Mean (3,) and covariance (3, 3) of a picture's colours."""


def chroma_speckle(image: ImageLike) -> float:
    """Measure coloured speckle of a picture (h, w, 3) in 8-bit levels: 0 is none.

    255 sqrt(mean |c - G c|^2), c being U and V of a pixel, G a Gaussian blur of 1.5 pixels. Sharp coloured edges count
    too: compare it with that of the style.
    """
    high = [plane - blurred(plane, SIGMA) for plane in yuv(image)[1:]]
    return float(255 * np.sqrt(sum(np.mean(plane**2) for plane in high)))


def colours_of(image: ImageLike) -> Moments:
    """Give mean and covariance of the colours of a picture (h, w, 3)."""
    x = np.asarray(image, np.float64).reshape(-1, 3)
    centred = x - x.mean(0)
    return x.mean(0), centred.T @ centred / len(x)


def colour_w2(image: ImageLike | Moments, style: ImageLike | Moments) -> float:
    """Measure how far the colours of a result are from its style's, (h, w, 3) of any size, in units of RGB: 0 is alike.

    sqrt(|m - n|^2 + tr A + tr B - 2 tr (A^1/2 B A^1/2)^1/2), the 2-Wasserstein distance of Gaussians with the means
    and covariances of both. `colour_distance` counts shared colours, and is 1 for all that share none; this says how
    far they are. Each picture can also be given by its `colours_of`.

    Source: Dowson and Landau (1982), The Frechet distance between multivariate normal distributions.
    """
    (m, a), (n, b) = (x if isinstance(x, tuple) else colours_of(x) for x in (image, style))
    if not np.isfinite(a).all():
        return float("nan")
    root = _root(a)
    squared = ((m - n) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * np.trace(_root(root @ b @ root))
    return float(np.sqrt(max(squared, 0.0)))


def _root(symmetric: Plane) -> Plane:
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
