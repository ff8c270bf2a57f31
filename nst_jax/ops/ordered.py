"""Sorted values beside others in order, with a derivative of its own and a sort of whole numbers."""

import jax
import jax.numpy as jnp

from nst_jax.types import Scalar

SCATTER = 0x9E3779B1
"""An odd number: times it, places keep apart and lie about."""
BACK = pow(SCATTER, -1, 2**32)

MOST = 2**16
"""Values that can be sorted together."""


@jax.custom_vjp
def ordered_squares(x: jax.Array, goal: jax.Array) -> Scalar:
    """Compute sum (sort(x) - goal)^2 along the last axis of two arrays (..., m), m at most MOST.

    Each value is sorted as a whole number: its level between the least and the largest, of as many levels as leave
    room for its place, at least 2^16; so the order is wrong, if at all, between values that close. XLA's CPU compiler
    sorts whole numbers ten times as fast as floats. Of equal levels (a ReLU's zeros) the order of places is scattered,
    so that what pulls equal values apart is no gradient across the picture.
    """
    return _forward(x, goal)[0]


def _forward(x: jax.Array, goal: jax.Array):
    order = ranked(x)
    gap = jnp.take_along_axis(x, order, -1) - goal
    return jnp.sum(jnp.square(gap)), (order, gap)


def _backward(saved, g: Scalar):
    order, gap = saved
    pull = 2 * g * gap
    return jnp.put_along_axis(jnp.zeros_like(gap), order, pull, -1, inplace=False), -pull


ordered_squares.defvjp(_forward, _backward)


def ranked(x: jax.Array) -> jax.Array:
    """Give the places of x (..., m) in the order of their values."""
    m = x.shape[-1]
    bits = max(1, (m - 1).bit_length())
    low, high = jnp.min(x, -1, keepdims=True), jnp.max(x, -1, keepdims=True)
    levels = min(2 ** (32 - bits), 2**24) - 1
    share = (x - low) / jnp.maximum(high - low, jnp.finfo(jnp.float32).tiny)
    mask = jnp.uint32(2**bits - 1)
    places = jnp.arange(m, dtype=jnp.uint32) * jnp.uint32(SCATTER) & mask
    packed = ((share * levels).astype(jnp.uint32) << bits) | jnp.broadcast_to(places, x.shape)
    return ((jnp.sort(packed, -1) & mask) * jnp.uint32(BACK) & mask).astype(jnp.int32)


def quantiles(ordered: jax.Array, count: int) -> jax.Array:
    """Give sorted values (..., k) at the levels (j + 1/2) / count, between two of them in proportion: (..., count)."""
    k = ordered.shape[-1]
    if k == count:
        return ordered
    at = jnp.clip((jnp.arange(count) + 0.5) * (k / count) - 0.5, 0, k - 1)
    below = jnp.floor(at).astype(jnp.int32)
    above = jnp.minimum(below + 1, k - 1)
    share = (at - below).reshape((1,) * (ordered.ndim - 1) + (count,))
    return ordered[..., below] * (1 - share) + ordered[..., above] * share
