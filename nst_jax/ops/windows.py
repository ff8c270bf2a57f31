"""Pooling over overlapping windows, as Inception has it; borders are left out, or count as nothing."""

from functools import partial, reduce
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.types import Features

Borders = tuple[int, int]
"""How many positions are put before the first and behind the last, in both directions."""


def max_windows(x: Features, side: int, stride: int, borders: Borders = (0, 0)) -> Features:
    """Take the maximum of each window of `side` positions, `stride` apart: (h, w, c) -> (h', w', c).

    Of equal maxima the first gets the whole gradient, as with `max_pool`.
    """
    return _max_windows(x, side, stride, borders, x.shape[:2])


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _max_windows(x: Features, side: int, stride: int, borders: Borders, size: tuple[int, int]) -> Any:
    return reduce(jnp.maximum, _shifted(x, side, stride, borders))


def _max_forward(x: Features, side: int, stride: int, borders: Borders, size: tuple[int, int]):
    y: jax.Array = _max_windows(x, side, stride, borders, size)
    taken = jnp.full(y.shape, side**2 - 1, jnp.uint8)
    for place, other in reversed(list(enumerate(_shifted(x, side, stride, borders)))):
        taken = jnp.where(other == y, jnp.uint8(place), taken)
    return y, taken


def _max_backward(side: int, stride: int, borders: Borders, size: tuple[int, int], taken: jax.Array, g: Features):
    before, behind = borders
    total = jnp.zeros((), g.dtype)
    for place, (i, j) in enumerate(product(range(side), repeat=2)):
        pads = [_around(n, at, before, behind, stride, m) for n, at, m in zip(size, (i, j), g.shape, strict=False)]
        total = total + jax.lax.pad(jnp.where(taken == place, g, 0), jnp.zeros((), g.dtype), [*pads, (0, 0, 0)])
    return (total,)


def _around(length: int, at: int, before: int, behind: int, stride: int, windows: int) -> tuple[int, int, int]:
    """Say what stands before, behind and between the positions that a window's `at`-th is, along one axis."""
    first = at - before
    last = first + stride * (windows - 1)
    return first, length - 1 - last, stride - 1


_max_windows.defvjp(_max_forward, _max_backward)


def _shifted(x: Features, side: int, stride: int, borders: Borders) -> list[jax.Array]:
    """Take each position of every window of (h, w, c), along the rows, each (h', w', c)."""
    low = jnp.asarray(-jnp.inf, x.dtype)
    padded = jax.lax.pad(x, low, [(*borders, 0), (*borders, 0), (0, 0, 0)])
    h, w = ((n - side) // stride + 1 for n in padded.shape[:2])
    return [
        jax.lax.slice(
            padded,
            (i, j, 0),
            (i + (h - 1) * stride + 1, j + (w - 1) * stride + 1, x.shape[-1]),
            (stride, stride, 1),
        )
        for i, j in product(range(side), repeat=2)
    ]


def mean_windows(
    x: Features, side: int, stride: int, borders: Borders = (0, 0), inside: jax.Array | None = None
) -> Features:
    """Take the mean of each window, of those positions that there are: (h, w, c) -> (h', w', c).

    With `inside` (h, w) only those positions are there; the others must be 0.
    """
    there: Any = np.ones(x.shape[:2], np.float32) if inside is None else inside.astype(jnp.float32)
    count = _sums(there[..., None], side, stride, borders)
    return _sums(x, side, stride, borders) / jnp.maximum(jnp.asarray(count), 1).astype(x.dtype)


def _sums(x: Any, side: int, stride: int, borders: Borders) -> Any:
    """Add up each window of (h, w, c), first along the columns, then along the rows; of NumPy's or of JAX's arrays."""
    pad = np.pad if isinstance(x, np.ndarray) else jnp.pad
    for axis in (1, 0):
        x = pad(x, [borders if k == axis else (0, 0) for k in range(3)])
        reach = (x.shape[axis] - side) // stride * stride + 1
        parts = [x[(slice(None),) * axis + (slice(k, k + reach, stride),)] for k in range(side)]
        x = sum(parts[1:], start=parts[0])
    return x
