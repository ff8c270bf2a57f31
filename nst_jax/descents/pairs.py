"""The pairs of L-BFGS, most of its memory: the form they are kept in, and products with all of them at once."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Form(NamedTuple):
    """How pairs are kept: leaves (places, ...) of one vector each.

    Attributes:
        halved: in bfloat16.
        shaped: in the shape of x, with channels that come last first, instead of flat. A TPU lays arrays out in tiles
            of their last two axes: a picture flattened is another layout, which every use of the pairs would make anew.
            Elsewhere flat is a picture's own, and XLA's CPU compiler copies pairs of another shape.
        bits: halved ones are the bits of bfloat16, and widened one by one. XLA's CPU compiler computes nothing in
            bfloat16, not even a vector's place among others: it would make a float32 copy of all pairs.
        hosted: in the memory of the device's host, from where they come to the device one by one each time.
    """

    halved: bool = False
    shaped: bool = False
    bits: bool = False
    hosted: bool = False

    def empty(self, x: Any, places: int) -> Any:
        """Give so many places for vectors like x, all zero."""
        kind = jnp.uint16 if self.bits else jnp.bfloat16 if self.halved else jnp.float32

        def one(leaf: jax.Array) -> jax.Array:
            if self.hosted:  # one by one, so that they are not all on the device first
                zero = jnp.zeros(leaf.shape, kind)
                return jax.lax.map(lambda _: jax.device_put(zero, jax.memory.Space.Host), jnp.arange(places))
            return jnp.zeros((places, *leaf.shape), kind)

        return jax.tree.map(one, self.stored(x))

    def stored(self, x: Any) -> Any:
        """Give x as a pair keeps it, in float32."""
        if not self.shaped:
            return jax.tree.map(jnp.ravel, x)
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0) if _last(leaf) else leaf, x)

    def restored(self, stored: Any, like: Any) -> Any:
        """Give back what was stored, in the shape that x has."""

        def one(leaf: jax.Array, like: jax.Array) -> jax.Array:
            return jnp.moveaxis(leaf, 0, -1) if self.shaped and _last(like) else leaf.reshape(like.shape)

        return jax.tree.map(one, stored, like)

    def rounded(self, x: Any) -> Any:
        """Round to what a pair can hold."""
        return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16).astype(leaf.dtype), x) if self.halved else x

    def written(self, pairs: Any, x: Any, place: jax.Array) -> Any:
        """Put a vector at a place."""

        def one(pairs: jax.Array, new: jax.Array) -> jax.Array:
            kept = _bits(new) if self.bits else new.astype(pairs.dtype)
            kept = jax.device_put(kept, jax.memory.Space.Host) if self.hosted else kept
            return jax.lax.dynamic_update_index_in_dim(pairs, kept, place, 0)

        return jax.tree.map(one, pairs, self.stored(x))

    def products(self, pairs: Any, x: Any) -> jax.Array:
        """Multiply the vector at every place with x: (places,)."""

        def times(pairs: jax.Array, x: jax.Array) -> jax.Array:
            return jnp.tensordot(pairs, x, x.ndim, precision="highest")

        def one(pairs: jax.Array, x: jax.Array) -> jax.Array:
            if self.bits or self.hosted:
                return jax.lax.map(lambda k: times(self._taken(pairs, k), x), jnp.arange(len(pairs)))
            return times(pairs.astype(x.dtype), x)

        return sum(jax.tree.leaves(jax.tree.map(one, pairs, self.stored(x))))  # type: ignore[return-value]

    def combined(self, factors: jax.Array, pairs: Any, like: Any) -> Any:
        """Add up the vectors of all places, each times its factor, in the shape that x has."""

        def one(pairs: jax.Array) -> jax.Array:
            if self.bits or self.hosted:
                zero = jnp.zeros(pairs.shape[1:], factors.dtype)
                return jax.lax.fori_loop(0, len(pairs), lambda k, x: x + factors[k] * self._taken(pairs, k), zero)
            return jnp.tensordot(factors, pairs.astype(factors.dtype), 1, precision="highest")

        return self.restored(jax.tree.map(one, pairs), like)

    def _taken(self, pairs: jax.Array, place: jax.Array) -> jax.Array:
        """Give the vector at a place, on the device and in float32."""
        pair = jax.lax.dynamic_index_in_dim(pairs, place, 0, keepdims=False)
        pair = jax.device_put(pair, jax.memory.Space.Device) if self.hosted else pair
        return _widened(pair) if self.bits else pair


def _last(leaf: jax.Array) -> bool:
    """Say whether a leaf's channels, the shorter of its outer axes, come last."""
    return leaf.ndim > 2 and leaf.shape[-1] < leaf.shape[0]


def _bits(x: jax.Array) -> jax.Array:
    """Round to bfloat16 and give its bits."""
    return jax.lax.bitcast_convert_type(x.astype(jnp.bfloat16), jnp.uint16)


def _widened(bits: jax.Array) -> jax.Array:
    """Give the float32 of bfloat16's bits: their upper half."""
    return jax.lax.bitcast_convert_type(bits.astype(jnp.uint32) << 16, jnp.float32)


def times(a: jax.Array, b: jax.Array) -> jax.Array:
    """Multiply small matrices in full: a GPU's default, tf32, is too coarse for what cancels."""
    return jnp.matmul(a, b, precision="highest")


def bordered(inverse: jax.Array, products: jax.Array, place: jax.Array) -> jax.Array:
    """Give the inverse of a triangle R with one more column r at a place, and without its oldest row and column.

        [R r; 0 d]^-1 = [R^-1  -R^-1 r / d; 0  1 / d]        and that of R's lower right block is R^-1's own.

    So no system is ever solved, and the places need not be in the order of time.

    Args:
        inverse: (places, places), R^-1 by places, zero in the rows and columns of those without a pair.
        products: (places,), of the new column: r, and d at its place.
        place: of the new column; the oldest is at the next.
    """
    where = jnp.arange(len(inverse))
    new, oldest = where == place, where == (place + 1) % len(inverse)
    column = jnp.where(new, 1, -times(inverse, products)) / jnp.sum(jnp.where(new, products, 0))
    return jnp.where(oldest[None] | oldest[:, None], 0, jnp.where(new[None], column[:, None], inverse))
