"""How much each position of a layer belongs to each region of a picture."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct
from numpy.typing import NDArray

from nst_jax import images, masks
from nst_jax.errors import UserError
from nst_jax.losses import Guided, Lists
from nst_jax.masks import Masks, Regions
from nst_jax.networks import Network
from nst_jax.networks.network import PICTURE, Layer
from nst_jax.printing import warn
from nst_jax.problem import Held
from nst_jax.recipe import Guides, Recipe
from nst_jax.types import Image

GROWN = 3
"""Positions that what lies inside of a region is grown by."""

Weights = NDArray[np.float32]
Size = tuple[int, int]


@struct.dataclass
class Guide:
    """The regions of both pictures at one layer.

    Attributes:
        mask: (rows, columns, regions) of the content, how much each position counts: the square of how much it belongs.
        style: by region (rows, columns) of its style; none where all of it counts.
        lists: the numbers of the positions in each region, and of patches by the positions that these have a side.
    """

    mask: Any
    style: tuple[Any, ...]
    lists: dict[int, Lists]

    def features(self, styles: tuple[Any, ...]) -> Guided:
        """Give the features of the one style, or of each region's, with where the regions are."""
        each = styles if len(styles) > 1 else styles * len(self.style)
        return Guided(each, self.style, self.lists)


@dataclass(frozen=True, eq=False)
class Guiding:
    """The regions of a content and of its style at the sizes that they are painted at."""

    masks: Masks
    kind: Guides

    @property
    def names(self) -> tuple[str, ...]:
        """List what the regions are called."""
        return self.masks.content.names

    @classmethod
    def of(cls, given: Masks, content: Size, styles: Sequence[Size], recipe: Recipe) -> "Guiding":
        """Fit masks to a content (h, w) and its style, or check that each region has a style.

        Raises:
            UserError: another aspect, or not a style for each region.
        """
        count, fitted = len(given.content.names), given.content
        if len(styles) not in (1, count):
            raise UserError(
                f"{len(styles)} styles for {count} regions of the content: give one, or one for each region"
            )
        masks.check_fits(fitted, content, "content")
        if given.style and len(given.style) != len(styles):
            raise UserError(f"{len(styles)} styles and masks of {len(given.style)}: expected a mask for each, or none")
        for regions, shape in zip(given.style, styles, strict=False):
            masks.check_fits(regions, shape, "style")
        style = tuple(regions.fitted(shape) for regions, shape in zip(given.style, styles, strict=False))
        if len(style) > 1:
            style = tuple(_all_there(regions, "style") for regions in style)
        return cls(Masks(_all_there(fitted.fitted(content), "content"), style), recipe.guides)

    def padded(self, multiple: int) -> "Guiding":
        """Extend the content's regions as `images.pad` extends the content."""
        return replace(self, masks=self.masks._replace(content=self.masks.content.padded(multiple)))

    def held(self, content: Image) -> Held:
        """Say which pixels of a content (h, w, 3) stay where a region's share is 0."""
        bits = (self.masks.content.weights > 0) * (1 << np.arange(len(self.names), dtype=np.uint32))
        return Held(content, bits.sum(-1, dtype=np.uint32))

    def at(self, network: Network, layers: Mapping[str, Iterable[int]]) -> dict[str, Guide]:
        """Carry the regions to layers, and say which have no position there, or no patch of these positions a side.

        Raises:
            UserError: no region has a position at any layer.
        """
        found = {name: self._at(network.layer(name), sides) for name, sides in layers.items()}
        names, kind = self.names, self.kind
        there = {layer: np.min([one.present for one in guide.lists.values()], 0) for layer, guide in found.items()}
        if found and not any(present.any() for present in there.values()):
            raise UserError(
                f"no region has a position at any layer by guides {kind}: use guides simple, or a larger size"
            )
        missing = {
            layer: [name for name, here in zip(names, present, strict=True) if not here]
            for layer, present in there.items()
        }
        if any(missing.values()):
            lost = "; ".join(f"{', '.join(regions)} at {layer}" for layer, regions in missing.items() if regions)
            h, w, _ = self.masks.content.weights.shape
            _warn_once(f"regions that no position sees alone are left out of a layer at {w}x{h}: {lost}")
        return found

    def _at(self, layer: Layer, sides: Iterable[int]) -> Guide:
        own = guide(self.masks.content.weights, layer, self.kind).copy()
        each = [guide(regions.weights, layer, self.kind) for regions in self.masks.style]
        others = [weights[..., r] for weights in each for r in range(weights.shape[2])] or [None] * own.shape[2]
        present = np.square(own).sum((0, 1)) >= 1
        present &= [other is None or np.square(other).sum() >= 1 for other in others]
        own[..., ~present] = 1  # stands in: nothing is compared there, and everything stays finite
        others = [x if x is None or here else np.ones_like(x) for x, here in zip(others, present, strict=True)]
        return Guide(
            mask=jnp.asarray(np.square(own)),
            style=tuple(None if other is None else np.square(other) for other in others),
            lists={side: _listed(own, others, present, side) for side in sides},
        )


@lru_cache(maxsize=1000)
def _warn_once(line: str) -> None:
    """Log a line that every scale and lane of a run would say."""
    warn(line)


def _listed(own: Weights, others: Sequence[Weights | None], present: Any, side: int) -> Lists:
    """List the positions of each region, or the patches of so many positions a side that lie in it."""
    places = [_numbers(own[..., r], side) for r in range(own.shape[2])]
    chosen = [None if other is None else _numbers(other, side) for other in others]
    both = [len(a) > 0 and (b is None or len(b) > 0) for a, b in zip(places, chosen, strict=True)]
    some = np.zeros(1, np.int32)  # stands in
    return Lists(
        tuple(b if b is None or len(b) else some for b in chosen),
        tuple(a if len(a) else some for a in places),
        (present & both).astype(np.float32),
    )


def _numbers(weights: Weights, side: int) -> NDArray[np.int32]:
    """List the numbers of positions that belong to a region by half, or as much as any does; or of whole patches."""
    inside = weights >= min(0.5, weights.max())
    h, w = inside.shape
    whole = np.zeros_like(inside)
    shifts = [inside[i : h - side + 1 + i, j : w - side + 1 + j] for i in range(side) for j in range(side)]
    whole[: h - side + 1, : w - side + 1] = np.logical_and.reduce(shifts)
    return np.flatnonzero(whole).astype(np.int32)


def _all_there(regions: Regions, what: str) -> Regions:
    """Refuse a region that a smaller picture has lost."""
    h, w, _ = regions.weights.shape
    if (lost := np.flatnonzero(regions.weights.max((0, 1)) == 0)).size:
        raise UserError(f"the region {regions.names[lost[0]]} of the {what} has no pixel at {w}x{h}: use a larger size")
    return regions


def guide(weights: Weights, layer: Layer, kind: Guides) -> Weights:
    """Carry regions (h, w, regions) through a network to the positions (rows, columns, regions) of a layer.

    inside   the least weight of all pixels that a position sees, what is outside of the picture counting as inside of
             every region; then the most within GROWN positions, so that regions of deep layers meet again
    all      the most weight of a pixel that a position sees
    simple   the mean weight of the pixels where a position lies

    What a position sees is a rectangle of pixels, as the network's table has it: the minimum over 3 x 3 at each
    convolution and over 2 x 2 at each pooling is the minimum over that rectangle. A pixel sees itself.

    Source: Gatys, Ecker, Bethge, Hertzmann and Shechtman (2017), Controlling perceptual factors in neural style
    transfer, section 4, and their code, which finds the rectangles by probing the network.
    """
    if layer.name == PICTURE.name:
        return weights
    rows, columns = layer.positions(weights.shape[:2])
    if kind == "simple":
        return images.fit(weights, (rows, columns), filter="box")
    least = kind == "inside"
    found = weights
    for axis, count in enumerate((rows, columns)):
        found = _over(found, axis, _seen(layer, count), least=least)
    if least:
        for axis, count in enumerate((rows, columns)):
            found = _over(found, axis, [(p - GROWN, p + GROWN + 1) for p in range(count)], least=False)
    return found


def _seen(layer: Layer, count: int) -> list[tuple[int, int]]:
    """List the pixels [begin, end) along one side that each position of a layer sees."""
    first, s, reach = layer.first, layer.stride, layer.reach
    return [(first + s * p - reach, first + s * (p + 1) + reach) for p in range(count)]


def _over(values: Any, axis: int, spans: list[tuple[int, int]], *, least: bool) -> Any:
    """Take the least or the most over spans along an axis, each as far as it lies within."""
    length = values.shape[axis]
    moved = np.moveaxis(values, axis, 0)
    parts = []
    for begin, end in spans:
        begin = min(max(begin, 0), length - 1)
        part = moved[begin : max(end, begin + 1)]
        parts.append(part.min(0) if least else part.max(0))
    return np.moveaxis(np.stack(parts), 0, axis)
