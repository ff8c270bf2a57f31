"""VGG as a pure function: architecture tables, one Flax Linen module, and the encoder that holds its weights.

Source: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition (2015), table 1.
Layers carry the field's names: `conv4_2` is the second convolution of block 4 before its ReLU, `relu4_2` after it.
"""

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from nst_jax import ops
from nst_jax.errors import UserError
from nst_jax.recipe import Padding, Pooling, Precision
from nst_jax.types import Features, Image, Sides

ARCHITECTURES: dict[str, tuple[int, ...]] = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
"""Convolutions in each of the five blocks (configurations A, B, D and E)."""

CHANNELS = (64, 128, 256, 512, 512)
"""Output channels of every convolution in each block."""

Params = Mapping[str, Mapping[str, jax.Array]]
"""`{"conv1_1": {"kernel": (3, 3, c_in, c_out), "bias": (c_out,)}, ...}`"""


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How the weights want to see a picture: `(x[channel_order] * range - mean) / std`, x being RGB in [0, 1].

    `mean` and `std` are in the file's own channel order and in units of `range`.
    """

    channel_order: str = "BGR"
    range: float = 255.0
    mean: tuple[float, float, float] = (103.939, 116.779, 123.68)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.channel_order not in ("RGB", "BGR"):
            raise UserError(f"the weights want channels in the order '{self.channel_order}': expected RGB or BGR")


CAFFE = Preprocessing()
"""Keras' 'caffe' mode, that of the Oxford weights."""

TORCHVISION = Preprocessing("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def conv_names(architecture: str) -> tuple[str, ...]:
    """List the convolutions of an architecture in order: `conv1_1`, `conv1_2`, ..."""
    return tuple(f"conv{b}_{c}" for b, count in enumerate(ARCHITECTURES[architecture], 1) for c in range(1, count + 1))


def layer_names(architecture: str) -> tuple[str, ...]:
    """List every activation that can be asked for, in order of depth: `conv1_1`, `relu1_1`, `conv1_2`, ..."""
    return tuple(name for conv in conv_names(architecture) for name in (conv, conv.replace("conv", "relu")))


def param_shapes(architecture: str) -> dict[str, dict[str, tuple[int, ...]]]:
    """Give the shape of every kernel (3, 3, c_in, c_out) and bias (c_out,)."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    c_in = 3
    for name in conv_names(architecture):
        c_out = CHANNELS[int(name[4]) - 1]
        shapes[name] = {"kernel": (3, 3, c_in, c_out), "bias": (c_out,)}
        c_in = c_out
    return shapes


def positions(name: str, size: tuple[int, int]) -> tuple[int, int]:
    """Give the rows and columns that a layer of an image of `size` (h, w) has: halved, rounded down, each block."""
    block = int(name[4])
    return size[0] >> (block - 1), size[1] >> (block - 1)


def smallest_side(layers: Sequence[str]) -> int:
    """Give the smallest image side, in pixels, that leaves `layers` at least two positions a side."""
    deepest = max((int(match[1]) for name in layers if (match := re.match(r"\D+(\d)", name))), default=1)
    return 2**deepest


def check_layers(layers: Sequence[str], architecture: str) -> None:
    """Refuse a layer that the architecture lacks.

    Raises:
        UserError: naming the layer and its nearest neighbour.
    """
    known = layer_names(architecture)
    for name in layers:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"use one of {known[0]} ... {known[-1]}"
            raise UserError(f"layer '{name}' is not in {architecture}: {hint}")


class Conv(nn.Module):
    """One 3x3 convolution with its bias; `plans` holds its kernel prepared for the device, if someone prepared it."""

    channels: int
    padding: Padding = "zero"

    @nn.compact
    def __call__(
        self, x: Features, *, relu: bool, pool: bool, summary: ops.Summary | None, remat: bool
    ) -> tuple[Features, Any]:
        """Give the activation, and the summary of it if one is asked for; `pool` asks for the pooled one instead."""
        if self.has_variable("plans", "plan"):
            plan = self.get_variable("plans", "plan")
        else:
            shape = (3, 3, x.shape[-1], self.channels)
            kernel = self.param("kernel", nn.initializers.he_normal(), shape)
            plan = ops.plan_conv(kernel, self.param("bias", nn.initializers.zeros_init(), shape[-1:]))

        if pool:
            return ops.conv_pool(x, plan, padding=self.padding), None
        if remat or plan.method == "banded":
            return ops.conv_in_bands(x, plan, summary, relu=relu, padding=self.padding, keep=not remat)
        y = ops.conv(x, plan, relu=relu, padding=self.padding)
        return ops.late(summary.whole, y) if summary else (y, None)


class VGG(nn.Module):
    """Return the activations and summaries asked for, by name, of one preprocessed image (h, w, 3).

    Nothing deeper than the deepest is computed.
    """

    blocks: tuple[int, ...]
    pooling: Pooling = "max"
    padding: Padding = "zero"
    remat: bool = False

    @nn.compact
    def __call__(
        self,
        x: Features,
        layers: frozenset[str],
        summaries: Mapping[str, ops.Summary],
        sides: Sides | None = None,
    ) -> tuple[dict[str, Features], dict[str, Any]]:
        wanted = layers | summaries.keys()
        seen: dict[str, tuple[Features, Any]] = {}
        pool = {"max": ops.max_pool, "avg": ops.avg_pool}[self.pooling]
        pooled = True
        for block, count in enumerate(self.blocks, 1):
            x = x if pooled else pool(x)
            for index in range(1, count + 1):
                number = f"{block}_{index}"
                conv, relu = f"conv{number}", f"relu{number}"
                shown = conv if conv in wanted else relu
                # A layer that nobody asked for is pooled as it is made.
                pooled = index == count and self.pooling == "max" and shown not in wanted
                module = Conv(CHANNELS[block - 1], self.padding, name=conv)
                x = _blank(x, conv, sides)
                again = self.remat and number == "1_1"  # the layer that is largest and cheapest to compute again
                seen[shown] = module(x, relu=shown == relu, pool=pooled, summary=summaries.get(shown), remat=again)
                x, _ = seen[shown]
                if shown == conv:
                    x = jnp.maximum(x, 0)
                    seen[relu] = ops.late(summaries[relu].whole, x) if relu in summaries else (x, None)
                    x, _ = seen[relu]
                if wanted <= seen.keys():
                    found = {name: _blank(seen[name][0], name, sides) for name in layers}
                    return found, {name: seen[name][1] for name in summaries}
        raise AssertionError(f"{wanted - seen.keys()} passed check_layers")


def _blank(x: Features, name: str, sides: Sides | None) -> Features:
    """Put zeros, what a convolution sees beyond the border, where a layer shows the margin around `sides` pixels."""
    return x if sides is None else jnp.where(ops.inside(x.shape, positions(name, sides))[..., None], x, 0)


@struct.dataclass
class Encoder:
    """Frozen VGG weights with the static facts needed to apply them.

    Attributes:
        params: kernels (3, 3, c_in, c_out) and biases (c_out,), float32.
        plans: the same kernels prepared by `prepare` for one device and precision; empty until then.
        digest: sha256 of the weights file, part of every recipe.
    """

    params: Params
    plans: Mapping[str, Mapping[str, ops.Plan]] = struct.field(default_factory=dict)
    architecture: str = struct.field(pytree_node=False, default="vgg16")
    preprocessing: Preprocessing = struct.field(pytree_node=False, default=CAFFE)
    digest: str = struct.field(pytree_node=False, default="")


def resolve_precision(precision: Precision, platform: str) -> ops.Precision:
    """Turn `auto` into the best of the platform: bfloat16 on an accelerator, float32 on a CPU."""
    if precision != "auto":
        return precision
    return "float32" if platform == "cpu" else "bfloat16"


def prepare(encoder: Encoder, precision: Precision, size: tuple[int, int]) -> Encoder:
    """Cast and transform the kernels once for images of `size` (h, w), outside any loop."""
    platform = jax.default_backend()
    return _prepare(encoder, resolve_precision(precision, platform), platform, size)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _prepare(encoder: Encoder, precision: ops.Precision, platform: str, size: tuple[int, int]) -> Encoder:
    plans = {}
    for name, p in encoder.params.items():
        _, _, c_in, c_out = p["kernel"].shape
        method = ops.choose(platform, c_in, c_out, positions(name, size), precision)
        plans[name] = {"plan": ops.plan_conv(p["kernel"], p["bias"], method, precision)}
    return dataclasses.replace(encoder, plans=plans)


def preprocess(image: Image, how: Preprocessing) -> Features:
    """Turn an RGB image in [0, 1] into what the weights were trained on."""
    x = image if how.channel_order == "RGB" else image[..., ::-1]
    mean, std = jnp.asarray(how.mean), jnp.asarray(how.std)
    return (x * how.range - mean[None, None]) / std[None, None]


def features(
    encoder: Encoder,
    image: Image,
    layers: Sequence[str],
    *,
    pooling: Pooling = "max",
    padding: Padding = "zero",
    sides: Sides | None = None,
) -> dict[str, Features]:
    """Compute the named activations, each (h / 2^(block - 1), w / 2^(block - 1), c), of one image (h, w, 3).

    Layers deeper than the deepest name are not computed. With `sides` (rows, columns), traced or not, the image is
    only the upper left part of so many pixels, whatever is beyond: its activations are those of this part alone, zero
    padded, and 0 elsewhere. So images of many sizes share a compiled program.

    Raises:
        UserError: a layer that the encoder's architecture lacks.
    """
    assert sides is None or padding == "zero"
    return _apply(encoder, image, layers, {}, VGG(ARCHITECTURES[encoder.architecture], pooling, padding), sides)[0]


def features_and(
    encoder: Encoder,
    image: Image,
    layers: Sequence[str],
    summaries: Mapping[str, ops.Summary],
    *,
    pooling: Pooling = "max",
    padding: Padding = "zero",
    remat: bool = False,
) -> tuple[dict[str, Features], dict[str, Any]]:
    """Compute the named activations, as `features` does, and `{layer: summary.whole(activation)}` for each summary.

    With `remat` the backward pass computes conv1_1 again: less memory for a little time.
    """
    return _apply(encoder, image, layers, summaries, VGG(ARCHITECTURES[encoder.architecture], pooling, padding, remat))


def _apply(
    encoder: Encoder,
    image: Image,
    layers: Sequence[str],
    summaries: Mapping[str, ops.Summary],
    module: VGG,
    sides: Sides | None = None,
) -> tuple[dict[str, Features], dict[str, Any]]:
    check_layers((*layers, *summaries), encoder.architecture)
    x = preprocess(image, encoder.preprocessing)
    variables = {"params": encoder.params, "plans": encoder.plans}
    found, made = module.apply(variables, x, frozenset(layers), summaries, sides)
    return {name: found[name] for name in layers}, {name: made[name] for name in summaries}
