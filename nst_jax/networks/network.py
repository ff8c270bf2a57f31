"""What a network is: a table of named layers with their geometry, and a pure function that computes them."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nst_jax import ops
from nst_jax.errors import UserError
from nst_jax.recipe import Padding, Pooling
from nst_jax.types import Features, Sides
from nst_jax.value import Value

Params = Any
"""The arrays of a network, a pytree; of a VGG `{"conv1_1": {"kernel": (3, 3, c_in, c_out), "bias": (c_out,)}, ...}`."""


class Layer(NamedTuple):
    """One activation that can be asked for, and where its positions lie in a picture.

    Attributes:
        name: such as `relu4_2`.
        channels: how many numbers a position has.
        stride: pixels from one position to the next.
        lost: pixels of a side that have no position, where borders are not padded.
        reach: pixels beyond its own `stride` that a position sees on each side.
    """

    name: str
    channels: int
    stride: int = 1
    lost: int = 0
    reach: int = 0

    def positions(self, size: Any) -> tuple[Any, Any]:
        """Give rows and columns of this layer for a picture of `size` (h, w), numbers or traced."""
        return (size[0] - self.lost) // self.stride, (size[1] - self.lost) // self.stride


PICTURE = Layer("image", 3)
"""The picture itself, a layer of every network."""


class Network(Value):
    """A network as a value. To bring your own, extend this class: name it, list its layers, and compute them.

    Attributes:
        name: what records call it.
        layers: every activation that can be asked for, in order of depth.
        style_layers, content_layers: what is compared unless a recipe names others; all layers, and the last.
        held_out: layers to measure style at, and content at the last of `held_out_content`; all layers.
        margins: whether `apply` takes `sides`.
    """

    name: str
    layers: tuple[Layer, ...]
    style_layers: tuple[str, ...] = ()
    content_layers: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    held_out_content: str = ""
    margins: bool = False

    def apply(
        self, params: Params, x: Features, layers: tuple[str, ...], sides: Sides | None = None
    ) -> dict[str, Features]:
        """Compute the named activations (h', w', channels) of a preprocessed picture (h, w, 3).

        With `sides` (rows, columns) only the upper left part of so many pixels is a picture, whatever is beyond.
        """
        raise NotImplementedError

    def summarise(
        self, params: Params, plans: Any, x: Features, layers: tuple[str, ...], wanted: Mapping[str, ops.Summaries]
    ) -> tuple[dict[str, Features], dict[str, Any]]:
        """Compute the named activations, and for each of `wanted` (layer -> summaries) what they make of it."""
        names = tuple(dict.fromkeys((*layers, *wanted)))
        found = self.apply(params, x, names)
        made = {}
        for name, summaries in wanted.items():
            found[name], made[name] = ops.late(summaries, found[name])
        return {name: found[name] for name in layers}, made

    def prepare(self, params: Params, precision: ops.Precision, platform: str, size: tuple[int, int]) -> Any:
        """Cast and transform kernels for pictures of `size` (h, w), once, outside of any loop; nothing by default.

        A network that has no such method runs in float32, whatever the device.
        """
        return {}

    def configured(self, *, pooling: Pooling, padding: Padding, remat: bool) -> "Network":
        """Give the network with what a recipe says of it.

        Raises:
            UserError: a choice that this network does not have.
        """
        for name, value, only in (("pooling", pooling, "max"), ("padding", padding, "zero"), ("remat", remat, False)):
            if value != only:
                raise UserError(f"{name} is {value}: the network {self.name} has no such choice, leave {name} out")
        return self

    def layer(self, name: str) -> Layer:
        """Find a layer by its name.

        Raises:
            UserError: naming its nearest neighbour.
        """
        if name == PICTURE.name:
            return PICTURE
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = [layer.name for layer in self.layers]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(_brief(known))}"
        raise UserError(f"layer '{name}' is not in {self.name}: {hint}")

    def least_side(self, names: Sequence[str]) -> int:
        """Give the smallest picture side, in pixels, that leaves each layer at least two positions a side."""
        layers = [self.layer(name) for name in names]
        return max((layer.lost + 2 * layer.stride for layer in layers if layer is not PICTURE), default=1)

    def chosen(self, kind: str) -> tuple[str, ...]:
        """Give this network's own layers for a kind of term (`style`, `content`) or for metrics (`held_out`)."""
        names = tuple(layer.name for layer in self.layers)
        given = {"style": self.style_layers, "content": self.content_layers, "held_out": self.held_out}[kind]
        return given or (names[-1:] if kind == "content" else names)


def _brief(names: list[str]) -> list[str]:
    return names if len(names) <= 8 else [names[0], "...", names[-1]]
