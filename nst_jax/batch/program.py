"""Run one chunk of lanes: its program, its arrays on the devices, and where it stands after each piece of its steps."""

from collections.abc import Iterator, Mapping, Sequence
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
from nst_jax.optimize import Solution, State
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, Optimizer, Precision
from nst_jax.vgg import Encoder


@dataclass(frozen=True)
class How:
    """The static choices of a run: steps of each lane, and what `solve` is given.

    `snapshots` asks for a stop at each multiple of so many steps; 0 for none.
    """

    steps: tuple[int, ...]
    optimizer: Optimizer | optax.GradientTransformation = DEFAULT.optimizer
    precision: Precision = DEFAULT.precision
    clamp: bool = True
    snapshots: int = 0


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
    """Where a chunk stands: the state (size, ...) on the devices, and the terms (size, evaluations) so far."""

    state: State
    history: dict[str, np.ndarray]
    done: bool


@dataclass(frozen=True)
class _Setup:
    """What a chunk's program is called with."""

    encoder: Encoder
    problem: Problem
    steps: jax.Array
    mesh: Mesh
    length: int


def _setup(encoder: Encoder, sweep: Sweep, chunk: Chunk, how: How) -> _Setup:
    mesh = compiled.lane_mesh(chunk.size)
    problems = [sweep.problems[i] for i in chunk.filled()]
    h, w, _ = problems[0].init.shape
    encoder = jax.device_put(vgg.prepare(encoder, how.precision, (h, w)), NamedSharding(mesh, P()))
    problem = compiled.place(mesh, collate(problems, chunk.swept), chunk.swept)
    steps = compiled.place_lanes(mesh, np.array([how.steps[i] for i in chunk.filled()], np.int32))
    platform = mesh.devices.flat[0].platform
    length = optimize.chunk_length(max(how.steps), h * w * chunk.size // mesh.size, platform)
    if how.snapshots:
        length = next(n for n in range(min(length, how.snapshots), 0, -1) if how.snapshots % n == 0)
    return _Setup(encoder, problem, steps, mesh, length)


def _program(how: How, chunk: Chunk, setup: _Setup) -> dict[str, Any]:
    static = {"swept": chunk.swept, "mesh": setup.mesh, "optimizer": how.optimizer}
    return {**static, "length": setup.length, "clamp": how.clamp}


def compile_chunk(encoder: Encoder, sweep: Sweep, chunk: Chunk, how: How) -> jax.stages.Compiled:
    """Compile a chunk's program, into jit's own cache: running it later does not compile again."""
    setup = _setup(encoder, sweep, chunk, how)
    begin = partial(compiled.begin_lanes, swept=chunk.swept, mesh=setup.mesh, optimizer=how.optimizer)
    split = NamedSharding(setup.mesh, P(compiled.AXIS))
    shapes = jax.eval_shape(begin, setup.problem, setup.steps)
    state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=split), shapes)
    program = _program(how, chunk, setup)
    return compiled.advance_lanes.lower(setup.encoder, setup.problem, state, setup.steps, **program).compile()


def advance_chunk(
    encoder: Encoder,
    sweep: Sweep,
    chunk: Chunk,
    how: How,
    saved: tuple[Sequence[np.ndarray], Mapping[str, np.ndarray]] | None = None,
) -> Iterator[Partial]:
    """Yield where the chunk stands after each piece of its steps; the last is done.

    Args:
        encoder, sweep, chunk, how: what to solve.
        saved: leaves of an earlier state and the history up to it, to go on from.
    """
    setup = _setup(encoder, sweep, chunk, how)
    program = _program(how, chunk, setup)
    begin = partial(compiled.begin_lanes, swept=chunk.swept, mesh=setup.mesh, optimizer=how.optimizer)
    history: dict[str, np.ndarray] = {}
    if saved is None:
        state = begin(setup.problem, setup.steps)
        if how.snapshots:
            yield Partial(state, {}, False)
    else:
        tree = jax.tree.structure(jax.eval_shape(begin, setup.problem, setup.steps))
        state = compiled.place_lanes(setup.mesh, jax.tree.unflatten(tree, saved[0]))
        history = dict(saved[1])
    done = bool(history) and _done(state, setup.steps)
    if done:
        yield Partial(state, history, True)
    while not done:
        state, terms = compiled.advance_lanes(setup.encoder, setup.problem, state, setup.steps, **program)
        terms = jax.device_get(terms)
        history = {name: np.concatenate([history[name], x], 1) if history else x for name, x in terms.items()}
        done = _done(state, setup.steps)
        yield Partial(state, history, done)


def _done(state: State, steps: jax.Array) -> bool:
    step, stopped, wanted = jax.device_get((state.step, state.stopped, steps))
    return bool(np.all((step > wanted) | (stopped != optimize.RUNNING)))


def solutions(at: Partial, sweep: Sweep, chunk: Chunk, how: How) -> dict[int, Solution]:
    """Give the solution of each lane of a chunk, as NumPy arrays."""
    state = at.state
    kept = jax.device_get(replace(state, opt=(), image=state.step))  # only what a solution shows leaves the device
    return {
        lane: optimize._solution(
            sweep.problems[lane],
            jax.tree.map(lambda x, k=k: x[k], kept),
            [{name: x[k] for name, x in at.history.items()}],
            how.steps[lane],
        )
        for k, lane in enumerate(chunk.lanes)
    }
