"""Gram matrix with its own derivative."""

import jax
import jax.numpy as jnp

from nst_jax.types import Features, Gram


@jax.custom_vjp
def gram(features: Features) -> Gram:
    """Compute F^T F / M in float32, F being (M positions, c channels): Gatys et al. (2015), eq. 3, divided by M."""
    f = features.reshape(-1, features.shape[-1])
    return jnp.einsum("mi,mj->ij", f, f, preferred_element_type=jnp.float32, precision=_precision(f)) / f.shape[0]


def _precision(f: jax.Array):
    return jax.lax.Precision.HIGHEST if f.dtype == jnp.float32 else jax.lax.Precision.DEFAULT


def _forward(features: Features):
    return gram(features), features


def _backward(features: Features, g: Gram):
    # d/dF <g, F^T F / M> = F (g + g^T) / M
    f = features.reshape(-1, features.shape[-1])
    s = ((g + g.T) / f.shape[0]).astype(f.dtype)
    return (jnp.dot(f, s, precision=_precision(f)).reshape(features.shape),)


gram.defvjp(_forward, _backward)
