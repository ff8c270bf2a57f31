"""When the backward pass computes what: two wrappers that XLA's compilers do not undo."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from nst_jax.ops.bands import for_bands
from nst_jax.ops.conv import Plan, conv, conv_back, pad
from nst_jax.ops.gram import Summary
from nst_jax.types import Features

S = TypeVar("S")


def late(function: Callable[[jax.Array], S], x: jax.Array) -> tuple[jax.Array, S]:
    """Give `(x, function(x))`, where the function's derivative waits for that of everything else made of `x`.

    For a summary of activations such as a Gram matrix: its derivative, as large as the activations, could be computed
    as soon as the summary is known, and XLA's CPU compiler does so, holding one array a layer until the backward pass
    comes by. Here it depends on the other derivative, by `s + 0 g`: a sum that XLA may not simplify, as g might not be
    finite.
    """

    @jax.custom_vjp
    def run(x: jax.Array):
        return x, function(x)

    def forward(x: jax.Array):
        summary, pull = jax.vjp(function, x)
        return (x, summary), pull

    def backward(pull, gs):
        g, s = gs
        s = jax.tree.map(lambda leaf: leaf + 0 * _first(g).astype(leaf.dtype), s)
        return (g + pull(s)[0],)

    run.defvjp(forward, backward)
    return run(x)


def _first(x: jax.Array) -> jax.Array:
    return x[(0,) * x.ndim]


def conv_in_bands(
    x: Features, plan: Plan, summary: Summary | None, *, relu: bool = True, padding: str = "zero", keep: bool = True
) -> tuple[Features, Any]:
    """Give `conv(x, plan)` and its summary; the backward pass takes bands of rows small enough for the cache.

    In each band the summary's derivative is added, masked and carried to `x` at once, so that none of the three is
    written out in whole. Without `keep` the backward pass computes the activations again, band by band, and nothing
    is kept but `x`. (`jax.checkpoint` does not serve: on a CPU XLA (2026) drops its barriers, merges both passes and
    keeps everything.) The derivative towards the plan is zero.
    """

    @jax.custom_vjp
    def run(x: Features, plan: Plan):
        y = conv(x, plan, relu=relu, padding=padding)
        return y, summary.whole(y) if summary else None

    def forward(x: Features, plan: Plan):
        y, made = run(x, plan)
        return (y, made), (x, plan, y if keep else None, made)

    def backward(saved, gs):
        x, plan, kept, made = saved
        g, s = gs
        padded, unpad = jax.vjp(partial(pad, padding=padding), x)
        take, put = jax.lax.dynamic_slice_in_dim, jax.lax.dynamic_update_slice_in_dim

        def band(total: jax.Array, start: jax.Array, height: int, new: jax.Array) -> jax.Array:
            if kept is None:
                y = conv(take(padded, start, height + 2), plan, relu=relu)[1:-1, 1:-1]
            else:
                y = take(kept, start, height)
            ours = take(g, start, height)
            if summary:
                share = jax.tree.map(lambda leaf: leaf * (height / len(g)), s)
                ours += jax.vjp(lambda y, part=summary.part: part(y, made), y)[1](share)[0]
            ours = jnp.where(new[:, None, None] & ((y > 0) | (not relu)), ours, 0)
            found = conv_back(pad(ours, "zero"), plan)
            return put(total, take(total, start, height + 2) + found, start, 0)

        total = for_bands(len(g), g[0].nbytes, band, jnp.zeros_like(padded))
        return (*unpad(total), None)

    run.defvjp(forward, backward)
    return run(x, plan)
