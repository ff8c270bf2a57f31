"""Coarse to fine: which sizes, what is carried over, and that it ends as a run at the full size would begin to."""

from dataclasses import replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nst_jax
from nst_jax import Watch, optimize, scales
from nst_jax.batch.planning import cut
from nst_jax.batch.program import advance_chunk
from nst_jax.batch.sweep import of_scales
from nst_jax.descents import RUNNING
from nst_jax.errors import UserError
from nst_jax.networks import VGGS
from nst_jax.posing import Pair
from nst_jax.recipe import DEFAULT, Recipe

SHALLOW = Recipe(
    content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), beta=1e3, precision="float32", steps=4, size=0
)
LEAST = VGGS["vgg16"].least_side(DEFAULT.style_layers)


def picture(seed: int, h: int = 32, w: int = 40) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(size=(h // 4, w // 4, 3))
    return np.kron(coarse, np.ones((4, 4, 1))).astype(np.float32)


def watched(encoder, content, style, recipe: Recipe) -> list[optimize.Solution]:
    """Make a picture, and give what was found at each scale, coarsest first."""
    found = {}

    def show(_, at, __):
        step, best, stopped = jax.device_get((at.state.step, at.state.best, at.state.stopped))
        history = {name: x[0, : step[0]] for name, x in at.history.items()}
        assert (at.scales, stopped[0]) == (recipe.scales, RUNNING)
        found[at.scale] = optimize.Solution(best[0].clip(0, 1), best[0], history)

    last = nst_jax.stylize(encoder, content, style, recipe, watch=Watch(say=lambda _: None, show=show))
    assert last.stopped == "steps"
    np.testing.assert_array_equal(last.image, found[len(found) - 1].image)
    return list(found.values())


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
    found = scales.plan(size, (600, 600), Recipe(scales=count, scale_ratio=ratio), LEAST)
    assert [s.content for s in found] == expected
    assert [(s.index, s.count) for s in found] == [(i, len(expected)) for i in range(len(expected))]


@pytest.mark.parametrize("side", [64, 100, 128, 129, 180, 256, 500, 511, 640, 1024, 3000])
@pytest.mark.parametrize("ratio", [2**0.5, 2.0, 3.0])
@pytest.mark.parametrize("coarsest", [64, 128])
def test_automatic_scales_begin_at_the_coarsest_and_are_evenly_spaced(side, ratio, coarsest):
    recipe = Recipe(scales="auto", scale_ratio=ratio, min_scale=coarsest)
    sides = [max(s.content) for s in scales.plan((side * 3 // 4, side), (side, side), recipe, LEAST)]
    assert (sides[0], sides[-1]) == (min(coarsest, side), side)
    ratios = [b / a for a, b in pairwise(sides)]
    assert all(1 < r < ratio * 1.02 for r in ratios)  # rounded to pixels
    assert max(ratios, default=1) < 1.03 * min(ratios, default=1)
    assert len(sides) == 1 or ratio ** (len(sides) - 2) < side / coarsest


def test_powers_of_the_ratio_are_the_sides_that_a_number_of_scales_gives():
    for content in ((341, 512), (512, 307), (256, 171), (1024, 683)):
        style = content[1] + 1, content[0]
        found = scales.plan(content, style, Recipe(scales="auto"), LEAST)
        assert found == scales.plan(content, style, Recipe(scales=len(found)), LEAST)


def test_the_style_is_tied_or_fixed():
    tied, fixed = (
        [s.style for s in scales.plan((256, 256), (400, 200), Recipe(scales=2, style_scaling=kind), LEAST)]
        for kind in ("tied", "fixed")
    )
    assert tied == [(200, 100), (400, 200)]
    assert fixed == [(400, 200), (400, 200)]


def test_scales_too_small_for_the_layers_are_refused():
    with pytest.raises(UserError, match="the coarsest of 5 scales is 16x16: its layers need 32"):
        scales.plan((256, 256), (256, 256), Recipe(scales=5), LEAST)


def test_one_scale_is_solve(tiny):
    content, style = picture(1), picture(2)
    recipe = replace(SHALLOW, init="noise", seed=3)
    alone = nst_jax.solve(tiny.encoder, nst_jax.pose(tiny.encoder, content, style, recipe=recipe))
    found = nst_jax.stylize(tiny.encoder, content, style, recipe)
    np.testing.assert_array_equal(found.image, alone.image)
    np.testing.assert_array_equal(found.history["total"], alone.history["total"])


@pytest.mark.parametrize(("kind", "expected"), [("half-sum", 4.0), ("sum", 4.0), ("mean", 1.0)])
def test_a_share_makes_up_for_the_positions_that_a_coarse_scale_lacks(tiny, kind, expected):
    recipe = replace(SHALLOW, units="paper", scales=2, content_loss=kind)
    coarse, fine = scales.pose_scales(tiny.encoder, Pair(picture(1), picture(2)), recipe)
    assert [float(p.terms["content"].share) for p in (coarse, fine)] == [expected, 1.0]
    assert [float(p.terms["style"].share) for p in (coarse, fine)] == [1.0, 1.0]
    assert [float(nst_jax.numbers.read(p, "alpha")) for p in (coarse, fine)] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("coarse", "first", "expected"), [(0, 0, [5, 5, 5]), (2, 0, [3, 3, 5]), (0, 6, [7, 5, 5]), (2, 1, [2, 3, 5])]
)
def test_coarse_steps_are_those_of_all_scales_but_the_last(tiny, coarse, first, expected):
    recipe = replace(SHALLOW, scales=3, coarse_steps=coarse, first_steps=first)
    posed = scales.pose_scales(tiny.encoder, Pair(picture(1), picture(2)), recipe)
    assert [int(p.steps) + 1 for p in posed] == expected


@pytest.mark.parametrize(("coarse", "first", "expected"), [(2, 0, [3, 5]), (0, 6, [7, 5])])
def test_every_scale_takes_its_own_steps(tiny, coarse, first, expected):
    recipe = replace(SHALLOW, scales=2, coarse_steps=coarse, first_steps=first, optimizer="adam")
    found = watched(tiny.encoder, picture(1), picture(2), recipe)
    assert [len(s.history["total"]) for s in found] == expected


@pytest.mark.parametrize("extra", [{"optimizer": "adam"}, {"optimizer": "adam", "ema": 0.9}, {}])
def test_each_scale_goes_on_from_the_picture_of_the_last(tiny, extra):
    content, style = picture(1), picture(2)
    recipe = replace(SHALLOW, scales=2, **extra)
    coarse, fine = watched(tiny.encoder, content, style, recipe)
    assert coarse.image.shape == (16, 20, 3)
    assert fine.image.shape == (32, 40, 3)
    assert [len(s.history["total"]) for s in (coarse, fine)] == [5, 5]
    start = jax.image.resize(coarse.image, (32, 40, 3), "cubic").clip(0, 1)
    posed = nst_jax.pose(tiny.encoder, content, style, recipe=replace(recipe, scales=1))
    loss, _ = nst_jax.total(tiny.encoder, posed, start)
    assert fine.history["total"][0] == pytest.approx(float(loss), rel=1e-4)


def test_adam_keeps_its_moments_and_its_count(tiny):
    recipe = replace(SHALLOW, scales=2, optimizer="adam")
    coarse, fine = scales.pose_scales(tiny.encoder, Pair(picture(1), picture(2)), recipe)
    advance = jax.jit(optimize.advance, static_argnames="length")
    state, _ = advance(tiny.encoder, coarse, optimize.begin(coarse), length=5)
    new = optimize.enlarge(state, fine, (16, 20))
    assert int(optax.tree.get(new.descent, "count")) == 4
    for name in ("mu", "nu"):
        old, grown = (np.asarray(optax.tree.get(x.descent, name)) for x in (state, new))
        assert grown.shape == (32, 40, 3)
        assert grown.mean() == pytest.approx(old.mean(), rel=0.1, abs=0.1 * float(np.abs(old).mean()))
    assert np.asarray(optax.tree.get(new.descent, "nu")).min() >= 0
    assert int(new.step) == 0
    assert float(new.best_loss) == np.inf


def test_a_starting_picture_of_any_size_serves_the_coarsest_scale(tiny):
    recipe = replace(SHALLOW, scales=2, steps=0)
    start = np.full((8, 8, 3), 0.25, np.float32)
    found = nst_jax.stylize(tiny.encoder, picture(1), picture(2), recipe, init=start)
    np.testing.assert_allclose(jnp.asarray(found.image), 0.25, atol=1e-6)


def test_what_a_scale_held_is_free_when_the_next_one_begins(tiny):
    pair = Pair(picture(1), picture(2), None, {}, None)
    problems = scales.pose_scales(tiny.encoder, pair, replace(SHALLOW, scales=2), {})
    sweep = of_scales([problems], (), ((),))
    (chunk,) = cut([0], 1, (False,) * len(jax.tree.leaves(problems[0])))
    found = list(advance_chunk(tiny.encoder, sweep, chunk))
    coarse = [at for at in found if at.scale == 0][-1]
    assert all(x.is_deleted() for x in jax.tree.leaves(coarse.state))
    assert not any(x.is_deleted() for x in jax.tree.leaves(found[-1].state))
