"""Sums over positions of features and of their products: Gram matrix, mean and covariance, from one kernel."""

from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.ops.statistic import Statistic, count, weighed
from nst_jax.types import Features, Gram, Mask


@jax.custom_vjp
def products(features: Features, mask: Mask | None = None) -> Gram:
    """Compute sum_p m(p) F(p) F(p)^T in float32, F(p) being the c channels at a position: (h, w, c) -> (c, c)."""
    f = features.reshape(-1, features.shape[-1])
    g = weighed(features, mask).reshape(f.shape)
    return jnp.einsum("mi,mj->ij", f, g, preferred_element_type=jnp.float32, precision=_precision(f))


def _precision(f: jax.Array):
    return jax.lax.Precision.HIGHEST if f.dtype == jnp.float32 else jax.lax.Precision.DEFAULT


def _forward(features: Features, mask: Mask | None):
    return products(features, mask), (features, mask)


def _backward(saved, g: Gram):
    # d/dF(p) <g, sum m F F^T> = m(p) F(p) (g + g^T)
    features, mask = saved
    f = weighed(features, mask).reshape(-1, features.shape[-1])
    s = (g + g.T).astype(f.dtype)
    return jnp.dot(f, s, precision=_precision(f)).reshape(features.shape), None


products.defvjp(_forward, _backward)


def _gram_sums(features: Features, mask: Mask | None, given: Any):
    return count(features, mask), products(features, mask)


def _gram_finish(sums) -> Gram:
    m, total = sums
    return total / m


GRAM = Statistic(_gram_sums, _gram_finish)
"""F^T F / M, F being (M positions, c channels): Gatys et al. (2015), eq. 3, divided by M. -> (c, c)"""


def gram(features: Features) -> Gram:
    """Compute F^T F / M in float32, F being (M positions, c channels): Gatys et al. (2015), eq. 3, divided by M."""
    return GRAM(features)


def _moment_sums(features: Features, mask: Mask | None, given: Any):
    x = features.astype(jnp.float32) - given[None, None]
    return count(features, mask), jnp.sum(weighed(x, mask), (0, 1)), products(x, mask)


def _moment_finish(sums) -> tuple[jax.Array, Gram]:
    m, first, second = sums
    mean = first / m
    return mean, second / m - mean[:, None] * mean[None]


MOMENTS = Statistic(_moment_sums, _moment_finish)
"""Mean (c,) less a fixed centre, and covariance (c, c). The centre (c,) is given, near the mean: sums about 0 would
lose float32's digits where a channel's mean is far above its deviation."""
