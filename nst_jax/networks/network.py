"""What a network is: a table of named layers with their geometry, and a pure function that computes them."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

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
        lost: pixels of a side that have no position, where borders are not padded; below 0 where they get more.
        reach: pixels beyond its own `stride` that a position sees on each side, at most.
        first: pixel at which the `stride` pixels of the first position begin.
    """

    name: str
    channels: int
    stride: int = 1
    lost: int = 0
    reach: int = 0
    first: int = 0

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
        accelerated: what precision `auto` is on an accelerator.
    """

    name: str
    layers: tuple[Layer, ...]
    style_layers: tuple[str, ...] = ()
    content_layers: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    held_out_content: str = ""
    margins: bool = False
    accelerated: ops.Precision = "bfloat16"
    relatives: ClassVar[tuple["Network", ...]] = ()
    """Published networks, to tell whose a layer's name is."""

    def param_shapes(self) -> Any:
        """Give the shapes of the arrays, a pytree like them, for whoever makes or reads them."""
        raise NotImplementedError

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
        raise UserError(f"layer '{name}' is not in {self.name}{self._hint(name)}")

    def _hint(self, name: str) -> str:
        """Say what to use in place of a layer that there is not: what is spelled, or lies, nearest."""
        known = [layer.name for layer in self.layers]
        homes = [(network, layer) for network in self.relatives for layer in network.layers if layer.name == name]
        if any(network.name == self.name for network, _ in homes):
            return f" of these weights, which end at {known[-1]}: use '{known[-1]}', or weights that go deeper"
        if homes:
            network, there = homes[0]
            return f" but in {network.name}: the nearest here is '{self._nearest(there).name}'"
        near = difflib.get_close_matches(name, known, 1)
        return f": did you mean '{near[0]}'?" if near else f": use one of {', '.join(_brief(known))}"

    def _nearest(self, there: Layer) -> Layer:
        """Find the layer whose positions are as far apart as those of another network's, and see as much."""

        def apart(layer: Layer) -> tuple[float, ...]:
            alike = difflib.SequenceMatcher(None, layer.name, there.name).ratio()
            return abs(math.log2(layer.stride / there.stride)), abs(layer.reach - there.reach), -alike

        return min(self.layers, key=apart)

    def by_depth(self, names: Iterable[str]) -> tuple[str, ...]:
        """Sort names of layers by depth, the picture itself first."""
        order = {layer.name: i for i, layer in enumerate((PICTURE, *self.layers))}
        return tuple(sorted(names, key=lambda name: order.get(name, -1)))

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
