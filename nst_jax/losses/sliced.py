"""Distributions of features, by their sorted projections on random directions."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from nst_jax.errors import UserError
from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.samples import phases, spread_rows, strides
from nst_jax.ops import FEATURES
from nst_jax.ops.ordered import MOST, ordered_squares, quantiles
from nst_jax.types import Features, Mask, Scalar

STYLE_SAMPLES = 4
"""Positions of the style, for one of the picture's that are sorted together."""


def check_samples(samples: int) -> None:
    """Refuse a number of positions that cannot be sorted together.

    Raises:
        UserError: with what can.
    """
    if not 1 <= samples <= MOST:
        raise UserError(f"samples is {samples}: expected from 1 to {MOST} positions that are sorted together")


@dataclass(frozen=True)
class Sliced(Loss):
    """mean over D directions v and ranks k of (sort(F v)_k - sort(F_s v)_k)^2: the sliced Wasserstein distance.

    Directions are D random unit vectors, N of them by default. The style's sorted values are taken at as many ranks as
    the picture has. Sorting a fine layer whole would take the time of many steps: it is divided into lattices of at
    most `samples` positions, and each direction sorts one of them, so that every position counts for some. Directions
    are drawn from the seed and the step every `period` steps; for a descent that remembers gradients, such as L-BFGS,
    once.

    Source: Heitz, Vanhoey, Chambon and Belcour (2021), A sliced Wasserstein loss for neural texture synthesis, eq. 6,
    where whole layers are sorted, along directions drawn at each evaluation.

    Attributes:
        projections: directions D of each layer; `auto` for as many as it has channels.
        samples: positions that are sorted together.
        period: steps that directions are kept.
    """

    projections: int | Literal["auto"] = "auto"
    samples: int = 4096
    period: int = 12

    statistic = FEATURES
    scattered = True
    renews = True
    drawn = True

    def __post_init__(self) -> None:
        check_samples(self.samples)
        if self.projections != "auto" and not (isinstance(self.projections, int) and self.projections >= 1):
            raise UserError(f"projections is {self.projections}: expected at least 1 direction a layer, or auto")

    def target(self, features: Features, mask: Mask | None, given: Any) -> jax.Array:
        """Keep the style's positions, or a sample of them: (positions, c)."""
        return spread_rows(features, STYLE_SAMPLES * self.samples)

    def renewed(self, found: Any, target: Any, key: jax.Array, at: Place) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Draw directions (lattices, directions of one, c) and lattices, and sort the style along the directions."""
        a, b = strides(at.size, self.samples)
        wanted = at.channels if self.projections == "auto" else self.projections
        lattices = min(a * b, wanted)
        each = -(-wanted // lattices)
        key_v, key_first = jax.random.split(key)
        v = jax.random.normal(key_v, (lattices, each, at.channels))
        v /= jnp.linalg.norm(v, axis=-1, keepdims=True)
        first = jax.random.randint(key_first, (), 0, a * b)
        which = (first + jnp.arange(lattices) * (a * b) // lattices) % (a * b)
        ordered = jnp.sort(jnp.einsum("gkc,mc->gkm", v, target, precision="highest"), -1)
        return v, which, quantiles(ordered, -(-at.size[0] // a) * -(-at.size[1] // b))

    def distance(self, found: Features, target: Any, at: Place) -> Scalar:
        """Average the squared differences of sorted projections."""
        at = at._replace(size=found.shape[:2])
        v, which, goal = at.renewed or self.renewed(None, target, jax.random.key(0), at)
        parts = phases(found, strides(at.size, self.samples))
        parts = parts if len(parts) == len(which) else parts[which]
        projected = jnp.einsum("gmc,gkc->gkm", parts, v, precision="highest")
        return ordered_squares(projected, goal) / goal.size

    def unit(self, target: Any, at: Place) -> Scalar:
        """Give the mean over all directions of what blank features, whose projections are 0, would lose."""
        return jnp.mean(jnp.square(target))
