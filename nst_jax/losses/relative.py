"""A loss in relative units: 0 at the target, 1 where the picture is blank."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from nst_jax.losses.loss import Loss, Place
from nst_jax.ops import Statistic
from nst_jax.types import Features, Mask, Scalar


@dataclass(frozen=True)
class Relative(Loss):
    """distance(found, target) / distance(blank, target): of a Gram matrix |G - G_s|^2 / |G_s|^2.

    It is the formula of the loss, with a weight chosen from the target: the same number at every size, for every
    network and every picture. Where the target is blank itself the weight is 1.

    Attributes:
        loss: what is compared.
        shares: the layers' weights are divided by their sum.
    """

    loss: Loss
    shares: bool = False

    @property
    def statistic(self) -> Statistic:  # type: ignore[override]
        """Give the loss's own."""
        return self.loss.statistic

    @property
    def positional(self) -> bool:  # type: ignore[override]
        """Give the loss's own."""
        return self.loss.positional

    @property
    def numbers(self) -> Mapping[str, float]:  # type: ignore[override]
        """Give the loss's own."""
        return self.loss.numbers

    def at(self, layer: str) -> Loss:
        """Give what is compared at a layer, in relative units as well."""
        return Relative(self.loss.at(layer), self.shares)

    def layers(self, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the loss's own."""
        return self.loss.layers(layers)

    def reads(self, layer: str, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the loss's own."""
        return self.loss.reads(layer, layers)

    def least(self) -> int:
        """Give the loss's own."""
        return self.loss.least()

    def given(self, features: Features) -> Any:
        """Make the loss's own."""
        return self.loss.given(features)

    def target(self, features: Features, mask: Mask | None, given: Any) -> Any:
        """Make the loss's own."""
        return self.loss.target(features, mask, given)

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Measure the distance in units of that of a blank picture."""
        return self.loss.distance(found, target, at) / self._unit(target, at)

    def part(self, found: Any, target: Any, at: Place) -> Any:
        """Measure the loss's own."""
        return self.loss.part(found, target, at)

    def whole(self, parts: Any, target: Any, at: Place) -> Scalar:
        """Give the distance in units of that of a blank picture."""
        return self.loss.whole(parts, target, at) / self._unit(target, at)

    def _unit(self, target: Any, at: Place) -> Scalar:
        unit = self.loss.unit(target, at)
        return jnp.where(unit > 0, unit, 1)
