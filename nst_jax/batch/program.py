"""Run one chunk of lanes: its programs, its arrays on the devices, and where it stands after each piece of steps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from nst_jax import optimize, vgg
from nst_jax.batch import lanes as compiled
from nst_jax.batch.sweep import Sweep, collate
from nst_jax.errors import UserError
from nst_jax.optimize import Optimizer, Solution, State
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, Precision
from nst_jax.scales import balance, steps_at
from nst_jax.vgg import Encoder


@dataclass(frozen=True)
class How:
    """The static choices of a run: steps of each lane, and what `solve` is given.

    `coarse_steps` are those at every scale but the last, `first_steps` those at the first of several; 0 means as many
    as at the last, or as at the other coarse ones.
    `snapshots` asks for a stop at each multiple of so many steps; 0 for none.
    """

    steps: tuple[int, ...]
    optimizer: Optimizer | optax.GradientTransformation = DEFAULT.optimizer
    precision: Precision = DEFAULT.precision
    clamp: bool = True
    snapshots: int = 0
    coarse_steps: int = 0
    first_steps: int = 0


@dataclass(frozen=True)
class Chunk:
    """Lanes that run together as `size`: the last chunk is filled up with copies, so that one program fits all."""

    lanes: tuple[int, ...]
    size: int
    swept: tuple[bool, ...]

    def filled(self) -> tuple[int, ...]:
        """Give the lanes with the copies of the last one."""
        return self.lanes + self.lanes[-1:] * (self.size - len(self.lanes))


@dataclass(frozen=True)
class Partial:
    """Where a chunk stands: the state (size, ...) on the devices, and the terms (size, evaluations) of this scale.

    `scale` is its number among `scales`, 0 being the coarsest; `steps` the most that a lane takes there.
    """

    state: State
    history: dict[str, np.ndarray]
    done: bool
    scale: int = 0
    scales: int = 1
    steps: int = 0


Saved = tuple[int, Sequence[np.ndarray], Mapping[str, np.ndarray]]
"""An earlier `Partial` on the host: its scale, the leaves of its state, its history."""


@dataclass(frozen=True)
class _Setup:
    """What a chunk's program is called with."""

    encoder: Encoder
    problem: Problem
    steps: jax.Array
    mesh: Mesh
    length: int


def _setup(encoder: Encoder, sweep: Sweep, chunk: Chunk, how: How, scale: int) -> _Setup:
    mesh = compiled.lane_mesh(chunk.size)
    lanes = chunk.filled()
    finest_h, finest_w, _ = sweep.problems[lanes[0]].init.shape
    problems = [balance(sweep.scales(i)[scale], (finest_h, finest_w)) for i in lanes]
    last = scale == _scales(sweep, chunk) - 1
    wanted = _wanted(sweep, chunk, how, scale)
    h, w, _ = problems[0].init.shape
    encoder = jax.device_put(vgg.prepare(encoder, how.precision, (h, w)), NamedSharding(mesh, P()))
    problem = compiled.place(mesh, collate(problems, chunk.swept), chunk.swept)
    steps = compiled.place_lanes(mesh, np.array([wanted[i] for i in lanes], np.int32))
    platform = mesh.devices.flat[0].platform
    length = optimize.chunk_length(max(wanted), h * w * chunk.size // mesh.size, platform)
    if how.snapshots and last:
        length = next(n for n in range(min(length, how.snapshots), 0, -1) if how.snapshots % n == 0)
    return _Setup(encoder, problem, steps, mesh, length)


def _scales(sweep: Sweep, chunk: Chunk) -> int:
    return len(sweep.scales(chunk.lanes[0]))


def _wanted(sweep: Sweep, chunk: Chunk, how: How, scale: int) -> tuple[int, ...]:
    """Give the steps of every lane of the sweep at a scale of the chunk."""
    count = _scales(sweep, chunk)
    return tuple(steps_at(scale, count, steps, how.coarse_steps, how.first_steps) for steps in how.steps)


def pixel_steps(sweep: Sweep, chunk: Chunk, how: How) -> int:
    """Count the pixels of a chunk times their evaluations, over all scales: what its time is proportional to."""
    found = 0
    for scale, problem in enumerate(sweep.scales(chunk.lanes[0])):
        h, w, _ = problem.init.shape
        wanted = _wanted(sweep, chunk, how, scale)
        found += chunk.size * h * w * (1 + max(wanted[i] for i in chunk.lanes))
    return found


def _program(how: How, chunk: Chunk, setup: _Setup) -> dict[str, Any]:
    static = {"swept": chunk.swept, "mesh": setup.mesh, "optimizer": how.optimizer}
    return {**static, "length": setup.length, "clamp": how.clamp}


def compile_chunk(encoder: Encoder, sweep: Sweep, chunk: Chunk, how: How) -> jax.stages.Compiled:
    """Compile the program of a chunk's finest scale, into jit's own cache: running it later does not compile again."""
    setup = _setup(encoder, sweep, chunk, how, _scales(sweep, chunk) - 1)
    begin = _begin(how, chunk, setup)
    split = NamedSharding(setup.mesh, P(compiled.AXIS))
    shapes = jax.eval_shape(begin, setup.problem, setup.steps)
    state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=split), shapes)
    program = _program(how, chunk, setup)
    return compiled.advancing_lanes().lower(setup.encoder, setup.problem, state, setup.steps, **program).compile()


def advance_chunk(
    encoder: Encoder, sweep: Sweep, chunk: Chunk, how: How, saved: Saved | None = None
) -> Iterator[Partial]:
    """Yield where the chunk stands after each piece of its steps, scale by scale; the last is done.

    Args:
        encoder, sweep, chunk, how: what to solve.
        saved: where to go on from.

    Raises:
        UserError: what was saved is no state of this version.
    """
    scales = _scales(sweep, chunk)
    first = saved[0] if saved else 0
    at = None
    for scale in range(first, scales):
        setup = _setup(encoder, sweep, chunk, how, scale)
        history = dict(saved[2]) if saved and scale == first else {}
        state = _state(setup, chunk, how, at and at.state, saved if scale == first else None)
        last, most = scale == scales - 1, int(np.max(jax.device_get(setup.steps)))
        for here, record, done in _advance(setup, chunk, how, state, history, show=last and how.snapshots > 0):
            at = Partial(here, record, done and last, scale, scales, most)
            yield at


def _state(setup: _Setup, chunk: Chunk, how: How, before: State | None, saved: Saved | None) -> State:
    """Take up a saved state, or begin: from the state at the scale before, or at the first."""
    if saved:
        like, tree = jax.tree.flatten(jax.eval_shape(_begin(how, chunk, setup), setup.problem, setup.steps))
        if [(x.shape, x.dtype) for x in like] != [(x.shape, x.dtype) for x in saved[1]]:
            raise UserError(
                "the lanes in flight were saved by a version of nst_jax that keeps other numbers of its optimizer: "
                "go on with that version, or give another --out"
            )
        return compiled.place_lanes(setup.mesh, jax.tree.unflatten(tree, saved[1]))
    if before is None:
        return _begin(how, chunk, setup)(setup.problem, setup.steps)
    static = {"swept": chunk.swept, "mesh": setup.mesh, "optimizer": how.optimizer}
    return compiled.enlarge_lanes(setup.problem, before, **static)


def _begin(how: How, chunk: Chunk, setup: _Setup) -> Callable[[Problem, jax.Array], State]:
    return partial(compiled.begin_lanes, swept=chunk.swept, mesh=setup.mesh, optimizer=how.optimizer)


def _advance(
    setup: _Setup, chunk: Chunk, how: How, state: State, history: dict[str, np.ndarray], *, show: bool
) -> Iterator[tuple[State, dict[str, np.ndarray], bool]]:
    """Yield state, history and whether all is done after each piece of one scale's steps; to `show`, the start too."""
    program = _program(how, chunk, setup)
    done = bool(history) and _done(state, setup.steps)
    if done or (show and not history):
        yield state, history, done
    while not done:
        state, terms = compiled.advancing_lanes()(setup.encoder, setup.problem, state, setup.steps, **program)
        terms = jax.device_get(terms)
        history = {name: np.concatenate([history[name], x], 1) if history else x for name, x in terms.items()}
        done = _done(state, setup.steps)
        yield state, history, done


def _done(state: State, steps: jax.Array) -> bool:
    step, stopped, wanted = jax.device_get((state.step, state.stopped, steps))
    return bool(np.all((step > wanted) | (stopped != optimize.RUNNING)))


def solutions(at: Partial, sweep: Sweep, chunk: Chunk, how: How) -> dict[int, Solution]:
    """Give the solution of each lane of a chunk, as NumPy arrays."""
    state = at.state
    # Only what a solution shows leaves the device.
    kept = jax.device_get(replace(state, opt=(), average=(), image=state.step))
    return {
        lane: optimize._solution(
            sweep.problems[lane],
            jax.tree.map(lambda x, k=k: x[k], kept),
            [{name: x[k] for name, x in at.history.items()}],
            how.steps[lane],
        )
        for k, lane in enumerate(chunk.lanes)
    }
