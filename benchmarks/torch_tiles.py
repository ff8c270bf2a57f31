"""The tiled gradient of Galerne, Raad, Lezama and Morel (2022) in PyTorch, as fast as we can write it.

The picture is cut into tiles of 512 pixels, each seen in a window with a margin of 256 on every side that is not the
picture's own. A first pass, which keeps no activations, adds up what the inner tiles hold of each Gram matrix. The
derivatives of the loss towards the whole picture's Grams are then those of every window: a second pass pulls them back
from ALL positions of the window and cuts the gradient to the tile, which is exact once the margin is twice what the
layers see. No Gram is computed in the second pass. `torch_reference` has objective, network and settings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from benchmarks.torch_reference import Network, Objective, _product, _wide, features

MARGIN = 256
"""Pixels of a window beyond its tile."""

Cut = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """Rows and columns of the picture: those of a tile, and those of its window."""

    inner: Cut
    window: Cut

    def seen(self, stride: int) -> Cut:
        """Give the tile's positions in its own window, in a layer of a stride."""
        return tuple(
            slice((a.start - b.start) // stride, (a.stop - b.start) // stride)
            for a, b in zip(self.inner, self.window, strict=True)
        )  # type: ignore[return-value]

    def placed(self, stride: int, of: str = "inner") -> Cut:
        """Give the positions of the tile, or the window, in the whole layer of a stride."""
        return tuple(slice(x.start // stride, x.stop // stride) for x in getattr(self, of))  # type: ignore


def tiles(size: tuple[int, int], side: int = 512, margin: int = MARGIN) -> Iterator[Tile]:
    """Cover a picture (h, w), whose sides are multiples of 16."""

    def along(length: int) -> list[tuple[slice, slice]]:
        firsts = range(0, length, side)
        inner = [slice(first, min(first + side, length)) for first in firsts]
        return [(x, slice(max(0, x.start - margin), min(length, x.stop + margin))) for x in inner]

    for rows, window_rows in along(size[0]):
        for columns, window_columns in along(size[1]):
            yield Tile((rows, columns), (window_rows, window_columns))


def stride(layer: str) -> int:
    """Give the pixels between positions of a layer such as relu4_2."""
    return 2 ** (int(layer[4]) - 1)


@dataclass
class Tiled:
    """The loss and gradient of a picture (1, 3, h, w), tile by tile.

    Attributes:
        content: target (1, c, h / s, w / s) of each content layer.
        style: target Gram (1, c, c) of each style layer.
    """

    network: Network
    objective: Objective
    content: dict[str, torch.Tensor]
    style: dict[str, torch.Tensor]
    side: int = 512

    def value_and_grad(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Take both passes."""
        found = list(tiles((image.shape[2], image.shape[3]), self.side))
        loss, cotangents = self._summed(image, found)
        grad = torch.empty_like(image)
        for tile in found:
            rows, columns = tile.inner
            grad[:, :, rows, columns] = self._pulled(image, tile, cotangents)
        return loss, grad

    @torch.no_grad()
    def _summed(self, image: torch.Tensor, found: Sequence[Tile]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Give the loss, and s = (dL/dGram + its transpose) / M of each style layer, (1, c, c)."""
        objective = self.objective
        wanted = (*objective.content_layers, *objective.style_layers)
        sums = {name: torch.zeros_like(self.style[name]) for name in objective.style_layers}
        loss = torch.zeros((), device=image.device)
        for tile in found:
            rows, columns = tile.window
            here = features(self.network, image[:, :, rows, columns], wanted, objective.pooling)
            for name in objective.style_layers:
                at = tile.seen(stride(name))
                f = here[name][:, :, at[0], at[1]].flatten(2)
                sums[name] += _product(f, f.transpose(1, 2))
            for name in objective.content_layers:
                at, own = tile.seen(stride(name)), tile.placed(stride(name))
                difference = _wide(here[name][:, :, at[0], at[1]]) - self.content[name][:, :, own[0], own[1]]
                loss += objective.alpha * 0.5 * difference.square().sum()
        cotangents = {}
        weights = objective.layer_weights or (1 / len(sums),) * len(sums)
        for (name, total), weight in zip(sums.items(), weights, strict=True):
            positions = (image.shape[2] // stride(name)) * (image.shape[3] // stride(name))
            difference = total / positions - self.style[name]
            scale = objective.beta * weight / (4 * total.shape[1] ** 2)
            loss += scale * difference.square().sum()
            slope = 2 * scale * difference
            cotangents[name] = (slope + slope.transpose(1, 2)) / positions
        return loss, cotangents

    def _pulled(self, image: torch.Tensor, tile: Tile, cotangents: dict[str, torch.Tensor]) -> torch.Tensor:
        """Give the gradient of a tile (1, 3, h, w)."""
        objective, (rows, columns) = self.objective, tile.window
        pixels = image.detach()[:, :, rows, columns].clone(memory_format=torch.preserve_format).requires_grad_()
        wanted = (*objective.content_layers, *objective.style_layers)
        here = features(self.network, pixels, wanted, objective.pooling)
        outputs, slopes = [], []
        for name, slope in cotangents.items():
            x = here[name].detach()
            f, last = x.flatten(2), x.is_contiguous(memory_format=torch.channels_last)
            s = slope.to(f.dtype)
            out = (f.transpose(1, 2) @ s).transpose(1, 2) if last else s @ f
            outputs.append(here[name])
            slopes.append(out.unflatten(2, x.shape[2:]))
        for name in objective.content_layers:
            own = tile.placed(stride(name), "window")
            x = here[name].detach()
            outputs.append(here[name])
            slopes.append((objective.alpha * (_wide(x) - self.content[name][:, :, own[0], own[1]])).to(x.dtype))
        (grad,) = torch.autograd.grad(outputs, pixels, slopes)
        at = tile.seen(1)
        return grad[:, :, at[0], at[1]]


@torch.no_grad()
def posed(network: Network, objective: Objective, content: torch.Tensor, style: torch.Tensor, side: int = 512) -> Tiled:
    """Compute the targets of a content (1, 3, h, w) tile by tile, and of a style (1, 3, h', w') at once."""
    kept: dict[str, torch.Tensor] = {}
    for tile in tiles((content.shape[2], content.shape[3]), side):
        rows, columns = tile.window
        here = features(network, content[:, :, rows, columns], objective.content_layers, objective.pooling)
        for name, x in here.items():
            s = stride(name)
            whole = (1, x.shape[1], content.shape[2] // s, content.shape[3] // s)
            target = kept.setdefault(name, torch.empty(whole, device=x.device))
            at, own = tile.seen(s), tile.placed(s)
            target[:, :, own[0], own[1]] = _wide(x[:, :, at[0], at[1]])
    found = features(network, style, objective.style_layers, objective.pooling)
    grams = {}
    for name, x in found.items():
        f = x.flatten(2)
        grams[name] = _product(f, f.transpose(1, 2)) / f.shape[2]
    return Tiled(network, objective, kept, grams, side)
