"""When the backward pass computes what: two wrappers that XLA's compilers do not undo."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

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
        first = [_first(leaf) for leaf in jax.tree.leaves(g)]
        again = x + 0 * jnp.asarray(sum(first), x.dtype)
        _, pull = jax.vjp(lambda x: function(x, *constants), again)
        return (*pull(g), *[None] * len(constants))

    run.defvjp(forward, backward)
    return run
