"""Bands of rows that stay in the cache from one operation to the next."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

S = TypeVar("S")

BAND_BYTES = 2 * 2**20
"""What the activations of one band may take."""


def for_bands(rows: int, row_bytes: int, body: Callable[[S, jax.Array, int, jax.Array], S], carry: S) -> S:
    """Apply `body(carry, start, height, new)` to one band of `rows` after the other and give the last carry.

    All bands have one height. So that it need not divide `rows`, the last may begin with rows of the one before: `new`
    (height,) says which rows of a band are its own.
    """
    height = max(1, min(rows, BAND_BYTES // row_bytes))

    def step(i: jax.Array | int, carry: S) -> S:
        start = jnp.minimum(i * height, rows - height)
        return body(carry, start, height, start + jnp.arange(height) >= i * height)

    return step(0, carry) if height == rows else jax.lax.fori_loop(0, -(-rows // height), step, carry)
