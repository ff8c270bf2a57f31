"""Gram matrix, mean and standard deviation together: the style of pictures in print size."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place
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

    statistic = ops.ABOUT
    basis = ops.MEAN  # the centre that both pictures' sums are taken about

    def aimed(self, found: Any, given: Any) -> tuple[Any, Any, Scalar]:
        """Take what is added to a variance along."""
        mean, second = found
        return mean, second, EPS * jnp.mean(jnp.square(mean + given) + _variance(mean, second))

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Sum up the squared differences of Gram matrices, means and deviations.

        With x = F - c about a centre c, G = mean x x^T + c m^T + m c^T + c c^T, m being the mean of x.
        """
        n, centre, (mean, second), (goal, goal_second, least) = at.channels, at.given, found, target
        crossed = centre[:, None] * (mean - goal)[None]
        apart = second - goal_second + crossed + crossed.T
        spread = spread_distance((mean, _variance(mean, second)), (goal, _variance(goal, goal_second), least))
        return jnp.sum(jnp.square(apart)) / n**2 + SPREAD * spread / n


def _variance(mean: Any, second: Any) -> Any:
    variance = jnp.diagonal(second) - jnp.square(mean)
    # By choice: the derivative of a maximum asks what is equal to it, and a compiler may round anew.
    return jnp.where(variance > 0, variance, 0)
