"""The gradient by tiles is the gradient of the whole picture."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import TINY_CHANNELS

import nst_jax
from nst_jax import optimize
from nst_jax import targets as making
from nst_jax.batch.program import Chunk, compile_chunk
from nst_jax.batch.sweep import as_sweep, swept_leaves
from nst_jax.errors import UserError
from nst_jax.gradients import Tiles, Whole
from nst_jax.gradients.windows import spans
from nst_jax.networks import GOOGLENET, INCEPTION_V3, VGG, VGGS, Encoder, Preprocessing
from nst_jax.objective import Objective
from nst_jax.recipe import Recipe

RNG = np.random.default_rng(0)
BEGINNING = RNG.bit_generator.state
RECIPE = Recipe(beta=1e3, tv=0.5, style_layers=("relu1_1", "relu2_1", "relu3_1"), content_layers=("relu3_1",))


@pytest.fixture(autouse=True)
def _drawn_anew():
    """Let each test draw the same numbers, whichever ran before it."""
    RNG.bit_generator.state = BEGINNING


def narrow(name: str, **settings) -> Encoder:
    network = VGG(name, VGGS[name].blocks, TINY_CHANNELS, **settings)
    params = {
        key: {part: RNG.normal(0, 0.3, shape).astype(np.float32) for part, shape in shapes.items()}
        for key, shapes in network.param_shapes().items()
    }
    return Encoder(params=params, network=network, preprocessing=Preprocessing(range=2.0, mean=(1.0, 0.9, 1.1)))


def posed(encoder: Encoder, size: tuple[int, int], recipe: Recipe, **values):
    network: Any = encoder.network
    recipe = replace(recipe, padding=network.padding, pooling=network.pooling)
    content, style = (RNG.random((*shape, 3), np.float32) for shape in (size, (50, 61)))
    return nst_jax.pose(encoder, content, style, recipe=recipe, **values)


def gradients(encoder, problem, strategy, x):
    objective = Objective(encoder, problem)
    (loss, terms), grad = jax.jit(lambda x: strategy.value_and_grad(objective, x))(x)
    return loss, terms, grad


def assert_equal(encoder, problem, side):
    x = jax.tree.map(lambda a: a + 0.1 * RNG.random(a.shape, np.float32), problem.canvas.encode(problem.init))
    (loss, terms, grad), (tiled, tiled_terms, tiled_grad) = (
        gradients(encoder, problem, strategy, x) for strategy in (Whole(), Tiles(side))
    )
    np.testing.assert_allclose(tiled, loss, rtol=1e-5)
    for name, value in terms.items():
        np.testing.assert_allclose(tiled_terms[name], value, rtol=1e-4, atol=1e-7, err_msg=name)
    for a, b in zip(jax.tree.leaves(tiled_grad), jax.tree.leaves(grad), strict=True):
        assert float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b)) < 1e-5


@pytest.mark.parametrize(
    ("name", "settings", "size", "side"),
    [
        ("vgg16", {"padding": "reflect"}, (97, 131), 32),
        ("vgg19", {"padding": "replicate", "pooling": "avg"}, (83, 150), 48),
        ("vgg13", {}, (33, 121), 30),
    ],
)
def test_tiles_give_the_gradient_of_the_whole(name, settings, size, side):
    encoder = narrow(name, **settings)
    assert_equal(encoder, posed(encoder, size, RECIPE), side)


def test_deep_layers_have_their_whole_reach():
    encoder = narrow("vgg16")
    recipe = replace(RECIPE, style_layers=("relu1_1", "relu5_1"), content_layers=("relu4_2",), layer_weights=(0.0, 1.0))
    assert_equal(encoder, posed(encoder, (240, 176), recipe), 64)


@pytest.mark.parametrize(
    ("network", "style", "content", "size"),
    [
        pytest.param(
            *(INCEPTION_V3.cut("mixed0"), ("conv1", "conv3", "mixed0"), ("conv5",), (139, 170)), marks=pytest.mark.slow
        ),
        (GOOGLENET.cut("mixed3a"), ("conv1", "conv2", "mixed3a"), ("conv3",), (121, 150)),
    ],
)
def test_networks_of_branches_are_taken_by_tiles(network, style, content, size):
    network = replace(network.widened([2] * len(network.convs)), smallest=1)
    params = {
        key: {part: RNG.normal(0, 0.5, shape).astype(np.float32) for part, shape in shapes.items()}
        for key, shapes in network.param_shapes().items()
    }
    recipe = replace(RECIPE, style_layers=style, content_layers=content)
    pictures = (RNG.random((*shape, 3), np.float32) for shape in (size, (50, 61)))
    encoder = Encoder(params=params, network=network)
    assert_equal(encoder, nst_jax.pose(encoder, *pictures, recipe=recipe), 40)


def test_masks_and_other_losses_of_sums_are_taken_by_tiles():
    encoder = narrow("vgg11")
    problem = posed(encoder, (70, 90), replace(RECIPE, style_loss="w2"))
    style = problem.terms["style"]
    masks = {layer: jnp.asarray(RNG.random(shape, np.float32)) for layer, shape in (("relu1_1", (70, 90)),)}
    problem = replace(problem, terms={**problem.terms, "style": replace(style, masks=masks)})
    assert_equal(encoder, problem, 32)


@pytest.mark.parametrize("side", [1, 15, 16, 63, 64, 65, 200, 1023, 1024, 1025, 5000])
@pytest.mark.parametrize("tile", [16, 100, 512])
def test_each_pixel_belongs_to_one_window_that_sees_what_is_around(side, tile):
    halo, align = 64, 16
    found = spans(side, tile, halo, align)
    assert [span.first for span in found] == [0, *(span.end for span in found[:-1])]
    assert found[-1].end == side
    for span in found:
        assert span.start % align == 0
        assert 0 <= span.start <= span.first < span.end <= span.start + span.length <= side
        assert span.start == 0 or span.first - span.start >= halo
        assert span.start + span.length == side or span.start + span.length - span.end >= halo
    assert len({span.length for span in found}) <= 3


def test_windows_cover_little_more_than_the_picture():
    for side in (1024, 2048, 6048):
        area = sum(span.length for span in spans(side, 512, 64, 16)) ** 2 / side**2
        assert area <= 1.6


def test_a_solve_by_tiles_ends_where_the_whole_does():
    encoder = narrow("vgg11")
    recipe = replace(RECIPE, steps=20)
    problem = posed(encoder, (64, 48), recipe)
    whole, tiled = (
        nst_jax.solve(encoder, problem, gradient=strategy).history["total"][-1] for strategy in (Whole(), Tiles(16))
    )
    np.testing.assert_allclose(tiled, whole, rtol=5e-3)


def test_the_recipe_names_the_side_and_the_record_keeps_it():
    encoder = narrow("vgg11")
    problem = posed(encoder, (40, 40), replace(RECIPE, tile=24, steps=1))
    assert problem.gradient == Tiles(24)
    assert nst_jax.solve(encoder, problem).record["recipe"]["tile"] == 24


class Wide(nst_jax.Loss):
    statistic = nst_jax.ops.FEATURES

    def distance(self, found, target, at):
        return jnp.max(jnp.abs(found - target))


def test_relative_units_and_several_losses_at_once_are_taken_by_tiles():
    encoder = narrow("vgg11")
    blended = {"style_loss": "gram:1+covariance:2+mmd-poly:0.5", "content_loss": "half-sum:1+mean:2"}
    recipe = replace(RECIPE, units="relative", alpha=1.0, beta=3.0, **blended)
    assert_equal(encoder, posed(encoder, (70, 90), recipe), 32)


def test_what_needs_a_whole_layer_is_refused():
    encoder = narrow("vgg11")
    with pytest.raises(UserError, match=r"tile is 24: the loss of 'style' at relu1_1, .*needs the whole layer"):
        posed(encoder, (40, 40), replace(RECIPE, tile=24), style_loss=Wide())
    with pytest.raises(UserError, match="margin of a bucket"):
        posed(encoder, (40, 40), replace(RECIPE, tile=24, bucket=16))


class Own(nst_jax.Loss):
    """A loss that makes its target of the features themselves."""

    statistic = nst_jax.ops.GRAM

    def target(self, features, mask, given):
        return nst_jax.ops.gram(features), jnp.max(features)

    def distance(self, found, target, at):
        return jnp.sum(jnp.square(found - target[0])) + target[1]


@pytest.mark.parametrize(
    ("settings", "values", "styles"),
    [
        (
            {
                "style_loss": "mmd-poly:1+gram-mean-std:1+w2:1+mean-std:1+shifted:1",
                "content_loss": "half-sum:1+mean:2",
                "style_layers": ("relu2_1",),
            },
            {},
            2,
        ),
        ({"style_loss": "mmd-gauss", "units": "relative", "alpha": 1.0, "tv": 0.5}, {}, 1),
        ({"style_loss": "gram-mean-std", "style_layers": ("relu1_1",)}, {}, 1),
        ({}, {"style_loss": Own()}, 1),
    ],
)
def test_targets_by_tiles_are_those_of_the_whole(settings, values, styles):
    encoder = narrow("vgg11")
    content, *style = (RNG.random((*shape, 3), np.float32) for shape in [(70, 93), (81, 60), (64, 97)][: 1 + styles])
    recipe = replace(RECIPE, **settings)
    whole, tiled = (
        nst_jax.pose(encoder, content, style, recipe=replace(recipe, tile=tile), **values) for tile in (0, 32)
    )
    assert jax.tree.structure(whole.terms) == jax.tree.structure(tiled.terms)
    for a, b in zip(jax.tree.leaves(tiled.terms), jax.tree.leaves(whole.terms), strict=True):
        # as near as sums in float32 over thousands of positions in another order; a mean less its centre is rounding
        assert np.linalg.norm(a - b) <= 5e-5 * np.linalg.norm(b) + 1e-6


def test_posing_by_tiles_holds_no_layer_that_is_no_target():
    # what grows with the picture is the content's own layer: no activation is as large as the picture's first
    encoder = narrow("vgg16")
    asked = (("content", nst_jax.losses.Content(), ("relu3_1",)), ("style", nst_jax.losses.GramMatrix(), ("relu1_1",)))
    pose = making.by_windows.jitted()
    programs = [pose.lower(encoder, (jnp.zeros((side, 192, 3)),), asked, side=64).compile() for side in (384, 1536)]
    small, large = (program.memory_analysis() for program in programs)
    assert small
    assert large
    grown = large.temp_size_in_bytes - small.temp_size_in_bytes
    assert grown <= 1.5 * (large.output_size_in_bytes - small.output_size_in_bytes)


def step_of(encoder: Encoder, problem) -> Any:
    chunk = Chunk((0,), 1, swept_leaves([problem]))
    return compile_chunk(encoder, as_sweep(problem), chunk).memory_analysis()


@pytest.mark.parametrize("tile", [0, 32])
def test_what_the_optimizer_holds_is_not_copied_before_the_gradient(monkeypatch, tile):
    # as in a large picture, of which a call takes one step
    monkeypatch.setattr(optimize, "length_of_call", lambda *_: 1)
    encoder = narrow("vgg11")
    pixels, temporaries = 256 * 192, []
    for steps in (4, 20):
        problem = posed(encoder, (256, 192), replace(RECIPE, optimizer="lbfgs", steps=steps, tile=tile))
        temporaries.append(step_of(encoder, problem).temp_size_in_bytes)
    assert temporaries[1] - temporaries[0] < 24 * pixels  # one pair, of 16 more
    assert temporaries[0] < (130 if tile else 400) * pixels


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_picture_whose_steps_are_taken_one_by_one_is_the_same(monkeypatch, optimizer):
    encoder = narrow("vgg11")
    problem = posed(encoder, (48, 40), replace(RECIPE, optimizer=optimizer, steps=4, tile=16))
    together = nst_jax.solve(encoder, problem)
    monkeypatch.setattr(optimize, "length_of_call", lambda *_: 1)
    apart = nst_jax.solve(encoder, problem)
    np.testing.assert_allclose(apart.history["total"], together.history["total"], rtol=1e-4)
    assert apart.evaluations == together.evaluations


def test_a_relative_content_is_taken_row_by_row_as_it_is_whole():
    encoder = narrow("vgg13")
    recipe = replace(RECIPE, units="relative", content_layers=("relu1_2", "relu3_1"), beta=2.0)
    assert_equal(encoder, posed(encoder, (97, 70), recipe), 32)
