"""One loss with several targets, each with a share: a picture between several styles."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.losses.around import Around
from nst_jax.losses.loss import Place
from nst_jax.types import Features, Mask, Scalar


@dataclass(frozen=True)
class Mixture(Around):
    """sum_i a_i distance(found, target_i), the shares a_i divided by their sum; or distance(found, sum_i a_i target_i).

    The second where the loss `blends`, being a sum of squares |G - G_i|^2: with shares that add up to 1

        sum_i a_i |G - G_i|^2 = |G - sum_i a_i G_i|^2 + a constant

    so both have one gradient, and the second is 0 where the style is met. Elsewhere the distances are added up.
    """

    positional = False  # type: ignore[override]

    def given(self, features: tuple[Any, ...]) -> Any:
        """Average what the loss makes of each style's features: a centre between theirs; of whole numbers the first."""
        return jax.tree.map(_mean, *(self.loss.given(one) for one in features))

    def brought(self, found: tuple[Any, ...]) -> Any:
        """Average what the loss makes of each style's basis."""
        return jax.tree.map(_mean, *map(self.loss.brought, found))

    def target(self, features: tuple[Any, ...], mask: Mask | None, given: Any) -> tuple[Any, ...]:
        """Make one of each style's features."""
        return tuple(self.loss.target(one, mask, given) for one in features)

    def aimed(self, found: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
        """Make one of each style's statistic."""
        return tuple(self.loss.aimed(one, given) for one in found)

    def renewed(self, found: Any, target: tuple[Any, ...], key: jax.Array, at: Place) -> tuple[Any, ...]:
        """Make one of each style's target, all with one key."""
        return tuple(self.loss.renewed(found, one, key, at) for one in target)

    def distance(self, found: Features, target: tuple[Any, ...], at: Place) -> Scalar:
        """Measure how far the statistic is from a target between the styles', or from each of them, by its share."""
        shares = jnp.stack([jnp.asarray(at.styles[str(i + 1)], jnp.float32) for i in range(len(target))])
        shares /= jnp.sum(shares)
        if self.loss.blends:
            return self.loss.distance(found, jax.tree.map(lambda *xs: _added(shares, xs), *target), at)
        renewed = at.renewed or tuple(() for _ in target)
        rows = zip(target, renewed, strict=True)
        return _added(shares, [self.loss.distance(found, one, at._replace(renewed=new)) for one, new in rows])


def _mean(*found: Any) -> Any:
    return sum(found[1:], found[0]) / len(found) if jnp.issubdtype(found[0].dtype, jnp.inexact) else found[0]


def _added(shares: jax.Array, parts: Any) -> Any:
    return sum((share * part for share, part in zip(shares[1:], parts[1:], strict=True)), shares[0] * parts[0])
