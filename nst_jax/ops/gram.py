"""Gram matrix with its own derivative."""

from collections.abc import Callable
from typing import Any, NamedTuple

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


class Summary(NamedTuple):
    """What to make of activations (h, w, c): a mean over positions, such as a Gram matrix.

    Attributes:
        whole: the summary of all rows.
        part: the summary of some of the rows, the whole being known; over all parts of equal height the mean of its
            derivatives is the whole's.
    """

    whole: Callable[[Features], Any]
    part: Callable[[Features, Any], Any]


GRAM = Summary(gram, lambda rows, _: gram(rows))
