"""A loss in relative units: 0 at the target, 1 where the picture is blank."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.losses.around import Around
from nst_jax.losses.loss import Place
from nst_jax.types import Scalar


@dataclass(frozen=True)
class Relative(Around):
    """distance(found, target) / distance(blank, target): of a Gram matrix |G - G_s|^2 / |G_s|^2.

    It is the formula of the loss, with a weight chosen from the target: the same number at every size, for every
    network and every picture. Where the target is blank itself the weight is 1.

    Attributes:
        shares: the layers' weights are divided by their sum.
    """

    shares: bool = False  # type: ignore[override]

    # its weight depends on the target
    blends = False  # type: ignore[override]

    extensive = False  # type: ignore[override]

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Measure the distance in units of that of a blank picture."""
        return self.loss.distance(found, target, at) / _positive(self.loss.unit(target, at))

    def whole(self, parts: Any, target: Any, at: Place) -> Scalar:
        """Give the distance in units of that of a blank picture, which is added up row by row.

        At once it would take an array as large as the target, at every step.
        """

        def blank(i: jax.Array) -> Any:
            row = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, i, 1), target)
            return self.loss.part(jnp.zeros_like(jax.tree.leaves(row)[0]), row, at)

        # by its number, for XLA would copy a target to go through it
        each = jax.lax.map(blank, jnp.arange(jax.tree.leaves(target)[0].shape[0]))
        unit = self.loss.whole(jax.tree.map(lambda x: x.sum(0), each), target, at)
        return self.loss.whole(parts, target, at) / _positive(unit)


def _positive(unit: Scalar) -> Scalar:
    return jnp.where(unit > 0, unit, 1)
