"""Several losses at once, each with a weight that a sweep can vary."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place
from nst_jax.types import Features, Mask, Scalar


@dataclass(frozen=True)
class _Joined:
    """The sums, or what is made of them, of several statistics, as a function that compares by value."""

    parts: tuple[Any, ...]
    wide: tuple[bool, ...] = ()

    def __call__(self, x: Any, mask: Mask | None = None, given: Any = ()) -> Any:
        if not self.wide:  # of sums
            return tuple(finish(one) for finish, one in zip(self.parts, x, strict=True))
        shared = any(self.wide)
        return tuple(
            sums(x if wide or not shared else x[0], mask, one)
            for sums, wide, one in zip(self.parts, self.wide, given or ((),) * len(self.parts), strict=True)
        )


@dataclass(frozen=True)
class Blend(Loss):
    """sum_k v_k distance_k of several losses by name; the weights v_k are numbers called by these names.

    A part that is a sum over positions where others are not is shared out over scales by itself.
    """

    parts: tuple[tuple[str, Loss], ...]
    shares: bool = False

    @property
    def statistic(self) -> ops.Statistic:  # type: ignore[override]
        """Join those of the parts."""
        found = [loss.statistic for _, loss in self.parts]
        wide = tuple(self._wide(loss) for _, loss in self.parts)
        additive = all(one.additive for one in found) and not any(wide)
        sums, finish = tuple(one.sums for one in found), tuple(one.finish for one in found)
        return ops.Statistic(_Joined(sums, wide), _Joined(finish), additive)

    @staticmethod
    def _wide(loss: Loss) -> bool:
        return loss.reads("b", ("a", "b")) != ("b",)

    @property
    def basis(self) -> ops.Statistic:  # type: ignore[override]
        """Join those of the parts, nothing where none has any."""
        found = [loss.basis for _, loss in self.parts]
        if all(one == ops.NOTHING for one in found):
            return ops.NOTHING
        sums, finish = tuple(one.sums for one in found), tuple(one.finish for one in found)
        return ops.Statistic(_Joined(sums, (False,) * len(found)), _Joined(finish), all(x.additive for x in found))

    @property
    def by_sums(self) -> bool:  # type: ignore[override]
        """Say whether all parts are."""
        return self.statistic.additive and all(loss.by_sums for _, loss in self.parts)

    @property
    def extensive(self) -> bool:  # type: ignore[override]
        """Say whether any part is a sum over positions."""
        return any(loss.extensive for _, loss in self.parts)

    @property
    def blends(self) -> bool:  # type: ignore[override]
        """Say whether all parts blend."""
        return all(loss.blends for _, loss in self.parts)

    @property
    def positional(self) -> bool:  # type: ignore[override]
        """Say whether all parts can be taken part by part."""
        return all(loss.positional for _, loss in self.parts)

    @property
    def numbers(self) -> Mapping[str, float]:  # type: ignore[override]
        """Give the weights, 1 each, and the parts' own numbers."""
        found = {name: 1.0 for name, _ in self.parts}
        for _, loss in self.parts:
            found |= loss.numbers
        return found

    def at(self, layer: str) -> Loss:
        """Give the parts that are compared at a layer."""
        here = tuple((name, loss) for name, loss in self.parts if loss.layers((layer,)) == (layer,))
        drawn = tuple((name, loss) for name, loss in here if loss.layers(("",)) == (layer,))
        return Blend(drawn or here, self.shares)

    def layers(self, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the layers of all parts."""
        return tuple(dict.fromkeys(name for _, loss in self.parts for name in loss.layers(layers)))

    def reads(self, layer: str, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the layers that the parts read, one of which may read several."""
        return max((loss.reads(layer, layers) for _, loss in self.parts), key=len)

    def least(self) -> int:
        """Give the positions a side that the most demanding part needs."""
        return max(loss.least() for _, loss in self.parts)

    def _own(self, loss: Loss, features: Any) -> Any:
        return features[0] if isinstance(features, tuple) and not self._wide(loss) else features

    def given(self, features: Features) -> Any:
        """Make those of the parts."""
        return tuple(loss.given(self._own(loss, features)) for _, loss in self.parts)

    def brought(self, found: Any) -> Any:
        """Make those of the parts."""
        found = found or tuple(() for _ in self.parts)
        return tuple(loss.brought(one) for (_, loss), one in zip(self.parts, found, strict=True))

    def target(self, features: Features, mask: Mask | None, given: Any) -> Any:
        """Make those of the parts."""
        return tuple(
            loss.target(self._own(loss, features), mask, one) for (_, loss), one in zip(self.parts, given, strict=True)
        )

    def aimed(self, found: Any, given: Any) -> Any:
        """Make those of the parts."""
        rows = zip(self.parts, found, given, strict=True)
        return tuple(loss.aimed(one, own) for (_, loss), one, own in rows)

    @property
    def renews(self) -> bool:  # type: ignore[override]
        """Say whether any part does."""
        return any(loss.renews for _, loss in self.parts)

    @property
    def period(self) -> int:  # type: ignore[override]
        """Give the steps after which some part is renewed: then all are."""
        return math.gcd(*(loss.period for _, loss in self.parts))

    @property
    def looks(self) -> bool:  # type: ignore[override]
        """Say whether any part does."""
        return any(loss.looks for _, loss in self.parts)

    @property
    def drawn(self) -> bool:  # type: ignore[override]
        """Say whether all parts that renew draw."""
        return all(loss.drawn for _, loss in self.parts if loss.renews)

    def renewed(self, found: Any, target: Any, key: jax.Array, at: Place) -> Any:
        """Make those of the parts that renew, each with a key of its own; drawn ones stay where others look."""
        made = []
        for k, ((_, loss), other, given) in enumerate(zip(self.parts, target, at.given, strict=True)):
            own = self._own(loss, found)
            made.append(loss.renewed(own, other, jax.random.fold_in(key, k), at._replace(given=given)))
        return tuple(made)

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Add up the parts, each by its weight."""
        return self._added([loss.distance(*own) for loss, own in self._each(found, target, at)], at)

    def part(self, found: Any, target: Any, at: Place) -> Any:
        """Measure the parts, which share the features where they are positional."""
        shared = tuple(found for _ in self.parts)
        return tuple(loss.part(*own) for loss, own in self._each(shared, target, at))

    def whole(self, parts: Any, target: Any, at: Place) -> Scalar:
        """Add up what the parts' parts make."""
        return self._added([loss.whole(*own) for loss, own in self._each(parts, target, at)], at)

    def _each(self, found: Any, target: Any, at: Place) -> list[tuple[Loss, tuple[Any, Any, Place]]]:
        renewed = at.renewed or tuple(() for _ in self.parts)
        rows = zip(self.parts, found, target, at.given, renewed, strict=True)
        return [(loss, (a, b, at._replace(given=given, renewed=new))) for (_, loss), a, b, given, new in rows]

    def _added(self, distances: list[Scalar], at: Place) -> Scalar:
        total = jnp.float32(0)
        for (name, loss), one in zip(self.parts, distances, strict=True):
            share = 1.0 if loss.extensive or not self.extensive else at.share
            total += self.number(name, at) * one / share
        return total
