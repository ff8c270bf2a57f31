"""Several losses at once, and relative units: as texts, as values, in sweeps and in records."""

import re
from dataclasses import replace
from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest

import nst_jax
from nst_jax import blend, images, losses, made, units
from nst_jax.batch.sweep import buckets
from nst_jax.cli.main import main
from nst_jax.errors import UserError
from nst_jax.losses import Blend, Relative
from nst_jax.presets import adapted
from nst_jax.problem import at_place, total
from nst_jax.recipe import DEFAULT, STYLE_LOSSES, Recipe, TvLoss, check

SMOOTH = np.stack(3 * [np.outer(np.hanning(18), np.hanning(16))], -1).astype(np.float32)
CONTENT, STYLE = (np.random.default_rng(k).random((18, 16, 3), np.float32) for k in (0, 1))
RECIPE = Recipe(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), beta=10.0, steps=2)


def pose(tiny, **settings):
    return nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=replace(RECIPE, **settings))


def value(tiny, problem) -> dict[str, float]:
    image = jnp.asarray(0.6 * CONTENT + 0.4 * STYLE[::-1])
    return {name: float(x) for name, x in total(tiny.encoder, problem, image)[1].items()}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("gram", (("gram", 1.0),)),
        ("gram:2", (("gram", 2.0),)),
        ("gram:1+w2:0.1", (("gram", 1.0), ("w2", 0.1))),
        (" gram + w2:1e-3 ", (("gram", 1.0), ("w2", 1e-3))),
        ("gram:0+w2", (("gram", 0.0), ("w2", 1.0))),
    ],
)
def test_a_text_is_read_and_written(text, parts):
    assert blend.parsed("style_loss", text, STYLE_LOSSES) == parts
    assert blend.parsed("style_loss", blend.written(parts), STYLE_LOSSES) == parts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grams", "did you mean 'gram'"),
        ("gram:1+histgram:0.1", "style_loss is 'histgram'"),
        ("gatys", "expected one of gram"),
        ("gram:-1", "weighs gram by '-1': expected a number of at least 0"),
        ("gram:nan", "weighs gram by 'nan'"),
        ("gram:", "weighs gram by ''"),
        ("gram:much", "weighs gram by 'much'"),
        ("gram:0+w2:0", "weighs nothing"),
        ("gram+gram", "names gram twice"),
        ("gram+", "style_loss is ''"),
        ("", "style_loss is ''"),
    ],
)
def test_a_text_that_means_nothing_is_refused_in_one_line(text, said):
    with pytest.raises(UserError, match=re.escape(said)) as refused:
        check(Recipe(style_loss=text))
    assert "\n" not in str(refused.value)


def test_a_blend_is_the_sum_of_its_parts_and_its_weights_are_numbers_of_the_problem(tiny):
    whole = pose(tiny, style_loss="gram:2+w2:0.5+cross-layer:3")
    found = value(tiny, whole)
    parts = {name: value(tiny, pose(tiny, style_loss=name)) for name in ("gram", "w2", "cross-layer")}
    for layer in RECIPE.style_layers:
        want = sum(w * parts[name][f"style/{layer}"] for name, w in (("gram", 2), ("w2", 0.5), ("cross-layer", 3)))
        assert found[f"style/{layer}"] == pytest.approx(want, rel=1e-4)
    other = nst_jax.vary(whole, **{"style_loss.w2": 0.0, "style_loss.cross-layer": 0.0})
    assert value(tiny, other)["style"] == pytest.approx(2 * parts["gram"]["style"], rel=1e-4)


def test_weights_of_a_blend_are_an_axis_of_one_program_and_stand_in_the_record(tiny):
    texts = ["gram:1+mean-std:2", "gram:3+mean-std:0", "gram"]
    recipe = replace(RECIPE, size=16)
    sweep = nst_jax.sweep(tiny.encoder, CONTENT, STYLE, recipe, style_loss=texts, say=str)
    assert [len(lanes) for lanes in buckets(sweep)] == [2, 1]
    assert [made.recipe_of(tiny.encoder, problem)[0].style_loss for problem in sweep.problems] == texts
    grid = nst_jax.grid(sweep.problems[0], **{"style_loss.gram": [1.0, 0.25]})
    assert grid.axes[0].names == ("style_loss.gram",)
    recipe, own = made.recipe_of(tiny.encoder, grid.problems[1])
    assert (recipe.style_loss, "terms.style" in own) == ("gram:0.25+mean-std:2", False)
    alone = nst_jax.sweep(tiny.encoder, CONTENT, STYLE, recipe, style_loss=["gram:0.25+mean-std:2"]).problems[0]
    found, want = (total(tiny.encoder, problem, 0.5 * problem.init)[0] for problem in (grid.problems[1], alone))
    assert float(found) == pytest.approx(float(want), rel=1e-5)


def test_mmd_c_is_a_number_of_the_recipe(tiny):
    sweep = nst_jax.sweep(
        tiny.encoder, CONTENT, STYLE, replace(RECIPE, size=16, style_loss="mmd-poly"), mmd_c=[0.0, 5.0], say=str
    )
    assert len(buckets(sweep)) == 1
    assert [made.recipe_of(tiny.encoder, problem)[0].mmd_c for problem in sweep.problems] == [0.0, 5.0]
    gram = value(tiny, pose(tiny))
    assert value(tiny, pose(tiny, style_loss="mmd-poly", mmd_c=0.0))["style"] == pytest.approx(gram["style"], rel=1e-5)
    with pytest.raises(UserError, match="it belongs to mmd-poly"):
        check(replace(RECIPE, mmd_c=3.0))


@pytest.mark.parametrize("style_loss", ["gram", "w2", "gram:1+covariance:2"])
def test_relative_units_are_the_formulas_over_those_of_a_blank_picture(tiny, style_loss):
    problem = pose(tiny, units="relative", style_loss=style_loss, tv=1.0, layer_weights=(3.0, 1.0))
    found = value(tiny, problem)
    paper = value(tiny, pose(tiny, units="paper", style_loss="gram"))
    if style_loss == "gram":
        target = {layer: np.asarray(x) for layer, x in problem.terms["style"].targets.items()}
        for layer, gram in target.items():
            blank = (gram**2).sum() / (4 * len(gram) ** 2)
            assert found[f"style/{layer}"] == pytest.approx(paper[f"style/{layer}"] / blank, rel=1e-4)
    features = tiny.features(CONTENT, RECIPE.pooling, RECIPE.padding)["relu2_1"]
    assert found["content"] == pytest.approx(paper["content"] / (0.5 * (features**2).sum()), rel=1e-4)
    share = (3 * found["style/relu1_1"] + found["style/relu2_1"]) / 4
    assert found["style"] == pytest.approx(share, rel=1e-5)
    assert found["total"] == pytest.approx(found["content"] + 10 * found["style"] + found["variation"], rel=1e-5)
    recipe, own = made.recipe_of(tiny.encoder, problem)
    assert (recipe.units, recipe.style_loss, recipe.layer_weights) == ("relative", style_loss, (3.0, 1.0))
    assert not {key for key in own if key.startswith("terms")}


@pytest.mark.parametrize("tv_loss", get_args(TvLoss))
def test_the_variation_of_what_has_no_content_is_1_at_the_style(tiny, tv_loss):
    """Of any size, of several styles by their shares, of a texture that goes on at its other side."""
    alone = replace(RECIPE, alpha=0.0, tv=0.1, content_layers=(), units="relative", tv_loss=tv_loss)

    def variation(image, style, grey=STYLE, **settings):
        recipe = replace(alone, **settings)
        problem = nst_jax.pose(tiny.encoder, np.full_like(grey, 0.5), style, recipe=recipe)
        term = problem.terms["variation"]
        at = at_place(problem, term, "image", problem.init)
        return float(term.loss.distance(jnp.asarray(image), term.targets["image"], at)), problem

    found, problem = variation(STYLE, STYLE)
    assert found == pytest.approx(1, rel=1e-5)
    assert made.recipe_of(tiny.encoder, problem)[0].tv_loss == tv_loss
    rough = losses.Variation(tv_loss)
    own, other = (float(rough.roughness(jnp.asarray(one))) for one in (STYLE, SMOOTH))
    found, _ = variation(STYLE, (STYLE, SMOOTH), style_shares=(3.0, 1.0))
    assert found == pytest.approx(0.75 + 0.25 * own / other, rel=1e-5)
    large = np.tile(SMOOTH, (2, 2, 1))
    assert variation(large, SMOOTH, grey=large)[0] == pytest.approx(1, rel=0.05)
    around = losses.Variation(tv_loss, around=True).roughness(jnp.asarray(large))
    whole = variation(large, SMOOTH, grey=large, padding="circular")[0]
    assert whole == pytest.approx(float(around) / float(rough.roughness(jnp.asarray(large))), rel=0.05)


def test_relative_units_do_not_depend_on_the_formula_or_on_the_scale_of_the_network(tiny):
    found = [
        value(tiny, pose(tiny, units="relative", style_loss=style, content_loss=content))
        for style, content in (("gram", "half-sum"), ("gram-johnson", "mean"), ("gram-keras", "sum"))
    ]
    for other in found[1:]:
        assert other["content"] == pytest.approx(found[0]["content"], rel=1e-4)
        assert other["style"] == pytest.approx(found[0]["style"], rel=1e-4)


def test_a_preset_in_relative_units_has_the_balance_in_place_of_its_own_weights():
    found = adapted("jcjohnson", units="relative")
    assert (found.alpha, found.beta, found.tv) == (1, DEFAULT.beta, DEFAULT.tv)
    back = adapted("default", units="paper")
    assert (back.alpha, back.beta, back.tv) == (1, 1e3, 0)
    assert adapted("jcjohnson", units="relative", beta=30.0).beta == 30


@pytest.mark.parametrize("name", ["default", "jcjohnson", "crowson"])
def test_units_go_to_relative_ones_and_back(tiny, name):
    paper = adapted(name, units="paper", size=0, scales=1, steps=1)
    layers = {"content_layers": RECIPE.content_layers, "style_layers": RECIPE.style_layers}
    paper = replace(paper, **layers, layer_weights=(0.3, 0.7))
    blank = units.blanks(tiny.encoder, CONTENT, STYLE, recipe=paper)
    relative = units.convert(paper, replace(paper, units="relative"), (18, 16), blank=blank)
    assert relative.alpha == 1
    back = units.convert(relative, paper, (18, 16), blank=blank)
    a, b, c = (
        value(tiny, nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=recipe))["total"]
        for recipe in (paper, relative, back)
    )
    assert b * paper.alpha * blank.content == pytest.approx(a, rel=1e-4)
    assert c * paper.alpha * blank.content == pytest.approx(a, rel=1e-4)


def test_the_command_needs_the_pictures_for_relative_units(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["units", "--from", "gatys2015", "--to", "relative"]) == 2
    assert "give --content and --style" in capsys.readouterr().err
    for name, picture in (("c.png", CONTENT), ("s.png", STYLE)):
        images.save(tmp_path / name, np.tile(picture, (3, 3, 1)))
    pictures = ["--content", "c.png", "--style", "s.png", "--size", "48", "--weights", "random:vgg11:0"]
    assert main(["units", "--from", "gatys2015", "--to", "relative", *pictures]) == 0
    assert "--alpha 1 --beta" in (said := capsys.readouterr().out)
    assert "--units relative" in said
    with pytest.raises(UserError, match="weights of several losses have no equal"):
        units.blanks(nst_jax.load_encoder(), CONTENT, STYLE, recipe=Recipe(style_loss="gram:1+w2:2"))


def test_values_say_what_they_are():
    style, numbers = losses.style_of(Recipe(style_loss="gram:1+w2:0.1", units="relative"))
    assert isinstance(style, Blend)
    assert all(isinstance(loss, Relative) for _, loss in style.parts)
    assert numbers == {"gram": 1.0, "w2": 0.1}
    assert style.shares
