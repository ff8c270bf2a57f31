"""Make a run folder: pictures of one chunk are written while the next computes; any kill can be gone on from."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nst_jax import images, temporary
from nst_jax.batch.encoders import gathered
from nst_jax.batch.program import Chunk, Partial
from nst_jax.batch.run import Interrupted, Run, Watch
from nst_jax.batch.store import Finished, Store
from nst_jax.errors import UserError
from nst_jax.files import make_folder
from nst_jax.optimize import Solution
from nst_jax.problem import shown
from nst_jax.runs import animate, folder, manifest
from nst_jax.runs.finish import finish_lane, make_animation, mark
from nst_jax.runs.publish import Publisher
from nst_jax.runs.ready import Ready


def make(
    ready: Ready,
    out: Path,
    *,
    lanes: int | None = None,
    watch: Watch,
    page: Callable[[Path], object] = lambda _: None,
) -> dict[int, Finished]:
    """Make every picture of this process that is not there yet; give all finished lanes.

    Args:
        ready: from `prepare`.
        out: the folder.
        lanes: how many run together, instead of as many as the memory holds.
        watch: who looks on, and may stop the run.
        page: what draws the folder, as lanes finish and when all are there.

    Raises:
        UserError: another process or another run in the folder, or anything else a user can put right.
        Interrupted: as the watch asked for; the same call goes on.
    """
    store = Store(out / folder.STATE, ready.process)
    with store.locked():
        if ready.process == 0:
            _settle(ready, out, watch)
        make_folder(out / folder.LANES)
        publisher = Publisher(ready, out, store, page)

        def finish(number: int, solution: Solution, seconds: float) -> None:
            lane = ready.lanes[number]
            row = finish_lane(ready, lane, solution, out / lane.image)
            make_animation(ready, lane, out)
            mark(store, number, solution, row, seconds)

        def finished(number: int) -> bool:
            return (out / ready.lanes[number].image).exists() and store.load_finished(number) is not None

        def snapshot(chunk: Chunk, at: Partial) -> Callable[[], object]:
            return partial(_snapshots, ready, out, chunk, *jax.device_get((at.state.step, at.state.x)))

        watch = replace(watch, snapshots=ready.snapshots, snapshot=snapshot)
        encoders = gathered(list(ready.encoders.values()))
        run = Run(encoders, ready.sweep, finish, ready.mine, finished, store, watch, publisher.between)
        try:
            run.solve(lanes)
        except Interrupted:
            _leave(publisher, watch)
            raise
        return _publish(ready, out, store, publisher) if ready.process == 0 else {}


def _leave(publisher: Publisher, watch: Watch) -> None:
    """Show what is there when a run is stopped; that it cannot be shown is said, and the lanes are kept."""
    try:
        publisher.show()
    except UserError as error:
        watch.say(str(error))


def _settle(ready: Ready, out: Path, watch: Watch) -> None:
    weights = {name: encoder.digest for name, encoder in ready.encoders.items()}
    described = manifest.describe(ready.spec, ready.lanes, ready.inputs.described(), weights)
    if changed := manifest.settle(out, described):
        watch.say(
            f"the folder was begun elsewhere ({'; '.join(changed)}): lanes made now may differ in the last digits"
        )


def _snapshots(ready: Ready, out: Path, chunk: Chunk, steps: np.ndarray, iterates: Any) -> None:
    for k, lane in enumerate(chunk.lanes):
        step, problem = int(steps[k]), ready.sweep.problems[lane]
        h, w, _ = problem.init.shape
        if step % ready.snapshots == 0 and step <= int(problem.steps):
            picture = problem.canvas.draw(jax.tree.map(lambda x, k=k: x[k], iterates), (h, w))
            levels = images.to_uint8(shown(problem, picture)) / np.float32(255)
            images.save(animate.snapshot(out, lane, step), levels)


def _publish(ready: Ready, out: Path, store: Store, publisher: Publisher) -> dict[int, Finished]:
    """Wait for the lanes of other processes, then write the tables and the page."""
    finished = gather(ready, store)
    publisher.write(finished)
    temporary.clean(out, deep=True)
    return finished


def gather(ready: Ready, store: Store, poll: float = 0.5) -> dict[int, Finished]:
    """Give every finished lane; processes share nothing but the folder, and a dead one ends all through jax."""
    finished: dict[int, Finished] = {}
    while True:
        for lane in ready.lanes:
            if lane.number not in finished and (found := store.load_finished(lane.number)) is not None:
                finished[lane.number] = found
        if len(finished) == len(ready.lanes):
            return finished
        time.sleep(poll)
