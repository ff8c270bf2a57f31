"""Style as mean and covariance of the features, compared by the Wasserstein-2 distance of two Gaussians."""

import jax
import jax.numpy as jnp
from flax import struct

from nst_jax import ops
from nst_jax.types import Features, Gram, Scalar

EPS = 1e-4
"""Added to every covariance's diagonal, as in style-transfer-pytorch."""

ITERATIONS = 12
"""Newton-Schulz iterations, as in style-transfer-pytorch."""


@struct.dataclass
class Moments:
    """Target of one layer: mean (c,), covariance (c, c) plus EPS on its diagonal, and that matrix' square root."""

    mean: jax.Array
    covariance: Gram
    root: Gram


def _moments(features: Features) -> tuple[jax.Array, Gram]:
    """Compute mean (c,) and covariance (c, c) of (h, w, c), the diagonal raised by EPS."""
    x = features.astype(jnp.float32)
    mean = jnp.mean(x, (0, 1))
    # Centred before the product: the difference of a second moment and mean mean^T need not be positive in float32.
    return mean, ops.gram(x - mean[None, None]) + EPS * jnp.eye(x.shape[-1])


def target(features: Features) -> Moments:
    """Compute what a style image's features (h, w, c) leave to match."""
    mean, covariance = _moments(features)
    values, vectors = jnp.linalg.eigh(covariance)
    half = vectors * jnp.sqrt(jnp.maximum(values, 0))[None]
    return Moments(mean, covariance, _product(half, vectors.T))


def loss(features: Features, style: Moments) -> Scalar:
    """Compute 1/N (|m - m_s|^2 + tr(S + S_s - 2 (S_s^1/2 S S_s^1/2)^1/2)) of features (h, w, c), N = c channels.

    Source: Olkin and Pukelsheim (1982), The distance between two random vectors with given dispersion matrices, as
    a style loss in crowsonkb's style-transfer-pytorch, which averages over channels.
    """
    mean, covariance = _moments(features)
    middle = _product(_product(style.root, covariance), style.root)
    spread = jnp.trace(style.covariance) + jnp.trace(covariance) - 2 * trace_sqrt(middle)
    return (jnp.sum(jnp.square(mean - style.mean)) + spread) / mean.shape[0]


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
        t = 1.5 * eye - 0.5 * _product(z, y)
        return _product(y, t), _product(t, z)

    y, z = jax.lax.fori_loop(0, ITERATIONS, step, (a / norm, eye))
    return y * jnp.sqrt(norm), z / jnp.sqrt(norm)


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.matmul(a, b, precision="highest")


def _forward(a: Gram):
    root, inverse = _roots(a)
    return jnp.trace(root), inverse


def _backward(inverse: Gram, g: Scalar):
    return (0.5 * g * inverse,)


trace_sqrt.defvjp(_forward, _backward)
