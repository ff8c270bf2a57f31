"""The Bures distance of two covariances, exact in float32, with its own derivative."""

import jax
import jax.numpy as jnp

from nst_jax.ops.cholesky import cholesky, product
from nst_jax.types import Gram, Scalar

POLAR = (
    (8.4295691, -24.536541, 17.855275),
    (4.2142671, -3.0667825, 0.55796373),
    (4.2119083, -3.0651911, 0.55778803),
    (4.2020033, -3.0585077, 0.55705065),
    (4.1608831, -3.0307177, 0.55398482),
    (3.9981295, -2.9200043, 0.54177821),
    (3.461952, -2.5456731, 0.50064194),
    (2.4646429, -1.7854857, 0.41887105),
    (1.9075547, -1.2750133, 0.36867715),
    (1.875, -1.25, 0.375),
)
"""Odd polynomials a x + b x^3 + c x^5 that one after the other take every x from 1e-5 to 1 to 1 within 4e-7. Each but
the last has the least largest error on what the one before it leaves and 1 % more, so that rounding cannot lead out of
it (Amsel et al. 2025, The Polar Express, algorithm 1)."""


@jax.custom_vjp
def bures(s: Gram, factor: Gram) -> Scalar:
    """Compute tr (S + T - 2 (T^1/2 S T^1/2)^1/2) of a positive definite S (c, c) and T by its Cholesky factor L_t.

    With S = L L^T, B = L_t^T L and its orthogonal factor U = B (B^T B)^-1/2 it is |L - L_t U|^2: a sum of squares,
    which keeps its digits near 0. The derivative towards S is the symmetric part of (L - L_t U) L^-1. B is never
    squared but within the iteration for U: in float32 the eigenvalues of B^T B below 1e-7 of the largest would be
    noise, and they are most of them. No derivative is infinite.

    Source: Bhatia, Jain and Lim (2019), On the Bures-Wasserstein distance between positive definite matrices, eq. 3.
    """
    return _forward(s, factor)[0]


def _forward(s: Gram, factor: Gram):
    own, back = root(s)
    rest = own - product(factor, polar(product(factor.T, own)))
    slope = product(rest, back)
    return jnp.sum(jnp.square(rest)), 0.5 * (slope + slope.T)


def _backward(slope: Gram, g: Scalar):
    return g * slope, None


bures.defvjp(_forward, _backward)


def root(s: Gram) -> tuple[Gram, Gram]:
    """Compute the Cholesky factor of S (c, c) and its inverse, or where rounding left S indefinite of S + e |S| I.

    e is the least of 1e-6, 1e-5, ... 1 with which it exists. A sum over 65,000 positions whose terms are added one
    after the other, as a GPU does, leaves eigenvalues of -1e-5 of the norm |S|.
    """
    norm = jnp.sqrt(jnp.sum(jnp.square(s)))
    eye = jnp.eye(s.shape[-1], dtype=s.dtype)

    def fails(state):
        e, (factor, _) = state
        return jnp.isnan(factor[-1, -1]) & (e < 1)

    def raised(state):
        e = 10 * state[0]
        return e, cholesky(s + e * norm * eye)

    return jax.lax.while_loop(fails, raised, (jnp.asarray(1e-7, s.dtype), cholesky(s)))[1]


def polar(b: jax.Array) -> jax.Array:
    """Compute the orthogonal factor U of B = U H (c, c), H without negative eigenvalues, in matrix products alone.

    A singular value of B below 1e-5 of its norm counts for less than 1 in U.

    Source: Higham (1986), Computing the polar decomposition.
    """
    x = b / jnp.sqrt(jnp.sum(jnp.square(b)))
    eye = jnp.eye(b.shape[-1], dtype=b.dtype)

    def step(x: jax.Array, polynomial: jax.Array):
        first, third, fifth = polynomial
        g = product(x.T, x)
        return product(x, first * eye + third * g + fifth * product(g, g)), None

    return jax.lax.scan(step, x, jnp.asarray(POLAR, b.dtype))[0]
