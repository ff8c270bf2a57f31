"""What losses around another one share: whatever they do not change is the inner one's."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax

from nst_jax.losses.loss import Loss, Place
from nst_jax.ops import Statistic
from nst_jax.types import Mask, Scalar


@dataclass(frozen=True)
class Around(Loss):
    """Another loss, changed in some way: each attribute and method is that of `loss` unless it is overridden."""

    loss: Loss

    @property
    def statistic(self) -> Statistic:  # type: ignore[override]
        """Give the loss's own, as all that follow do."""
        return self.loss.statistic

    @property
    def basis(self) -> Statistic:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.basis

    @property
    def by_sums(self) -> bool:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.by_sums

    @property
    def extensive(self) -> bool:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.extensive

    @property
    def positional(self) -> bool:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.positional

    @property
    def numbers(self) -> Mapping[str, float]:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.numbers

    @property
    def blends(self) -> bool:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.blends

    @property
    def shares(self) -> bool:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.shares

    @property
    def renews(self) -> bool:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.renews

    @property
    def period(self) -> int:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.period

    @property
    def looks(self) -> bool:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.looks

    @property
    def drawn(self) -> bool:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.drawn

    @property
    def scattered(self) -> bool:  # type: ignore[override]
        """See `Loss`."""
        return self.loss.scattered

    def layers(self, layers: tuple[str, ...]) -> tuple[str, ...]:
        """See `Loss`."""
        return self.loss.layers(layers)

    def at(self, layer: str) -> Loss:
        """Give what is compared at a layer, changed as well."""
        return replace(self, loss=self.loss.at(layer))

    def of_scattered(self) -> Loss:
        """See `Loss`."""
        return replace(self, loss=self.loss.of_scattered())

    def reads(self, layer: str, layers: tuple[str, ...]) -> tuple[str, ...]:
        """See `Loss`."""
        return self.loss.reads(layer, layers)

    def least(self) -> int:
        """See `Loss`."""
        return self.loss.least()

    def given(self, features: Any) -> Any:
        """See `Loss`."""
        return self.loss.given(features)

    def brought(self, found: Any) -> Any:
        """See `Loss`."""
        return self.loss.brought(found)

    def target(self, features: Any, mask: Mask | None, given: Any) -> Any:
        """See `Loss`."""
        return self.loss.target(features, mask, given)

    def aimed(self, found: Any, given: Any) -> Any:
        """See `Loss`."""
        return self.loss.aimed(found, given)

    def renewed(self, found: Any, target: Any, key: jax.Array, at: Place) -> Any:
        """See `Loss`."""
        return self.loss.renewed(found, target, key, at)

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """See `Loss`."""
        return self.loss.distance(found, target, at)

    def part(self, found: Any, target: Any, at: Place) -> Any:
        """See `Loss`."""
        return self.loss.part(found, target, at)

    def whole(self, parts: Any, target: Any, at: Place) -> Scalar:
        """See `Loss`."""
        return self.loss.whole(parts, target, at)

    def unit(self, target: Any, at: Place) -> Scalar:
        """See `Loss`."""
        return self.loss.unit(target, at)
