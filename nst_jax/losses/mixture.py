"""One loss with several targets, each with a share: a picture between several styles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.losses.loss import Loss, Place
from nst_jax.ops import Statistic
from nst_jax.types import Features, Mask, Scalar


@dataclass(frozen=True)
class Mixture(Loss):
    """sum_i a_i distance(found, target_i), the shares a_i divided by their sum; or distance(found, sum_i a_i target_i).

    The second where the loss `blends`, being a sum of squares |G - G_i|^2: with shares that add up to 1

        sum_i a_i |G - G_i|^2 = |G - sum_i a_i G_i|^2 + a constant

    so both have one gradient, and the second is 0 where the style is met. Elsewhere the distances are added up.

    Attributes:
        loss: what is compared.
    """

    loss: Loss

    @property
    def statistic(self) -> Statistic:  # type: ignore[override]
        """Give the loss's own."""
        return self.loss.statistic

    @property
    def extensive(self) -> bool:  # type: ignore[override]
        """Give the loss's own."""
        return self.loss.extensive

    @property
    def numbers(self) -> Mapping[str, float]:  # type: ignore[override]
        """Give the loss's own."""
        return self.loss.numbers

    @property
    def shares(self) -> bool:  # type: ignore[override]
        """Give the loss's own."""
        return self.loss.shares

    def at(self, layer: str) -> Loss:
        """Give what is compared at a layer, with several targets as well."""
        return Mixture(self.loss.at(layer))

    def layers(self, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the loss's own."""
        return self.loss.layers(layers)

    def reads(self, layer: str, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the loss's own."""
        return self.loss.reads(layer, layers)

    def least(self) -> int:
        """Give the loss's own."""
        return self.loss.least()

    def given(self, features: tuple[Any, ...]) -> Any:
        """Average what the loss makes of each style's features: a centre between theirs; of whole numbers the first."""
        return jax.tree.map(_mean, *(self.loss.given(one) for one in features))

    def target(self, features: tuple[Any, ...], mask: Mask | None, given: Any) -> tuple[Any, ...]:
        """Make one of each style's features."""
        return tuple(self.loss.target(one, mask, given) for one in features)

    def distance(self, found: Features, target: tuple[Any, ...], at: Place) -> Scalar:
        """Measure how far the statistic is from a target between the styles', or from each of them, by its share."""
        shares = jnp.stack([jnp.asarray(at.styles[str(i + 1)], jnp.float32) for i in range(len(target))])
        shares /= jnp.sum(shares)
        if self.loss.blends:
            return self.loss.distance(found, jax.tree.map(lambda *xs: _added(shares, xs), *target), at)
        return _added(shares, [self.loss.distance(found, one, at) for one in target])


def _mean(*found: Any) -> Any:
    return sum(found[1:], found[0]) / len(found) if jnp.issubdtype(found[0].dtype, jnp.inexact) else found[0]


def _added(shares: jax.Array, parts: Any) -> Any:
    return sum((share * part for share, part in zip(shares[1:], parts[1:], strict=True)), shares[0] * parts[0])
