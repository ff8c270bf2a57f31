"""Solve every lane of a sweep: in chunks that fit the memory, each one compiled program; a killed run goes on."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import jax
import numpy as np

from nst_jax import images, made
from nst_jax.batch import memory
from nst_jax.batch.planning import cut, halve, plan
from nst_jax.batch.program import Chunk, Partial, Saved, advance_chunk, named_leaves, solutions
from nst_jax.batch.store import Finished, Store, digest
from nst_jax.batch.sweep import Sweep, as_sweep, of_scales
from nst_jax.errors import UserError
from nst_jax.networks import Encoder, fingerprint
from nst_jax.optimize import Solution
from nst_jax.posing import Changes, Values, changed, named
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, Recipe
from nst_jax.scales import pose_scales
from nst_jax.types import ImageLike

CHECKPOINTS = 0.02
"""Part of the time that may go into fetching checkpoints from the device; the writing is beside the computing."""

Say = Callable[[str], object]
"""What to do with a line about the run."""


class Interrupted(KeyboardInterrupt):
    """A stop that was asked for, after which everything done is kept; `solutions` are those of the lanes in flight."""

    def __init__(self, at: Partial, solutions: dict[int, Solution]) -> None:
        super().__init__("interrupted")
        self.at = at
        self.solutions = solutions


def _nothing(*_: Any) -> None:
    """Do nothing."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Watch:
    """What looks on while lanes are solved.

    Attributes:
        say: gets lines on lanes, chunks and memory.
        show: gets the chunk and where it stands after each piece of its steps, and how many lanes are finished.
        stop: asked after each piece whether to stop there.
        snapshot: gets the chunk and where it stands at each multiple of `snapshots` steps of the last scale, its start
            included; gives what to do with that beside the next steps.
        snapshots: 0 for none.
    """

    say: Say = print
    show: Callable[[Chunk, Partial, int], object] = _nothing
    stop: Callable[[], bool] = _never
    snapshot: Callable[[Chunk, Partial], Callable[[], object]] = lambda chunk, at: _nothing
    snapshots: int = 0


@dataclass
class Run:
    """Lanes to solve, and where they stand.

    Attributes:
        encoder, sweep: what to solve.
        finish: gets the number of a lane, its solution and its seconds; runs beside the next chunk.
        mine: the lanes of this process.
        finished: tells of a lane whether there is nothing to do.
        store: where to keep what a killed run goes on from; none to keep nothing.
        watch: who looks on.
    """

    encoder: Encoder
    sweep: Sweep
    finish: Callable[[int, Solution, float], object]
    mine: Sequence[int]
    finished: Callable[[int], bool] = field(default=lambda _: False)
    store: Store | None = None
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        check_encoder(self.encoder, self.sweep)

    def solve(self, lanes: int | None = None) -> None:
        """Solve every lane that is not finished; `lanes` run together instead of as many as the memory holds.

        Raises:
            UserError: no lane fits the memory, or `lanes` is below 1.
            Interrupted: as the watch asked for; with a store the same call goes on.
        """
        self._pending: list[Future] = []
        self._done = 0
        with ThreadPoolExecutor(1, "writer") as self._writer:
            todo = self._chunks(lanes)
            self._done = len(self.mine) - sum(len(chunk.lanes) for chunk in todo)
            worked: list[Chunk] = []
            while todo:
                chunk, *rest = todo
                try:
                    self._work(chunk)
                except Exception as error:
                    todo = self._smaller(todo, error)
                    if self.store:
                        self.store.save_chunks([*worked, *todo])
                else:
                    worked, todo = [*worked, chunk], rest
                    self._done += len(chunk.lanes)
                self._collect([f for f in self._pending if f.done()])
            self._collect(list(self._pending))

    def _collect(self, ended: Sequence[Future]) -> None:
        for future in ended:
            self._pending.remove(future)
            future.result()

    def _chunks(self, lanes: int | None) -> list[Chunk]:
        """Give the chunks still to do: those of the earlier attempt, or a new cut of what is not finished."""
        if lanes is not None and lanes < 1:
            raise UserError(f"lanes is {lanes}: expected at least 1")
        left = {i for i in self.mine if not self.finished(i)}
        kept = self.store.load_chunks() if self.store else None
        if kept is not None and left <= {i for c in kept for i in c.lanes}:
            if len(left) < len(self.mine):
                self.watch.say(f"going on: {len(self.mine) - len(left)} of {len(self.mine)} lanes are finished")
            return [c for c in kept if left & set(c.lanes)]
        watch = self.watch
        chunks = plan(
            self.encoder, self.sweep, lanes=lanes, only=sorted(left), snapshots=watch.snapshots, say=watch.say
        )
        if self.store:
            self.store.save_chunks(chunks)
        return chunks

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

    def _work(self, chunk: Chunk) -> None:
        """Solve one chunk from where it stands, and hand its solutions to the writer."""
        saved = self.store.load_checkpoint(chunk) if self.store else None
        before = saved.seconds if saved else 0.0
        began = time.perf_counter() - before
        keep = self._keeper(chunk, began)
        watch, last = self.watch, None
        for last in advance_chunk(self.encoder, self.sweep, chunk, saved=saved, snapshots=watch.snapshots):
            if watch.snapshots and last.scale == last.scales - 1:
                self._pending.append(self._writer.submit(watch.snapshot(chunk, last)))
            watch.show(chunk, last, self._done)
            interrupted = not last.done and watch.stop()
            if not last.done:
                keep(last, interrupted)
            if interrupted:
                raise Interrupted(last, self._solutions(chunk, last))
        assert last is not None
        found = self._solutions(chunk, last)
        seconds = (time.perf_counter() - began) / len(chunk.lanes)
        self._pending.append(self._writer.submit(self._finish, chunk, found, seconds))

    def _solutions(self, chunk: Chunk, at: Partial) -> dict[int, Solution]:
        return {
            lane: replace(solution, record=made.described(self.encoder, self.sweep.problems[lane]))
            for lane, solution in solutions(at, self.sweep, chunk).items()
        }

    def _finish(self, chunk: Chunk, found: dict[int, Solution], seconds: float) -> None:
        for lane, solution in found.items():
            self.finish(lane, solution, seconds)
        if self.store:
            self.store.drop_checkpoint(chunk)

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
            leaves = {name: np.asarray(leaf) for name, leaf in jax.device_get(named_leaves(at.state)).items()}
            saved = Saved(at.scale, leaves, at.history, start - began)
            last["writing"] = self._writer.submit(store.save_checkpoint, chunk, saved)
            self._pending.append(last["writing"])
            last.update(at=time.perf_counter(), cost=time.perf_counter() - start)

        return keep


def check_encoder(encoder: Encoder, sweep: Sweep) -> None:
    """Refuse an encoder that did not make the targets.

    Raises:
        UserError: naming both networks.
    """
    found = fingerprint(encoder)
    for problem in dict.fromkeys((p.fingerprint, p.network.name) for p in sweep.problems):
        if problem[0] not in ("", found):
            raise UserError(
                f"the problem was posed with the network {problem[1]} ({problem[0][:12]}...) and the encoder is "
                f"{encoder.network.name} ({found[:12]}...): solve with the encoder that posed it"
            )


@dataclass(frozen=True)
class Results:
    """What `solve_batch` found: one solution a lane."""

    sweep: Sweep
    solutions: tuple[Solution, ...]

    def __repr__(self) -> str:
        """Count the lanes."""
        axes = ", ".join("/".join(axis.names) for axis in self.sweep.axes)
        return f"Results({len(self.solutions)} lanes over {axes or 'nothing'})"


def solve_batch(
    encoder: Encoder,
    sweep: Sweep | Problem,
    *,
    lanes: int | None = None,
    folder: str | Path | None = None,
    watch: Watch = Watch(),
    **changes: Unpack[Changes],
) -> Results:
    """Solve every lane as `solve` would solve it alone.

    A lane's result does not depend on its neighbours, nor on the order of the lanes. A program compiled for another
    number of lanes may sum in another order: float32 rounding, which the steps then carry along.

    Args:
        encoder: the network that posed the problems.
        sweep: from `grid`, `zipped`, `product`, `pairs` or `stack`; over the scales of the recipe that `product` or
            `pairs` were given.
        lanes: how many run together; by default as many as the memory holds.
        folder: where to keep what is done: the same call goes on after a kill.
        watch: who looks on, and may stop the run.
        **changes: steps, descent, canvas, gradient or precision in place of those posed: see `Changes`.

    Raises:
        UserError: no lane fits the memory, `lanes` is below 1, a value of the wrong kind, or a folder of another sweep.
    """
    sweep = _changed(as_sweep(sweep), changes)
    found: dict[int, Solution] = {}
    if folder is None:
        Run(encoder, sweep, lambda i, x, _: found.update({i: x}), range(len(sweep)), watch=watch).solve(lanes)
        return Results(sweep, tuple(found[lane] for lane in range(len(sweep))))
    store = Store(Path(folder))
    with store.locked():
        store.settle(digest(sweep))

        def kept(lane: int) -> bool:
            if lane not in found and (before := store.load_finished(lane)) is not None:
                found[lane] = _thawed(before)
            return lane in found

        def finish(lane: int, solution: Solution, seconds: float) -> None:
            store.save_finished(lane, _frozen(solution, seconds))
            found[lane] = solution

        Run(encoder, sweep, finish, range(len(sweep)), kept, store, watch).solve(lanes)
    return Results(sweep, tuple(found[lane] for lane in range(len(sweep))))


def _frozen(solution: Solution, seconds: float) -> Finished:
    row = {"best_step": solution.best_step, "stopped": solution.stopped, "evaluations": solution.evaluations}
    pictures = {"image": np.asarray(solution.image), "last": np.asarray(solution.last)}
    return Finished(solution.history, {**row, "record": solution.record}, seconds, pictures)


def _thawed(finished: Finished) -> Solution:
    return Solution(history=finished.history, **finished.pictures, **finished.row)


def _changed(sweep: Sweep, changes: Changes) -> Sweep:
    if not changes:
        return sweep
    seen: dict[int, Problem] = {}

    def once(problem: Problem) -> Problem:
        if id(problem) not in seen:
            seen[id(problem)] = changed(problem, changes)
        return seen[id(problem)]

    scales = [tuple(once(problem) for problem in sweep.scales(i)) for i in range(len(sweep))]
    return of_scales(scales, sweep.axes, sweep.index)


def iterate(encoder: Encoder, problem: Problem, **changes: Unpack[Changes]) -> Iterator[Solution]:
    """Yield the solution so far after each piece of steps; the last one is what `solve` returns."""
    sweep = _changed(as_sweep(problem), changes)
    check_encoder(encoder, sweep)
    (chunk,) = cut([0], 1, _alone(sweep))
    for at in advance_chunk(encoder, sweep, chunk):
        yield replace(solutions(at, sweep, chunk)[0], record=made.described(encoder, sweep.problems[0]))


def _alone(sweep: Sweep) -> tuple[bool, ...]:
    return (False,) * len(jax.tree.leaves(sweep.problems[0]))


def solve(encoder: Encoder, problem: Problem, **changes: Unpack[Changes]) -> Solution:
    """Minimise a problem's objective over the pixels, or the canvas, of one image.

    Args:
        encoder: the network that posed it.
        problem: from `pose`.
        **changes: steps, descent, canvas, gradient or precision in place of those posed: see `Changes`.

    A loss or gradient that is not finite ends the run, save for `LBFGS`, which steps back; the images kept are finite
    ones.

    Raises:
        UserError: an encoder that did not pose the problem, or a value of the wrong kind.
    """
    solution = None
    for solution in iterate(encoder, problem, **changes):  # noqa: B007
        pass
    assert solution is not None
    return solution


def stylize(
    encoder: Encoder,
    content: ImageLike,
    style: ImageLike,
    recipe: Recipe = DEFAULT,
    *,
    init: ImageLike | None = None,
    folder: str | Path | None = None,
    watch: Watch = Watch(say=_nothing),
    **values: Unpack[Values],
) -> Solution:
    """Paint a content picture (h, w, 3) with the texture of a style picture, by the whole of a recipe.

    As the command line does it: the pictures are scaled to `size` and `style_size`, and solved at every scale.

    Args:
        encoder: the network; the recipe's `weights` need not name it.
        content, style: RGB in [0, 1], of any size.
        recipe: every setting.
        init: starting image of any size, where the recipe's `init` names a file.
        folder: where to keep what is done: the same call goes on after a kill.
        watch: who looks on, and may stop the run.
        **values: losses, terms, descent, canvas or gradient of your own: see `nst_jax.pose`.

    Raises:
        UserError: a setting or a picture that cannot be obeyed, or too little memory.
    """
    for what, picture in (("content", content), ("style", style), ("init", init)):
        if picture is not None and (np.ndim(picture) != 3 or np.shape(picture)[-1] != 3):
            raise UserError(
                f"the {what} image has shape {np.shape(picture)}: expected (height, width, 3), RGB in [0, 1]"
            )
    inputs = named(content=content, style=style, init=init)
    content, style = images.resize(content, recipe.size), images.resize(style, recipe.style_size or recipe.size)
    init = None if init is None else images.fit(init, content.shape[:2])
    problems = pose_scales(encoder, content, style, recipe, values=values, init=init, inputs=inputs)
    results = solve_batch(encoder, of_scales([problems], (), ((),)), folder=folder, watch=watch)
    return results.solutions[0]
