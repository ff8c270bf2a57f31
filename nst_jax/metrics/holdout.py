"""Held-out metrics: the numbers that every run writes beside its pictures."""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from nst_jax import images, ops
from nst_jax.arithmetic import in_float32
from nst_jax.compiler import late_jit
from nst_jax.metrics.distance import (
    Slices,
    Spread,
    bures,
    content_distance,
    count_of,
    flat,
    sliced,
    slices_of,
    spread_of,
)
from nst_jax.metrics.layers import features_of, held_out_layers
from nst_jax.networks import Encoder, Layer, Network
from nst_jax.pixels import check_comparable, colour_distance, ssim, total_variation
from nst_jax.types import Features, Image, ImageLike, Scalar, Sides


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


@late_jit(once=True)
@in_float32()
def _style_side(encoder: Encoder, style: Image, sides: Sides | None) -> dict[str, StyleSide]:
    found = features_of(encoder, style, held_out_layers(encoder.network)[1], sides)
    return sides_of(encoder.network, found, sides)


def sides_of(network: Network, found: Mapping[str, Features], sides: Sides | None = None) -> dict[str, StyleSide]:
    """Summarise a style by its features (h, w, c), of which those that are held out count."""
    return {name: _side(network.layer(name), found[name], sides) for name in held_out_layers(network)[1]}


def _side(layer: Layer, found: Features, sides: Sides | None) -> StyleSide:
    x = flat(found)
    inside = None if sides is None else ops.inside(found.shape, layer.positions(sides)).reshape(-1)
    energy = jnp.sum(x**2) / x.shape[1] / count_of(x, inside)  # one by one: their product may not fit into an int32
    return StyleSide(spread_of(x, inside), slices_of(x, inside), energy)


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


@late_jit(once=True)
@in_float32()
def _held_out(
    encoder: Encoder, image: Image, content: Image, style: dict[str, StyleSide], sides: Sides | None
) -> dict[str, Scalar]:
    at, _ = held_out_layers(encoder.network)
    found = features_of(encoder, image, tuple(dict.fromkeys((at, *style))), sides)
    original = features_of(encoder, content, (at,), sides)
    return compared(encoder.network, (image, found), (content, original), style, sides)


def compared(
    network: Network,
    made: tuple[Image, Mapping[str, Features]],
    original: tuple[Image, Mapping[str, Features]],
    style: Mapping[str, StyleSide],
    sides: Sides | None = None,
) -> dict[str, Scalar]:
    """Compute the held-out metrics of a result and its content, each given with its features, and of a style."""
    (image, found), (content, wanted), at = made, original, held_out_layers(network)[0]
    pairs = [(_side(network.layer(name), found[name], sides), side) for name, side in style.items()]
    return {
        "content_distance": content_distance(found[at], wanted[at]),
        "style_bures": jnp.stack([bures(x.spread, y.spread) for x, y in pairs]).mean(),
        "style_sliced": jnp.stack([sliced(x.slices, y.slices, y.energy) for x, y in pairs]).mean(),
        "ssim": ssim(image, content, sides=sides),
        "colour_distance": colour_distance(image, content, sides=sides),
        "total_variation": total_variation(image, sides=sides),
    }
