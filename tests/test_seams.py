"""What is handed in by value: obeyed everywhere, or refused in one line that says what was expected."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

import nst_jax
from nst_jax import Compare, made, posing
from nst_jax.canvases import Canvas
from nst_jax.descents import Descent
from nst_jax.errors import UserError
from nst_jax.gradients import Gradient, Whole
from nst_jax.losses import Content, GramMatrix, Loss
from nst_jax.networks import Encoder, Layer, Network
from nst_jax.recipe import Recipe

RECIPE = Recipe(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), beta=10.0, steps=4)
CONTENT, STYLE = (np.random.default_rng(i).uniform(size=(16, 18, 3)).astype(np.float32) for i in (0, 1))


def pose(tiny, recipe: Recipe = RECIPE, **values: Any):
    return nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=recipe, **values)


class NoDistance(Loss):
    statistic = nst_jax.GRAM


class NoStatistic(Loss):
    def distance(self, found, target, at):
        return jnp.float32(0)


@dataclass(frozen=True)
class Vector(Loss):
    statistic = nst_jax.GRAM

    def distance(self, found, target, at):
        return jnp.sum(found - target, 0)


@dataclass(frozen=True)
class WithArray(Vector):
    weights: Any = None

    def distance(self, found, target, at):
        return jnp.sum(self.weights * (found - target) ** 2)


@dataclass(frozen=True)
class Drawn(Canvas):
    """A canvas whose picture, or whose numbers, are wrong in a way of choice."""

    way: str = ""

    def encode(self, image):
        return image.astype(jnp.bfloat16) if self.way == "bfloat16" else image

    def draw(self, x, size):
        return {"range": 3 * x, "shape": x[:-1]}.get(self.way, x)


class NoDraw(Canvas):
    def encode(self, image):
        return image


@struct.dataclass
class NoUpdate(Descent):
    def init(self, x, canvas):
        return ()


class Plain(NoUpdate):
    pass


@struct.dataclass
class Growing(NoUpdate):
    def update(self, state, at):
        return at.x, (state, state)


class NoGradient(Gradient):
    pass


WRONG_LOSSES = {
    "no loss": (3.0, "extends nst_jax.Loss"),
    "a class": (GramMatrix, "such as GramMatrix()"),
    "no distance": (NoDistance(), "has no distance"),
    "no statistic": (NoStatistic(), "has no statistic"),
    "a vector": (Vector(), "expected one number"),
    "an array inside": (WithArray(np.ones((2, 2))), "does not compare by value"),
}
WRONG_VALUES = {
    "a canvas of no kind": ({"canvas": "pixels"}, "extends nst_jax.Canvas"),
    "a canvas without draw": ({"canvas": NoDraw()}, "has no draw"),
    "a canvas out of range": ({"canvas": Drawn(way="range")}, "expected floats in [0, 1]"),
    "a canvas of another shape": ({"canvas": Drawn(way="shape")}, "expected the picture's"),
    "a canvas of another type": ({"canvas": Drawn(way="bfloat16")}, "float32"),
    "an optax transformation": ({"descent": optax.sgd(0.1)}, "nst_jax.Transformation"),
    "a name": ({"descent": "adam"}, "nst_jax.Adam()"),
    "a class of descents": ({"descent": nst_jax.Adam}, "nst_jax.Adam()"),
    "a descent without update": ({"descent": NoUpdate()}, "has no update"),
    "a descent that is no pytree": ({"descent": Plain()}, "flax.struct.dataclass"),
    "a descent that grows": ({"descent": Growing()}, "changes the structure"),
    "a gradient of no kind": ({"gradient": jax.grad}, "extends nst_jax.Gradient"),
    "a gradient without one": ({"gradient": NoGradient()}, "has no value_and_grad"),
    "a word that is none": ({"optimizer": "adam"}, "'optimizer' is nothing that can be handed in"),
}
WRONG_TERMS = {
    "a setting's name": ({"beta": Compare(GramMatrix(), ("relu1_1",))}, "no setting"),
    "no name": ({"my term": Compare(GramMatrix(), ("relu1_1",))}, "expected a word"),
    "a bare loss": ({"mine": GramMatrix()}, "nst_jax.Compare"),
    "an unknown layer": ({"mine": Compare(GramMatrix(), ("rel1_1",))}, "did you mean 'relu1_1'"),
    "no layers": ({"mine": Compare(GramMatrix(), ())}, "names no layers"),
    "another picture": ({"mine": Compare(GramMatrix(), ("relu1_1",), "init")}, "content or style"),
    "weights of other layers": (
        {"mine": Compare(GramMatrix(), ("relu1_1",), layer_weights=(1.0, 2.0))},
        "one for each",
    ),
}


def refused(function, words: str) -> None:
    with pytest.raises(UserError) as error:
        function()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", WRONG_LOSSES)
@pytest.mark.parametrize("door", ["content_loss", "style_loss", "terms"])
def test_a_loss_of_the_wrong_kind_is_refused_when_it_is_handed_in(tiny, case, door):
    loss, words = WRONG_LOSSES[case]
    handed: dict[str, Any] = {"terms": {"mine": Compare(loss, ("relu1_1",))}} if door == "terms" else {door: loss}
    refused(lambda: pose(tiny, **handed), words)


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_a_value_of_the_wrong_kind_is_refused_at_every_door(tiny, case):
    values, words = WRONG_VALUES[case]
    refused(lambda: pose(tiny, **values), words)
    problem = pose(tiny)
    refused(lambda: nst_jax.solve(tiny.encoder, problem, **values), words)
    refused(lambda: nst_jax.solve_batch(tiny.encoder, nst_jax.grid(problem, beta=[1, 2]), **values), words)
    refused(lambda: nst_jax.stylize(tiny.encoder, CONTENT, STYLE, RECIPE, **values), words)


@pytest.mark.parametrize("case", WRONG_TERMS)
def test_a_term_that_cannot_be_is_refused(tiny, case):
    terms, words = WRONG_TERMS[case]
    refused(lambda: pose(tiny, terms=terms), words)


@dataclass(frozen=True)
class Halves(Network):
    """A network of one layer, every other pixel, whose table can be made to lie."""

    stride: int = 2
    channels: int = 3

    name = "halves"

    @property
    def layers(self):
        return (Layer("half", self.channels, self.stride),)

    def apply(self, params, x, layers, sides=None):
        h, w, _ = x.shape
        return {"half": params["scale"] * x[: h // 2 * 2 : 2, : w // 2 * 2 : 2]}


def halves(**table) -> Encoder:
    return Encoder(params={"scale": jnp.float32(2)}, network=Halves(**table))


@pytest.mark.parametrize("table", [{"stride": 4}, {"channels": 5}])
def test_a_network_that_computes_other_shapes_than_its_table_is_refused(table):
    refused(lambda: nst_jax.pose(halves(**table), CONTENT, STYLE), "by its own table")


def test_a_network_of_ones_own_brings_its_layers(tmp_path):
    problem = nst_jax.pose(halves(), CONTENT, STYLE, recipe=Recipe(steps=2, beta=1.0))
    assert tuple(problem.terms["style"].targets) == tuple(problem.terms["content"].targets) == ("half",)
    assert nst_jax.solve(halves(), problem).history["total"].shape == (3,)
    refused(lambda: nst_jax.pose(halves(), CONTENT, STYLE, recipe=Recipe(padding="reflect")), "has no such choice")
    refused(lambda: nst_jax.pose(halves(), CONTENT, STYLE, recipe=Recipe(precision="bfloat16")), "runs in float32")
    refused(lambda: nst_jax.solve(halves(), problem, precision="tf32"), "runs in float32")
    refused(lambda: nst_jax.pose(halves(), CONTENT, STYLE, recipe=Recipe(style_layers=("hal",))), "did you mean 'half'")


def test_another_encoder_than_that_of_the_problem_is_refused(tiny):
    problem = pose(tiny)
    other = tiny.encoder.replace(params=jax.tree.map(lambda x: 2 * x, tiny.encoder.params))
    for encoder in (other, halves()):
        refused(lambda e=encoder: nst_jax.solve(e, problem), "solve with the encoder that posed it")


SETTINGS_OF_NOBODY = {
    "lr without adam": (Recipe(lr=0.1), "lr"),
    "a seed without noise": (Recipe(seed=3), "seed"),
    "coarse steps at one scale": (Recipe(coarse_steps=3), "coarse_steps"),
    "a ratio at one scale": (Recipe(scale_ratio=3.0), "scale_ratio"),
    "a least scale of a given number": (Recipe(scales=2, min_scale=64), "min_scale"),
    "an average without adam": (Recipe(ema=0.9), "ema"),
    "other weights": (Recipe(weights="vgg19"), "weights"),
}


@pytest.mark.parametrize("case", SETTINGS_OF_NOBODY)
def test_a_setting_that_nobody_would_read_is_refused(tiny, case):
    recipe, name = SETTINGS_OF_NOBODY[case]
    encoder = tiny.encoder.replace(source="vgg16")
    doors = {"stylize": nst_jax.stylize, "pose": lambda e, c, s, r: nst_jax.pose(e, c, s, recipe=r)}
    for door in [doors[name] for name in doors if name == "stylize" or recipe.scales == 1]:
        refused(lambda d=door: d(encoder, CONTENT, STYLE, recipe), name)


def test_several_scales_are_not_posed_by_hand(tiny):
    refused(lambda: pose(tiny, Recipe(scales=2)), "nst_jax.stylize")


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        (
            Recipe(
                beta=3.0,
                tv=2.0,
                layer_weights=(0.3, 0.7),
                style_loss="gram-mean",
                content_loss="sum",
                tv_loss="absolute",
            ),
            {},
        ),
        (Recipe(optimizer="adam", lr=0.03, ema=0.9, lr_schedule="cosine", pooling="avg", padding="reflect"), {}),
        (Recipe(init="blend:0.3", seed=5, precision="float32", remat=True), {}),
        (Recipe(), {"descent": nst_jax.Adam(lr=0.07), "steps": 3, "precision": "float32"}),
    ],
)
def test_the_record_says_what_the_problem_is(tiny, recipe, changes):
    layers = {"content_layers": ("relu2_1",), "style_layers": ("relu1_1", "relu2_1")}
    recipe = nst_jax.Recipe(**{**vars(recipe), **layers})
    encoder = tiny.encoder.replace(source="vgg16")
    problem = posing.changed(nst_jax.pose(encoder, CONTENT, STYLE, recipe=recipe), changes)
    found, own = made.recipe_of(encoder, problem)
    assert own == {}
    again = nst_jax.pose(encoder, CONTENT, STYLE, recipe=found)
    assert jax.tree.structure(again) == jax.tree.structure(problem)
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(problem), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_record_follows_what_varies(tiny):
    problem = pose(tiny, Recipe(**{**vars(RECIPE), "optimizer": "adam"}))
    varied = nst_jax.vary(problem, alpha=2, beta=0.1, tv=3, lr=0.3, noise=0.25, seed=9, steps=7)
    recipe, _ = made.recipe_of(tiny.encoder, varied)
    expected = {"alpha": 2.0, "beta": 0.1, "tv": 3.0, "lr": 0.3, "init": "blend:0.25", "seed": 9, "steps": 7}
    assert {name: getattr(recipe, name) for name in expected} == expected


@dataclass(frozen=True)
class Twice(Whole):
    """A gradient of one's own: the same, added up from two halves."""

    def value_and_grad(self, objective, x):
        (loss, terms), grad = super().value_and_grad(objective, x)
        return (loss, terms), jax.tree.map(lambda g: 0.5 * g + 0.5 * g, grad)


def test_values_of_ones_own_are_named_by_the_record(tiny):
    encoder = tiny.encoder.replace(source="vgg16")
    values = {
        "style_loss": Vector2(power=4),
        "canvas": Drawn(),
        "descent": nst_jax.Transformation(optax.sgd(1e-9)),
        "gradient": Twice(),
        "terms": {"mine": Compare(Content("mean"), ("image",))},
    }
    problem = nst_jax.pose(encoder, CONTENT, STYLE, recipe=RECIPE, **values)
    solution = nst_jax.solve(encoder, problem, steps=1)
    assert set(solution.record["own"]) == {"terms.style", "terms.mine", "descent", "canvas", "gradient"}
    assert "Vector2(power=4)" in solution.record["own"]["terms.style"]


@dataclass(frozen=True)
class Vector2(Loss):
    power: int = 2
    statistic = nst_jax.GRAM

    def distance(self, found, target, at):
        return jnp.sum((found - target) ** self.power)
