"""What XLA's compiler is asked for when a network's program is compiled, and what the C library before one runs."""

from collections.abc import Callable
from functools import cache, update_wrapper
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

CPU = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""No products through YNNPACK: it runs the many small ones of a Winograd convolution on one core. A step of an image
of 256 pixels a side takes a tenth to a fifth less time without (JAX 0.10.2, two cores). A plain convolution through it
takes its scratch memory from the system anew each time: a picture's targets then take three times as long."""

OF_XLA = "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,CONDITIONAL"
GPU = {"xla_gpu_enable_command_buffer": f"{OF_XLA},CONVOLUTION"}
"""What XLA records into command buffers (CUDA graphs): its own list, and convolutions. A step of one picture with Adam
is then launched once instead of 46 times; a launch takes about as long as a small kernel (JAX 0.10.2)."""

KEPT_BLOCK = 2**25 - 2**13
"""Bytes; with its header just below 32 MB, the most that glibc lets its thresholds grow to."""


def wanted(platform: str) -> dict[str, str]:
    """Give the options that a solver wants of the compiler for a platform (cpu, gpu, tpu)."""
    return {"cpu": CPU, "gpu": GPU}.get(platform, {})


@cache
def options(*, once: bool = False) -> dict[str, str]:
    """Give the compiler options for the default backend: none where its compiler does not know them.

    A program that runs `once` is not recorded on a GPU. Every program of a solver passes here once, so this is also
    where a CPU's freed memory begins to be kept.
    """
    if jax.default_backend() == "cpu":
        _keep_freed_memory()
    asked = {} if once and jax.default_backend() == "gpu" else wanted(jax.default_backend())
    try:
        if asked:
            jax.jit(lambda: 0, compiler_options=asked).lower().compile()
    except (jax.errors.JaxRuntimeError, ValueError):  # "No such compile option": another version of jaxlib
        return {}
    return asked


def _keep_freed_memory() -> None:
    """Let glibc keep freed blocks of up to 32 MB for the next allocation, by freeing one such block.

    Its thresholds grow with what is freed (mallopt(3), M_MMAP_THRESHOLD). A convolution allocates and frees megabytes
    of scratch memory; when they go back to the system each time, a step of 256x256 takes 20 000 page faults more, and 4
    to 8 % more time. Other C libraries do not mind.
    """
    np.empty(KEPT_BLOCK, np.uint8)


class Late:
    """A function that is compiled with `options()` when it is first called; inside another program it is part of that.

    Late, because a module that is imported must not start a backend: `jax.distributed` comes first.
    """

    def __init__(self, function: Callable[..., Any], once: bool, how: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self._nested = jax.jit(function, **how)
        self.jitted: Any = cache(lambda: jax.jit(function, compiler_options=options(once=once), **how))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it."""
        inside = any(isinstance(x, Tracer) for x in jax.tree.leaves((args, kwargs)))
        return (self._nested if inside else self.jitted())(*args, **kwargs)


def late_jit(*, once: bool = False, **how: Any) -> Callable[[Callable[..., Any]], Late]:
    """Give a decorator: `jax.jit(function, **how)` with `options()`, of a program that runs `once` or many times."""
    return lambda function: Late(function, once, how)
