"""Distributions of features, by the relaxed earth mover's distance of their directions."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.samples import check_kept, cosines, directed, drawn_places, faint, rows, spread_rows
from nst_jax.ops import FEATURES
from nst_jax.types import Features, Mask, Scalar

STYLE_SAMPLES = 4
"""Positions of the style, for one of the picture's."""


@dataclass(frozen=True)
class REMD(Loss):
    """max(mean_i min_j C_ij, mean_j min_i C_ij), C_ij = 1 - cos(F(i), F_s(j)), over sampled positions.

    At most `samples` positions of the picture, one in each of equal parts, drawn from the seed and the step every
    `period` steps (once for a descent that remembers gradients), and four times as many of the style's. It looks at
    directions alone: set lengths by `mean-std` or `gram` beside it.

    Source: Kolkin, Salavon and Shakhnarovich (2019), Style transfer by relaxed optimal transport and self-similarity,
    eq. 7 and 8, on the features of all layers at once.

    Attributes:
        samples: positions of the picture.
        period: steps that they are kept.
    """

    samples: int = 1024
    period: int = 12

    statistic = FEATURES
    scattered = True
    renews = True
    drawn = True

    def __post_init__(self) -> None:
        check_kept(self.samples, self.period)

    def target(self, features: Features, mask: Mask | None, given: Any) -> jax.Array:
        """Keep the style's positions, or a sample of them: (positions, c)."""
        return spread_rows(features, STYLE_SAMPLES * self.samples)

    def renewed(self, found: Any, target: Any, key: jax.Array, at: Place) -> jax.Array:
        """Draw positions of the picture."""
        return drawn_places(key, at.positions, self.samples)

    def distance(self, found: Features, target: jax.Array, at: Place) -> Scalar:
        """Average the distances to the nearest, from either side, and take the larger."""
        x, least = rows(found), faint(target)
        places = drawn_places(jax.random.key(0), len(x), self.samples) if isinstance(at.renewed, tuple) else at.renewed
        own, other = directed(x[places], least), directed(target, least)
        near = jax.lax.stop_gradient(cosines(own, other))
        # By place and by choice: the derivative of a maximum asks what equals it, and a compiler may round anew.
        there, back = own * other[jnp.argmax(near, 1)], own[jnp.argmax(near, 0)] * other
        sides = 1 - jnp.mean(jnp.sum(there, -1)), 1 - jnp.mean(jnp.sum(back, -1))
        return jnp.where(sides[0] > sides[1], *sides)

    def unit(self, target: jax.Array, at: Place) -> Scalar:
        """Give 1: of what is blank every cosine is 0."""
        return jnp.float32(1)
