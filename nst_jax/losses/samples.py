"""Which positions of a layer a loss looks at: all, a lattice in phases, or one in each of equal parts."""

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.errors import UserError
from nst_jax.types import Features


def check_kept(samples: int, period: int) -> None:
    """Refuse to draw no positions, or to keep them for no step.

    Raises:
        UserError: with both numbers.
    """
    if samples < 1 or period < 1:
        raise UserError(f"samples is {samples} and period {period}: expected at least 1 of both")


def rows(features: Features) -> jax.Array:
    """View features (h, w, c) as (positions, c) in float32."""
    return features.reshape(-1, features.shape[-1]).astype(jnp.float32)


def spread_rows(features: Features, most: int) -> jax.Array:
    """Take at most so many positions of features (h, w, c), one in each of equal parts: (positions, c).

    Where in its part is drawn, the same for every picture: every k-th position might fall into few columns.
    """
    found = rows(features)
    if len(found) <= most:
        return found
    drawn = np.random.RandomState(0).random_sample(most)
    return found[np.floor((np.arange(most) + drawn) * len(found) / most).astype(np.int32)]


def drawn_places(key: jax.Array, count: int, most: int) -> jax.Array:
    """Draw at most so many of `count` positions, one in each of equal parts; all of them where there are no more."""
    if count <= most:
        return jnp.arange(count)
    at = (jnp.arange(most) + jax.random.uniform(key, (most,))) * (count / most)
    return jnp.minimum(at.astype(jnp.int32), count - 1)


def strides(size: tuple[int, int], most: int) -> tuple[int, int]:
    """Give the strides (down, across) of a lattice of at most so many positions of `size` (h, w), nearly equal."""
    (h, w), a, b = size, 1, 1
    while -(-h // a) * -(-w // b) > most:
        a, b = (a + 1, b) if a <= b else (a, b + 1)
    return a, b


def phases(features: Features, steps: tuple[int, int]) -> jax.Array:
    """Divide features (h, w, c) into the lattices of these strides: (down across, positions of one, c).

    Where a side is no multiple of its stride, some lattices have the last row or column of the picture once more.
    """
    (h, w, c), (a, b) = features.shape, steps
    padded = jnp.pad(features, ((0, -h % a), (0, -w % b), (0, 0)), mode="edge")
    parts = padded.reshape(-(-h // a), a, -(-w // b), b, c).transpose(1, 3, 0, 2, 4)
    return parts.reshape(a * b, -1, c).astype(jnp.float32)


def directed(x: jax.Array, least: jax.Array) -> jax.Array:
    """Divide rows (m, c) by their length, sqrt(|x|^2 + least)."""
    return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), -1, keepdims=True) + least)


def faint(target: jax.Array) -> jax.Array:
    """Give what is added to squared lengths of rows (m, c), so that blank ones have a direction and a derivative."""
    return 1e-6 * jnp.mean(jnp.sum(jnp.square(target), -1)) + 1e-12


def cosines(x: jax.Array, y: jax.Array) -> jax.Array:
    """Give the products of directed rows (m, c) and (n, c): (m, n)."""
    return jnp.matmul(x, y.T, precision="highest")


def positive(x: jax.Array) -> jax.Array:
    """Give x, 0 where rounding made it negative: by choice, as a maximum's derivative asks what is equal to it."""
    return jnp.where(x > 0, x, 0)
