"""Trace of a matrix square root with its own derivative, in matrix products alone."""

import jax
import jax.numpy as jnp

from nst_jax.types import Gram, Scalar

ITERATIONS = 12
"""Newton-Schulz iterations, as in crowsonkb's style-transfer-pytorch."""


@jax.custom_vjp
def trace_sqrt(a: Gram) -> Scalar:
    """Compute tr A^1/2 of a symmetric positive (c, c) by Newton-Schulz; its derivative is 1/2 A^-1/2.

    The iteration gives A^1/2 and A^-1/2 at once, in matrix products alone, and after a fixed number of steps both
    are bounded however small an eigenvalue: no gradient is ever infinite.

    Source: Higham (1986), Newton's method for the matrix square root; Lin and Maji (2017), Improved bilinear pooling.
    """
    return jnp.trace(_roots(a)[0])


def _roots(a: Gram) -> tuple[Gram, Gram]:
    """Compute A^1/2 and A^-1/2 of (c, c)."""
    eye = jnp.eye(a.shape[-1])
    norm = jnp.sqrt(jnp.sum(jnp.square(a)))

    def step(_, roots):
        y, z = roots
        t = 1.5 * eye - 0.5 * product(z, y)
        return product(y, t), product(t, z)

    y, z = jax.lax.fori_loop(0, ITERATIONS, step, (a / norm, eye))
    return y * jnp.sqrt(norm), z / jnp.sqrt(norm)


def product(a: jax.Array, b: jax.Array) -> jax.Array:
    """Multiply two matrices in full float32, whatever the device's default."""
    return jnp.matmul(a, b, precision="highest")


def _forward(a: Gram):
    root, inverse = _roots(a)
    return jnp.trace(root), inverse


def _backward(inverse: Gram, g: Scalar):
    return (0.5 * g * inverse,)


trace_sqrt.defvjp(_forward, _backward)
