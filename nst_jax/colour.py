"""Carry the colours of one picture to another, on arrays (h, w, 3), RGB in [0, 1]: before a transfer, or after it.

Sources: Gatys, Bethge, Hertzmann and Shechtman, Preserving Color in Neural Artistic Style Transfer (2016); Pitié and
Kokaram, The Linear Monge-Kantorovitch Linear Colour Mapping (2007); Reinhard et al., Color Transfer between Images
(2001). All work on sRGB values as they are, not in linear light, as the sources' code does.
"""

import numpy as np
from numpy.typing import NDArray

from nst_jax.images.arrays import unit
from nst_jax.recipe import Colour
from nst_jax.types import ImageLike

Colours = NDArray[np.float64]

YUV = np.array([[0.299, 0.587, 0.114], [-0.147, -0.288, 0.436], [0.615, -0.515, -0.1]])
"""Rows are Y, U and V of RGB; the way back is the inverse, not the rounded one that is often printed."""
_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_LAB = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
_DARKEST = 1 / 255  # before the logarithm
_RIDGE = 1e-5


def prepared(content: ImageLike, style: ImageLike, how: Colour) -> tuple[ImageLike, ImageLike, ImageLike | None]:
    """Give the content and the style that a transfer is to work on, and the picture whose chroma its result takes.

    keep-luminance works in grey, the style at the content's mean, and puts the content's chroma back; the others give
    the style the content's colours before, and nothing is put back.
    """
    if how == "none":
        return content, style, None
    if how == "keep-luminance":
        grey = luminance(content)
        return grey, shifted(luminance(style), grey), content
    return content, matched(style, content, how), None


def matched(image: ImageLike, like: ImageLike, how: Colour) -> NDArray[np.float32]:
    """Give `image` (h, w, 3) the colours of `like` (h', w', 3), clipped to [0, 1].

    match-mk, match-cholesky and match-root are linear, A (x - mu) + mu', and match mean and covariance but for what is
    clipped:
        cholesky   A = L' L^-1, L L^T = C: depends on the order of the channels
        root       A = C'^(1/2) C^(-1/2)
        mk         A = C^(-1/2) (C^(1/2) C' C^(1/2))^(1/2) C^(-1/2): of all, moves colours least
    histogram matches the distribution of each of three decorrelated axes of `like` by rank; reinhard the mean and
    deviation of each in l alpha beta, a logarithm of cone responses.
    """
    source, target = _flat(image), _flat(like)
    ways = {"histogram": _by_rank, "reinhard": _reinhard}
    moved = ways[how](source, target) if how in ways else _linear(source, target, how)
    return np.clip(moved, 0, 1).astype(np.float32).reshape(np.shape(image))


def luminance(image: ImageLike) -> NDArray[np.float32]:
    """Give Y of a picture (h, w, 3) in all three channels."""
    grey = _flat(image) @ YUV[0]
    return np.repeat(grey[:, None], 3, axis=1).astype(np.float32).reshape(np.shape(image))


def shifted(grey: ImageLike, like: ImageLike) -> NDArray[np.float32]:
    """Give a grey picture the mean of another; the paper scales the deviation too, its code does not."""
    return np.clip(unit(grey) + np.float32(np.mean(unit(like)) - np.mean(unit(grey))), 0, 1)


def with_chroma(image: ImageLike, of: ImageLike) -> NDArray[np.float32]:
    """Put the Y of a picture (h, w, 3) before the U and V of another of that shape, clipped to [0, 1]."""
    luma, chroma = _flat(image) @ YUV[0], _flat(of) @ YUV[1:].T
    rgb = np.column_stack((luma, chroma)) @ np.linalg.inv(YUV).T
    return np.clip(rgb, 0, 1).astype(np.float32).reshape(np.shape(image))


def _flat(image: ImageLike) -> Colours:
    return unit(np.asarray(image)).reshape(-1, 3).astype(np.float64)


def _moments(colours: Colours) -> tuple[Colours, Colours]:
    return colours.mean(0), np.cov(colours.T, bias=True) + _RIDGE * np.eye(3)


def _linear(source: Colours, target: Colours, how: str) -> Colours:
    (mean, cov), (to_mean, to_cov) = _moments(source), _moments(target)
    if how == "match-cholesky":
        matrix = np.linalg.cholesky(to_cov) @ np.linalg.inv(np.linalg.cholesky(cov))
    elif how == "match-root":
        matrix = _power(to_cov, 0.5) @ _power(cov, -0.5)
    else:
        root, inverse = _power(cov, 0.5), _power(cov, -0.5)
        matrix = inverse @ _power(root @ to_cov @ root, 0.5) @ inverse
    return (source - mean) @ matrix.T + to_mean


def _power(symmetric: Colours, exponent: float) -> Colours:
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * values**exponent) @ vectors.T


def _by_rank(source: Colours, target: Colours) -> Colours:
    axes = np.linalg.eigh(_moments(target)[1])[1]
    along, wanted = source @ axes, np.sort(target @ axes, axis=0)
    ranks = np.argsort(np.argsort(along, axis=0, kind="stable"), axis=0, kind="stable")
    at = (ranks + 0.5) / len(source) * len(target) - 0.5
    columns = [np.interp(at[:, k], np.arange(len(target)), wanted[:, k]) for k in range(3)]
    return np.column_stack(columns) @ axes.T


def _reinhard(source: Colours, target: Colours) -> Colours:
    own, to = (np.log10(np.maximum(colours, _DARKEST) @ _LMS.T) @ _LAB.T for colours in (source, target))
    moved = (own - own.mean(0)) / np.maximum(own.std(0), 1e-9) * to.std(0) + to.mean(0)
    return 10 ** (moved @ np.linalg.inv(_LAB).T) @ np.linalg.inv(_LMS).T
