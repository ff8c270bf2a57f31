"""Mean and standard deviation of each channel: what adaptive instance normalisation sets."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.types import Scalar

EPS = 1e-5
"""Added to a variance, of the style's mean square, so that the deviation of a flat channel has a derivative."""


@dataclass(frozen=True)
class MeanStd(Loss):
    """1/N (|m - m_s|^2 + |s - s_s|^2) of means m (c,) and standard deviations s (c,) of N channels.

    s = sqrt(variance + EPS q), q being the mean square of the style's features at this layer.

    Source: Li, Wang, Liu and Hou (2017), Demystifying neural style transfer, eq. 14, without its weight; Huang and
    Belongie (2017), eq. 13, has the norms in place of their squares, which have no derivative at the target.
    """

    statistic = ops.SPREAD
    basis = ops.MEAN  # the centre that both pictures' sums are taken about

    def aimed(self, found: Any, given: Any) -> tuple[jax.Array, jax.Array, Scalar]:
        """Take what is added to a variance along."""
        mean, variance = found
        return mean, variance, EPS * jnp.mean(jnp.square(mean + given) + variance)

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Sum up the squared differences of means and of deviations."""
        return spread_distance(found, target) / at.channels


def spread_distance(found: Any, target: Any) -> Scalar:
    """Compute |m - m_s|^2 + |s - s_s|^2 of (m, variance) and (m_s, variance_s, what is added to either)."""
    (mean, variance), (target_mean, target_variance, least) = found, target
    least = jnp.maximum(least, jnp.finfo(jnp.float32).tiny)
    return squares(mean, target_mean) + squares(jnp.sqrt(variance + least), jnp.sqrt(target_variance + least))
