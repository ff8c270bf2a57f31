"""Held-out metrics: numbers to rank pictures by that no optimizer has seen, each a pure function of arrays.

Distances of features are divided by how far the target lies from nothing at all, so they carry no unit and
compare across layers: 0 is the target itself, 1 is as far from it as blank features.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.pixels import check_same_size, colour_distance, ssim, total_variation
from nst_jax.types import Features, Image, ImageLike, Scalar
from nst_jax.vgg import ARCHITECTURES, Encoder, features

CONTENT_LAYER = "relu3_2"
"""Where content is compared: not the relu4_2 that the presets optimise."""


def held_out_layers(architecture: str) -> tuple[str, ...]:
    """Name the deepest ReLU of blocks 1 to 4: for vgg16 relu1_2, relu2_2, relu3_3 and relu4_3.

    The presets optimise the first convolution of each block (style) and the second of block 4 (content), so
    these are held out for vgg16 and vgg19; vgg11 and vgg13 have too few layers for all four to be.
    """
    return tuple(f"relu{b}_{count}" for b, count in enumerate(ARCHITECTURES[architecture][:4], 1))


def _positions(x: Features) -> jax.Array:
    """View (h, w, c) as (positions, c) in float32, whatever precision the encoder runs in."""
    return x.reshape(-1, x.shape[-1]).astype(jnp.float32)


def content_distance(found: Features, target: Features) -> Scalar:
    """Compare two feature maps (h, w, c) position by position: sum (F - P)^2 / sum P^2, P being the target.

    Source: Gatys et al. (2015), eq. 1, divided by its value for blank features.
    """
    f, p = _positions(found), _positions(target)
    return jnp.sum((f - p) ** 2) / jnp.sum(p**2)


def bures_distance(found: Features, target: Features) -> Scalar:
    """Compare mean and covariance of two feature maps (h, w, c), which may differ in size.

    W2^2(N(m, A), N(n, B)) / (|n|^2 + tr B), with W2^2 = |m - n|^2 + tr A + tr B - 2 tr (A^1/2 B A^1/2)^1/2.

    Source: Dowson and Landau (1982), The Frechet distance between multivariate normal distributions; as a
    distance of deep features, Heusel et al. (2017), GANs trained by a two time-scale update rule, eq. 6.
    """
    return _bures(_spread(_positions(found)), _spread(_positions(target)))


class Spread(NamedTuple):
    """Mean m (c,) of features, a root R of their covariance R^T R, and its trace."""

    mean: jax.Array
    root: jax.Array
    trace: Scalar


def _spread(x: jax.Array) -> Spread:
    """Summarise (positions, c)."""
    mean = x.mean(0)
    centred = (x - mean[None]) / jnp.sqrt(jnp.float32(x.shape[0]))
    return Spread(mean, jnp.linalg.qr(centred, mode="r"), jnp.sum(centred**2))


def _bures(x: Spread, y: Spread) -> Scalar:
    # With A = R^T R and B = S^T S the cross term is the sum of the singular values of R S^T. Never forming A or B
    # keeps float32's digits: by their eigenvalues the error was 10 to 100 times larger.
    cross = jnp.linalg.svd(jnp.matmul(x.root, y.root.T, precision="highest"), compute_uv=False).sum()
    squared = jnp.sum((x.mean - y.mean) ** 2) + jnp.maximum(x.trace + y.trace - 2 * cross, 0)
    return squared / (jnp.sum(y.mean**2) + y.trace)


def sliced_distance(
    found: Features, target: Features, *, projections: int = 64, positions: int = 16384, seed: int = 0
) -> Scalar:
    """Compare the whole distribution of two feature maps (h, w, c), which may differ in size.

    mean_v integral_0^1 (Q_x,v(u) - Q_y,v(u))^2 du / (E |y|^2 / c), Q_x,v being the quantile function of x's
    features along the random unit direction v. The integral is exact for equally many positions, else a
    midpoint sum over as many levels as the larger has positions. Of more than `positions`, a random draw of
    that many is used, the same places in maps of one size.

    Source: Bonneel et al. (2015), Sliced and Radon Wasserstein barycenters of measures; for textures, Heitz
    et al. (2021), A sliced Wasserstein loss for neural texture synthesis.
    """
    x, y = (_slices(_positions(f), projections, positions, seed) for f in (found, target))
    return _sliced(x, y, jnp.mean(_positions(target) ** 2))


def _slices(x: jax.Array, projections: int = 64, positions: int = 16384, seed: int = 0) -> jax.Array:
    """Project (positions, c) along random unit directions, and sort: (projections, positions)."""
    key_v, key_draw = jax.random.split(jax.random.key(seed))
    v = jax.random.normal(key_v, (x.shape[1], projections))
    v = v / jnp.linalg.norm(v, axis=0, keepdims=True)
    return jnp.sort(jnp.einsum("nc,cp->pn", _draw(key_draw, x, positions), v, precision="highest"), axis=1)


def _sliced(x: jax.Array, y: jax.Array, energy: Scalar) -> Scalar:
    levels = max(x.shape[1], y.shape[1])
    gap = _quantiles(x, levels) - _quantiles(y, levels)
    # E over directions of (v . y)^2 is |y|^2 / c, the `energy`: what blank features would score.
    return jnp.mean(gap**2) / energy


def _draw(key: jax.Array, x: jax.Array, most: int) -> jax.Array:
    """Keep at most `most` of the positions of (positions, c)."""
    # Sorting the quarter million of relu1_2 at 512x512 takes seconds on a CPU. A random draw, because every
    # k-th position of a picture may fall into few columns.
    return x if x.shape[0] <= most else x[jax.random.choice(key, x.shape[0], (most,), replace=False)]


def _quantiles(ordered: jax.Array, levels: int) -> jax.Array:
    """Give the quantiles (projections, levels) at (k + 1/2) / levels."""
    return ordered[:, (2 * np.arange(levels) + 1) * ordered.shape[1] // (2 * levels)]


class StyleSide(NamedTuple):
    """What one layer of a style is compared by: far less than its features, and nothing that depends on a result."""

    spread: Spread
    slices: jax.Array
    energy: Scalar


@jax.jit
def style_side(encoder: Encoder, style: Image) -> dict[str, StyleSide]:
    """Summarise a style (h, w, 3) by layer, once for all the pictures that `held_out` compares with it."""
    found = _features(encoder, style, held_out_layers(encoder.architecture))
    return {name: _side(f) for name, f in found.items()}


def _side(found: Features) -> StyleSide:
    x = _positions(found)
    return StyleSide(_spread(x), _slices(x), jnp.mean(x**2))


def _features(encoder: Encoder, image: Image, layers: tuple[str, ...]) -> dict[str, Features]:
    # Always float32, max pooling and zero padding, so that numbers compare between devices and recipes.
    return features(dataclasses.replace(encoder, plans={}), image, layers)


def held_out(
    encoder: Encoder, image: ImageLike, content: ImageLike, style: ImageLike | Mapping[str, StyleSide]
) -> dict[str, Scalar]:
    """Compute every metric of a result (h, w, 3) against its content (h, w, 3) and its style (any size).

    Keys: content_distance, style_bures, style_sliced (0 is equal), ssim (1 is equal), colour_distance and
    total_variation. The style can also be its `style_side`, computed once for many results. Batch with `vmap`. A
    non-finite picture has no finite metric.

    Raises:
        UserError: a result that is not as large as its content, or smaller than SSIM's window.
    """
    side = style if isinstance(style, Mapping) else style_side(encoder, style)
    return _held_out(encoder, image, content, dict(side))


@jax.jit
def _held_out(encoder: Encoder, image: Image, content: Image, style: dict[str, StyleSide]) -> dict[str, Scalar]:
    check_same_size(image, content)
    found = _features(encoder, image, tuple(dict.fromkeys((CONTENT_LAYER, *style))))
    original = _features(encoder, content, (CONTENT_LAYER,))
    pairs = [(_side(found[name]), side) for name, side in style.items()]
    return {
        "content_distance": content_distance(found[CONTENT_LAYER], original[CONTENT_LAYER]),
        "style_bures": jnp.stack([_bures(x.spread, y.spread) for x, y in pairs]).mean(),
        "style_sliced": jnp.stack([_sliced(x.slices, y.slices, y.energy) for x, y in pairs]).mean(),
        "ssim": ssim(image, content),
        "colour_distance": colour_distance(image, content),
        "total_variation": total_variation(image),
    }
