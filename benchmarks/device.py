"""Name the machine and measure what it can do at best."""

import importlib.metadata
import os
import platform
import time

import jax
import jax.numpy as jnp

from nst_jax import record


def describe(device: str) -> dict[str, str | int | float]:
    """Name the device, its threads, how busy the machine was before, and the versions of what ran on it."""
    versions = {}
    for package in ("jax", "jaxlib", "torch", "numpy"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    name = jax.devices()[0].device_kind if device == "cuda" else record.cpu_name()
    load = round(os.getloadavg()[0], 1)
    return {"device": name, "threads": threads(), "load": load, "python": platform.python_version(), **versions}


def threads() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def matmul_peak(device: str, precision: str, repeats: int = 5) -> float:
    """Measure the FLOP/s of the best of `repeats` timings of a chain of large square matrix products."""
    n, chain = (8192, 10) if device == "cuda" else (2048, 2)
    dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    mode = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "default"}[precision]
    a = jax.random.normal(jax.random.key(0), (n, n), dtype) / jnp.sqrt(n).astype(dtype)

    @jax.jit
    def run(a: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, chain, lambda _, x: jnp.dot(a, x, precision=mode), a)

    run(a).block_until_ready()
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        run(a).block_until_ready()
        best = min(best, time.perf_counter() - begin)
    return 2 * n**3 * chain / best
