"""How likely each of the style's features finds its like in the picture: the contextual loss."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.errors import UserError
from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.samples import cosines, directed, drawn_places, faint, positive, rows, spread_rows
from nst_jax.ops import FEATURES
from nst_jax.types import Features, Mask, Scalar

NEAR = 1e-5
"""Added to the smallest distance that distances are divided by."""


@dataclass(frozen=True)
class Contextual(Loss):
    """-log mean_j max_i CX_ij, less its value for the style itself, over sampled positions i and the style's j.

        d_ij = (1 - cos(F(i) - m_s, F_s(j) - m_s)) / 2     CX_ij = w_ij / sum_k w_ik
        w_ij = exp((1 - d_ij / (min_k d_ik + 1e-5)) / h)   m_s the style's mean

    At most `samples` positions of either picture, those of the picture drawn from the seed and the step every `period`
    steps (once for a descent that remembers gradients). In logarithms throughout: at the start CX is nearly 0.

    Source: Mechrez, Talmi and Zelnik-Manor (2018), The contextual loss for image transformation with non-aligned data,
    eq. 1 to 5.

    Attributes:
        width: h.
        samples: positions of either picture.
        period: steps that they are kept.
    """

    width: float = 0.5
    samples: int = 2048
    period: int = 12

    statistic = FEATURES
    scattered = True
    renews = True
    drawn = True

    def __post_init__(self) -> None:
        if self.samples < 1 or self.period < 1 or not self.width > 0:
            said = f"samples is {self.samples}, period {self.period} and width {self.width:g}"
            raise UserError(f"{said}: expected at least 1 of the first two, and a width above 0")

    def target(self, features: Features, mask: Mask | None, given: Any) -> tuple[jax.Array, jax.Array, Any, Any]:
        """Give directions (positions, c) of the style, its mean (c,), what is too faint, and its loss with itself."""
        mean = jnp.mean(rows(features), 0)
        centred = spread_rows(features, self.samples) - mean[None]
        least = faint(centred)
        own = directed(centred, least)
        return own, mean, least, self._loss(own, own)

    def renewed(self, found: Any, target: Any, key: jax.Array, at: Place) -> jax.Array:
        """Draw positions of the picture."""
        return drawn_places(key, at.positions, self.samples)

    def distance(self, found: Features, target: Any, at: Place) -> Scalar:
        """Compute the loss beyond that of the style itself."""
        (own, mean, least, lowest), x = target, rows(found)
        places = drawn_places(jax.random.key(0), len(x), self.samples) if isinstance(at.renewed, tuple) else at.renewed
        return self._loss(directed(x[places] - mean[None], least), own) - lowest

    def _loss(self, x: jax.Array, y: jax.Array) -> Scalar:
        d = positive(1 - cosines(x, y)) / 2
        # By place: the derivative of a maximum asks what is equal to it, and a compiler may round anew.
        w = (1 - d / (_taken(d, jnp.argmin(d, 1)[:, None], 1) + NEAR)) / self.width
        likely = w - jax.nn.logsumexp(w, 1, keepdims=True)
        return jnp.log(jnp.float32(len(y))) - jax.nn.logsumexp(_taken(likely, jnp.argmax(likely, 0)[None], 0)[0])

    def unit(self, target: Any, at: Place) -> Scalar:
        """Give 1: the loss has no unit."""
        return jnp.float32(1)


def _taken(x: jax.Array, places: jax.Array, axis: int) -> jax.Array:
    return jnp.take_along_axis(x, places, axis)
