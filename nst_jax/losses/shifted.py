"""Gram matrices of shifted activations, which are no longer all positive."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.types import Gram, Scalar


@dataclass(frozen=True)
class Shifted(Loss):
    """1/(4 N^2) |G - G_s|^2 with G = (F - a)^T (F - a) / M, F being (M positions, N channels).

    a is the mean of all the style's activations at this layer, one number. Where a channel does not fire it has an
    entry too, so that the Gram matrix is no longer sparse.

    Source: Novak and Nikulin (2016), Improving the neural algorithm of artistic style, section 4.2, where a is 1: that
    is the mean of a layer of the network in question, whose activations are normalised; those here reach 10^4.
    """

    statistic = ops.SHIFTED_GRAM
    basis = ops.MEAN
    blends = True

    def brought(self, found: jax.Array) -> jax.Array:
        """Give the shift (c,)."""
        return jnp.full(found.shape, jnp.mean(found))

    def distance(self, found: Gram, target: Gram, at: Place) -> Scalar:
        """Sum up the squared differences of two shifted Gram matrices (c, c)."""
        return squares(found, target) / (4 * at.channels**2)
