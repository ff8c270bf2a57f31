"""Windows that cover a picture: where they lie, what each owns, and how something is carried through all of them."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.gradients.gradient import Window
from nst_jax.networks import Layer
from nst_jax.types import Image, Mask

Group = tuple[tuple[int, int], Window]
"""A shape (h, w) and the windows of that shape, stacked."""
Carried = TypeVar("Carried")


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


def geometry(layers: Sequence[Layer]) -> tuple[int, int]:
    """Give the pixels that windows are aligned to, and those they need around a tile."""
    align = math.lcm(*(layer.stride for layer in layers))
    # a position sees `reach` pixels beyond its own, and its own begin `first` pixels late
    reach = max((layer.reach + max(layer.lost, abs(layer.first)) for layer in layers), default=0)
    return align, math.ceil(reach / align) * align


def groups(layers: Sequence[Layer], size: tuple[int, int], side: int) -> list[Group]:
    """List the windows of a picture of `size` (h, w) in tiles of `side` pixels for what these layers see, by shape."""
    align, halo = geometry(layers)
    found: dict[tuple[int, int], list[Window]] = {}
    for down, across in itertools.product(*(spans(length, side, halo, align) for length in size)):
        window = Window(down.start, across.start, (down.first, down.end), (across.first, across.end))
        found.setdefault((down.length, across.length), []).append(window)
    return [(shape, jax.tree.map(lambda *xs: np.array(xs, np.int32), *each)) for shape, each in found.items()]


def walked(
    image: Image, windows: Sequence[Group], carried: Carried, step: Callable[[Carried, Image, Window], Carried]
) -> Carried:
    """Carry something through all windows of a picture, in their order: `step(carried, pixels, window)`."""

    def through(shape: tuple[int, int]) -> Callable[[Carried, Window], tuple[Carried, None]]:
        return lambda before, window: (step(before, cut(image, window, shape), window), None)

    for shape, each in windows:
        carried, _ = jax.lax.scan(through(shape), carried, each)
    return carried


def summed(image: Image, windows: Sequence[Group], part: Callable[[Image, Window], Any]) -> Any:
    """Add up `part(pixels, window)` over all windows of a picture, in their order."""
    (shape, each), *_ = windows
    like = jax.eval_shape(part, jax.ShapeDtypeStruct((*shape, 3), image.dtype), jax.tree.map(lambda xs: xs[0], each))
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), like)
    return walked(image, windows, zero, lambda total, *at: jax.tree.map(jnp.add, total, part(*at)))


def cut(image: Image, window: Window, shape: tuple[int, int]) -> Image:
    """Take a window of `shape` (h, w) out of a picture."""
    return jax.lax.dynamic_slice(image, (window.top, window.left, 0), (*shape, image.shape[-1]))


def owned(layer: Layer, pixels: Image, window: Window) -> Mask:
    """Say which positions of a layer a window owns, of which these are the pixels: 1 there, 0 where others own."""
    (rows, columns), s = layer.positions(pixels.shape[:2]), layer.stride
    y, x = window.top + s * jnp.arange(rows), window.left + s * jnp.arange(columns)
    mine = [(first <= at) & (at < end) for at, (first, end) in ((y, window.rows), (x, window.columns))]
    return (mine[0][:, None] & mine[1][None]).astype(jnp.float32)
