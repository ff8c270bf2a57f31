"""Cut a sweep into chunks of lanes that fit the memory there is."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import jax

from nst_jax import printing
from nst_jax.absent import Absent
from nst_jax.batch import memory
from nst_jax.batch.elsewhere import needed_there, tabled_bytes
from nst_jax.batch.encoders import Encoders, gathered
from nst_jax.batch.program import Chunk, compile_chunk
from nst_jax.batch.sweep import Sweep, buckets, swept_leaves
from nst_jax.errors import UserError
from nst_jax.gradients import Tiles
from nst_jax.networks import Encoder, Network
from nst_jax.problem import Problem, prepared


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
    encoders: Encoder | Sequence[Encoder] | Encoders,
    sweep: Sweep,
    *,
    lanes: int | None = None,
    only: Sequence[int] | None = None,
    snapshots: int = 0,
    say: Callable[[str], object] = printing.log,
    device: Absent | None = None,
) -> list[Chunk]:
    """Cut the lanes (all, or `only` some) into chunks of one shape that fit the memory at the finest scale; say how.

    With a `device` that is not here they are cut for that one. Lanes with pairs in the host's memory go one by one.

    Raises:
        UserError: `lanes` is below 1, or above where they go one by one; the memory does not hold one lane, or nothing
            is known of the device's.
    """
    if lanes is not None and lanes < 1:
        raise UserError(f"lanes is {lanes}: expected at least 1")
    chunks: list[Chunk] = []
    programs = buckets(sweep)
    if len(programs) > 1:
        say(f"{len(sweep)} lanes in {len(programs)} programs, each compiled once")
    for bucket in programs:
        encoder = gathered(encoders).of(sweep.problems[bucket[0]])
        swept = swept_leaves([sweep.problems[i] for i in bucket])
        mine = [i for i in bucket if only is None or i in set(only)]
        if mine:
            problem = sweep.problems[mine[0]]
            hosted = _hosted(problem, lanes, device)
            if hosted:
                size, why = _size(_here(encoder, sweep, mine[:1], swept, snapshots), problem, 1)
            elif lanes:
                size, why = _even(len(mine), lanes), "as asked"
            elif device:
                size, why = _size(_there(encoder, problem, swept, device), problem, len(mine))
            else:
                size, why = _size(_here(encoder, sweep, mine, swept, snapshots), problem, len(mine))
            parts = cut(mine, size, swept)
            h, w, _ = problem.init.shape
            count = len(sweep.scales(mine[0]))
            scales = f" and {count} scales" if count > 1 else ""
            cut_up = f"{len(mine)} lanes of {w}x{h} in {len(parts)} chunks of {size}{scales}"
            say(f"{cut_up if len(mine) > 1 else f'one lane of {w}x{h}{scales}'}: {why}")
            chunks += parts
    return chunks


def _hosted(problem: Problem, lanes: int | None, device: Absent | None) -> bool:
    """Say whether pairs are in the host's memory.

    Raises:
        UserError: lanes that are to go together then, or a device that is not here.
    """
    platform = device.platform if device else jax.default_backend()
    found = prepared(problem, platform).descent.hosted
    told = "pair_precision is host, for pictures that go one by one"
    if found and (lanes or 1) > 1:
        raise UserError(f"lanes is {lanes} and {told}: leave lanes out, or keep the pairs in float32 or bfloat16")
    if found and device:
        raise UserError(f"{told}, and is planned where the device is: leave device out")
    return found


@dataclass(frozen=True)
class Room:
    """Where lanes are to run.

    Attributes:
        devices: how many share them.
        free: bytes that each has left.
        share: of these to plan with.
        needs: lanes -> bytes a device; none if that cannot be told.
        told: what to say of it.
    """

    devices: int
    free: int
    share: float
    needs: Callable[[int], int | None]
    told: str = "free"


def _here(encoder: Encoder, sweep: Sweep, mine: Sequence[int], swept: tuple[bool, ...], snapshots: int) -> Room:
    def needs(size: int) -> int | None:
        # Compiling is not in vain: the run finds this very program in jit's cache.
        return memory.needed_bytes(compile_chunk(encoder, sweep, Chunk(tuple(mine[:size]), size, swept), snapshots))

    return Room(min(len(jax.local_devices()), len(mine)), memory.free_bytes(), memory.SHARE, needs)


def _there(encoder: Encoder, problem: Problem, swept: tuple[bool, ...], device: Absent) -> Room:
    """Compile for a device that is not here; without its compiler, look into the table of such compilations."""
    try:
        device.find()
    except UserError:
        how = f"of the {device.title}'s, by nst_jax's table of the default layers in bfloat16"
        return Room(1, device.memory, memory.SHARE, lambda lanes: tabled_bytes(device, problem, lanes), how)
    how = f"of the {device.title}'s, compiled for it and not run"
    return Room(1, device.memory, memory.SHARE, lambda lanes: needed_there(device, encoder, problem, swept, lanes), how)


def _size(room: Room, problem: Problem, count: int) -> tuple[int, str]:
    """Choose how many of `count` lanes run together: even chunks, a multiple of the devices."""
    devices, free = room.devices, int(room.free * room.share)
    size = _even(count, devices * (free // guess_bytes(problem)), devices)
    while True:
        need = room.needs(size)
        if need is None or need <= free or size <= devices:
            break
        size = _even(count, min(size - 1, size * free // need), devices)
    if need is not None and size <= devices and need > room.free:
        raise UserError(_too_large(problem, need, room))
    told = "the program does not tell its memory" if need is None else f"{need / 2**30:.2f} GiB a device"
    return size, f"{told} of {free / 2**30:.1f} GiB {room.told}"


def _too_large(problem: Problem, need: int, room: Room) -> str:
    """Say that not even one lane fits, and which size would: activations grow with the area."""
    h, w, _ = problem.init.shape
    side = int(0.95 * max(h, w) * (room.free / need) ** 0.5)
    less = "--remat" if isinstance(problem.gradient, Tiles) else "--tile 512, --remat"
    return (
        f"one picture of {w}x{h} needs {need / 2**30:.2f} GiB and {room.free / 2**30:.2f} GiB are {room.told}: "
        f"use {less}, --precision bfloat16, or a --size of at most {side}"
    )


def _even(count: int, most: int, devices: int = 1) -> int:
    """Give the size of the fewest equal chunks of at most `most` lanes, a multiple of the devices."""
    most = max(1, min(count, most) // devices)
    rows = -(-count // devices)  # lanes a device
    return -(-rows // -(-rows // most)) * devices


def guess_bytes(problem: Problem) -> int:
    """Guess what one lane needs before anything is compiled: each activation three times, in float32."""
    h, w, _ = problem.init.shape
    wanted = {layer for term in problem.terms.values() for layer in term.targets}
    return 4 * (20 * h * w * 3 + activations(problem.network, wanted, (h, w)))


def activations(network: Network, wanted: Collection[str], size: tuple[int, int]) -> int:
    """Count the numbers of all activations up to the deepest that is wanted, three times each."""
    table = network.layers
    deepest = max((i for i, layer in enumerate(table) if layer.name in wanted), default=-1)
    floats = 0
    for layer in dict.fromkeys((x.channels, x.positions(size), x.reach) for x in table[: deepest + 1]):
        channels, (rows, columns), _ = layer
        floats += 3 * rows * columns * channels
    return floats
