"""How many lanes fit: what the compiled program says it needs, against what the device has left."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

SHARE = 0.8
"""Part of the free memory to plan with: the allocator's own needs and other processes take the rest."""

PINNED = 64 * 2**30
"""Bytes of its host's memory that jax gives all GPUs unless told otherwise."""

_most = 0


@contextmanager
def within(most: int) -> Iterator[None]:
    """Plan with so many bytes at most; 0 for what there is."""
    global _most
    before, _most = _most, most
    try:
        yield
    finally:
        _most = before


def free_bytes() -> int:
    """Say how much memory each local device has left, or may be planned with."""
    return min(_left(), _most) if _most else _left()


def _left() -> int:
    device = jax.local_devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return _host_bytes() // len(jax.local_devices())


def pinned_bytes() -> int:
    """Say how much of its host's memory each local device may fill: half of it, for a checkpoint is a copy.

    Of GPUs jax has a limit for all of them.
    """
    limit = os.environ.get("XLA_PJRT_GPU_HOST_MEMORY_LIMIT_GB", "")
    most = int(limit) * 2**30 if limit.isdigit() else PINNED
    return min(_host_bytes() // 2, most) // len(jax.local_devices())


def _host_bytes() -> int:
    """Read the memory that this machine, or this container, has left."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        free = 4 * 2**30  # not Linux: small enough for any machine that runs this at all
    try:
        most = int(Path("/sys/fs/cgroup/memory.max").read_text())
        return min(free, most - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, ValueError):  # no such limit
        return free


def needed_bytes(compiled: jax.stages.Compiled) -> int | None:
    """Add up the arguments, results and temporaries of a compiled program on one device; none if it cannot tell."""
    stats = compiled.memory_analysis()
    if stats is None:
        return None
    return (
        stats.argument_size_in_bytes + stats.output_size_in_bytes - stats.alias_size_in_bytes + stats.temp_size_in_bytes
    )


def out_of_memory(error: BaseException) -> bool:
    """Recognise a device that ran out of memory."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error) or "Out of memory" in str(error)
