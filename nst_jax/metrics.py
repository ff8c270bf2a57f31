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

from nst_jax import images, ops
from nst_jax.arithmetic import in_float32
from nst_jax.networks import Encoder, Layer, Network, features
from nst_jax.pixels import check_comparable, colour_distance, ssim, total_variation
from nst_jax.types import Features, Image, ImageLike, Scalar, Sides


def held_out_layers(network: Network) -> tuple[str, tuple[str, ...]]:
    """Name the layers that content and style are measured at: not those that a recipe optimises by default."""
    style = network.chosen("held_out")
    return network.held_out_content or style[-1], style


def least_side(network: Network) -> int:
    """Give the side in pixels below which the metrics have nothing to look at."""
    content, style = held_out_layers(network)
    return network.least_side((content, *style))


def _positions(x: Features) -> jax.Array:
    """View (h, w, c) as (positions, c) in float32, whatever precision the encoder runs in."""
    return x.reshape(-1, x.shape[-1]).astype(jnp.float32)


@in_float32()
def content_distance(found: Features, target: Features) -> Scalar:
    """Compare two feature maps (h, w, c) position by position: sum (F - P)^2 / sum P^2, P being the target.

    Source: Gatys et al. (2015), eq. 1, divided by its value for blank features.
    """
    f, p = _positions(found), _positions(target)
    return jnp.sum((f - p) ** 2) / jnp.sum(p**2)


@in_float32()
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


def _spread(x: jax.Array, inside: jax.Array | None = None) -> Spread:
    """Summarise (positions, c), or only those that are `inside` (positions,)."""
    count = _count(x, inside)
    mean = x.sum(0, where=None if inside is None else inside[:, None]) / count
    centred = (x - mean[None]) / jnp.sqrt(jnp.float32(count))
    centred = centred if inside is None else jnp.where(inside[:, None], centred, 0)
    return Spread(mean, jnp.linalg.qr(centred, mode="r"), jnp.sum(centred**2))


def _count(x: jax.Array, inside: jax.Array | None) -> int | jax.Array:
    return x.shape[0] if inside is None else inside.sum()


def _bures(x: Spread, y: Spread) -> Scalar:
    # With A = R^T R and B = S^T S the cross term is the sum of the singular values of R S^T. Never forming A or B
    # keeps float32's digits: by their eigenvalues the error was 10 to 100 times larger.
    cross = jnp.linalg.svd(jnp.matmul(x.root, y.root.T, precision="highest"), compute_uv=False).sum()
    squared = jnp.sum((x.mean - y.mean) ** 2) + jnp.maximum(x.trace + y.trace - 2 * cross, 0)
    return squared / (jnp.sum(y.mean**2) + y.trace)


@in_float32()
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
    x, y = (_slices(_positions(f), None, projections, positions, seed) for f in (found, target))
    return _sliced(x, y, jnp.mean(_positions(target) ** 2))


class Slices(NamedTuple):
    """Projected features, sorted: (projections, positions), of which only the first `count` count, if it is given."""

    ordered: jax.Array
    count: jax.Array | None


def _slices(
    x: jax.Array, inside: jax.Array | None = None, projections: int = 64, positions: int = 16384, seed: int = 0
) -> Slices:
    """Project (positions, c), or only those that are `inside` (positions,), along random unit directions."""
    key_v, key_draw = jax.random.split(jax.random.key(seed))
    v = jax.random.normal(key_v, (x.shape[1], projections))
    v = v / jnp.linalg.norm(v, axis=0, keepdims=True)
    if x.shape[0] > positions:
        # Sorting the quarter million of relu1_2 at 512x512 takes seconds on a CPU. A random draw, because every
        # k-th position of a picture may fall into few columns.
        places = _draw(key_draw, x.shape[0], inside, positions)
        x, inside = x[places], None if inside is None else inside[places]
    slices = jnp.einsum("nc,cp->pn", x, v, precision="highest")
    slices = slices if inside is None else jnp.where(inside[None], slices, jnp.inf)
    return Slices(jnp.sort(slices, axis=1), None if inside is None else inside.sum())


def _draw(key: jax.Array, size: int, inside: jax.Array | None, most: int) -> jax.Array:
    """Choose `most` of `size` places without repetition; if some are `inside` (size,), those come first.

    Which of them are chosen depends on their number and order alone, not on the places outside.
    """
    places, bits = jnp.arange(size), jax.random.bits(key, (size,))  # a longer array of bits begins with a shorter one's
    if inside is not None:
        bits = jnp.where(places < inside.sum(), bits, jnp.uint32(2**32 - 1))
        places = jnp.argsort(~inside)
    return jax.lax.sort_key_val(bits, places)[1][:most]


def _sliced(x: Slices, y: Slices, energy: Scalar) -> Scalar:
    most = levels = max(x.ordered.shape[1], y.ordered.shape[1])
    if x.count is not None or y.count is not None:
        levels = jnp.maximum(*(s.ordered.shape[1] if s.count is None else s.count for s in (x, y)))
    gap = _quantiles(x, levels, most) - _quantiles(y, levels, most)
    squares = gap**2 if levels is most else jnp.where(np.arange(most)[None] < levels, gap**2, 0)
    # E over directions of (v . y)^2 is |y|^2 / c, the `energy`: what blank features would score.
    return jnp.sum(squares) / (gap.shape[0] * levels) / energy


def _quantiles(x: Slices, levels: int | jax.Array, most: int) -> jax.Array:
    """Give the quantiles (projections, most) at (k + 1/2) / levels; the first `levels` mean something."""
    count = x.ordered.shape[1] if x.count is None else x.count
    return x.ordered[:, (2 * np.arange(most) + 1) * count // (2 * levels)]


class StyleSide(NamedTuple):
    """What one layer of a style is compared by: far less than its features, and nothing that depends on a result."""

    spread: Spread
    slices: Slices
    energy: Scalar


@in_float32()
def style_side(encoder: Encoder, style: ImageLike, *, bucket: int = 1) -> dict[str, StyleSide]:
    """Summarise a style (h, w, 3) by layer, once for all the pictures that `held_out` compares with it.

    With a `bucket`, styles of many sizes share a compiled program, as in `held_out`.
    """
    (style,), sides = _framed(encoder.network, bucket, style)
    return _style_side(encoder, style, sides)


@jax.jit
@in_float32()
def _style_side(encoder: Encoder, style: Image, sides: Sides | None) -> dict[str, StyleSide]:
    found = _features(encoder, style, held_out_layers(encoder.network)[1], sides)
    return {name: _side(encoder.network.layer(name), f, sides) for name, f in found.items()}


def _side(layer: Layer, found: Features, sides: Sides | None) -> StyleSide:
    x = _positions(found)
    inside = None if sides is None else ops.inside(found.shape, layer.positions(sides)).reshape(-1)
    energy = jnp.sum(x**2) / x.shape[1] / _count(x, inside)  # one by one: their product may not fit into an int32
    return StyleSide(_spread(x, inside), _slices(x, inside), energy)


def _features(encoder: Encoder, image: Image, layers: tuple[str, ...], sides: Sides | None) -> dict[str, Features]:
    # Always float32, max pooling and zero padding, so that numbers compare between devices and recipes.
    network = encoder.network.configured(pooling="max", padding="zero", remat=False)
    return features(dataclasses.replace(encoder, network=network, plans={}), image, layers, sides=sides)


def _framed(network: Network, bucket: int, *pictures: ImageLike) -> tuple[tuple[ImageLike, ...], Sides | None]:
    """Extend pictures of one size to multiples of `bucket` pixels, and say how large they were; 1 for none.

    None either for a network that cannot leave a margin out.
    """
    if bucket == 1 or not network.margins:
        return pictures, None
    rows, columns, _ = pictures[0].shape
    return tuple(images.pad(picture, bucket) for picture in pictures), (np.int32(rows), np.int32(columns))


@in_float32()
def held_out(
    encoder: Encoder,
    image: ImageLike,
    content: ImageLike,
    style: ImageLike | Mapping[str, StyleSide],
    *,
    bucket: int = 1,
) -> dict[str, Scalar]:
    """Compute every metric of a result (h, w, 3) against its content (h, w, 3) and its style (any size).

    Keys: content_distance, style_bures, style_sliced (0 is equal), ssim (1 is equal), colour_distance and
    total_variation. The style can also be its `style_side`, computed once for many results. A non-finite picture has
    no finite metric.

    With a `bucket` above 1 the pictures get a margin to the next multiples of so many pixels, so that many sizes share
    a compiled program. The numbers are those of the pictures themselves, to float32 rounding: at each layer of the
    network the margin is zeros, as what is beyond a border is, and no metric counts it. Without one, batch with `vmap`.

    Raises:
        UserError: a result that is not as large as its content, or smaller than SSIM's window.
    """
    check_comparable(image, content)
    side = style if isinstance(style, Mapping) else style_side(encoder, style, bucket=bucket)
    (image, content), sides = _framed(encoder.network, bucket, image, content)
    return _held_out(encoder, image, content, dict(side), sides)


@jax.jit
@in_float32()
def _held_out(
    encoder: Encoder, image: Image, content: Image, style: dict[str, StyleSide], sides: Sides | None
) -> dict[str, Scalar]:
    at, _ = held_out_layers(encoder.network)
    found = _features(encoder, image, tuple(dict.fromkeys((at, *style))), sides)
    original = _features(encoder, content, (at,), sides)
    pairs = [(_side(encoder.network.layer(name), found[name], sides), side) for name, side in style.items()]
    return {
        "content_distance": content_distance(found[at], original[at]),
        "style_bures": jnp.stack([_bures(x.spread, y.spread) for x, y in pairs]).mean(),
        "style_sliced": jnp.stack([_sliced(x.slices, y.slices, y.energy) for x, y in pairs]).mean(),
        "ssim": ssim(image, content, sides=sides),
        "colour_distance": colour_distance(image, content, sides=sides),
        "total_variation": total_variation(image, sides=sides),
    }
