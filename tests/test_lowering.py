"""Every compiled program of the package is lowered for GPUs and TPUs, which need not be here.

A program is tested by being listed in PROGRAMS. Lowering ends where XLA's compiler begins: it finds what a platform has
no rule for, and what a platform's own choices (`ops.choose`) make of the shapes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import AbstractMesh

from nst_jax import compiler, metrics, optimize, problem, scales, vgg
from nst_jax.batch import lanes
from nst_jax.optimize import Adam
from nst_jax.problem import Problem
from nst_jax.recipe import Precision, Recipe
from nst_jax.vgg import Encoder

PLATFORMS = {"cuda": "gpu", "tpu": "tpu"}
"""By the name that exports know, what `jax.default_backend()` says there."""

TYPES: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}

SIZE, LANES, STEPS = (36, 32), 4, 3
OPTIMIZERS = {
    "adam": "adam",
    "Adam with a schedule and an average": Adam("cosine", 0.9),
    "lbfgs": "lbfgs",
    "lbfgs-zoom": "lbfgs-zoom",
}

Program = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function, and the shapes of its arguments."""


@dataclass(frozen=True)
class Case:
    """What a program is made from: shapes alone, prepared for one platform and precision."""

    raw: Encoder
    encoder: Encoder
    problem: Problem

    def state(self, optimizer: Any) -> optimize.State:
        """Give the shapes of the state at the beginning."""
        return jax.eval_shape(partial(optimize.begin, optimizer=optimizer), self.problem)


def shapes(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), np.asarray(x).dtype), tree)


def many(tree: Any, count: int = LANES) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((count, *x.shape), x.dtype), tree)


PIXELS = jax.ShapeDtypeStruct((*SIZE, 3), jnp.float32)
COUNT = jax.ShapeDtypeStruct((), jnp.int32)
SIDES = (COUNT, COUNT)


def step(optimizer: Any) -> Callable[[Case], Program]:
    """List the solver's loop."""
    how = {"length": STEPS, "optimizer": optimizer, "clamp": optimize.clamps(optimizer)}
    program = compiler.late_jit(optimize.advance, static_argnames=tuple(how), donate_argnames="state")
    return lambda case: (partial(program(), **how), (case.encoder, case.problem, case.state(optimizer), COUNT))


def remat(case: Case) -> Program:
    return step("adam")(replace(case, problem=replace(case.problem, remat=True)))


def swept(problem: Problem) -> tuple[bool, ...]:
    """Sweep every number but the targets."""
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(problem)]
    return tuple(not name.startswith((".content", ".style", ".sides")) for name in names)


def in_lanes(problem: Problem) -> Problem:
    leaves = [many(x) if s else x for x, s in zip(jax.tree.leaves(problem), swept(problem), strict=True)]
    return jax.tree.unflatten(jax.tree.structure(problem), leaves)


def split(case: Case, optimizer: Any, devices: int) -> dict[str, Any]:
    mesh = AbstractMesh((devices,), (lanes.AXIS,))
    return {"swept": swept(case.problem), "mesh": mesh, "optimizer": optimizer}


def batch(optimizer: Any, devices: int) -> Callable[[Case], Program]:
    """List the solver's loop over lanes, on so many devices."""

    def make(case: Case) -> Program:
        how = {**split(case, optimizer, devices), "length": STEPS, "clamp": optimize.clamps(optimizer)}
        program = compiler.late_jit(lanes.advance_lanes, static_argnames=tuple(how), donate_argnames="state")
        states = many(case.state(optimizer))
        return partial(program(), **how), (case.encoder, in_lanes(case.problem), states, many(COUNT))

    return make


def begin(optimizer: Any) -> Callable[[Case], Program]:
    return lambda case: (partial(optimize.begin, optimizer=optimizer), (case.problem,))


def begin_lanes(case: Case) -> Program:
    return partial(lanes.begin_lanes, **split(case, "lbfgs", 2)), (in_lanes(case.problem), many(COUNT))


def coarse(case: Case, optimizer: Any) -> optimize.State:
    """Give the shapes of the state at a scale of half the size."""
    half = jax.ShapeDtypeStruct((SIZE[0] // 2, SIZE[1] // 2, 3), jnp.float32)
    return Case(case.raw, case.encoder, replace(case.problem, init=half)).state(optimizer)


def enlarge(optimizer: Any) -> Callable[[Case], Program]:
    return lambda case: (partial(scales.enlarge, optimizer=optimizer), (coarse(case, optimizer), case.problem))


def enlarge_lanes(case: Case) -> Program:
    states = many(coarse(case, "adam"))
    return partial(lanes.enlarge_lanes, **split(case, "adam", 2)), (in_lanes(case.problem), states)


def targets(style_loss: str) -> Callable[[Case], Program]:
    names = Recipe().content_layers, Recipe().style_layers

    def function(encoder: Encoder, content: jax.Array, style: jax.Array) -> Any:
        return problem.targets(encoder, content, style, *names, "max", "zero", style_loss)

    return lambda case: (function, (case.raw, PIXELS, PIXELS))


def style_side(*sides: Any) -> Callable[[Case], Program]:
    return lambda case: (metrics._style_side, (case.raw, PIXELS, sides or None))


def held_out(*sides: Any) -> Callable[[Case], Program]:
    def make(case: Case) -> Program:
        style = jax.eval_shape(metrics._style_side, case.raw, PIXELS, sides or None)
        return metrics._held_out, (case.raw, PIXELS, PIXELS, style, sides or None)

    return make


PREPARED: dict[str, Callable[[Case], Program]] = {
    **{f"step, {name}": step(optimizer) for name, optimizer in OPTIMIZERS.items()},
    "step, remat": remat,
    **{f"lanes, {name}": batch(optimizer, 1) for name, optimizer in OPTIMIZERS.items()},
    "lanes over two devices": batch("lbfgs", 2),
    "one lane a device": batch("lbfgs", LANES),
}
"""Programs that run the network in the precision asked for."""

EXACT: dict[str, Callable[[Case], Program]] = {
    **{f"begin, {name}": begin(optimizer) for name, optimizer in OPTIMIZERS.items()},
    "begin lanes": begin_lanes,
    **{f"enlarge, {name}": enlarge(optimizer) for name, optimizer in OPTIMIZERS.items()},
    "enlarge lanes": enlarge_lanes,
    "targets, Gram matrices": targets("gatys"),
    "targets, moments": targets("w2"),
    "metrics of a style": style_side(),
    "metrics of a style with a margin": style_side(*SIDES),
    "metrics of a result": held_out(),
    "metrics of a result with a margin": held_out(*SIDES),
}
"""Programs that are in float32 whatever is asked for."""


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Name the platform to lower for; whoever asks for the backend is told this one."""
    monkeypatch.setattr(jax, "default_backend", lambda: PLATFORMS[request.param])
    compiler.options.cache_clear()
    yield request.param
    compiler.options.cache_clear()


@pytest.fixture
def make(tiny):
    """Give `make(precision)`: the case of the tiny network and the default recipe's targets."""
    rng = np.random.default_rng(0)
    content, style = (rng.random((*SIZE, 3), np.float32) for _ in range(2))
    posed = problem.pose(tiny.encoder, content, style)

    def case(precision: Precision) -> Case:
        prepared = jax.eval_shape(lambda encoder: vgg.prepare(encoder, precision, SIZE), tiny.encoder)
        return Case(shapes(tiny.encoder), prepared, shapes(posed))

    return case


def lowered(program: Program, platform: str) -> export.Exported:
    function, arguments = program
    return export.export(jax.jit(function), platforms=[platform])(*arguments)


def convolved(found: export.Exported) -> set[str]:
    """Name the types that the program's convolutions give."""
    lines = [line for line in found.mlir_module().splitlines() if "stablehlo.convolution" in line]
    return {line.rpartition("->")[2].rpartition("x")[2].partition(">")[0] for line in lines}


def types(found: export.Exported) -> set[str]:
    """Name every type of number in the program."""
    return set(re.findall(r"[x<](f\d+|bf16)>", found.mlir_module()))


@pytest.mark.parametrize("precision", TYPES)
@pytest.mark.parametrize("name", PREPARED)
def test_a_program_is_lowered_in_both_precisions(name, precision, platform, make):
    found = lowered(PREPARED[name](make(precision)), platform)
    assert found.platforms == (platform,)
    # The network in the precision, images, losses and optimizer in float32.
    assert convolved(found) == {TYPES[precision]}
    assert types(found) == {"f32", TYPES[precision]}


@pytest.mark.parametrize("precision", TYPES)
def test_preparing_the_kernels_is_lowered(precision, platform, make):
    case = make(precision)
    found = lowered((lambda encoder: vgg.prepare(encoder, precision, SIZE), (case.raw,)), platform)
    assert found.platforms == (platform,)
    # The platform's own choice, not that of the machine that runs the test.
    assert case.encoder.plans["conv1_1"]["plan"].method == {"cuda": "narrow", "tpu": "direct"}[platform]
    assert types(found) == {"f32", TYPES[precision]}


@pytest.mark.parametrize("name", EXACT)
def test_a_program_of_float32_is_lowered(name, platform, make):
    found = lowered(EXACT[name](make("float32")), platform)
    assert found.platforms == (platform,)
    assert types(found) == {"f32"}
