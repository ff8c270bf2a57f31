"""Rematerialisation that XLA's CPU compiler does not undo."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def remat(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep only the arguments of `function(x, *constants)` for the backward pass and compute the rest again.

    What `jax.checkpoint` does, for one differentiable array `x`; the derivative towards `constants` is zero. On a CPU
    XLA (2026) drops the barriers of `jax.checkpoint`, merges both passes and keeps everything, so here the second
    pass depends on the incoming derivative: `x + 0 g`, a sum that XLA may not simplify, as g might not be finite.
    """

    @jax.custom_vjp
    def run(x: jax.Array, *constants: Any):
        return function(x, *constants)

    def forward(x: jax.Array, *constants: Any):
        return function(x, *constants), (x, constants)

    def backward(saved, g):
        x, constants = saved
        first = [leaf[(0,) * leaf.ndim] for leaf in jax.tree.leaves(g)]
        again = x + 0 * jnp.asarray(sum(first), x.dtype)
        _, pull = jax.vjp(lambda x: function(x, *constants), again)
        return (*pull(g), *[None] * len(constants))

    run.defvjp(forward, backward)
    return run
