"""VGG as a pure function: architecture tables and one Flax Linen module.

Source: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition (2015), table 1.
Layers carry the field's names: `conv4_2` is the second convolution of block 4 before its ReLU, `relu4_2` after it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from nst_jax import ops
from nst_jax.networks.network import Layer, Network, Params
from nst_jax.recipe import Padding, Pooling
from nst_jax.types import Features, Sides

CHANNELS = (64, 128, 256, 512, 512)
"""Output channels of every convolution in each block."""


@dataclass(frozen=True, eq=True)
class VGG(Network):
    """A VGG by its table.

    Attributes:
        name: such as `vgg16`.
        blocks: convolutions in each block.
        channels: outputs of every convolution in each block.
        pooling, padding: how it is applied.
        remat: the backward pass computes conv1_1 again: less memory for a little time.
    """

    name: str
    blocks: tuple[int, ...]
    channels: tuple[int, ...] = CHANNELS
    pooling: Pooling = "max"
    padding: Padding = "zero"
    remat: bool = False

    @cached_property
    def convs(self) -> tuple[str, ...]:
        """List the convolutions in order: `conv1_1`, `conv1_2`, ..."""
        return tuple(f"conv{b}_{c}" for b, count in enumerate(self.blocks, 1) for c in range(1, count + 1))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:  # type: ignore[override]
        """List every activation: each convolution before and after its ReLU."""
        found, reach = [], 0
        for block, (count, channels) in enumerate(zip(self.blocks, self.channels, strict=True), 1):
            for index in range(1, count + 1):
                reach += 2 ** (block - 1)
                number = f"{block}_{index}"
                for kind in ("conv", "relu"):
                    found.append(Layer(f"{kind}{number}", channels, 2 ** (block - 1), reach=reach))
        return tuple(found)

    @property
    def style_layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """Name the first ReLU of each block: Gatys et al. (2015)."""
        return tuple(f"relu{b}_1" for b in range(1, len(self.blocks) + 1))

    content_layers = ("relu4_2",)
    held_out_content = "relu3_2"
    margins = True

    @property
    def held_out(self) -> tuple[str, ...]:  # type: ignore[override]
        """Name the deepest ReLU of blocks 1 to 4: for vgg16 relu1_2, relu2_2, relu3_3 and relu4_3.

        The presets optimise the first convolution of each block (style) and the second of block 4 (content), so
        these are held out for vgg16 and vgg19; vgg11 and vgg13 have too few layers for all four to be.
        """
        return tuple(f"relu{b}_{count}" for b, count in enumerate(self.blocks[:4], 1))

    def param_shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Give the shape of every kernel (3, 3, c_in, c_out) and bias (c_out,)."""
        shapes: dict[str, dict[str, tuple[int, ...]]] = {}
        c_in = 3
        for name in self.convs:
            c_out = self.layer(name).channels
            shapes[name] = {"kernel": (3, 3, c_in, c_out), "bias": (c_out,)}
            c_in = c_out
        return shapes

    def widened(self, outputs: Sequence[int]) -> "VGG":
        """Give the same table with as many outputs of each convolution, in the order of `convs`, as its first has."""
        firsts = (name.endswith("_1") for name in self.convs)
        return dataclasses.replace(self, channels=tuple(compress(outputs, firsts)))

    def configured(self, *, pooling: Pooling, padding: Padding, remat: bool) -> "VGG":
        """Give the network with what a recipe says of it."""
        return dataclasses.replace(self, pooling=pooling, padding=padding, remat=remat)

    def prepare(self, params: Params, precision: ops.Precision, platform: str, size: tuple[int, int]) -> Any:
        """Cast and transform the kernels for pictures of `size` (h, w)."""
        plans = {}
        for name, p in params.items():
            _, _, c_in, c_out = p["kernel"].shape
            method = ops.choose(platform, c_in, c_out, self.layer(name).positions(size), precision)
            plans[name] = {"plan": ops.plan_conv(p["kernel"], p["bias"], method, precision)}
        return plans

    def apply(
        self, params: Params, x: Features, layers: tuple[str, ...], sides: Sides | None = None
    ) -> dict[str, Features]:
        """Compute the named activations (h / 2^(block - 1), w / 2^(block - 1), c); nothing deeper than the deepest.

        With `sides` the activations are those of this part alone, zero padded, and 0 elsewhere. So pictures of many
        sizes share a compiled program.
        """
        assert sides is None or self.padding == "zero"
        return Body(self).apply({"params": params}, x, frozenset(layers), {}, sides)[0]

    def summarise(
        self, params: Params, plans: Any, x: Features, layers: tuple[str, ...], wanted: Mapping[str, ops.Summaries]
    ) -> tuple[dict[str, Features], dict[str, Any]]:
        """Compute the named activations, and the summaries of each layer inside the kernel that makes it."""
        made: Any = Body(self).apply({"params": params, "plans": plans}, x, frozenset(layers), wanted)
        return made


def _table(name: str, *blocks: int) -> VGG:
    return VGG(name, blocks)


VGGS = {
    vgg.name: vgg
    for vgg in (
        _table("vgg11", 1, 1, 2, 2, 2),
        _table("vgg13", 2, 2, 2, 2, 2),
        _table("vgg16", 2, 2, 3, 3, 3),
        _table("vgg19", 2, 2, 4, 4, 4),
    )
}
"""Configurations A, B, D and E."""


class Conv(nn.Module):
    """One 3x3 convolution with its bias; `plans` holds its kernel prepared for the device, if someone prepared it."""

    channels: int
    padding: Padding = "zero"

    @nn.compact
    def __call__(
        self, x: Features, *, relu: bool, pool: Pooling | None, summaries: ops.Summaries, remat: bool
    ) -> tuple[Features, tuple[Any, ...]]:
        """Give the activation and its summaries; `pool` asks for the one pooled in this way instead."""
        if self.has_variable("plans", "plan"):
            plan = self.get_variable("plans", "plan")
        else:
            shape = (3, 3, x.shape[-1], self.channels)
            kernel = self.param("kernel", nn.initializers.he_normal(), shape)
            plan = ops.plan_conv(kernel, self.param("bias", nn.initializers.zeros_init(), shape[-1:]))

        if pool:
            return ops.conv_pool(x, plan, padding=self.padding, kind=pool), ()
        if relu and not remat and ops.can_join(plan, summaries):
            return ops.conv_joined(x, plan, summaries, padding=self.padding)
        in_bands = remat or plan.method == "banded"
        if in_bands and all(summary.statistic.additive for summary in summaries):
            return ops.conv_in_bands(x, plan, summaries, relu=relu, padding=self.padding, keep=not remat)
        if in_bands:
            y, _ = ops.conv_in_bands(x, plan, (), relu=relu, padding=self.padding, keep=not remat)
        else:
            y = ops.conv(x, plan, relu=relu, padding=self.padding)
        return ops.late(summaries, y)


class Body(nn.Module):
    """Return the activations and summaries asked for, by name, of one preprocessed image (h, w, 3).

    Nothing deeper than the deepest is computed.
    """

    table: VGG

    @nn.compact
    def __call__(
        self,
        x: Features,
        layers: frozenset[str],
        wanted: Mapping[str, ops.Summaries],
        sides: Sides | None = None,
    ) -> tuple[dict[str, Features], dict[str, Any]]:
        names = layers | wanted.keys()
        seen: dict[str, tuple[Features, Any]] = {}
        table = self.table
        pool = {"max": ops.max_pool, "avg": ops.avg_pool}[table.pooling]
        pooled = True
        for block, count in enumerate(table.blocks, 1):
            x = x if pooled else pool(x)
            for index in range(1, count + 1):
                number = f"{block}_{index}"
                conv, relu = f"conv{number}", f"relu{number}"
                shown = conv if conv in names else relu
                # A layer that nobody asked for is pooled as it is made.
                pooled = index == count and shown not in names
                module = Conv(table.channels[block - 1], table.padding, name=conv)
                x = self._blank(x, conv, sides)
                again = table.remat and number == "1_1"  # the layer that is largest and cheapest to compute again
                summaries = wanted.get(shown, ())
                how = table.pooling if pooled else None
                seen[shown] = module(x, relu=shown == relu, pool=how, summaries=summaries, remat=again)
                x, _ = seen[shown]
                if shown == conv:
                    seen[relu] = ops.late(wanted.get(relu, ()), jnp.maximum(x, 0))
                    x, _ = seen[relu]
                if names <= seen.keys():
                    found = {name: self._blank(seen[name][0], name, sides) for name in layers}
                    return found, {name: seen[name][1] for name in wanted}
        raise AssertionError(f"{names - seen.keys()} passed the check of layers")

    def _blank(self, x: Features, name: str, sides: Sides | None) -> Features:
        """Put zeros, what a convolution sees beyond the border, where a layer shows the margin around `sides`."""
        if sides is None:
            return x
        return jnp.where(ops.inside(x.shape, self.table.layer(name).positions(sides))[..., None], x, 0)
