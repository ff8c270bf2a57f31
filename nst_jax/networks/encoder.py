"""A network with its weights: what `load_encoder` gives and every other function takes."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from nst_jax import ops
from nst_jax.arithmetic import in_float32
from nst_jax.errors import UserError
from nst_jax.networks.network import PICTURE, Network, Params
from nst_jax.recipe import Precision
from nst_jax.types import Features, Image, Sides


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How the weights want to see a picture: `(x[channel_order] * range - mean) / std`, x being RGB in [0, 1].

    `mean` and `std` are in the file's own channel order and in units of `range`. By default the picture as it is.
    """

    channel_order: str = "RGB"
    range: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.channel_order not in ("RGB", "BGR"):
            raise UserError(f"the weights want channels in the order '{self.channel_order}': expected RGB or BGR")


CAFFE = Preprocessing("BGR", 255.0, (103.939, 116.779, 123.68))
"""Keras' 'caffe' mode, that of the Oxford weights."""

TORCHVISION = Preprocessing("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

INCEPTION = Preprocessing("RGB", 1.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""From -1 to 1: Keras' 'tf' mode, and what torchvision's inception_v3 and googlenet make of their input."""


@struct.dataclass
class Encoder:
    """Frozen weights with the static facts needed to apply them.

    Attributes:
        params: the network's arrays; by convolution kernels (rows, columns, c_in, c_out) and biases (c_out,), float32.
        plans: the same prepared by `prepare` for one device and precision; empty until then.
        network: the table of layers and the function that computes them.
        preprocessing: how the weights want to see a picture.
        digest: sha256 of the weights file, part of every record.
        source: what `load_encoder` was asked for.
    """

    params: Params
    plans: Any = struct.field(default_factory=dict)
    network: Network = struct.field(pytree_node=False, kw_only=True)
    preprocessing: Preprocessing = struct.field(pytree_node=False, default=Preprocessing())
    digest: str = struct.field(pytree_node=False, default="")
    source: str = struct.field(pytree_node=False, default="")


def fingerprint(encoder: Encoder) -> str:
    """Give the sha256 that tells an encoder from others: of its file, or of its arrays where there is none."""
    if encoder.digest:
        return encoder.digest
    found = hashlib.sha256(repr(encoder.preprocessing).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(encoder.params):
        array = np.asarray(leaf)
        found.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def resolve_precision(precision: Precision, platform: str, best: ops.Precision = "bfloat16") -> ops.Precision:
    """Turn `auto` into the best of the platform: the network's own on an accelerator, float32 on a CPU."""
    if precision != "auto":
        return precision
    return "float32" if platform == "cpu" else best


@in_float32()
def prepare(encoder: Encoder, precision: Precision, size: tuple[int, int], platform: str = "") -> Encoder:
    """Cast and transform the kernels once for images of `size` (h, w), outside any loop.

    `platform` (cpu, gpu, tpu) is that of the device that will run them, by default the one that is here.
    """
    platform = platform or jax.default_backend()
    resolved = resolve_precision(precision, platform, encoder.network.accelerated)
    return _prepare(encoder, resolved, platform, size)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _prepare(encoder: Encoder, precision: ops.Precision, platform: str, size: tuple[int, int]) -> Encoder:
    plans = encoder.network.prepare(encoder.params, precision, platform, size)
    return dataclasses.replace(encoder, plans=plans)


def preprocess(image: Image, how: Preprocessing) -> Features:
    """Turn an RGB image in [0, 1] into what the weights were trained on."""
    x = image if how.channel_order == "RGB" else image[..., ::-1]
    mean, std = jnp.asarray(how.mean, jnp.float32), jnp.asarray(how.std, jnp.float32)
    return (x * how.range - mean[None, None]) / std[None, None]


@in_float32()
def features(
    encoder: Encoder, image: Image, layers: Sequence[str], *, sides: Sides | None = None
) -> dict[str, Features]:
    """Compute the named activations (h', w', c) of one image (h, w, 3), RGB in [0, 1].

    Layers deeper than the deepest name are not computed. With `sides` (rows, columns), traced or not, the image is
    only the upper left part of so many pixels, whatever is beyond.

    Raises:
        UserError: a layer that the network lacks, or an image that is no (h, w, 3).
    """
    if isinstance(layers, str):
        raise UserError(f"layers is '{layers}': expected a list of names, such as ['{layers}']")
    for name in layers:
        encoder.network.layer(name)
    if jnp.ndim(image) != 3 or image.shape[-1] != 3:
        raise UserError(f"the image has shape {jnp.shape(image)}: expected (height, width, 3); batch with jax.vmap")
    deep = tuple(name for name in layers if name != PICTURE.name)
    more = {} if sides is None else {"sides": sides}
    x = preprocess(image, encoder.preprocessing)
    found = encoder.network.apply(encoder.params, x, deep, **more) if deep else {}
    return {name: image if name == PICTURE.name else found[name] for name in layers}


@in_float32()
def summarise(
    encoder: Encoder, image: Image, layers: Sequence[str], wanted: Mapping[str, ops.Summaries]
) -> tuple[dict[str, Features], dict[str, Any]]:
    """Compute the named activations, as `features` does, and for each layer of `wanted` its summaries, in their order.

    The image (h, w, 3) itself is the layer `image`.
    """
    found: dict[str, Features] = {PICTURE.name: image} if PICTURE.name in layers else {}
    made = {PICTURE.name: tuple(s(image) for s in wanted[PICTURE.name])} if PICTURE.name in wanted else {}
    deep = tuple(name for name in layers if name != PICTURE.name)
    rest = {name: summaries for name, summaries in wanted.items() if name != PICTURE.name}
    if deep or rest:
        x = preprocess(image, encoder.preprocessing)
        features, summaries = encoder.network.summarise(encoder.params, encoder.plans, x, deep, rest)
        found, made = found | features, made | summaries
    return found, made
