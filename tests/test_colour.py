"""Colours carried from one picture to another, and through a transfer."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

import nst_jax
from nst_jax import colour, images
from nst_jax.cli import demo
from nst_jax.problem import shown
from nst_jax.recipe import Colour, Recipe

RNG = np.random.default_rng(8)
CONTENT, STYLE = (
    (0.25 + 0.1 * RNG.random((40, 36, 1)) + mix * RNG.random((40, 36, 3))).astype(np.float32)
    for mix in ((0.1, 0.2, 0.05), (0.3, 0.05, 0.2))
)
LINEAR = ("match-mk", "match-cholesky", "match-root")
RECIPE = Recipe(style_layers=("relu1_1", "relu2_1"), content_layers=("relu2_1",), steps=3, beta=10.0)


def moments(image):
    flat = np.asarray(image, float).reshape(-1, 3)
    return flat.mean(0), np.cov(flat.T, bias=True)


@pytest.mark.parametrize("how", LINEAR)
def test_linear_matches_have_the_mean_and_covariance(how):
    made = colour.matched(STYLE, CONTENT, how)
    for found, want in zip(moments(made), moments(CONTENT), strict=True):
        np.testing.assert_allclose(found, want, atol=8e-5)  # the ridge of 1e-5 on both


def test_the_least_movement_is_monge_and_kantorovichs_and_order_matters_to_cholesky_alone():
    moved = {how: np.sqrt(np.mean((colour.matched(STYLE, CONTENT, how) - STYLE) ** 2)) for how in LINEAR}
    assert min(moved, key=moved.__getitem__) == "match-mk"
    for how in LINEAR:
        turned = colour.matched(STYLE[..., ::-1], CONTENT[..., ::-1], how)[..., ::-1]
        same = np.allclose(turned, colour.matched(STYLE, CONTENT, how), atol=1e-5)
        assert same == (how != "match-cholesky")


@pytest.mark.parametrize("how", [how for how in get_args(Colour) if how not in ("none", "keep-luminance")])
def test_a_picture_with_its_own_colours_stays(how):
    np.testing.assert_allclose(colour.matched(STYLE, STYLE, how), STYLE, atol=2e-3)


def test_histogram_has_the_distribution_along_the_axes_of_the_other():
    made = colour.matched(STYLE, CONTENT[:20], "histogram")
    axes = np.linalg.eigh(moments(CONTENT[:20])[1])[1]
    found, want = (np.quantile(x.reshape(-1, 3) @ axes, np.linspace(0, 1, 33), axis=0) for x in (made, CONTENT[:20]))
    np.testing.assert_allclose(found, want, atol=4e-3)


def test_reinhard_has_mean_and_deviation_in_lab():
    def lab(image):
        flat = np.asarray(image, float).reshape(-1, 3)
        lms = np.log10(
            flat @ np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]]).T
        )
        long, middle, short = lms.T
        return np.stack(
            [(long + middle + short) / 3**0.5, (long + middle - 2 * short) / 6**0.5, (long - middle) / 2**0.5]
        )

    found, want = lab(colour.matched(STYLE, CONTENT, "reinhard")), lab(CONTENT)
    np.testing.assert_allclose(found.mean(1), want.mean(1), atol=1e-4)
    np.testing.assert_allclose(found.std(1), want.std(1), atol=1e-4)


def test_chroma_is_put_back_exactly():
    np.testing.assert_allclose(colour.with_chroma(colour.luminance(STYLE), STYLE), STYLE, atol=1e-6)
    swapped = colour.with_chroma(CONTENT, STYLE).astype(float)
    np.testing.assert_allclose(swapped @ colour.YUV[0], CONTENT.astype(float) @ colour.YUV[0], atol=1e-6)
    np.testing.assert_allclose(swapped @ colour.YUV[1:].T, STYLE.astype(float) @ colour.YUV[1:].T, atol=1e-6)


def test_a_result_in_the_contents_colours_has_its_chroma_at_every_scale_and_margin(tiny):
    recipe = replace(RECIPE, colour="keep-luminance", scales=2, bucket=16)
    content = images.resize(CONTENT, 38)
    solution = nst_jax.stylize(tiny.encoder, CONTENT, STYLE, replace(recipe, size=38, style_size=0))
    made = np.asarray(solution.image, float)
    assert made.shape == content.shape
    inside = ((made > 0.002) & (made < 0.998)).all(-1)
    assert inside.mean() > 0.9
    np.testing.assert_allclose((made @ colour.YUV[1:].T)[inside], (content @ colour.YUV[1:].T)[inside], atol=1e-5)
    assert solution.record["recipe"]["colour"] == "keep-luminance"


def test_targets_are_those_of_the_recoloured_style(tiny):
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=replace(RECIPE, colour="match-mk"))
    plain = nst_jax.pose(tiny.encoder, CONTENT, colour.matched(STYLE, CONTENT, "match-mk"), recipe=RECIPE)
    np.testing.assert_array_equal(problem.terms["style"].targets["relu2_1"], plain.terms["style"].targets["relu2_1"])
    assert problem.chroma is None
    np.testing.assert_array_equal(shown(problem, problem.init), problem.init)


def test_contents_of_a_batch_lend_one_style_their_own_colours(tiny):
    contents = [CONTENT, CONTENT[::-1, :, ::-1].copy()]
    recipe = replace(RECIPE, colour="match-mk")
    sweep = nst_jax.product(tiny.encoder, contents, [STYLE], recipe=recipe)
    for i, content in enumerate(contents):
        alone = nst_jax.pose(tiny.encoder, content, STYLE, recipe=recipe)
        (problem,) = sweep.scales(i)
        np.testing.assert_array_equal(
            problem.terms["style"].targets["relu1_1"], alone.terms["style"].targets["relu1_1"]
        )


def test_on_pictures_the_least_movement_is_measured():
    wave, temple = (images.resize(images.read(demo.picture(name)).rgb, 200) for name in ("great_wave", "temple"))
    moved = [float(np.sqrt(np.mean((colour.matched(wave, temple, how) - wave) ** 2))) for how in LINEAR]
    assert moved[0] < moved[1] < moved[2]
