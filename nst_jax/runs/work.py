"""Make a run folder: pictures of one chunk are written while the next computes; any kill can be gone on from."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nst_jax import images, temporary
from nst_jax.batch.encoders import gathered
from nst_jax.batch.program import Chunk, Partial, Saved
from nst_jax.batch.run import Interrupted, Run, Watch
from nst_jax.batch.seals import Verdict, sha256
from nst_jax.batch.store import Finished, Store
from nst_jax.errors import UserError
from nst_jax.files import make_folder
from nst_jax.files import shown as printed
from nst_jax.optimize import Solution
from nst_jax.problem import drawn, shown
from nst_jax.runs import animate, folder, manifest, pictures
from nst_jax.runs.finish import finish_lane, make_animation, mark
from nst_jax.runs.publish import Publisher
from nst_jax.runs.ready import Ready
from nst_jax.runs.waiting import gather


def make(
    ready: Ready,
    out: Path,
    *,
    lanes: int | None = None,
    watch: Watch,
    page: Callable[[Path], object] = lambda _: None,
    lane: Callable[[int, Finished], object] = lambda *_: None,
) -> dict[int, Finished]:
    """Make every picture of this process that is not there yet; give all finished lanes.

    Args:
        ready: from `prepare`.
        out: the folder.
        lanes: how many run together, instead of as many as the memory holds.
        watch: who looks on, and may stop the run.
        page: what draws the folder, as lanes finish and when all are there.
        lane: gets each lane of this process once all of it is there, those of an earlier call included.

    Raises:
        UserError: another process or another run in the folder, another process that ended too early, or anything else
            a user can put right.
        Interrupted: as the watch asked for; the same call goes on.
    """
    store = Store(out / folder.STATE, ready.process, watch.say)
    with store.locked():
        if ready.process == 0:
            _settle(ready, out, store, watch)
        make_folder(out / folder.LANES)
        work = _Work(ready, out, store, lane)
        publisher = Publisher(ready, out, store, page, work.kept)
        seen = replace(watch, snapshots=ready.snapshots, snapshot=work.snapshot)
        encoders = gathered(list(ready.encoders.values()))
        run = Run(
            encoders, ready.sweep, work.finish, ready.mine, work.finished, store, seen, publisher.between, work.whole
        )
        try:
            publisher.begin()
            run.solve(lanes)
            if not all(map(work.intact, ready.mine)):  # removed or damaged while it ran
                run.solve(lanes)
            if ready.process != 0:
                return {}
            finished = gather(ready, store, work.kept, watch)
        except Interrupted:
            _leave(publisher, watch)
            raise
        publisher.write(finished)
        temporary.clean(out, deep=True)
        return finished


def _leave(publisher: Publisher, watch: Watch) -> None:
    """Show what is there when a run is stopped; that it cannot be shown is said, and the lanes are kept."""
    try:
        publisher.show()
    except UserError as error:
        watch.say(str(error))


def _settle(ready: Ready, out: Path, store: Store, watch: Watch) -> None:
    weights = {name: encoder.digest for name, encoder in ready.encoders.items()}
    copies = pictures.of_inputs(ready.inputs)
    described = manifest.describe(ready.spec, ready.lanes, ready.inputs, weights, copies)
    if changed := manifest.settle(out, described, store):
        watch.say(
            f"the folder was begun elsewhere ({'; '.join(changed)}): lanes made now may differ in the last digits"
        )
    pictures.write(out, copies)


@dataclass(frozen=True)
class _Work:
    """What this process writes into the folder, and the lanes that it has `kept`."""

    ready: Ready
    out: Path
    store: Store
    told: Callable[[int, Finished], object]
    kept: dict[int, Finished] = field(default_factory=dict)

    def finished(self, number: int) -> bool:
        """Tell whether a lane was finished earlier and everything of it is there as it was written."""
        found = self.store.load_finished(number)
        if found is None:
            return False
        if not self.store.holds_files(found, self.out):
            (self.out / self.ready.lanes[number].image).unlink(missing_ok=True)  # no page shows it meanwhile
            return False
        if number not in self.kept:
            self.told(number, found)
        self.kept[number] = found
        return True

    def intact(self, number: int) -> bool:
        """Tell without a word whether everything of a lane that this process finished still is there."""
        quiet = replace(self.store, say=lambda _: None)
        return quiet.load_finished(number) is not None and quiet.holds_files(self.kept[number], self.out)

    def finish(self, number: int, solution: Solution, seconds: float) -> None:
        """Write a lane."""
        lane = self.ready.lanes[number]
        row = finish_lane(self.ready, lane, solution, self.out / lane.image)
        files = [self.out / lane.image, *make_animation(self.ready, lane, self.out)]
        snapshots = self._snapshots(number)
        names = {path.relative_to(self.out).as_posix(): path for path in (*files, *snapshots)}
        self.kept[number] = mark(self.store, number, solution, row, seconds, names)
        for path in snapshots:  # whose digests now are the lane's
            self.store.seals.forget(path)
        self.told(number, self.kept[number])

    def _snapshots(self, number: int) -> list[Path]:
        return sorted(animate.snapshot(self.out, number, 0).parent.glob("*.png")) if self.ready.snapshots else []

    def snapshot(self, chunk: Chunk, at: Partial) -> Callable[[], object]:
        """Take what the snapshots of a chunk need off the device; give what writes them."""
        return partial(self._write_snapshots, chunk, *jax.device_get((at.state.step, at.state.x)))

    def _write_snapshots(self, chunk: Chunk, steps: np.ndarray, iterates: Any) -> None:
        for k, lane in enumerate(chunk.lanes):
            step, problem = int(steps[k]), self.ready.sweep.problems[lane]
            if step % self.ready.snapshots == 0 and step <= int(problem.steps):
                picture = drawn(problem, jax.tree.map(lambda x, k=k: x[k], iterates))
                levels = images.to_uint8(shown(problem, picture)) / np.float32(255)
                path = animate.snapshot(self.out, lane, step)
                images.save(path, levels)
                self.store.seals.note(path, sha256(path))

    def whole(self, chunk: Chunk, saved: Saved) -> bool:
        """Tell whether the snapshots that a chunk in flight has left so far are there as they were written."""
        done = next((x.shape[1] for x in saved.history.values()), 1) - 1  # no history yet at the start
        last = saved.scale == len(self.ready.sweep.scales(chunk.lanes[0])) - 1
        for lane in chunk.lanes:
            for step in range(0, done + 1, self.ready.snapshots) if self.ready.snapshots and last else ():
                path = animate.snapshot(self.out, lane, step)
                if self.store.seals.verdict(path) in (Verdict.GONE, Verdict.DAMAGED):
                    self.store.say(f"{printed(path)} is not what was written there: its lanes begin again")
                    return False
        return True
