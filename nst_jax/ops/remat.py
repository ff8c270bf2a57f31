"""When the backward pass computes what: wrappers that XLA's compilers do not undo."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.ops.bands import for_bands
from nst_jax.ops.conv import Plan, conv, conv_back, conv_back_joined, joins, pad
from nst_jax.ops.gram import GRAM
from nst_jax.ops.statistic import Summary
from nst_jax.types import Features

Summaries = tuple[Summary, ...]
"""What is asked for of one layer."""


def late(summaries: Summaries, x: Features) -> tuple[Features, tuple[Any, ...]]:
    """Give `x` (h, w, c) and its summaries, whose derivatives wait for that of everything else made of `x`.

    For a summary of activations such as a Gram matrix: its derivative, as large as the activations, could be computed
    as soon as the summary is known, and XLA's CPU compiler does so, holding one array a layer until the backward pass
    comes by. Here it depends on the other derivative, by `s + 0 g`: a sum that XLA may not simplify, as g might not be
    finite.
    """

    if not summaries:
        return x, ()

    @jax.custom_vjp
    def run(x: Features, summaries: Summaries):
        return x, tuple(summary(x) for summary in summaries)

    def forward(x: Features, summaries: Summaries):
        made, pull = jax.vjp(lambda x: tuple(summary(x) for summary in summaries), x)
        return (x, made), pull

    def backward(pull, gs):
        g, s = gs
        s = jax.tree.map(lambda leaf: leaf + 0 * _first(g).astype(leaf.dtype), s)
        return g + pull(s)[0], None

    run.defvjp(forward, backward)
    return run(x, summaries)


def can_join(plan: Plan, summaries: Summaries) -> bool:
    """Say whether `conv_joined` does it: Gram matrices of whole layers alone, and at least one."""
    plain = all(summary.statistic == GRAM and summary.mask is None for summary in summaries)
    return bool(summaries) and plain and joins(plan)


def conv_joined(
    x: Features, plan: Plan, summaries: Summaries, *, padding: str = "zero"
) -> tuple[Features, tuple[Any, ...]]:
    """Give `conv(x, plan)` and its Gram matrices; their gradient, that from above and the ReLU's mask are one pass.

    The derivatives towards the plan and the summaries are zero.
    """

    @jax.custom_vjp
    def run(x: Features, plan: Plan, summaries: Summaries):
        y = conv(x, plan, padding=padding)
        return y, tuple(summary(y) for summary in summaries)

    def forward(x: Features, plan: Plan, summaries: Summaries):
        y = conv(x, plan, padding=padding)
        made, pulls = _finished(y, summaries)
        return (y, made), (plan, y, pulls)

    def backward(saved, gs):
        plan, y, pulls = saved
        g, s = gs
        found = [pull(one)[0][1] for pull, one in zip(pulls, s, strict=True)]
        total: Any = sum(d + d.T for d in found)
        return conv_back_joined(g, plan, y, total, padding=padding), None, None

    run.defvjp(forward, backward)
    return run(x.astype(plan.forward.dtype), plan, summaries)


def _finished(y: Features, summaries: Summaries) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Give the summaries of a layer, and what carries a derivative of each back to its sums."""
    sums = tuple(s.statistic.sums(y, s.mask, s.given) for s in summaries)
    pairs = [jax.vjp(summary.statistic.finish, found) for summary, found in zip(summaries, sums, strict=True)]
    return tuple(made for made, _ in pairs), tuple(pull for _, pull in pairs)


def _first(x: jax.Array) -> jax.Array:
    return x[(0,) * x.ndim]


def conv_in_bands(
    x: Features, plan: Plan, summaries: Summaries, *, relu: bool = True, padding: str = "zero", keep: bool = True
) -> tuple[Features, tuple[Any, ...]]:
    """Give `conv(x, plan)` and its summaries; the backward pass takes bands of rows small enough for the cache.

    In each band the derivatives of the summaries, which are sums over positions, are added, masked and carried to `x`
    at once, so that none of them is written out in whole. Without `keep` the backward pass computes the activations
    again, band by band, and nothing is kept but `x`. (`jax.checkpoint` does not serve: on a CPU XLA (2026) drops its
    barriers, merges both passes and keeps everything.) The derivatives towards the plan and the summaries are zero.
    """
    assert all(summary.statistic.additive for summary in summaries)

    @jax.custom_vjp
    def run(x: Features, plan: Plan, summaries: Summaries):
        y = conv(x, plan, relu=relu, padding=padding)
        return y, tuple(summary(y) for summary in summaries)

    def forward(x: Features, plan: Plan, summaries: Summaries):
        y = conv(x, plan, relu=relu, padding=padding)
        made, pulls = _finished(y, summaries)
        return (y, made), (x, plan, summaries, y if keep else None, pulls)

    def backward(saved, gs):
        x, plan, summaries, kept, pulls = saved
        g, s = gs
        sums = tuple(pull(one)[0] for pull, one in zip(pulls, s, strict=True))
        padded, unpad = jax.vjp(partial(pad, padding=padding), x)
        take, put = jax.lax.dynamic_slice_in_dim, jax.lax.dynamic_update_slice_in_dim

        def band(total: jax.Array, start: jax.Array, height: int, new: jax.Array) -> jax.Array:
            if kept is None:
                y = conv(take(padded, start, height + 2), plan, relu=relu)[1:-1, 1:-1]
            else:
                y = take(kept, start, height)
            ours = take(g, start, height)
            for summary, one in zip(summaries, sums, strict=True):
                mask = None if summary.mask is None else take(summary.mask, start, height)
                ours += jax.vjp(lambda y, s=summary, m=mask: s.statistic.sums(y, m, s.given), y)[1](one)[0]
            ours = jnp.where(new[:, None, None] & ((y > 0) | (not relu)), ours, 0)
            found = conv_back(pad(ours, "zero"), plan)
            return put(total, take(total, start, height + 2) + found, start, 0)

        total = for_bands(len(g), g[0].nbytes, band, jnp.zeros_like(padded))
        return unpad(total)[0], None, None

    run.defvjp(forward, backward)
    return run(x, plan, summaries)
