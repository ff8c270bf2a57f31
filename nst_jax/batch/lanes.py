"""One compiled program for many lanes: the solver's step under `vmap`, the lane axis split over local devices."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from nst_jax import optimize
from nst_jax.compiler import late_jit, wanted
from nst_jax.gradients import rows
from nst_jax.networks import Encoder
from nst_jax.optimize import State
from nst_jax.problem import Problem, Terms

AXIS = "lanes"

_together = False


@contextmanager
def together(on: bool) -> Iterator[None]:
    """Let the devices of all processes, if it is `on`, share a picture's tiles: each runs the same programs."""
    global _together
    before, _together = _together, on
    try:
        yield
    finally:
        _together = before


def lane_mesh(lanes: int, *, tiled: bool = False) -> Mesh:
    """Line up devices of this process, or of all that work `together`: as many as can have equally many of the lanes.

    Where the lanes' pictures are `tiled`, those that are left share them: a mesh of lanes and rows.
    """
    devices = jax.devices() if _together else jax.local_devices()
    count = max(n for n in range(1, min(len(devices), lanes) + 1) if lanes % n == 0)
    if not tiled:
        return Mesh(np.array(devices[:count]), (AXIS,))
    share = len(devices) // count
    return Mesh(np.array(devices[: count * share]).reshape(count, share), (AXIS, rows.AXIS))


def place(mesh: Mesh, problem: Problem, swept: tuple[bool, ...]) -> Problem:
    """Put a collated problem on the devices: swept leaves split by lane, shared ones once on each device."""
    shardings = jax.tree.map(partial(NamedSharding, mesh), _by_leaf(problem, swept, P(AXIS), P()), is_leaf=_is_spec)
    return jax.tree.map(_put, problem, shardings)


def place_lanes(mesh: Mesh, tree: Any, like: Any = None) -> Any:
    """Put arrays whose first axis is the lanes on the devices, or as a state's `shapes` say."""
    if like is None:
        return jax.tree.map(lambda x: _put(x, NamedSharding(mesh, P(AXIS))), tree)
    return jax.tree.map(lambda x, like: _put(x, like.sharding), tree, like)


def place_everywhere(mesh: Mesh, tree: Any) -> Any:
    """Put arrays on every device."""
    return jax.tree.map(lambda x: _put(x, NamedSharding(mesh, P())), tree)


def _put(x: Any, sharding: NamedSharding) -> jax.Array:
    """Put an array on devices; those of another process get theirs there, from the same array."""
    if sharding.is_fully_addressable:
        return jax.device_put(x, sharding)
    x = np.asarray(jnp.asarray(x))
    return jax.make_array_from_callback(x.shape, sharding, lambda part: x[part])


def here(tree: Any) -> Any:
    """Give arrays that every process has whole as this one has them."""
    return jax.tree.map(lambda x: x if x.is_fully_addressable else x.addressable_data(0), tree)


def _is_spec(x: Any) -> bool:
    return isinstance(x, P)


def _by_leaf(problem: Problem, swept: tuple[bool, ...], yes: Any, no: Any) -> Any:
    return jax.tree.unflatten(jax.tree.structure(problem), [yes if s else no for s in swept])


def _over_lanes(one, mesh: Mesh, problem: Problem, swept: tuple[bool, ...]):
    """Turn a function of one lane's (encoder, problem, rest) into one of many.

    shard_map rather than automatic partitioning: no operation of ours crosses lanes, so each device runs the plain
    program over its own, whatever kernels it is made of.
    """

    def here(encoder, problem, rest):
        if jax.tree.leaves(rest)[0].shape[0] > 1:
            return jax.vmap(one, in_axes=(None, _by_leaf(problem, swept, 0, None), 0))(encoder, problem, rest)
        # A single lane is the program of a single picture: under vmap XLA would copy all pairs of L-BFGS every step.
        problem = jax.tree.map(lambda x, s: x[0] if s else x, problem, _by_leaf(problem, swept, True, False))
        alone = jax.tree.map(lambda x: jax.lax.squeeze(x, [0]), rest)  # as they lie, also in the host's memory
        return jax.tree.map(lambda x: jax.lax.expand_dims(x, [0]), one(encoder, problem, alone))

    specs = _by_leaf(problem, swept, P(AXIS), P())
    return jax.shard_map(here, mesh=mesh, in_specs=(P(), specs, P(AXIS)), out_specs=P(AXIS), check_vma=False)


@partial(jax.jit, static_argnames=("swept", "mesh"))
def begin_lanes(problem: Problem, lanes: jax.Array, *, swept: tuple[bool, ...], mesh: Mesh) -> State:
    """Make the state of every lane before the first evaluation; `lanes` (lanes,) says how many there are."""

    def one(_, problem, __):
        return optimize.begin(problem)

    return _over_lanes(one, mesh, problem, swept)(None, problem, lanes)


def shapes(problem: Problem, lanes: jax.Array, *, swept: tuple[bool, ...], mesh: Mesh) -> State:
    """Give the state of `begin_lanes` as shapes, each with where it lies."""
    traced = begin_lanes.trace(problem, lanes, swept=swept, mesh=mesh)

    def shape(aval: Any) -> jax.ShapeDtypeStruct:
        kind = "pinned_host" if aval.memory_space == jax.memory.Space.Host else None
        return jax.ShapeDtypeStruct(aval.shape, aval.dtype, sharding=NamedSharding(mesh, P(AXIS), memory_kind=kind))

    return jax.tree.unflatten(jax.tree.structure(traced.out_info), map(shape, traced.jaxpr.out_avals))


@partial(jax.jit, static_argnames=("size", "swept", "mesh"))
def enlarge_lanes(
    problem: Problem, state: State, size: tuple[int, int], *, swept: tuple[bool, ...], mesh: Mesh
) -> State:
    """Begin every lane's next scale, `problem`, from the best image and the state (lanes, ...) of one of `size`."""

    def one(_, problem, state):
        return optimize.enlarge(state, problem, size)

    return _over_lanes(one, mesh, problem, swept)(None, problem, state)


@late_jit(static_argnames=("swept", "mesh"), donate_argnames="state")
def renew_lanes(encoder: Encoder, problem: Problem, state: State, *, swept: tuple[bool, ...], mesh: Mesh) -> State:
    """Renew what losses make of the picture in every lane; nothing else changes but what is known of the old one."""
    return _over_lanes(optimize.renew, mesh, problem, swept)(encoder, problem, state)


def advance_lanes(
    encoder: Encoder, problem: Problem, state: State, *, swept: tuple[bool, ...], mesh: Mesh, length: int
) -> tuple[State, Terms]:
    """Take `length` steps in every lane, none past its own steps; return the terms, (lanes, length) each."""

    apart = length == 1 and state.step.shape[0] == mesh.shape[AXIS]

    def one(encoder, problem, state):
        return optimize.advance(encoder, problem, state, length=length, apart=apart)

    return _over_lanes(one, mesh, problem, swept)(encoder, problem, state)


HOW: dict[str, Any] = {"static_argnames": ("swept", "mesh", "length"), "donate_argnames": "state"}

advancing_lanes = late_jit(**HOW)(advance_lanes)
"""`advance_lanes`, compiled."""


def jitted_for(platform: str, more: Mapping[str, Any]) -> Any:
    """Give `advance_lanes` to be compiled for a device of a platform that need not be here, with `more` options."""
    return jax.jit(advance_lanes, compiler_options={**wanted(platform), **more}, **HOW)
