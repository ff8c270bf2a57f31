"""Maximum mean discrepancy with a polynomial kernel: from Gram matrices to means."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.types import Scalar


@dataclass(frozen=True)
class MMDPoly(Loss):
    """1/(4 N^2) MMD^2 with the kernel k(x, y) = (x . y + c q)^2, q being the style's mean of |x|^2.

    MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y) = |G - G_s|^2 + 2 c q |m - m_s|^2

    of Gram matrices G (c, c) and means m (c,). With c = 0 it is the loss `gram`; as c grows it becomes that of means.
    The unit q makes c mean the same at every layer and in every network.

    Source: Li, Wang, Liu and Hou (2017), Demystifying neural style transfer, eq. 7 and 9.
    """

    statistic = ops.GRAM_AND_MEAN
    numbers = MappingProxyType({"c": 1.0})

    def aimed(self, found: Any, given: Any) -> tuple[Any, Any, Scalar]:
        """Take the style's mean of |x|^2 along."""
        mean, gram = found
        return mean, gram, jnp.trace(gram)

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Sum up the squared differences of Gram matrices and of means."""
        (mean, gram), (target_mean, target_gram, unit) = found, target
        means = 2 * self.number("c", at) * unit * squares(mean, target_mean)
        return (squares(gram, target_gram) + means) / (4 * at.channels**2)
