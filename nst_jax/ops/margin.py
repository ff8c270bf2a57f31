"""Tell a picture from the margin that gives it the size of others."""

import jax
import jax.numpy as jnp

from nst_jax.types import Sides


def inside(shape: tuple[int, ...], sides: Sides) -> jax.Array:
    """Say which positions of an array of `shape` (h, w, ...) belong to a picture of `sides`: (h, w) booleans."""
    rows, columns = jnp.arange(shape[0]) < sides[0], jnp.arange(shape[1]) < sides[1]
    return rows[:, None] & columns[None]
