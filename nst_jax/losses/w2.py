"""Mean and covariance of features, by the Wasserstein distance of two Gaussians."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import struct

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place
from nst_jax.ops.trace_sqrt import product, trace_sqrt
from nst_jax.types import Features, Gram, Mask, Scalar

EPS = 1e-4
"""Added to every covariance's diagonal, as in style-transfer-pytorch."""


@struct.dataclass
class Moments:
    """Style of one layer: mean (c,) less the centre, covariance (c, c) plus EPS on its diagonal, its square root."""

    mean: Any
    covariance: Gram
    root: Gram


@dataclass(frozen=True)
class W2(Loss):
    """1/N (|m - m_s|^2 + tr(S + S_s - 2 (S_s^1/2 S S_s^1/2)^1/2)) of means m (c,) and covariances S (c, c).

    Source: Olkin and Pukelsheim (1982), The distance between two random vectors with given dispersion matrices, as
    a style loss in crowsonkb's style-transfer-pytorch, which averages over channels.
    """

    statistic = ops.MOMENTS

    def given(self, features: Features) -> Any:
        """Give the centre that both pictures' sums are taken about: the style's mean (c,)."""
        return jnp.mean(features.astype(jnp.float32), (0, 1))

    def target(self, features: Features, mask: Mask | None, given: Any) -> Moments:
        """Take the square root of the covariance along."""
        mean, covariance = self.statistic(features, mask, given)
        covariance = _raised(covariance)
        values, vectors = jnp.linalg.eigh(covariance)
        half = vectors * jnp.sqrt(jnp.maximum(values, 0))[None]
        return Moments(mean, covariance, product(half, vectors.T))

    def distance(self, found: tuple[Any, Gram], target: Moments, at: Place) -> Scalar:
        """Measure the squared distance of two Gaussians, divided by the number of channels."""
        mean, covariance = found[0], _raised(found[1])
        middle = product(product(target.root, covariance), target.root)
        spread = jnp.trace(target.covariance) + jnp.trace(covariance) - 2 * trace_sqrt(middle)
        return (jnp.sum(jnp.square(mean - target.mean)) + spread) / at.channels


def _raised(covariance: Gram) -> Gram:
    return covariance + EPS * jnp.eye(covariance.shape[-1], dtype=covariance.dtype)
