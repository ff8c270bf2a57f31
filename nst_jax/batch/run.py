"""The one road of every picture: lanes in chunks that fit the memory, checkpoints, recovery, a writer beside."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import jax

from nst_jax import made, printing
from nst_jax.batch import memory
from nst_jax.batch.encoders import Encoders
from nst_jax.batch.planning import halve, plan
from nst_jax.batch.program import Chunk, Partial, Saved, advance_chunk, kept_leaves, solutions
from nst_jax.batch.store import Store
from nst_jax.batch.sweep import Sweep
from nst_jax.errors import UserError
from nst_jax.files import one_line
from nst_jax.optimize import Solution
from nst_jax.problem import Problem

CHECKPOINTS = 0.02
"""Part of the time that may go into fetching checkpoints from the device; the writing is beside the computing."""

Say = Callable[[str], object]
"""What to do with a line about the run."""


class Interrupted(KeyboardInterrupt):
    """A stop that was asked for, after which everything done is kept; `solutions` are those of the lanes in flight.

    `at` is where those stood; none where a process had nothing to do but wait for others.
    """

    def __init__(self, at: Partial | None, solutions: dict[int, Solution]) -> None:
        super().__init__("interrupted")
        self.at = at
        self.solutions = solutions


def nothing(*_: Any) -> None:
    """Do nothing."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Watch:
    """What looks on while lanes are solved.

    Attributes:
        say: gets lines on lanes, chunks and memory; by default the log named nst_jax does.
        show: gets the chunk and where it stands after each piece of its steps, and how many lanes are finished.
        lane: gets the number of each lane once it is kept, its solution and its seconds; runs beside the next chunk.
        stop: asked after each piece whether to stop there.
        snapshot: gets the chunk and where it stands at each multiple of `snapshots` steps of the last scale, its start
            included; gives what to do with that beside the next steps.
        snapshots: 0 for none.
    """

    say: Say = printing.log
    show: Callable[[Chunk, Partial, int], object] = nothing
    lane: Callable[[int, Solution, float], object] = nothing
    stop: Callable[[], bool] = _never
    snapshot: Callable[[Chunk, Partial], Callable[[], object]] = lambda chunk, at: nothing
    snapshots: int = 0


@dataclass
class Run:
    """Lanes to solve, and where they stand.

    Attributes:
        encoders: those that posed the lanes.
        sweep: what to solve.
        finish: gets the number of a lane, its solution and its seconds; runs beside the next chunk.
        mine: the lanes of this process.
        finished: tells of a lane whether there is nothing to do.
        store: where to keep what a killed run goes on from; none to keep nothing.
        watch: who looks on.
        between: what to do after each chunk but the last; runs beside the next one.
        whole: tells of a chunk and where it was kept whether what was written on its way there is whole, too.
    """

    encoders: Encoders
    sweep: Sweep
    finish: Callable[[int, Solution, float], object]
    mine: Sequence[int]
    finished: Callable[[int], bool] = field(default=lambda _: False)
    store: Store | None = None
    watch: Watch = field(default_factory=Watch)
    between: Callable[[], object] = nothing
    whole: Callable[[Chunk, Saved], bool] = field(default=lambda *_: True)

    def __post_init__(self) -> None:
        self.encoders.check(self.sweep)

    def solve(self, lanes: int | None = None) -> None:
        """Solve every lane that is not finished; `lanes` run together instead of as many as the memory holds.

        Raises:
            UserError: no lane fits the memory, or `lanes` is below 1.
            Interrupted: as the watch asked for; with a store the same call goes on.
        """
        self._pending: list[Future] = []
        self._unkept, self._broken = "", False
        self._done = 0
        with ThreadPoolExecutor(1, "writer") as self._writer:
            todo = self._chunks(lanes)
            self._done = len(self.mine) - sum(len(chunk.lanes) for chunk in todo)
            try:
                self._all(todo)
            except Interrupted:
                self._ended()
                raise
            self._collect(list(self._pending))

    def _all(self, todo: list[Chunk]) -> None:
        worked: list[Chunk] = []
        while todo:
            chunk, *rest = todo
            try:
                at = self._work(chunk)
            except Exception as error:
                todo = self._smaller(todo, error)
                if self.store:
                    self.store.save_chunks([*worked, *todo])
            else:
                worked, todo = [*worked, chunk], rest
                self._done += len(chunk.lanes)
                if todo and self.watch.stop():
                    raise Interrupted(at, {})
                if todo:
                    self._pending.append(self._writer.submit(self.between))  # what is shown holds up no lane
            self._collect([f for f in self._pending if f.done()])

    def _ended(self) -> None:
        """Wait for what is being written when a run is stopped, and say what could not be: it is made again."""
        failures = [error for future in self._pending if (error := future.exception())]
        if self._unkept or failures:
            reason = self._unkept or one_line(failures[0])
            self.watch.say(f"not everything could be kept, the same command makes it again: {reason}")

    def _write(self, task: Callable[..., object], *args: Any) -> Future:
        """Hand a task to the writer; none is begun after one that failed, so that no later state hides a hole."""

        def guarded() -> None:
            if self._broken:
                return
            self._broken = True
            task(*args)
            self._broken = False

        self._pending.append(self._writer.submit(guarded))
        return self._pending[-1]

    def _collect(self, ended: Sequence[Future]) -> None:
        for future in ended:
            self._pending.remove(future)
            future.result()

    def _chunks(self, lanes: int | None) -> list[Chunk]:
        """Give the chunks still to do: those of the earlier attempt, or of a new cut of all, which is the same cut."""
        if lanes is not None and lanes < 1:
            raise UserError(f"lanes is {lanes}: expected at least 1")
        left = {i for i in self.mine if not self.finished(i)}
        kept = self.store.load_chunks() if self.store else None
        if kept is not None and left <= {i for c in kept for i in c.lanes} and all(map(self._fits, kept)):
            if len(left) < len(self.mine):
                self.watch.say(f"going on: {len(self.mine) - len(left)} of {len(self.mine)} lanes are finished")
            return [c for c in kept if left & set(c.lanes)]
        watch = self.watch
        chunks = plan(
            self.encoders, self.sweep, lanes=lanes, only=sorted(self.mine), snapshots=watch.snapshots, say=watch.say
        )
        if self.store:
            self.store.save_chunks(chunks)
        return [chunk for chunk in chunks if left & set(chunk.lanes)]

    def _fits(self, chunk: Chunk) -> bool:
        """Tell whether a kept chunk is one of this sweep."""
        if not chunk.lanes or len(chunk.lanes) > chunk.size or not set(chunk.lanes) <= set(self.mine):
            return False
        return len(chunk.swept) == len(jax.tree.leaves(self.sweep.problems[chunk.lanes[0]]))

    def _smaller(self, todo: list[Chunk], error: Exception) -> list[Chunk]:
        """Go on with half the lanes where the memory ran out; raise anything else."""
        chunk = todo[0]
        if not memory.out_of_memory(error):
            raise error
        if chunk.size <= 1:
            raise UserError(
                "the memory does not hold one lane: use a smaller --size, or --precision bfloat16"
            ) from error
        smaller = halve(todo)
        self.watch.say(f"out of memory with {chunk.size} lanes at once: going on with {smaller[0].size}")
        return smaller

    def _work(self, chunk: Chunk) -> Partial:
        """Solve one chunk from where it stands, and hand its solutions to the writer."""
        saved = self.store.load_checkpoint(chunk) if self.store else None
        saved = saved if saved and self.whole(chunk, saved) else None
        began = time.perf_counter() - (saved.seconds if saved else 0.0)
        keep = self._keeper(chunk, began)
        watch, last = self.watch, None
        encoder = self.encoders.of(self.sweep.problems[chunk.lanes[0]])
        pieces = advance_chunk(encoder, self.sweep, chunk, saved=saved, snapshots=watch.snapshots)
        del saved  # as large as the state
        for last in pieces:
            if watch.snapshots and last.scale == last.scales - 1:
                self._write(watch.snapshot(chunk, last))
            self._collect([f for f in self._pending if f.done()])
            watch.show(chunk, last, self._done)
            interrupted = not last.done and watch.stop()
            if not last.done:
                keep(last, interrupted)
            if interrupted:
                raise Interrupted(last, self._solutions(chunk, last))
        assert last is not None
        found = self._solutions(chunk, last)
        seconds = (time.perf_counter() - began) / len(chunk.lanes)
        self._write(self._finish, chunk, found, seconds)
        return last

    def _solutions(self, chunk: Chunk, at: Partial) -> dict[int, Solution]:
        return {
            lane: replace(solution, record=self._described(self.sweep.problems[lane]))
            for lane, solution in solutions(at, self.sweep, chunk).items()
        }

    def _described(self, problem: Problem) -> dict[str, Any] | None:
        return made.described(self.encoders.of(problem), problem)

    def _finish(self, chunk: Chunk, found: dict[int, Solution], seconds: float) -> None:
        for lane, solution in found.items():
            self.finish(lane, solution, seconds)
            self.watch.lane(lane, solution, seconds)
        if self.store:
            self.store.drop_checkpoint(chunk)

    def _checkpoint(self, store: Store, chunk: Chunk, saved: Saved) -> None:
        """Keep where a chunk stands; that it cannot be kept, as on a full disk, is no reason to stop computing."""
        try:
            store.save_checkpoint(chunk, saved)
        except UserError as error:
            if not self._unkept:
                self.watch.say(f"going on, though a kill would lose what is computed since: {error}")
            self._unkept = str(error)
        else:
            self._unkept = ""

    def _keeper(self, chunk: Chunk, began: float) -> Callable[[Partial, bool], None]:
        """Give a function that checkpoints where that costs little beside what a kill would lose."""
        last: dict[str, Any] = {"at": time.perf_counter(), "cost": 0.0, "writing": None}
        store = self.store

        def keep(at: Partial, now: bool) -> None:
            start = time.perf_counter()
            writing = last["writing"]
            if not store or (
                not now and (start - last["at"] < last["cost"] / CHECKPOINTS or (writing and not writing.done()))
            ):
                return
            saved = Saved(at.scale, kept_leaves(at.state), at.history, start - began)
            last["writing"] = self._write(self._checkpoint, store, chunk, saved)
            last.update(at=time.perf_counter(), cost=time.perf_counter() - start)

        return keep
