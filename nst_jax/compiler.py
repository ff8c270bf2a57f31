"""What XLA's compiler is asked for when a solver is compiled."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax

CPU = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""No products through YNNPACK: it runs the many small ones of a Winograd convolution on one core. A step of an image
of 256 pixels a side takes a tenth to a fifth less time without (JAX 0.10.2, two cores)."""


@cache
def options() -> dict[str, str]:
    """Give the compiler options for the default backend: none where its compiler does not know them."""
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=CPU).lower().compile()
    except (jax.errors.JaxRuntimeError, ValueError):  # "No such compile option": another version of jaxlib
        return {}
    return CPU


def late_jit(function: Callable[..., Any], **how: Any) -> Callable[[], Any]:
    """Give a function that gives `jax.jit(function, **how)` with `options()`.

    Late, because a module that is imported must not start a backend: `jax.distributed` comes first.
    """
    return cache(lambda: jax.jit(function, compiler_options=options(), **how))
