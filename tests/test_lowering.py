"""Every compiled program of the package is lowered for GPUs and TPUs, which need not be here.

A program is tested by being listed in PROGRAMS. Lowering ends where XLA's compiler begins: it finds what a platform has
no rule for, and what a platform's own choices (`ops.choose`) make of the shapes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import AbstractMesh

import nst_jax
from nst_jax import compiler, losses, networks, ops, optimize
from nst_jax import targets as making
from nst_jax.batch import lanes
from nst_jax.canvases import CANVASES, Canvas
from nst_jax.descents import LBFGS, Adam, Descent, Zoom
from nst_jax.losses.regions import Given
from nst_jax.metrics import holdout
from nst_jax.networks import GOOGLENET, INCEPTION_V3, Encoder
from nst_jax.problem import Held, Problem, Views
from nst_jax.recipe import Precision, Recipe

PLATFORMS = {"cuda": "gpu", "tpu": "tpu"}
"""By the name that exports know, what `jax.default_backend()` says there."""

TYPES: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}

SIZE, LANES, STEPS = (36, 32), 4, 3
DESCENTS: dict[str, Descent] = {
    "adam": Adam(lr=np.float32(0.02)),
    "Adam with a schedule and an average": Adam(lr=np.float32(0.02), schedule="cosine", ema=np.float32(0.9)),
    "lbfgs": LBFGS(),
    "lbfgs-zoom": Zoom(),
}

Program = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function, and the shapes of its arguments."""


@dataclass(frozen=True)
class Case:
    """What a program is made from: shapes alone, prepared for one platform and precision."""

    raw: Encoder
    encoder: Encoder
    problem: Problem

    def by(self, descent: Descent) -> "Case":
        """Give the case with another descent."""
        return replace(self, problem=replace(self.problem, descent=shapes(descent)))

    def state(self) -> optimize.State:
        """Give the shapes of the state at the beginning."""
        return jax.eval_shape(optimize.begin, self.problem)


def shapes(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), np.asarray(x).dtype), tree)


def many(tree: Any, count: int = LANES) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((count, *x.shape), x.dtype), tree)


PIXELS = jax.ShapeDtypeStruct((*SIZE, 3), jnp.float32)
COUNT = jax.ShapeDtypeStruct((), jnp.int32)
SIDES = (COUNT, COUNT)


def step(descent: Descent) -> Callable[[Case], Program]:
    """List the solver's loop."""

    def make(case: Case) -> Program:
        case = case.by(descent)
        program = compiler.late_jit(static_argnames="length", donate_argnames="state")(optimize.advance).jitted()
        return partial(program, length=STEPS), (case.encoder, case.problem, case.state())

    return make


def remat(case: Case) -> Program:
    network = case.problem.network.configured(pooling="max", padding="zero", remat=True)
    return step(DESCENTS["adam"])(replace(case, problem=replace(case.problem, network=network)))


def drawn_by(canvas: Canvas) -> Callable[[Case], Program]:
    """List the solver's loop over what another canvas draws."""
    return lambda case: step(LBFGS())(replace(case, problem=replace(case.problem, canvas=canvas)))


def transformed(case: Case) -> Program:
    """List the solver's loop over views of the picture."""
    views: Any = Views(cast(Any, PIXELS), ("content",))
    return step(DESCENTS["adam"])(replace(case, problem=replace(case.problem, views=views)))


def in_regions(case: Case) -> Program:
    """List the solver's loop over a picture whose two regions have a style each."""

    def floats(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    problem, style = case.problem, case.problem.terms["style"]
    masks = {layer: floats(*problem.network.layer(layer).positions(SIZE), 2) for layer in style.targets}
    style = replace(
        style,
        loss=losses.by_regions(style.loss, "style"),
        targets={layer: (target, target) for layer, target in style.targets.items()},
        given={layer: Given(((), ()), floats(2), ()) for layer in style.targets},
        masks=masks,
    )
    held = Held(PIXELS, jax.ShapeDtypeStruct(SIZE, jnp.uint32))
    shares = {"1": floats(), "2": floats()}
    masked = replace(problem, terms={**problem.terms, "style": style}, held=held, style_shares=shares)
    return step(LBFGS())(replace(case, problem=masked))


def swept(problem: Problem) -> tuple[bool, ...]:
    """Sweep every number but the targets."""
    leaves = jax.tree_util.tree_leaves_with_path(problem)
    return tuple("targets" not in jax.tree_util.keystr(path) for path, _ in leaves)


def in_lanes(problem: Problem) -> Problem:
    leaves = [many(x) if s else x for x, s in zip(jax.tree.leaves(problem), swept(problem), strict=True)]
    return jax.tree.unflatten(jax.tree.structure(problem), leaves)


def split(case: Case, devices: int) -> dict[str, Any]:
    return {"swept": swept(case.problem), "mesh": AbstractMesh((devices,), (lanes.AXIS,))}


def batch(descent: Descent, devices: int) -> Callable[[Case], Program]:
    """List the solver's loop over lanes, on so many devices."""

    def make(case: Case) -> Program:
        case = case.by(descent)
        how = {**split(case, devices), "length": STEPS}
        program = compiler.late_jit(static_argnames=tuple(how), donate_argnames="state")(lanes.advance_lanes).jitted()
        return partial(program, **how), (case.encoder, in_lanes(case.problem), many(case.state()))

    return make


def begin(descent: Descent) -> Callable[[Case], Program]:
    return lambda case: (optimize.begin, (case.by(descent).problem,))


def begin_lanes(case: Case) -> Program:
    return partial(lanes.begin_lanes, **split(case, 2)), (in_lanes(case.problem), many(COUNT))


HALF = (SIZE[0] // 2, SIZE[1] // 2)


def coarse(case: Case) -> optimize.State:
    """Give the shapes of the state at a scale of half the size."""
    half = jax.ShapeDtypeStruct((*HALF, 3), jnp.float32)
    return replace(case, problem=replace(case.problem, init=half)).state()


def enlarge(descent: Descent) -> Callable[[Case], Program]:
    def make(case: Case) -> Program:
        case = case.by(descent)
        return lambda state, problem: optimize.enlarge(state, problem, HALF), (coarse(case), case.problem)

    return make


def enlarge_lanes(case: Case) -> Program:
    case = case.by(DESCENTS["adam"])
    program = partial(lanes.enlarge_lanes, size=HALF, **split(case, 2))
    return program, (in_lanes(case.problem), many(coarse(case)))


def targets(loss: losses.Loss) -> Callable[[Case], Program]:
    layers = Recipe().style_layers
    asked = (("style", loss, layers),)
    return lambda case: (lambda e, image: making.whole(e, (image,), asked), (case.raw, PIXELS))


def compared(loss: losses.Loss) -> Callable[[Case], Program]:
    """List a loss with its derivative and what it makes anew, between two pictures' features of four channels."""
    x, y = (jax.ShapeDtypeStruct((24, 20, 3 if loss.layers(("",)) == ("image",) else 4), jnp.float32) for _ in range(2))

    def program(found: jax.Array, other: jax.Array, seed: jax.Array):
        given = loss.given(other)
        target = loss.target(other, None, given)
        h, w, c = found.shape
        at = losses.Place(h * w, c, h * w, given, size=(h, w))
        at = at._replace(renewed=loss.renewed(found, target, jax.random.key(seed), at))
        return jax.value_and_grad(lambda x: loss.distance(loss.statistic(x, None, given), target, at))(found)

    return lambda case: (program, (x, y, jax.ShapeDtypeStruct((), jnp.uint32)))


def style_side(*sides: Any) -> Callable[[Case], Program]:
    return lambda case: (holdout._style_side, (case.raw, PIXELS, sides or None))


def held_out(*sides: Any) -> Callable[[Case], Program]:
    def make(case: Case) -> Program:
        style = jax.eval_shape(holdout._style_side, case.raw, PIXELS, sides or None)
        return holdout._held_out, (case.raw, PIXELS, PIXELS, style, sides or None)

    return make


PREPARED: dict[str, Callable[[Case], Program]] = {
    **{f"step, {name}": step(descent) for name, descent in DESCENTS.items()},
    "step, remat": remat,
    "step, transforms": transformed,
    "step, regions": in_regions,
    **{f"step, {name}": drawn_by(canvas) for name, canvas in CANVASES.items() if name != "pixels"},
    **{f"lanes, {name}": batch(descent, 1) for name, descent in DESCENTS.items()},
    "lanes over two devices": batch(LBFGS(), 2),
    "one lane a device": batch(LBFGS(), LANES),
}
"""Programs that run the network in the precision asked for."""

EXACT: dict[str, Callable[[Case], Program]] = {
    **{f"begin, {name}": begin(descent) for name, descent in DESCENTS.items()},
    "begin lanes": begin_lanes,
    **{f"enlarge, {name}": enlarge(descent) for name, descent in DESCENTS.items()},
    "enlarge lanes": enlarge_lanes,
    "targets": targets(losses.STYLE["gram"]),
    **{f"style loss {name}": compared(loss) for name, loss in losses.STYLE.items()},
    **{f"content loss {name}": compared(loss) for name, loss in losses.CONTENT.items()},
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
    monkeypatch.setattr(compiler, "wanted", lambda _: {})  # for the outermost jit alone, which is the test's here
    compiler.options.cache_clear()
    yield request.param
    compiler.options.cache_clear()


@pytest.fixture
def make(tiny):
    """Give `make(precision)`: the case of the tiny network and the default recipe's targets."""
    rng = np.random.default_rng(0)
    content, style = (rng.random((*SIZE, 3), np.float32) for _ in range(2))
    posed = nst_jax.pose(tiny.encoder, content, style)

    def case(precision: Precision) -> Case:
        prepared = jax.eval_shape(lambda encoder: networks.prepare(encoder, precision, SIZE), tiny.encoder)
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
    found = lowered((lambda encoder: networks.prepare(encoder, precision, SIZE), (case.raw,)), platform)
    assert found.platforms == (platform,)
    # The platform's own choice, not that of the machine that runs the test.
    assert case.encoder.plans["conv1_1"]["plan"].method == {"cuda": "narrow", "tpu": "direct"}[platform]
    assert types(found) == {"f32", TYPES[precision]}


@pytest.mark.parametrize("name", EXACT)
def test_a_program_of_float32_is_lowered(name, platform, make):
    found = lowered(EXACT[name](make("float32")), platform)
    assert found.platforms == (platform,)
    assert types(found) == {"f32"}


BRANCHED = {"inception_v3": INCEPTION_V3.cut("mixed4"), "googlenet": GOOGLENET.cut("mixed4c")}


@pytest.mark.parametrize("precision", TYPES)
@pytest.mark.parametrize("name", BRANCHED)
def test_networks_of_branches_are_lowered(name, precision, platform):
    published = BRANCHED[name]
    network = published.widened([3] * len(published.convs))
    size = (SIZE[0] + 64, SIZE[1] + 64)
    ones = jax.tree.map(
        lambda s: np.ones(s, np.float32), network.param_shapes(), is_leaf=lambda s: isinstance(s, tuple)
    )
    encoder = Encoder(params=ones, network=network)
    wanted = {layer: (ops.Summary(ops.GRAM),) for layer in network.chosen("style")}

    def slope(encoder: Encoder, image: jax.Array) -> jax.Array:
        def loss(image: jax.Array) -> jax.Array:
            features, made = networks.summarise(encoder, image, network.chosen("content"), wanted)
            return sum((jnp.sum(x.astype(jnp.float32)) for x in jax.tree.leaves((features, made))), jnp.float32(0))

        return jax.grad(loss)(image)

    prepared = jax.eval_shape(lambda encoder: networks.prepare(encoder, precision, size), encoder)
    found = lowered((slope, (prepared, jax.ShapeDtypeStruct((*size, 3), jnp.float32))), platform)
    assert convolved(found) == {TYPES[precision]}
    assert types(found) == {"f32", TYPES[precision]}
