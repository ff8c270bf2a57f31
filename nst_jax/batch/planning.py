"""Cut a sweep into chunks of lanes that fit the memory there is."""

import re
from collections.abc import Callable, Sequence

import jax

from nst_jax import vgg
from nst_jax.batch import memory
from nst_jax.batch.program import Chunk, How, compile_chunk
from nst_jax.batch.sweep import Sweep, buckets, swept_leaves
from nst_jax.errors import UserError
from nst_jax.problem import Problem
from nst_jax.vgg import Encoder


def halve(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Split the first chunk, and those of its size or more, into chunks of half the size."""
    size = max(1, chunks[0].size // 2)
    parts: list[Chunk] = []
    for chunk in chunks:
        parts += cut(chunk.lanes, size, chunk.swept) if chunk.size > size else [chunk]
    return parts


def cut(lanes: Sequence[int], size: int, swept: tuple[bool, ...]) -> list[Chunk]:
    """Cut lanes into chunks of `size`."""
    return [Chunk(tuple(lanes[i : i + size]), size, swept) for i in range(0, len(lanes), size)]


def plan(
    encoder: Encoder,
    sweep: Sweep,
    how: How,
    *,
    lanes: int | None = None,
    only: Sequence[int] | None = None,
    say: Callable[[str], object] = print,
) -> list[Chunk]:
    """Cut the lanes (all, or `only` some) into chunks of one shape that fit the memory at the finest scale; say how.

    Raises:
        UserError: `lanes` is below 1.
    """
    if lanes is not None and lanes < 1:
        raise UserError(f"lanes is {lanes}: expected at least 1")
    chunks: list[Chunk] = []
    for bucket in buckets(sweep):
        swept = swept_leaves([sweep.problems[i] for i in bucket])
        mine = [i for i in bucket if only is None or i in set(only)]
        if mine:
            size, why = _size(encoder, sweep, mine, swept, how, lanes)
            parts = cut(mine, size, swept)
            h, w, _ = sweep.problems[mine[0]].init.shape
            count = len(sweep.scales(mine[0]))
            scales = f" and {count} scales" if count > 1 else ""
            say(f"{len(mine)} lanes of {w}x{h} in {len(parts)} chunks of {size}{scales}: {why}")
            chunks += parts
    return chunks


def _size(
    encoder: Encoder, sweep: Sweep, mine: Sequence[int], swept: tuple[bool, ...], how: How, lanes: int | None
) -> tuple[int, str]:
    """Choose how many lanes run together: even chunks, a multiple of the devices."""
    if lanes is not None:
        return _even(len(mine), lanes), "as asked"
    devices = min(len(jax.local_devices()), len(mine))
    free = int(memory.free_bytes() * memory.SHARE)
    size = _even(len(mine), devices * (free // guess_bytes(encoder, sweep.problems[mine[0]])), devices)
    while True:
        # Compiling is not in vain: the run finds this very program in jit's cache.
        need = memory.needed_bytes(compile_chunk(encoder, sweep, Chunk(tuple(mine[:size]), size, swept), how))
        if need is None or need <= free or size <= devices:
            break
        size = _even(len(mine), min(size - 1, size * free // need), devices)
    told = "the program does not tell its memory" if need is None else f"{need / 2**30:.2f} GiB a device"
    return size, f"{told} of {free / 2**30:.1f} GiB free"


def _even(count: int, most: int, devices: int = 1) -> int:
    """Give the size of the fewest equal chunks of at most `most` lanes, a multiple of the devices."""
    most = max(1, min(count, most) // devices)
    rows = -(-count // devices)  # lanes a device
    return -(-rows // -(-rows // most)) * devices


def guess_bytes(encoder: Encoder, problem: Problem) -> int:
    """Guess what one lane needs before anything is compiled: each activation three times, in float32."""
    h, w, _ = problem.init.shape
    layers = [name.replace("relu", "conv") for name in (*problem.content, *problem.style)]
    names = vgg.conv_names(encoder.architecture)
    deepest = max((names.index(name) for name in layers), default=0)
    floats = 20 * h * w * 3
    for name in names[: deepest + 1]:
        shrunk = 4 ** (int(re.sub(r"\D+(\d).*", r"\1", name)) - 1)
        floats += 3 * h * w * encoder.params[name]["kernel"].shape[-1] // shrunk
    return 4 * floats
