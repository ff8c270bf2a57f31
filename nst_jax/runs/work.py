"""Make a run: pictures of one chunk are written while the next computes, and any kill can be gone on from."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nst_jax import images
from nst_jax.batch.planning import plan
from nst_jax.batch.program import Chunk, Partial, advance_chunk, solutions
from nst_jax.batch.solve import run as run_chunks
from nst_jax.optimize import Solution
from nst_jax.problem import shown
from nst_jax.runs import animate, folder, manifest, state, tables
from nst_jax.runs.finish import finish_lane
from nst_jax.runs.ready import Ready

CHECKPOINTS = 0.02
"""Part of the time that may go into fetching checkpoints from the device; the writing is beside the computing."""

Show = Callable[[str, int, int, int, int], object]
"""Called with (which chunk, lanes done, lanes, steps done, steps) as the run goes on."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after which everything that was done is kept."""


def make(
    ready: Ready,
    *,
    lanes: int | None = None,
    say: Callable[[str], object] = print,
    show: Show = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
    page: Callable[[Path], object] = lambda _: None,
) -> dict[int, state.Finished]:
    """Make every picture of this process that is not there yet; give all finished lanes.

    Args:
        ready: from `prepare`.
        lanes: how many run together, instead of as many as the memory holds.
        say: what to do with lines about the run.
        show: what to do with its progress.
        stop: asked after each piece of the steps.
        page: what draws the folder when all its lanes are there.

    Raises:
        UserError: another process or another run in the folder, or anything else a user can put right.
        Interrupted: `stop` said so; the same call goes on.
    """
    with ExitStack() as stack:
        stack.enter_context(folder.locked(ready.out, ready.process))
        if ready.process == 0:
            _settle(ready, say)
        (ready.out / "lanes").mkdir(exist_ok=True)
        chunks = _chunks(ready, lanes, say)
        writer = stack.enter_context(ThreadPoolExecutor(1, "writer"))
        pending: list[Future] = []

        def work(chunk: Chunk) -> None:
            done = len(ready.mine) - sum(len(c.lanes) for c in chunks) + sum(len(c.lanes) for c in worked)
            _chunk(ready, chunk, writer, pending, lambda at: show(*_place(ready, chunk, done, at)), stop)
            worked.append(chunk)
            for future in [f for f in pending if f.done()]:
                future.result()
                pending.remove(future)

        worked: list[Chunk] = []
        run_chunks(chunks, work, say, lambda left: state.save_chunks(ready.out, ready.process, [*worked, *left]))
        for future in pending:
            future.result()
        return _publish(ready, page) if ready.process == 0 else {}


def _place(ready: Ready, chunk: Chunk, done: int, at: Partial) -> tuple[str, int, int, int, int]:
    which = f"lanes {chunk.lanes[0]} to {chunk.lanes[-1]}"
    which += f", scale {at.scale + 1} of {at.scales}" if at.scales > 1 else ""
    step = next((x.shape[1] for x in at.history.values()), 0)
    return which, done, len(ready.mine), min(step, at.steps), at.steps


def _settle(ready: Ready, say: Callable[[str], object]) -> None:
    weights = {"name": ready.spec.recipe.weights, "sha256": ready.encoder.digest}
    described = manifest.describe(ready.spec, ready.lanes, ready.inputs.described(), weights)
    if changed := manifest.settle(ready.out, described):
        say(f"the folder was begun elsewhere ({'; '.join(changed)}): lanes made now may differ in the last digits")


def _chunks(ready: Ready, lanes: int | None, say: Callable[[str], object]) -> list[Chunk]:
    """Give the chunks still to do: those of the earlier attempt, or a new cut of what is not finished."""
    left = {i for i in ready.mine if not _is_finished(ready, i)}
    kept = state.load_chunks(ready.out, ready.process)
    if kept is not None and left <= {i for c in kept for i in c.lanes}:
        chunks = [c for c in kept if left & set(c.lanes)]
        if len(left) < len(ready.mine):
            say(f"going on: {len(ready.mine) - len(left)} of {len(ready.mine)} lanes are finished")
        return chunks
    chunks = plan(ready.encoder, ready.sweep, ready.how, lanes=lanes, only=sorted(left), say=say)
    state.save_chunks(ready.out, ready.process, chunks)
    return chunks


def _is_finished(ready: Ready, lane: int) -> bool:
    return (ready.out / ready.lanes[lane].image).exists() and state.load_finished(ready.out, lane) is not None


def _chunk(
    ready: Ready,
    chunk: Chunk,
    writer: ThreadPoolExecutor,
    pending: list[Future],
    show: Callable[[Partial], object],
    stop: Callable[[], bool],
) -> None:
    """Solve one chunk from where it stands, and hand its pictures to the writer."""
    saved = state.load_checkpoint(ready.out, chunk)
    before = saved.seconds if saved else 0.0
    began = time.perf_counter()
    keep = _keeper(ready, chunk, writer, pending, began - before)
    place = saved and (saved.scale, saved.leaves, saved.history)
    last = None
    for last in advance_chunk(ready.encoder, ready.sweep, chunk, ready.how, place):
        if ready.how.snapshots and last.scale == last.scales - 1:
            _snapshots(ready, chunk, last, writer, pending)
        show(last)
        interrupted = stop() and not last.done
        if not last.done:
            keep(last, interrupted)
        if interrupted:
            raise Interrupted
    assert last is not None
    found = solutions(last, ready.sweep, chunk, ready.how)
    seconds = (time.perf_counter() - began + before) / len(chunk.lanes)
    pending.append(writer.submit(_finish, ready, chunk, found, seconds))


def _keeper(ready: Ready, chunk: Chunk, writer: ThreadPoolExecutor, pending: list[Future], began: float):
    """Give a function that checkpoints where that costs little beside what a kill would lose."""
    last: dict[str, Any] = {"at": time.perf_counter(), "cost": 0.0, "writing": None}

    def keep(at: Partial, now: bool) -> None:
        start = time.perf_counter()
        writing = last["writing"]
        if not now and (start - last["at"] < last["cost"] / CHECKPOINTS or (writing and not writing.done())):
            return
        leaves = [np.asarray(leaf) for leaf in jax.device_get(jax.tree.leaves(at.state))]
        checkpoint = state.Checkpoint(at.scale, leaves, at.history, start - began)
        last["writing"] = writer.submit(state.save_checkpoint, ready.out, chunk, checkpoint)
        pending.append(last["writing"])
        last.update(at=time.perf_counter(), cost=time.perf_counter() - start)

    return keep


def _snapshots(ready: Ready, chunk: Chunk, at: Partial, writer: ThreadPoolExecutor, pending: list[Future]) -> None:
    steps, pictures = jax.device_get((at.state.step, at.state.image))
    for k, lane in enumerate(chunk.lanes):
        step = int(steps[k])
        if step % ready.how.snapshots == 0 and step <= ready.how.steps[lane]:
            path = animate.snapshot(ready.out, lane, step)
            picture = images.to_uint8(shown(ready.sweep.problems[lane], pictures[k])) / np.float32(255)
            pending.append(writer.submit(images.save, path, picture))


def _finish(ready: Ready, chunk: Chunk, found: dict[int, Solution], seconds: float) -> None:
    """Write the pictures and then the rows of a chunk's lanes; runs beside the next chunk."""
    for lane, solution in found.items():
        finish_lane(ready, ready.lanes[lane], solution, seconds)
    state.drop_checkpoint(ready.out, chunk)


def _publish(ready: Ready, page: Callable[[Path], object]) -> dict[int, state.Finished]:
    """Wait for the lanes of other processes, then write the tables and the page."""
    finished = gather(ready)
    tables.write(ready.out, finished)
    page(ready.out)
    folder.clean(ready.out)
    return finished


def gather(ready: Ready, poll: float = 0.5) -> dict[int, state.Finished]:
    """Give every finished lane; processes share nothing but the folder, and a dead one ends all through jax."""
    finished: dict[int, state.Finished] = {}
    while True:
        for lane in ready.lanes:
            if lane.number not in finished and (found := state.load_finished(ready.out, lane.number)) is not None:
                finished[lane.number] = found
        if len(finished) == len(ready.lanes):
            return finished
        time.sleep(poll)
