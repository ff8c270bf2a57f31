"""2x2 pooling of stride 2; an odd last row or column is dropped, as in Caffe's and Keras' VGG ('valid')."""

import jax
import jax.numpy as jnp

from nst_jax.types import Features


def _corners(x: Features) -> tuple[jax.Array, ...]:
    """Take the four positions of every window of (h, w, c), each (h // 2, w // 2, c).

    Slices rather than a reduction over windows: XLA's CPU compiler hands reductions to a library, together with the
    bias and the zeros of the ReLU before them, written out to the size of the layer.
    """
    h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
    return tuple(x[i:h:2, j:w:2] for i in (0, 1) for j in (0, 1))


NOWHERE = 4
"""In place of the place of a maximum that is 0: behind a ReLU no gradient passes there."""


@jax.custom_vjp
def max_pool(x: Features) -> Features:
    """Take the maximum of each 2x2 window: (h, w, c) -> (h // 2, w // 2, c)."""
    a, b, c, d = _corners(x)
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))


def max_pool_taken(x: Features) -> tuple[Features, jax.Array]:
    """Take the maximum of each 2x2 window and say where it stood: 0 to 3 along the rows, NOWHERE if it is 0.

    Of equal maxima the first, as select-and-scatter and PyTorch have it: flat areas of a picture tie exactly, and in
    bfloat16 many a neighbour does. -> two arrays (h // 2, w // 2, c), the places in bytes.
    """
    y = max_pool(x)
    return y, jnp.where(y == 0, jnp.uint8(NOWHERE), _place(x, y))


def _place(x: Features, y: Features) -> jax.Array:
    a, b, c, _ = _corners(x)
    return jnp.where(a == y, 0, jnp.where(b == y, 1, jnp.where(c == y, 2, 3))).astype(jnp.uint8)


def max_unpool(taken: jax.Array, g: Features, size: tuple[int, int]) -> Features:
    """Put the gradient (h // 2, w // 2, c) of each maximum where it was taken from: (h, w, c) for `size` (h, w).

    Elementwise instead of select-and-scatter, and written over the whole window, not corner by corner: XLA's CPU
    compiler fuses that with what reads it, but writes a stack of corners to memory first.
    """
    (h, w), c = size, g.shape[-1]
    wide = (slice(None), None, slice(None), None)
    order = jnp.arange(4, dtype=jnp.uint8).reshape(1, 2, 1, 2, 1)
    even = jnp.where(taken[wide] == order, g[wide], 0).reshape(h // 2 * 2, w // 2 * 2, c)
    return jnp.pad(even, ((0, h % 2), (0, w % 2), (0, 0)))


def _max_forward(x: Features):
    y = max_pool(x)
    return y, (x, y)


def _max_backward(saved, g: Features):
    x, y = saved
    return (max_unpool(_place(x, y), g, x.shape[:2]),)


max_pool.defvjp(_max_forward, _max_backward)


def avg_pool(x: Features) -> Features:
    """Take the mean of each 2x2 window: (h, w, c) -> (h // 2, w // 2, c)."""
    a, b, c, d = _corners(x)
    return (a + b + c + d) / 4


def avg_pool_taken(x: Features) -> tuple[Features, jax.Array]:
    """Take the mean of each 2x2 window and say which of its positions are above 0, behind a ReLU those that count.

    -> two arrays (h // 2, w // 2, c), the second in bytes: a bit for each position, along the rows.
    """
    corners = _corners(x)
    bits = sum((corner > 0).astype(jnp.uint8) << place for place, corner in enumerate(corners))
    return sum(corners[1:], corners[0]) / 4, jnp.asarray(bits, jnp.uint8)


def avg_unpool(taken: jax.Array, g: Features, size: tuple[int, int]) -> Features:
    """Share out the gradient (h // 2, w // 2, c) of each mean among its positions above 0: (h, w, c) for `size` (h, w).

    Written as `max_unpool` is.
    """
    (h, w), c = size, g.shape[-1]
    wide = (slice(None), None, slice(None), None)
    bits = (1 << jnp.arange(4, dtype=jnp.uint8)).reshape(1, 2, 1, 2, 1)
    even = jnp.where(taken[wide] & bits, (g / 4)[wide], 0).reshape(h // 2 * 2, w // 2 * 2, c)
    return jnp.pad(even, ((0, h % 2), (0, w % 2), (0, 0)))


TAKEN = {"max": max_pool_taken, "avg": avg_pool_taken}
UNPOOL = {"max": max_unpool, "avg": avg_unpool}
"""By the kind of pooling: pool what is behind a ReLU and say in bytes what counted; and the derivative from these."""
