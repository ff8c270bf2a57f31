"""Sums over positions of features and of their products: Gram matrix, mean and covariance, from one kernel."""

from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.ops.statistic import Statistic, count, weighed
from nst_jax.types import Features, Gram, Mask


@jax.custom_vjp
def products(features: Features, mask: Mask | None = None) -> Gram:
    """Compute sum_p m(p) F(p) F(p)^T in float32, F(p) being the c channels at a position: (h, w, c) -> (c, c)."""
    return _product(features, weighed(features, mask))


def _product(f: Features, g: Features) -> Gram:
    f, g = f.reshape(-1, f.shape[-1]), g.reshape(-1, g.shape[-1])
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


def total(features: Features, mask: Mask | None = None) -> jax.Array:
    """Compute sum_p m(p) F(p) in float32: (h, w, c) -> (c,)."""
    return jnp.sum(weighed(features, mask), (0, 1), dtype=jnp.float32)


def _mean_sums(features: Features, mask: Mask | None, given: Any):
    return count(features, mask), total(features, mask)


def _mean_finish(sums) -> jax.Array:
    m, first = sums
    return first / m


MEAN = Statistic(_mean_sums, _mean_finish)
"""Mean (c,) in float32."""


def _gram_sums(features: Features, mask: Mask | None, given: Any):
    return count(features, mask), products(features, mask)


def _gram_finish(sums) -> Gram:
    m, second = sums
    return second / m


GRAM = Statistic(_gram_sums, _gram_finish)
"""F^T F / M, F being (M positions, c channels): Gatys et al. (2015), eq. 3, divided by M. -> (c, c)"""


def gram(features: Features) -> Gram:
    """Compute F^T F / M in float32, F being (M positions, c channels): Gatys et al. (2015), eq. 3, divided by M."""
    return GRAM(features)


def _raw_sums(features: Features, mask: Mask | None, given: Any):
    return count(features, mask), total(features, mask), products(features, mask)


def _raw_finish(sums) -> tuple[jax.Array, Gram]:
    m, first, second = sums
    return first / m, second / m


GRAM_AND_MEAN = Statistic(_raw_sums, _raw_finish)
"""Mean (c,) and Gram matrix (c, c)."""


def _centred(features: Features, given: Any) -> Features:
    return features.astype(jnp.float32) - given[None, None]


def _moment_sums(features: Features, mask: Mask | None, given: Any):
    x = _centred(features, given)
    return count(features, mask), total(x, mask), products(x, mask)


def _moment_finish(sums) -> tuple[jax.Array, Gram]:
    m, first, second = sums
    mean = first / m
    return mean, second / m - mean[:, None] * mean[None]


MOMENTS = Statistic(_moment_sums, _moment_finish)
"""Mean (c,) less a fixed centre, and covariance (c, c). The centre (c,) is given, near the mean: sums about 0 would
lose float32's digits where a channel's mean is far above its deviation."""


def _shifted_sums(features: Features, mask: Mask | None, given: Any):
    return count(features, mask), products(_centred(features, given), mask)


SHIFTED_GRAM = Statistic(_shifted_sums, _gram_finish)
"""(F - a)^T (F - a) / M for a given shift a (c,). -> (c, c)"""


def _spread_sums(features: Features, mask: Mask | None, given: Any):
    x = _centred(features, given)
    return count(features, mask), total(x, mask), total(jnp.square(x), mask)


def _spread_finish(sums) -> tuple[jax.Array, jax.Array]:
    m, first, second = sums
    mean = first / m
    variance = second / m - jnp.square(mean)
    # By choice: the derivative of a maximum asks what is equal to it, and a compiler may round anew.
    return mean, jnp.where(variance > 0, variance, 0)


SPREAD = Statistic(_spread_sums, _spread_finish)
"""Mean (c,) less a fixed centre, which is given, and variance (c,)."""


@jax.custom_vjp
def _first_and_products(features: Features, mask: Mask | None, centre: jax.Array) -> tuple[jax.Array, Gram]:
    x = _centred(features, centre).astype(features.dtype)
    return total(x, mask), products(x, mask)


def _both_forward(features: Features, mask: Mask | None, centre: jax.Array):
    return _first_and_products(features, mask, centre), (features, mask, centre)


def _both_backward(saved, gs):
    # m ((F - c) S + f), S = g + g^T, as m (F S + b), b = f - c S: nothing is kept but F
    (features, mask, centre), (f, g) = saved, gs
    rows, s = features.reshape(-1, features.shape[-1]), g + g.T
    b = f - jnp.dot(centre, s, precision=jax.lax.Precision.HIGHEST)
    slope = jnp.dot(rows, s.astype(rows.dtype), precision=_precision(rows)) + b.astype(rows.dtype)[None]
    return weighed(slope.reshape(features.shape), mask), None, None


_first_and_products.defvjp(_both_forward, _both_backward)


def _about_sums(features: Features, mask: Mask | None, given: Any):
    return count(features, mask), *_first_and_products(features, mask, given)


ABOUT = Statistic(_about_sums, _raw_finish)
"""Mean (c,) less a fixed centre, which is given, and (F - centre)^T (F - centre) / M (c, c), one product of all: the
Gram matrix, and a variance without the loss of digits of one about 0, are made of these."""
