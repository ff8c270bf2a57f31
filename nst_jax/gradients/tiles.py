"""The exact gradient window by window, in a memory that does not grow with the picture."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.errors import UserError
from nst_jax.gradients.gradient import Gradient, Objective, Terms, Window
from nst_jax.types import Image, Scalar


@dataclass(frozen=True)
class Tiles(Gradient):
    """Differentiate a picture in windows, each a tile of `side` pixels and what its layers see around it.

    A style loss compares sums over all positions, so there are two passes. The first adds up, window by window, the
    sums over the positions that a tile owns; of the total the loss is made, and its derivatives towards the sums. The
    second runs each window again and pulls these back to its pixels; cotangents are zero at positions that the tile
    does not own, so the whole window's gradient is ADDED to the picture's. That is exact once the window reaches as
    far beyond the tile as its layers do: cutting the gradient at the tile's border needs twice as much.

    Each position belongs to one tile. A window at the picture's border ends there, so that its padding is the
    picture's. The order of additions is fixed: the same bytes each time.

    Source: Galerne, Raad, Lezama and Morel, Scaling Painting Style Transfer (2022), whose windows are cut.
    """

    side: int = 512

    def value_and_grad(self, objective: Objective, x: Any) -> tuple[tuple[Scalar, Terms], Any]:
        """Take both passes."""
        image, pull = jax.vjp(objective.draw, x)
        groups = self._groups(objective, image)
        sums = _summed(objective, image, groups)
        loss, back, terms = jax.vjp(objective.joined, image, sums, has_aux=True)
        grad, wanted = back(jnp.ones_like(loss))
        for shape, windows in groups:

            def add(grad: Image, window: Window, shape: tuple[int, int] = shape) -> tuple[Image, None]:
                pixels = _cut(image, window, shape)
                _, part = jax.vjp(lambda pixels: objective.part(pixels, window), pixels)
                at = (window.top, window.left, 0)
                here = jax.lax.dynamic_slice(grad, at, pixels.shape)
                return jax.lax.dynamic_update_slice(grad, here + part(wanted)[0], at), None

            grad, _ = jax.lax.scan(add, grad, windows)
        return (loss, terms), pull(grad)[0]

    def value(self, objective: Objective, x: Any) -> Scalar:
        """Take the first pass."""
        image = objective.draw(x)
        return objective.joined(image, _summed(objective, image, self._groups(objective, image)))[0]

    def check(self, objective: Objective) -> None:
        """Refuse what is no function of sums over windows.

        Raises:
            UserError: a side that is too small, or a loss that needs a whole layer at once.
        """
        if self.side < 1:
            raise UserError(f"tile is {self.side}: expected pixels a side, such as 512")
        if why := objective.divisible():
            raise UserError(f"tile is {self.side}: {why}; leave tile out")

    def _groups(self, objective: Objective, image: Image) -> list[tuple[tuple[int, int], Window]]:
        """List the windows by shape (h, w), stacked."""
        align, halo = _geometry(objective)
        found: dict[tuple[int, int], list[Window]] = {}
        h, w, _ = image.shape
        for down, across in itertools.product(spans(h, self.side, halo, align), spans(w, self.side, halo, align)):
            window = Window(down.start, across.start, (down.first, down.end), (across.first, across.end))
            found.setdefault((down.length, across.length), []).append(window)
        return [(shape, jax.tree.map(lambda *xs: np.array(xs, np.int32), *each)) for shape, each in found.items()]


@dataclass(frozen=True)
class Span:
    """One window along one side, in pixels: where it begins, how long it is, and (first, end) of what it owns."""

    start: int
    length: int
    first: int
    end: int


def spans(side: int, tile: int, halo: int, align: int) -> list[Span]:
    """Divide a side into tiles of `tile` pixels, rounded up to `align`, each with `halo` more around it.

    All windows begin on multiples of `align` and have one length, save for those that end with the side, which may be
    odd. Where one window would see nearly all, it is the side itself.
    """
    tile = math.ceil(tile / align) * align
    if side <= tile + halo:
        return [Span(0, side, 0, side)]
    firsts = range(0, side, tile)
    if side - firsts[-1] < align:  # too little to own a position of the coarsest layer
        firsts = firsts[:-1]
    found = []
    for first in firsts:
        start = max(0, first - halo)
        length = tile + (halo if len(firsts) == 2 else 2 * halo)
        if first == firsts[-1]:
            length = side - start
        elif start + length > side:  # tiles smaller than what is around them
            start = max(0, (side - length) // align * align)
            length = side - start
        end = side if first == firsts[-1] else first + tile
        found.append(Span(start, length, first, end))
    return found


def _geometry(objective: Objective) -> tuple[int, int]:
    """Give the pixels that windows are aligned to, and those they need around a tile."""
    layers = objective.layers()
    align = math.lcm(*(layer.stride for layer in layers))
    # a position sees `reach` pixels beyond its own, and its own begin `first` pixels late
    reach = max((layer.reach + max(layer.lost, abs(layer.first)) for layer in layers), default=0)
    return align, math.ceil(reach / align) * align


def _summed(objective: Objective, image: Image, groups: list[tuple[tuple[int, int], Window]]) -> Any:
    """Add up the parts of all windows, in their order."""
    total = None
    for shape, windows in groups:

        def part(window: Window, shape: tuple[int, int] = shape) -> Any:
            return objective.part(_cut(image, window, shape), window)

        first = jax.tree.map(lambda xs: xs[0], windows)
        if total is None:
            total = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(part, first))
        total, _ = jax.lax.scan(_adding(part), total, windows)
    return total


def _adding(part: Callable[[Window], Any]) -> Callable[[Any, Window], tuple[Any, None]]:
    return lambda total, window: (jax.tree.map(jnp.add, total, part(window)), None)


def _cut(image: Image, window: Window, shape: tuple[int, int]) -> Image:
    return jax.lax.dynamic_slice(image, (window.top, window.left, 0), (*shape, image.shape[-1]))
