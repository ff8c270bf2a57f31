"""The program of many lanes, compiled for a device that is not here."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from nst_jax import optimize
from nst_jax.absent import Absent
from nst_jax.batch import lanes as compiled
from nst_jax.networks import Encoder, prepare
from nst_jax.problem import Problem, prepared

LENGTH = 50
"""Steps of a call on an accelerator, as `optimize.length_of_call` has it."""


def compile_there(
    device: Absent,
    encoder: Encoder,
    problem: Problem,
    swept: tuple[bool, ...],
    lanes: int,
    options: dict[str, Any] | None = None,
) -> jax.stages.Compiled:
    """Compile `batch.lanes.advance_lanes` for an absent device.

    Args:
        device: what to compile for.
        encoder: the network.
        problem: of one lane, arrays or their shapes; only shapes count.
        swept: which leaves of the problem each lane has for itself.
        lanes: how many run together.
        options: for the compiler, beside the solver's own.

    Raises:
        UserError: there is no compiler for it here.
    """
    mesh = Mesh(np.array([device.find()]), (compiled.AXIS,))
    h, w, _ = problem.init.shape
    encoder = replace(encoder, network=problem.network)
    kernels = jax.eval_shape(lambda e: prepare(e, problem.precision, (h, w), device.platform), encoder)
    problem = prepared(jax.tree.map(_shape, replace(problem, origin=None)), device.platform)
    state = jax.eval_shape(optimize.begin, problem)
    each, all_of_them = NamedSharding(mesh, P(compiled.AXIS)), NamedSharding(mesh, P())

    def shared(x: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=all_of_them)

    def stacked(x: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((lanes, *x.shape), x.dtype, sharding=each)

    leaves = [stacked(x) if s else shared(x) for x, s in zip(jax.tree.leaves(problem), swept, strict=True)]
    problem = jax.tree.unflatten(jax.tree.structure(problem), leaves)
    program = compiled.jitted_for(device.platform, options or {})
    how = {"swept": swept, "mesh": mesh, "length": LENGTH}
    return program.lower(jax.tree.map(shared, kernels), problem, jax.tree.map(stacked, state), **how).compile()


def _shape(x: Any) -> jax.ShapeDtypeStruct:
    return x if isinstance(x, jax.ShapeDtypeStruct) else jax.ShapeDtypeStruct(np.shape(x), jax.numpy.result_type(x))
