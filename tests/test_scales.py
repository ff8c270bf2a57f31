"""Coarse to fine: which sizes, what is carried over, and that it ends as a run at the full size would begin to."""

from dataclasses import replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nst_jax import optimize, problem, scales
from nst_jax.errors import UserError
from nst_jax.recipe import Recipe

SHALLOW = Recipe(
    content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), beta=1e3, precision="float32", steps=4
)


def picture(seed: int, h: int = 32, w: int = 40) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(size=(h // 4, w // 4, 3))
    return np.kron(coarse, np.ones((4, 4, 1))).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "count", "ratio", "expected"),
    [
        ((384, 512), 1, 2.0, [(384, 512)]),
        ((384, 512), 3, 2.0, [(96, 128), (192, 256), (384, 512)]),
        ((384, 512), "auto", 2.0, [(96, 128), (192, 256), (384, 512)]),
        ((384, 511), "auto", 2.0, [(96, 128), (192, 256), (384, 511)]),
        ((640, 480), "auto", 2.0, [(128, 96), (219, 164), (374, 281), (640, 480)]),
        ((100, 80), "auto", 2.0, [(100, 80)]),
        ((256, 256), "auto", 2**0.5, [(128, 128), (181, 181), (256, 256)]),
        ((40, 512), "auto", 2.0, [(40, 512)]),
    ],
)
def test_the_sizes(size, count, ratio, expected):
    found = scales.plan(size, (600, 600), Recipe(scales=count, scale_ratio=ratio))
    assert [s.content for s in found] == expected
    assert [(s.index, s.count) for s in found] == [(i, len(expected)) for i in range(len(expected))]


@pytest.mark.parametrize("side", [64, 100, 128, 129, 180, 256, 500, 511, 640, 1024, 3000])
@pytest.mark.parametrize("ratio", [2**0.5, 2.0, 3.0])
@pytest.mark.parametrize("coarsest", [64, 128])
def test_automatic_scales_begin_at_the_coarsest_and_are_evenly_spaced(side, ratio, coarsest):
    recipe = Recipe(scales="auto", scale_ratio=ratio, min_scale=coarsest)
    sides = [max(s.content) for s in scales.plan((side * 3 // 4, side), (side, side), recipe)]
    assert (sides[0], sides[-1]) == (min(coarsest, side), side)
    ratios = [b / a for a, b in pairwise(sides)]
    assert all(1 < r < ratio * 1.02 for r in ratios)  # rounded to pixels
    assert max(ratios, default=1) < 1.03 * min(ratios, default=1)
    assert len(sides) == 1 or ratio ** (len(sides) - 2) < side / coarsest


def test_powers_of_the_ratio_are_the_sides_that_a_number_of_scales_gives():
    for content in ((341, 512), (512, 307), (256, 171), (1024, 683)):
        style = content[1] + 1, content[0]
        found = scales.plan(content, style, Recipe(scales="auto"))
        assert found == scales.plan(content, style, Recipe(scales=len(found)))


def test_the_style_is_tied_or_fixed():
    tied, fixed = (
        [s.style for s in scales.plan((256, 256), (400, 200), Recipe(scales=2, style_scaling=kind))]
        for kind in ("tied", "fixed")
    )
    assert tied == [(200, 100), (400, 200)]
    assert fixed == [(400, 200), (400, 200)]


def test_scales_too_small_for_the_layers_are_refused():
    with pytest.raises(UserError, match="the coarsest of 5 scales is 16x16: its layers need 32"):
        scales.plan((256, 256), (256, 256), Recipe(scales=5))


def test_one_scale_is_solve(tiny):
    content, style = picture(1), picture(2)
    recipe = replace(SHALLOW, init="noise", seed=3)
    alone = optimize.solve(
        tiny.encoder, problem.pose(tiny.encoder, content, style, recipe=recipe), steps=4, precision="float32"
    )
    found = scales.solve_scales(tiny.encoder, content, style, recipe=recipe)
    np.testing.assert_array_equal(found.image, alone.image)
    np.testing.assert_array_equal(found.history["total"], alone.history["total"])


def test_alpha_makes_up_for_the_positions_that_a_coarse_scale_lacks(tiny):
    content, style = picture(1), picture(2)
    coarse, fine = scales.plan((32, 40), (32, 40), replace(SHALLOW, scales=2))
    for kind, expected in (("half-sum", 4.0), ("sum", 4.0), ("mean", 1.0)):
        recipe = replace(SHALLOW, content_loss=kind)
        assert float(scales.pose(tiny.encoder, content, style, coarse, recipe=recipe).alpha) == expected
        assert float(scales.pose(tiny.encoder, content, style, fine, recipe=recipe).alpha) == 1.0


@pytest.mark.parametrize(
    ("coarse", "first", "expected"), [(0, 0, [5, 5, 5]), (2, 0, [3, 3, 5]), (0, 6, [7, 5, 5]), (2, 1, [2, 3, 5])]
)
def test_coarse_steps_are_those_of_all_scales_but_the_last(tiny, coarse, first, expected):
    recipe = replace(SHALLOW, scales=3, coarse_steps=coarse, first_steps=first, optimizer="adam")
    seen = dict(scales.iterate_scales(tiny.encoder, picture(1), picture(2), recipe=recipe))
    assert [len(s.history["total"]) for s in seen.values()] == expected
    assert [s.stopped for s in seen.values()] == ["steps"] * 3


@pytest.mark.parametrize(("optimizer", "ema"), [("adam", 0.0), ("adam", 0.9), ("lbfgs", 0.0)])
def test_each_scale_goes_on_from_the_picture_of_the_last(tiny, optimizer, ema):
    content, style = picture(1), picture(2)
    recipe = replace(SHALLOW, scales=2, optimizer=optimizer, ema=ema)
    seen = dict(scales.iterate_scales(tiny.encoder, content, style, recipe=recipe))
    coarse, fine = seen
    assert seen[coarse].image.shape == (16, 20, 3)
    assert seen[fine].image.shape == (32, 40, 3)
    assert [len(s.history["total"]) for s in seen.values()] == [5, 5]
    start = jax.image.resize(seen[coarse].image, (32, 40, 3), "cubic").clip(0, 1)
    posed = problem.pose(tiny.encoder, content, style, recipe=recipe)
    loss, _ = problem.total(tiny.encoder, posed, start)
    assert seen[fine].history["total"][0] == pytest.approx(float(loss), rel=1e-4)


def test_adam_keeps_its_moments_and_its_count(tiny):
    content, style = picture(1), picture(2)
    recipe = replace(SHALLOW, scales=2)
    coarse, fine = scales.plan((32, 40), (32, 40), recipe)
    posed = scales.pose(tiny.encoder, content, style, coarse, recipe=recipe)
    (state, _), *_ = optimize.go_on(
        tiny.encoder, posed, optimize.begin(posed, "adam"), steps=4, optimizer="adam", precision="float32"
    )
    target = scales.pose(tiny.encoder, content, style, fine, recipe=recipe)
    new = scales.enlarge(state, target, "adam")
    assert int(optax.tree.get(new.opt, "count")) == 4
    for name in ("mu", "nu"):
        old, grown = np.asarray(optax.tree.get(state.opt, name)), np.asarray(optax.tree.get(new.opt, name))
        assert grown.shape == (32, 40, 3)
        assert grown.mean() == pytest.approx(old.mean(), rel=0.1, abs=0.1 * float(np.abs(old).mean()))
    assert np.asarray(optax.tree.get(new.opt, "nu")).min() >= 0
    assert int(new.step) == 0
    assert float(new.best_loss) == np.inf


def test_a_starting_picture_of_any_size_serves_the_coarsest_scale(tiny):
    recipe = replace(SHALLOW, scales=2, steps=0)
    start = np.full((8, 8, 3), 0.25, np.float32)
    found = scales.solve_scales(tiny.encoder, picture(1), picture(2), recipe=recipe, init=start)
    np.testing.assert_allclose(jnp.asarray(found.image), 0.25, atol=1e-6)
