"""The one advancing loop: one chunk of lanes through all scales, and where it stands after each piece of its steps."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from nst_jax import optimize, renewal
from nst_jax.batch import lanes as compiled
from nst_jax.batch.sweep import Sweep, collate
from nst_jax.descents import RUNNING
from nst_jax.errors import UserError
from nst_jax.gradients import Tiles
from nst_jax.networks import Encoder, prepare
from nst_jax.optimize import Solution, State
from nst_jax.problem import Problem, prepared


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

    @property
    def step(self) -> int:
        """Count the steps done at this scale."""
        return next((x.shape[1] for x in self.history.values()), 1) - 1


@dataclass(frozen=True)
class Saved:
    """An earlier `Partial` on the host: its scale, the leaves of its state by path, its history, the seconds so far."""

    scale: int
    leaves: Mapping[str, np.ndarray]
    history: Mapping[str, np.ndarray]
    seconds: float = 0.0


def kept_leaves(state: State) -> dict[str, np.ndarray]:
    """Give the leaves of a state by their paths, on the host and as NumPy can write them."""
    numbers = _named_leaves(_as_numbers(compiled.here(state)))
    return {name: np.asarray(leaf) for name, leaf in jax.device_get(numbers).items()}


def _named_leaves(state: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state)}


def _as_numbers(state: State) -> Any:
    """Turn what NumPy has no type for into what it has: keys into their data, bfloat16 and the like into its bits."""

    def one(x: jax.Array) -> jax.Array:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.key_data(x)
        return jax.lax.bitcast_convert_type(x, f"uint{8 * x.dtype.itemsize}") if _bits(x) else x

    return jax.tree.map(one, state)


def _bits(x: Any) -> bool:
    return np.dtype(x.dtype).kind == "V"


def _as_state(numbers: Any, like: State) -> Any:
    """Turn the numbers of a state back."""

    def one(x: np.ndarray, like: Any) -> Any:
        if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(jnp.asarray(x), impl=like.dtype._impl.name)
        return x.view(like.dtype) if _bits(like) else x

    return jax.tree.map(one, numbers, like)


@dataclass(frozen=True)
class _Setup:
    """What a chunk's program is called with."""

    encoder: Encoder
    problem: Problem
    swept: tuple[bool, ...]
    mesh: Mesh
    lanes: jax.Array
    steps: np.ndarray
    length: int
    period: int

    @property
    def program(self) -> dict[str, Any]:
        return {"swept": self.swept, "mesh": self.mesh}


def _setup(encoder: Encoder, sweep: Sweep, chunk: Chunk, scale: int, snapshots: int) -> _Setup:
    problems = [sweep.scales(i)[scale] for i in chunk.filled()]
    tiled = isinstance(problems[0].gradient, Tiles)
    mesh = compiled.lane_mesh(chunk.size, tiled=tiled)
    steps = np.array([int(problem.steps) for problem in problems])
    h, w, _ = problems[0].init.shape
    encoder = replace(encoder, network=problems[0].network)
    encoder = compiled.place_everywhere(mesh, prepare(encoder, problems[0].precision, (h, w)))
    # What a record says of a lane is no part of the program.
    platform = mesh.devices.flat[0].platform
    problem = prepared(replace(collate(problems, chunk.swept), origin=None), platform)
    if tiled:  # a large picture's pairs are most of its memory
        problem = replace(problem, descent=problem.descent.within(int(steps.max())))
    problem = compiled.place(mesh, problem, chunk.swept)
    length = optimize.length_of_call(int(steps.max()), h * w * chunk.size // mesh.size, platform)
    period = renewal.period(problem)
    stops = math.gcd(period, snapshots if scale == _scales(sweep, chunk) - 1 else 0)
    if stops:
        length = next(n for n in range(min(length, stops), 0, -1) if stops % n == 0)
    lanes = compiled.place_lanes(mesh, np.arange(chunk.size, dtype=np.int32))
    return _Setup(encoder, problem, chunk.swept, mesh, lanes, steps, length, period)


def _scales(sweep: Sweep, chunk: Chunk) -> int:
    return len(sweep.scales(chunk.lanes[0]))


def compile_chunk(encoder: Encoder, sweep: Sweep, chunk: Chunk, snapshots: int = 0) -> jax.stages.Compiled:
    """Compile the program of a chunk's finest scale, into jit's own cache: running it later does not compile again."""
    setup = _setup(encoder, sweep, chunk, _scales(sweep, chunk) - 1, snapshots)
    state = compiled.shapes(setup.problem, setup.lanes, **setup.program)
    how = {**setup.program, "length": setup.length}
    return compiled.advancing_lanes.jitted().lower(setup.encoder, setup.problem, state, **how).compile()


def advance_chunk(
    encoder: Encoder, sweep: Sweep, chunk: Chunk, *, saved: Saved | None = None, snapshots: int = 0
) -> Iterator[Partial]:
    """Yield where the chunk stands after each piece of its steps, scale by scale; the last is done.

    Args:
        encoder, sweep, chunk: what to solve.
        saved: where to go on from.
        snapshots: ask for a stop at each multiple of so many steps of the last scale, its start included; 0 for none.

    Raises:
        UserError: what was saved is no state of these lanes.
    """
    scales = _scales(sweep, chunk)
    first, history = (saved.scale, dict(saved.history)) if saved else (0, {})
    at, before = None, None
    for scale in range(first, scales):
        setup = _setup(encoder, sweep, chunk, scale, snapshots)
        state = _state(setup, before, saved)
        if before:
            _free(before[0], state)
        saved, at, before = None, None, None
        last, most = scale == scales - 1, int(setup.steps.max())
        for here, record, done in _advance(setup, state, history, show=last and snapshots > 0):
            at = Partial(here, record, done and last, scale, scales, most)
            yield at
        assert at is not None
        *_, h, w, _ = setup.problem.init.shape
        before, history = (at.state, (h, w)), {}


def _free(state: State, kept: State) -> None:
    """Free what a coarse scale held, whoever looks at it still: the finest, which comes next, needs the memory."""
    held = {id(x) for x in jax.tree.leaves(kept)}
    for x in jax.tree.leaves(state):
        if id(x) not in held:
            x.delete()


def _state(setup: _Setup, before: tuple[State, tuple[int, int]] | None, saved: Saved | None) -> State:
    """Take up a saved state, or begin: from the state and the size (h, w) of the scale before, or at the first."""
    if saved:
        like = compiled.shapes(setup.problem, setup.lanes, **setup.program)
        numbers = jax.eval_shape(_as_numbers, like)
        found = {name: (x.shape, x.dtype) for name, x in _named_leaves(numbers).items()}
        if found != {name: (x.shape, x.dtype) for name, x in saved.leaves.items()}:
            raise UserError(
                "the lanes in flight were saved by a version of nst_jax that keeps other numbers of its optimizer, or "
                "on another kind of device: go on with that, or give another --out"
            )
        kept = jax.tree.unflatten(jax.tree.structure(like), [saved.leaves[name] for name in found])
        return compiled.place_lanes(setup.mesh, _as_state(kept, like), like)
    if before is None:
        return compiled.begin_lanes(setup.problem, setup.lanes, **setup.program)
    return compiled.enlarge_lanes(setup.problem, *before, **setup.program)


def _advance(
    setup: _Setup, state: State, history: dict[str, np.ndarray], *, show: bool
) -> Iterator[tuple[State, dict[str, np.ndarray], bool]]:
    """Yield state, history and whether all is done after each piece of one scale's steps; to `show`, the start too."""
    done = bool(history) and _done(state, setup.steps)
    if done or (show and not history):
        yield state, history, done
    while not done:
        state = _renewed(setup, state, len(next(iter(history.values()))[0]) if history else 0)
        state, terms = compiled.advancing_lanes(
            setup.encoder, setup.problem, state, length=setup.length, **setup.program
        )
        terms = jax.device_get(terms)
        history = {name: np.concatenate([history[name], x], 1) if history else x for name, x in terms.items()}
        done = _done(state, setup.steps)
        yield state, history, done


def _renewed(setup: _Setup, state: State, step: int) -> State:
    """Renew the objective where it is due: before the first step, and every `period` steps."""
    if not renewal.renews(setup.problem) or (step % setup.period if setup.period else step):
        return state
    return compiled.renew_lanes(setup.encoder, setup.problem, state, **setup.program)


def _done(state: State, steps: np.ndarray) -> bool:
    step, stopped = jax.device_get((state.step, state.stopped))
    return bool(np.all((step > steps) | (stopped != RUNNING)))


def solutions(at: Partial, sweep: Sweep, chunk: Chunk) -> dict[int, Solution]:
    """Give the solution of each lane of a chunk at the scale where it stands, as NumPy arrays."""
    # Only what a solution shows leaves the device.
    platform = next(iter(at.state.step.devices())).platform
    kept = jax.device_get(replace(at.state, descent=(), x=at.state.step))
    return {
        lane: optimize.solution(
            prepared(sweep.scales(lane)[at.scale], platform),
            jax.tree.map(lambda x, k=k: x[k], kept),
            {name: x[k] for name, x in at.history.items()},
        )
        for k, lane in enumerate(chunk.lanes)
    }
