"""The objective of a problem, as a function of what moves: whole, and as a sum over windows of the picture."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.gradients import Terms, Window, windows
from nst_jax.losses import Place
from nst_jax.networks import Encoder, Layer, summarise
from nst_jax.networks.network import PICTURE
from nst_jax.ops import Summary
from nst_jax.problem import Problem, Term, added, at_place, drawn, total, viewed
from nst_jax.types import Features, Image, Mask, Scalar


@dataclass(frozen=True)
class Objective:
    """A problem with the network that looks on; see `gradients.gradient.Objective`.

    Attributes:
        look: what the network looks at in place of a picture, such as the same turned; none for the picture.
    """

    encoder: Encoder
    problem: Problem
    look: Callable[[Image], Image] | None = None

    def draw(self, x: Any) -> Image:
        """Draw the picture (h, w, 3) from x."""
        return drawn(self.problem, x)

    def total(self, image: Image) -> tuple[Scalar, Terms]:
        """Give the loss of a picture, and its terms."""
        return total(self.encoder, self.problem, image, self.look and self.look(image))

    @classmethod
    def at(cls, encoder: Encoder, problem: Problem, step: jax.Array) -> "Objective":
        """Give the objective of a step, which is another one where the picture is seen from another side."""
        views = problem.views
        if views is None:
            return cls(encoder, problem)
        key = views.key(problem.seed, step)
        return cls(encoder, viewed(encoder, problem, key), partial(views.transforms, key=key))

    def layers(self) -> tuple[Layer, ...]:
        """List the layers of the network whose features are compared."""
        names = dict.fromkeys(layer for _, layer, _ in self._deep())
        return tuple(self.problem.network.layer(name) for name in names)

    def divisible(self) -> str:
        """Say why the objective is no function of sums over windows; empty where it is."""
        if self.problem.views is not None:
            return "transforms look at the whole picture"
        if self.problem.sides is not None:
            return "a picture with the margin of a bucket cannot be divided"
        for name, layer, term in self._deep():
            loss = term.loss.at(layer)
            if loss.reads(layer, self.problem.network.by_depth(term.targets)) != (layer,):
                return f"the loss of '{name}', {term.loss!r}, compares several layers at once"
            if not (loss.statistic.additive or loss.positional):
                return f"the loss of '{name}' at {layer}, {term.loss!r}, needs the whole layer at once"
        return ""

    def part(self, pixels: Image, window: Window) -> dict[str, Any]:
        """Give by term and layer what the positions that a window owns add up to.

        Of a statistic these are its sums; of a loss that compares position by position its distance there.
        """
        asked: dict[str, tuple[Summary, ...]] = {}
        whole: dict[str, None] = {}
        for _, layer, term in self._deep():
            loss = term.loss.at(layer)
            if loss.positional:
                whole[layer] = None
                continue
            mask = self._owned(layer, pixels, window, term)
            sums = loss.statistic._replace(finish=_sums)
            asked[layer] = (*asked.get(layer, ()), Summary(sums, mask, term.given[layer]))
        encoder = replace(self.encoder, network=self.problem.network)
        features, made = summarise(encoder, pixels, tuple(whole), asked)
        left = {layer: list(summaries) for layer, summaries in made.items()}
        return {
            f"{name}/{layer}": self._near(features[layer], layer, pixels, window, term)
            if term.loss.at(layer).positional
            else left[layer].pop(0)
            for name, layer, term in self._deep()
        }

    def joined(self, image: Image, sums: dict[str, Any]) -> tuple[Scalar, Terms]:
        """Give the loss of a picture (h, w, 3) whose windows add up to these sums, and its terms."""
        found = {}
        for name, term in self.problem.terms.items():
            for layer in term.targets:
                key, at = f"{name}/{layer}", self._place(layer, term)
                loss, target = term.loss.at(layer), term.targets[layer]
                if layer == PICTURE.name:
                    seen = loss.statistic(image, term.masks.get(layer), term.given[layer])
                    found[key] = loss.distance(seen, target, at)
                elif loss.positional:
                    found[key] = loss.whole(sums[key], target, at)
                else:
                    found[key] = loss.distance(loss.statistic.finish(sums[key]), target, at)
        return added(self.problem, found)

    def _deep(self) -> list[tuple[str, str, Term]]:
        terms = self.problem.terms.items()
        return [(name, layer, term) for name, term in terms for layer in term.targets if layer != PICTURE.name]

    def _owned(self, layer: str, pixels: Image, window: Window, term: Term) -> Mask:
        """Say how much each position of a window's layer counts: the term's mask, and 0 for what others own."""
        at = self.problem.network.layer(layer)
        owned = windows.owned(at, pixels, window)
        if layer not in term.masks:
            return owned
        mask, s, more = term.masks[layer], at.stride, term.masks[layer].shape[2:]
        starts = (window.top // s, window.left // s, *(0 for _ in more))
        part = jax.lax.dynamic_slice(mask, starts, (*owned.shape, *more))
        return owned.reshape(*owned.shape, *(1 for _ in more)) * part

    def _near(self, found: Features, layer: str, pixels: Image, window: Window, term: Term) -> Any:
        """Measure a distance over what a window owns; elsewhere the target stands in for what is found."""
        s = self.problem.network.layer(layer).stride

        def cut(whole: Features) -> Features:
            return jax.lax.dynamic_slice(whole, (window.top // s, window.left // s, 0), found.shape)

        # Several losses at once have a target each, all of them the features.
        target = jax.tree.map(cut, term.targets[layer])
        owned = self._owned(layer, pixels, window, term)[..., None] > 0
        seen = jnp.where(owned, found.astype(jnp.float32), jax.tree.leaves(target)[0])
        return term.loss.at(layer).part(seen, target, self._place(layer, term))

    def _place(self, layer: str, term: Term) -> Place:
        return at_place(self.problem, term, layer, self.problem.init)


def _sums(sums: Any) -> Any:
    return sums
