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


@jax.custom_vjp
def max_pool(x: Features) -> Features:
    """Take the maximum of each 2x2 window: (h, w, c) -> (h // 2, w // 2, c)."""
    a, b, c, d = _corners(x)
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))


def _max_forward(x: Features):
    y = max_pool(x)
    return y, (x, y)


def _max_backward(saved, g: Features):
    # Elementwise instead of select-and-scatter. Of equal maxima the first takes the gradient, as select-and-scatter
    # and PyTorch have it: flat areas of a picture tie exactly, and in bfloat16 many a neighbour does.
    # Written over the whole window, not corner by corner: XLA's CPU compiler fuses that with what reads it, but
    # writes a stack of corners to memory first.
    x, y = saved
    h, w, c = x.shape
    windows = x[: h // 2 * 2, : w // 2 * 2].reshape(h // 2, 2, w // 2, 2, c)
    order = jnp.arange(4).reshape(1, 2, 1, 2, 1)
    wide = (slice(None), None, slice(None), None)
    taken = jnp.zeros(windows.shape, bool)
    for place, corner in enumerate(_corners(x)[:3]):
        taken |= (corner == y)[wide] & (order > place)
    even = jnp.where((windows == y[wide]) & ~taken, g[wide], 0).reshape(h // 2 * 2, w // 2 * 2, c)
    return (jnp.pad(even, ((0, h % 2), (0, w % 2), (0, 0))),)


max_pool.defvjp(_max_forward, _max_backward)


def avg_pool(x: Features) -> Features:
    """Take the mean of each 2x2 window: (h, w, c) -> (h // 2, w // 2, c)."""
    a, b, c, d = _corners(x)
    return (a + b + c + d) / 4
