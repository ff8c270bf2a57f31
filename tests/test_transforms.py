"""The picture from ever new sides: what is seen, and runs whose objective changes at each step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nst_jax
from nst_jax import made
from nst_jax.canvases import Transforms
from nst_jax.errors import UserError
from nst_jax.problem import Views, total, viewed
from nst_jax.recipe import Recipe

RNG = np.random.default_rng(5)
IMAGE = jnp.asarray(RNG.random((9, 7, 3)), jnp.float32)
PLAIN = Transforms(padding=2, jitters=(0,), scales=(1.0,), angles=(0.0,))
RECIPE = Recipe(
    content_layers=("relu2_1",),
    style_layers=("relu1_1", "relu2_1"),
    beta=10.0,
    steps=60,  # two calls of the compiled program
    optimizer="adam",
    transforms=True,
)
CONTENT, STYLE = (np.random.default_rng(i).uniform(size=(16, 18, 3)).astype(np.float32) for i in (0, 1))


def bordered(image: jax.Array, padding: int) -> jax.Array:
    return jnp.pad(image, ((padding, padding), (padding, padding), (0, 0)), constant_values=0.5)


def test_nothing_drawn_shows_the_picture_with_its_border(run):
    found = run(lambda x: PLAIN(x, jax.random.key(0)), IMAGE)
    np.testing.assert_allclose(found, bordered(IMAGE, 2), atol=1e-6)


def test_a_shift_moves_a_turn_turns_and_a_scale_enlarges():
    square = IMAGE[:7]
    moved = PLAIN.seen(square, 1.0, 0.0, jnp.asarray([2.0, -1.0]))
    np.testing.assert_allclose(moved[4:11, 1:8], square, atol=1e-6)
    turned = PLAIN.seen(square, 1.0, np.pi / 2, jnp.zeros(2))
    np.testing.assert_allclose(turned, bordered(jnp.rot90(square, -1), 2), atol=1e-5)
    large = PLAIN.seen(square, 3.0, 0.0, jnp.zeros(2))
    np.testing.assert_allclose(large[2::3, 2::3], square[2:5:1, 2:5:1][: large[2::3].shape[0]], atol=1e-5)


def test_its_derivative_is_the_adjoint(run):
    everything = Transforms(padding=3, jitters=(2, 1))
    key = jax.random.key(4)
    g = jnp.asarray(RNG.normal(size=(15, 13, 3)), jnp.float32)
    way = jnp.asarray(RNG.normal(size=IMAGE.shape), jnp.float32)
    slope = run(lambda x, g: jax.vjp(lambda x: everything(x, key), x)[1](g)[0], IMAGE, g)
    change = everything(IMAGE + way, key) - everything(IMAGE, key)  # it is affine
    assert float(jnp.sum(slope * way)) == pytest.approx(float(jnp.sum(g * change)), rel=1e-4)


def test_draws_are_those_of_seed_and_step():
    views = Views(IMAGE, ())

    def seen(seed: int, step: int) -> np.ndarray:
        return np.asarray(views.transforms(IMAGE, views.key(jnp.uint32(seed), jnp.int32(step))))

    assert not np.array_equal(seen(1, 0), seen(1, 1))
    assert not np.array_equal(seen(0, 0), seen(1, 0))
    a, b = seen(3, 2), seen(3, 2)
    np.testing.assert_array_equal(a, b)
    assert a.shape == (33, 31, 3)
    assert 0 <= float(a.min()) <= float(a.max()) <= 1


def test_the_content_is_seen_as_the_picture_is(tiny):
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=RECIPE)
    assert problem.views is not None
    assert problem.views.of_content == ("content",)
    key = problem.views.key(problem.seed, jnp.int32(0))
    here = viewed(tiny.encoder, problem, key)
    seen = problem.views.transforms(problem.init, key)
    _, terms = total(tiny.encoder, here, problem.init, seen)
    assert float(terms["content"]) == pytest.approx(0, abs=1e-6)  # it starts as the content
    encoder = tiny.encoder.replace(network=problem.network, plans={})
    want = nst_jax.features(encoder, seen, ("relu2_1",))["relu2_1"]
    np.testing.assert_allclose(here.terms["content"].targets["relu2_1"], want, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(here.terms["style"].targets["relu1_1"], problem.terms["style"].targets["relu1_1"])


def test_the_picture_is_the_last_iterate_of_every_lane_also_after_a_stop(tiny, tmp_path):
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=RECIPE)
    sweep = nst_jax.grid(problem, seed=[0, 1])
    quiet = nst_jax.Watch(say=lambda _: None)
    found = nst_jax.solve_batch(tiny.encoder, sweep, watch=quiet).solutions
    assert [solution.best_step for solution in found] == [60, 60]
    assert not np.array_equal(found[0].image, found[1].image)
    alone = nst_jax.solve(tiny.encoder, problem)
    np.testing.assert_allclose(found[0].image, alone.image, atol=1e-3)
    np.testing.assert_array_equal(alone.image, alone.last)

    once = nst_jax.Watch(say=lambda _: None, stop=lambda: True)
    with pytest.raises(nst_jax.Interrupted):
        nst_jax.solve_batch(tiny.encoder, sweep, folder=tmp_path, watch=once)
    again = nst_jax.solve_batch(tiny.encoder, sweep, folder=tmp_path, watch=quiet).solutions
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.history["total"], b.history["total"])

    recipe, own = made.recipe_of(tiny.encoder, problem)
    assert own == {"network": "vgg16"}
    assert recipe.transforms
    assert recipe.optimizer == "adam"


def test_a_descent_that_compares_losses_is_refused(tiny):
    with pytest.raises(UserError, match="transforms is on and optimizer is lbfgs"):
        nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=Recipe(transforms=True))
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=RECIPE)
    with pytest.raises(UserError, match=r"descent is LBFGS: .* use nst_jax.Adam\(\)"):
        nst_jax.solve(tiny.encoder, problem, descent=nst_jax.LBFGS())


def test_a_recipe_of_canvas_smoothing_and_transforms_is_read_back(tiny):
    recipe = Recipe(
        content_layers=("relu2_1",),
        style_layers=("relu1_1",),
        canvas="fourier",
        smoothing="softmax",
        temperature=2.0,
        transforms=True,
        optimizer="adam",
        seed=3,
        style_loss="gram-mean",
    )
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=recipe)
    found, own = made.recipe_of(tiny.encoder, problem)
    assert own == {"network": "vgg16"}
    for name in ("canvas", "smoothing", "temperature", "transforms", "optimizer", "seed", "style_loss"):
        assert getattr(found, name) == getattr(recipe, name), name
