"""What a loss is: a statistic of features, its target, and the distance between the two."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nst_jax.ops import FEATURES, NOTHING, Statistic
from nst_jax.types import Mask, Scalar
from nst_jax.value import Value

NONE: Mapping[str, Any] = MappingProxyType({})


class Place(NamedTuple):
    """Where features lie: static numbers of one layer of the generated picture, and what the loss brought along.

    Attributes:
        positions, channels: of the layer.
        pixels: of the picture.
        given: see `Loss.given`.
        numbers: see `Loss.numbers`; those that are missing have the loss's own values.
        share: what a sum over positions is multiplied by at this scale.
        styles: how much each of several styles counts, where there are several.
        size: rows and columns of the layer.
        renewed: what `Loss.renewed` made last; () where it made nothing yet.
    """

    positions: int
    channels: int
    pixels: int
    given: Any = ()
    numbers: Mapping[str, Any] = NONE
    share: Any = 1.0
    styles: Mapping[str, Any] = NONE
    size: tuple[int, int] = (0, 0)
    renewed: Any = ()


class Loss(Value):
    """A loss of one layer as a value. To bring your own, extend this class: name a `statistic`, measure a `distance`.

    Attributes:
        statistic: how the features of either picture are summed up.
        basis: how the target's features are summed up for what is `given`; nothing by default.
        extensive: the distance is a sum over positions, so it grows with the picture.
        positional: the distance is a sum of what each position adds by itself, or a mean of it; so it can be taken part
            by part.
        numbers: numbers of the formula that a sweep can vary, by name, with their values: leaves of the problem. On the
            class, as they are no part of what makes two losses one program.
        blends: the distance is a sum of squares of statistic less target, with weights that do not depend on either: a
            target between those of several styles then has the gradient of all their distances.
        shares: the weights of a term's layers are divided by their sum.
        renews: `renewed` makes something, at the first step and every `period` steps; 0 for the first alone.
        looks: it needs the picture's features as they stand.
        drawn: it draws by its key, so that a descent that remembers gradients, such as L-BFGS, keeps the first draw.
        scattered: it takes features for a set of positions, or of patches of `least` positions a side, wherever they
            lie: `of_scattered` compares (positions, 1, c).
    """

    statistic: Statistic
    basis: Statistic = NOTHING
    extensive: bool = False
    positional: bool = False
    numbers: Mapping[str, float] = NONE
    blends: bool = False
    shares: bool = False
    renews: bool = False
    period: int = 0
    looks: bool = False
    drawn: bool = False
    scattered: bool = False

    def layers(self, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the layers where a term that is asked for at `layers` is compared: there by default."""
        return layers

    def at(self, layer: str) -> "Loss":
        """Give what is compared at one of these layers: this loss by default."""
        return self

    def least(self) -> int:
        """Give how many positions a side a layer must have."""
        return 1

    def of_scattered(self) -> "Loss":
        """Give the same loss of positions that come one by one, or of patches whose entries are channels."""
        return self

    def reads(self, layer: str, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the layers whose features are compared at `layer`, one of the term's `layers` by depth: it by default.

        Where there are several the features that come as (h, w, c) elsewhere come as a tuple of these, in this order.
        """
        return (layer,)

    def given(self, features: Any) -> Any:
        """Make the arrays that both pictures are summed up with, once, from the target's features (h, w, c).

        They are leaves of the problem: a centre, directions, a bandwidth. What `brought` makes of the `basis`, unless
        it is overridden.
        """
        return self.brought(self.basis(features))

    def brought(self, found: Any) -> Any:
        """Make what is given from the `basis` that was found of the target's features: it itself by default."""
        return found

    def target(self, features: Any, mask: Mask | None, given: Any) -> Any:
        """Make what the generated picture is to match, once, from the target's features.

        What `aimed` makes of their statistic, unless it is overridden.
        """
        return self.aimed(self.statistic(features, mask, given), given)

    def aimed(self, found: Any, given: Any) -> Any:
        """Make what is to be matched from the statistic that was found of the target's features: it by default."""
        return found

    @property
    def by_sums(self) -> bool:
        """Say whether `given` and `target` are made of sums over positions, so that no one need hold a whole layer."""
        kind = type(self)
        made = kind.given is Loss.given and kind.target is Loss.target
        return made and self.basis.additive and self.statistic.additive

    def renewed(self, found: Any, target: Any, key: jax.Array, at: Place) -> Any:
        """Make what `distance` finds in its place until the next time: directions, neighbours; nothing by default.

        Args:
            found: the picture's statistic as it stands, for a loss that `looks`.
            target: what it is to match.
            key: of this step and layer.
            at: where the layer lies.
        """
        return ()

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Measure how far the statistic `found` is from the `target`, in float32; 0 where they are equal."""
        raise NotImplementedError

    def part(self, found: Any, target: Any, at: Place) -> Any:
        """Measure what some positions of a `positional` loss add: parts add up, and `whole` makes the distance."""
        return self.distance(found, target, at)

    def whole(self, parts: Any, target: Any, at: Place) -> Scalar:
        """Give the distance whose parts add up to `parts`."""
        return parts

    def unit(self, target: Any, at: Place) -> Scalar:
        """Measure how far blank features are from the target: the loss's unit where units are relative."""
        if self.statistic == FEATURES:
            return self.distance(jax.tree.map(jnp.zeros_like, target), target, at)
        return self.distance(self.statistic(jnp.zeros((2, 2, at.channels)), None, at.given), target, at)

    def number(self, name: str, at: Place) -> Any:
        """Give one of the loss's `numbers`."""
        return at.numbers.get(name, self.numbers[name])


def squares(found: Any, target: Any) -> Scalar:
    """Compute the sum of squared differences of two arrays of one shape, in float32."""
    return jnp.sum(jnp.square(found.astype(jnp.float32) - target))
