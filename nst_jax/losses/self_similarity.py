"""How alike the positions of a picture are to each other: a content loss that leaves colours and textures free."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.samples import check_kept, cosines, directed, drawn_places, faint, positive, rows
from nst_jax.ops import FEATURES
from nst_jax.types import Features, Scalar


@dataclass(frozen=True)
class SelfSimilarity(Loss):
    """n mean_ij |D_ij - D'_ij| over n sampled positions, D = 1 - cos(F(i), F(j)), its columns divided by their sums.

    At most `samples` positions, one in each of equal parts, drawn from the seed and the step every `period` steps (once
    for a descent that remembers gradients). D' is the content's.

    Source: Kolkin, Salavon and Shakhnarovich (2019), Style transfer by relaxed optimal transport and self-similarity,
    eq. 5, on the features of all layers at once.

    Attributes:
        samples: positions.
        period: steps that they are kept.
    """

    samples: int = 1024
    period: int = 12

    statistic = FEATURES
    renews = True
    drawn = True

    def __post_init__(self) -> None:
        check_kept(self.samples, self.period)

    def renewed(self, found: Any, target: Features, key: jax.Array, at: Place) -> tuple[jax.Array, jax.Array]:
        """Draw positions, and compare the content's there: (n,) and (n, n)."""
        y = rows(target)
        places = drawn_places(key, len(y), self.samples)
        return places, _distances(y[places], faint(y))

    def distance(self, found: Features, target: Features, at: Place) -> Scalar:
        """Average the absolute differences."""
        places, goal = at.renewed or self.renewed(None, target, jax.random.key(0), at)
        gap = _distances(rows(found)[places], faint(rows(target))) - goal
        return len(goal) * jnp.mean(gap * jax.lax.stop_gradient(jnp.sign(gap)))

    def unit(self, target: Features, at: Place) -> Scalar:
        """Give 1: columns that add up to 1 are a unit."""
        return jnp.float32(1)


def _distances(x: jax.Array, least: jax.Array) -> jax.Array:
    own = directed(x, least)
    d = positive(1 - cosines(own, own))
    return d / (jnp.sum(d, 0, keepdims=True) + jnp.float32(1e-6) * len(d))
