"""Covariances: Gram matrices of centred features, and the mean that they leave free."""

from dataclasses import dataclass
from typing import Any

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.types import Gram, Scalar


@dataclass(frozen=True)
class Covariance(Loss):
    """1/(4 N^2) |S - S_s|^2 + |m - m_s|^2 of covariances S (c, c) and means m (c,) of N channels.

    S = sum_p (F(p) - m) (F(p) - m)^T / M. A Gram matrix is S + m m^T, most of it m m^T where all means are positive, as
    behind a ReLU: there the covariance says more of how channels go together. Alone it leaves the mean free, hence the
    second term.

    Source: Li, Wang, Liu and Hou (2017), Demystifying neural style transfer, eq. 7 with a kernel of degree 2 on centred
    features.
    """

    statistic = ops.MOMENTS
    basis = ops.MEAN  # the centre that both pictures' sums are taken about
    blends = True

    def distance(self, found: tuple[Any, Gram], target: tuple[Any, Gram], at: Place) -> Scalar:
        """Sum up the squared differences of covariances, and of means."""
        return squares(found[1], target[1]) / (4 * at.channels**2) + squares(found[0], target[0])
