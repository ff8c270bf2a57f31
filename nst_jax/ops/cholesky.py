"""Cholesky factors, in matrix products on a CPU."""

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from nst_jax.types import Gram

LEAF = 32
"""Rows that are taken one by one."""


def cholesky(s: Gram) -> tuple[Gram, Gram]:
    """Compute L with L L^T = S, lower triangular, and L^-1: (c, c) -> two of (c, c); NaN where S is not positive.

    On a CPU by halves, in products: XLA's LAPACK calls hand the matrices of a batch to the threads of the pool that
    they run on themselves, and wait. Where as many such calls run at once as there are threads, each waits for the
    others: JAX 0.10.2 on two cores hangs for ever in the gradient of a batch. Products are also faster there.
    """
    return jax.lax.platform_dependent(s, cpu=_halved, default=_whole)


def _whole(s: Gram) -> tuple[Gram, Gram]:
    factor = jnp.linalg.cholesky(s)
    return factor, solve_triangular(factor, jnp.eye(s.shape[-1], dtype=s.dtype), lower=True)


def _halved(s: Gram) -> tuple[Gram, Gram]:
    """With S = (A, B^T; B, C): L = (L_a, 0; B L_a^-T, L_c), where L_c L_c^T = C - (B L_a^-T) (B L_a^-T)^T."""
    n = s.shape[-1]
    if n <= LEAF:
        return _by_rows(s)
    half = n // 2 // LEAF * LEAF or LEAF
    first, first_back = _halved(s[:half, :half])
    below = product(s[half:, :half], first_back.T)
    last, last_back = _halved(s[half:, half:] - product(below, below.T))
    nothing = jnp.zeros((half, n - half), s.dtype)
    corner = -product(last_back, product(below, first_back))
    return jnp.block([[first, nothing], [below, last]]), jnp.block([[first_back, nothing], [corner, last_back]])


def _by_rows(s: Gram) -> tuple[Gram, Gram]:
    n = s.shape[-1]
    places = jnp.arange(n)

    def step(k: jax.Array, state):
        left, factor, back = state
        pivot = jnp.sqrt(left[k, k])
        column = jnp.where(places >= k, left[:, k] / pivot, 0)
        factor = factor.at[:, k].set(column)
        # row k of L X = 1: what is below it is 0 still
        row = (jnp.where(places == k, 1.0, 0.0) - product(factor[k] - jnp.where(places == k, pivot, 0), back)) / pivot
        return left - column[:, None] * column[None], factor, back.at[k].set(row)

    nothing = jnp.zeros_like(s)
    return jax.lax.fori_loop(0, n, step, (s, nothing, nothing))[1:]


def product(a: jax.Array, b: jax.Array) -> jax.Array:
    """Multiply two matrices in full float32, whatever the device's default."""
    return jnp.matmul(a, b, precision="highest")
