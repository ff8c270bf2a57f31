"""The program of many lanes, compiled for a device that is not here."""

import re
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from nst_jax import optimize
from nst_jax.absent import Absent
from nst_jax.batch import lanes as compiled
from nst_jax.batch import memory
from nst_jax.errors import UserError
from nst_jax.networks import PICTURE, Encoder, prepare, resolve_precision
from nst_jax.problem import Problem, prepared
from nst_jax.recipe import DEFAULT

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


def needed_there(device: Absent, encoder: Encoder, problem: Problem, swept: tuple[bool, ...], lanes: int) -> int | None:
    """Give the bytes that so many lanes take on an absent device, also of more than it holds."""
    try:
        return memory.needed_bytes(compile_there(device, encoder, problem, swept, lanes))
    except jax.errors.JaxRuntimeError as error:
        used = re.search(r"Used ([\d.]+)([KMGT]) of", str(error))
        if not memory.out_of_memory(error) or not used:
            raise
        return int(float(used[1]) * 1024 ** (" KMGT".index(used[2])))


FITTED = {
    ("h100", "Adam"): (107_000_000, 471),
    ("h100", "LBFGS"): (85_000_000, 756),
    ("v5e", "Adam"): (0, 1373),
    ("v5e", "LBFGS"): (8_000_000, 1857),
}
"""Bytes of a program, and more of them a pixel, as compiled for the default layers in bfloat16: for an H100 pictures of
512, 1024 and 2048 px, for a TPU v5e one of 512 px and, with L-BFGS, eight."""


def tabled_bytes(device: Absent, problem: Problem, lanes: int) -> int:
    """Give about what so many lanes take on an absent device, from a table of compiled programs.

    Raises:
        UserError: the table has no such program.
    """
    h, w, _ = problem.init.shape
    fitted = FITTED.get((device.name, type(problem.descent).__name__))
    layers = {layer for term in problem.terms.values() for layer in term.targets}
    usual = {*DEFAULT.style_layers, *DEFAULT.content_layers, PICTURE.name}
    precision = resolve_precision(problem.precision, device.platform, problem.network.accelerated)
    known = precision == "bfloat16" and layers <= usual
    if fitted is None or not known or problem.network.name not in ("vgg16", "vgg19"):
        raise UserError(
            f"what this takes on the {device.title} is not in nst_jax's table: install its compiler, "
            f"pip install 'nst-jax[{device.extra}]', in an environment of its own"
        )
    fixed, a_pixel = fitted
    return fixed + lanes * h * w * a_pixel


def _shape(x: Any) -> jax.ShapeDtypeStruct:
    return x if isinstance(x, jax.ShapeDtypeStruct) else jax.ShapeDtypeStruct(np.shape(x), jax.numpy.result_type(x))
