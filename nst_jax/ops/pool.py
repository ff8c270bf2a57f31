"""2x2 pooling of stride 2; an odd last row or column is dropped, as in Caffe's and Keras' VGG ('valid')."""

import jax
import jax.numpy as jnp

from nst_jax.types import Features


def _windows(x: Features) -> jax.Array:
    """View (h, w, c) as (h / 2, 2, w / 2, 2, c)."""
    h, w, c = x.shape
    return x[: h // 2 * 2, : w // 2 * 2].reshape(h // 2, 2, w // 2, 2, c)


@jax.custom_vjp
def max_pool(x: Features) -> Features:
    """Take the maximum of each 2x2 window: (h, w, c) -> (h // 2, w // 2, c)."""
    return _windows(x).max((1, 3))


def _max_forward(x: Features):
    y = max_pool(x)
    return y, (x, y)


def _max_backward(saved, g: Features):
    # Elementwise instead of select-and-scatter. Ties share the gradient in full: after a ReLU they are zeros, and
    # the ReLU's own mask stops what comes back.
    x, y = saved
    h, w, _ = x.shape
    mask = _windows(x) == y[:, None, :, None]
    back = jnp.where(mask, g[:, None, :, None], 0).reshape(h // 2 * 2, w // 2 * 2, -1)
    return (jnp.pad(back, ((0, h % 2), (0, w % 2), (0, 0))),)


max_pool.defvjp(_max_forward, _max_backward)


def avg_pool(x: Features) -> Features:
    """Take the mean of each 2x2 window: (h, w, c) -> (h // 2, w // 2, c)."""
    return _windows(x).mean((1, 3))
