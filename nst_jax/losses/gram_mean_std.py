"""Gram matrix, mean and standard deviation together: the style of pictures in print size."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.losses.mean_std import EPS, spread_distance
from nst_jax.types import Scalar

SPREAD = 10.0
"""Weight of means and deviations beside the Gram matrices."""


@dataclass(frozen=True)
class GramMeanStd(Loss):
    """1/N^2 |G - G_s|^2 + 10/N (|m - m_s|^2 + |s - s_s|^2), s as in `mean-std`.

    Means and deviations do not look at how channels go together, but they are held where a Gram matrix averages a
    strong channel over a large area.

    Source: Galerne, Raad, Lezama and Morel (2022), Scaling painting style transfer, eq. 6, whose code weighs Gram
    matrices by 1e3 / N^2 and the others by 1e4 / N for each layer; there s is sqrt(diag G - m^2), which is not a number
    where rounding makes that negative.
    """

    statistic = ops.GRAM_AND_SPREAD
    basis = ops.MEAN  # the centre that both pictures' sums are taken about

    def aimed(self, found: Any, given: Any) -> tuple[Any, Any]:
        """Take what is added to a variance along."""
        gram, mean, variance = found
        return gram, (mean, variance, EPS * jnp.mean(jnp.square(mean + given) + variance))

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Sum up the squared differences of Gram matrices, means and deviations."""
        n, (gram, *spread) = at.channels, found
        return squares(gram, target[0]) / n**2 + SPREAD * spread_distance(spread, target[1]) / n
