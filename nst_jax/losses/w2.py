"""Mean and covariance of features, by the Wasserstein distance of two Gaussians."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.ops.bures import bures, root
from nst_jax.types import Gram, Scalar

EPS = 1e-6
"""What is added to a covariance's diagonal, of the norm of its second moments: what float32 can tell from nothing."""
FLAT = 1e-3
"""Part of the target's norm that a flat picture has at least."""
TINY = 1e-6
"""Norm that a flat target has at least."""


@struct.dataclass
class Moments:
    """Style of one layer: mean (c,) less the centre, and the covariance's norm and Cholesky factor (c, c)."""

    mean: Any
    norm: Scalar
    factor: Gram


@dataclass(frozen=True)
class W2(Loss):
    """1/N (|m - m_s|^2 + tr(S + S_s - 2 (S_s^1/2 S S_s^1/2)^1/2)) of means m (c,) and covariances S (c, c).

    To the diagonal of each covariance EPS |S + (m - m_s) (m - m_s)^T| is added, |.| being the Frobenius norm, so that
    channels that are dead or repeated do no harm. Loss and gradient are those of an exact root within 1e-3 at layers of
    a VGG with more positions than channels; with fewer what is added shows, in the gradient by some hundredths.

    Source: Olkin and Pukelsheim (1982), The distance between two random vectors with given dispersion matrices, as
    a style loss in crowsonkb's style-transfer-pytorch, which averages over channels. There the root is cut short after
    twelve iterations, which leaves the loss some 5 % and the gradient some 6 % off.
    """

    statistic = ops.MOMENTS
    basis = ops.MEAN  # the centre that both pictures' sums are taken about

    def aimed(self, found: tuple[Any, Gram], given: Any) -> Moments:
        """Take the factor of the covariance along."""
        mean, covariance = found
        norm = _norm(mean, covariance, jnp.float32(TINY))
        return Moments(mean, norm, root(_raised(covariance, norm))[0])

    def distance(self, found: tuple[Any, Gram], target: Moments, at: Place) -> Scalar:
        """Measure the squared distance of two Gaussians, divided by the number of channels."""
        mean, covariance = found
        covariance = _raised(covariance, _norm(mean, covariance, FLAT * target.norm))
        return (squares(mean, target.mean) + bures(covariance, target.factor)) / at.channels

    def unit(self, target: Moments, at: Place) -> Scalar:
        """Measure how far blank features are from the target: their covariance is 0, and no root is needed."""
        return (squares(target.mean, -at.given) + jnp.sum(jnp.square(target.factor))) / at.channels


def _norm(mean: jax.Array, covariance: Gram, least: Scalar) -> Scalar:
    return jnp.sqrt(jnp.sum(jnp.square(covariance + mean[:, None] * mean[None])) + jnp.square(least))


def _raised(covariance: Gram, norm: Scalar) -> Gram:
    return covariance + EPS * norm * jnp.eye(covariance.shape[-1], dtype=covariance.dtype)
