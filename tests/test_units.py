"""Weights carried into other units give the same gradient, evaluated; and the `units` command and `--preset`."""

import itertools
import shlex
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import TINY_VGG
from measured import distance

import nst_jax
from nst_jax.cli.main import main, parse
from nst_jax.cli.preset import expand_preset
from nst_jax.cli.stylize import Stylize
from nst_jax.errors import UserError
from nst_jax.losses import Variation
from nst_jax.presets import PRESETS, find
from nst_jax.problem import total
from nst_jax.recipe import DEFAULT, GATYS_2015, options, plain
from nst_jax.units import SQUARES, convert

RNG = np.random.default_rng(7)
CONTENT, STYLE, IMAGE = (
    jnp.asarray(RNG.random(shape), jnp.float32) for shape in ((34, 44, 3), (32, 40, 3), (34, 44, 3))
)
SIZE = (34, 44)
GRAMS = [
    name
    for name, recipe in PRESETS.items()
    if recipe.style_loss.startswith("gram") and "+" not in recipe.style_loss + recipe.content_loss
    if recipe.units == "paper"
]


# what differs in numbers alone is compiled once
GRADIENT = jax.jit(jax.grad(lambda image, encoder, problem: total(encoder, problem, image)[0]))


def gradient(tiny, recipe):
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=recipe)
    return np.asarray(GRADIENT(IMAGE, tiny.encoder, problem), np.float64)


def parallel(a, b):
    """Relative difference of two gradients."""
    return np.linalg.norm(a - b) / np.linalg.norm(b)


CHAIN = ["gatys2015", "jcjohnson", "keras", "gordic", "gatys-notebook", "gatys2017-normalised"]


@pytest.mark.parametrize(("source", "to"), [*itertools.pairwise(CHAIN), ("keras", "gatys2015")])
def test_converted_weights_have_the_same_gradient(tiny, source, to):
    recipe = replace(find(source), tv=0.0, padding="zero", layer_weights=(0.5, 1.0, 1.5, 2.0, 0.25))
    converted = convert(recipe, find(to), SIZE, TINY_VGG)
    assert converted.style_loss == find(to).style_loss
    assert converted.content_loss == find(to).content_loss
    # content and style apart, so that one cannot hide the other
    for weight in ("alpha", "beta"):
        a, b = (gradient(tiny, replace(r, **{weight: 0.0})) for r in (converted, recipe))
        assert parallel(a, b) < 1e-4


def test_by_hand():
    # 512 px, relu4_2: 64 x 64 positions, 512 channels; 5 / (64^2 512) = alpha' / 2
    # style: 100 / N^4 = beta' w' / (4 N^2), so beta' w' = 400 / N^2, and the w' add up to 1
    found = convert(find("jcjohnson"), find("gatys2015"), (512, 512))
    assert found.alpha == pytest.approx(10 / (64 * 64 * 512))
    products = np.array([400 / n**2 for n in (64, 128, 256, 512, 512)])
    assert found.beta == pytest.approx(products.sum())
    assert found.layer_weights == pytest.approx(products / products.sum())
    assert found.tv == pytest.approx(1e-3 * 255**2 / 2)


@pytest.mark.parametrize(("source", "to"), list(itertools.product(GRAMS, GRAMS)))
def test_there_and_back_is_where_it_was(source, to):
    a, b = find(source), find(to)
    there = convert(a, b, (300, 400))
    back = convert(there, a, (300, 400))
    count = len(a.style_layers)
    assert back.alpha == pytest.approx(a.alpha)
    assert back.beta == pytest.approx(a.beta)
    assert back.layer_weights == pytest.approx(a.layer_weights or (1 / count,) * count)
    assert back.tv == pytest.approx(a.tv)
    assert a.tv == 0 or back.tv_loss == a.tv_loss


@pytest.mark.parametrize(("source", "to"), list(itertools.permutations(SQUARES, 2)))
def test_total_variations_that_square_differences_agree_inside(source, to):
    # smooth, so that nine points see what four see; the border is left out
    y, x = np.mgrid[0:80, 0:100] / 100
    image = jnp.asarray(np.stack([np.sin(3 * x + y), np.cos(2 * y), x * y], -1) / 2 + 0.5, jnp.float32)
    before = plain(tv=0.3, tv_loss=source)
    there = convert(before, plain(tv_loss=to), (80, 100))
    assert there.tv_loss == to

    def gradient(recipe):
        slope = jax.grad(lambda x: distance(Variation(recipe.tv_loss), x, x))(image)
        return recipe.tv * np.asarray(slope)[3:-3, 3:-3]

    assert parallel(gradient(there), gradient(before)) < 0.02


def test_a_total_variation_without_an_equal_keeps_its_formula():
    found = convert(find("gordic"), find("gatys2015"), (512, 512))
    assert (found.tv, found.tv_loss) == (1.0, "absolute")
    assert convert(replace(find("gordic"), tv=0.0), find("gatys2015"), (512, 512)).tv_loss == "squares"


def test_w2_has_no_equal():
    with pytest.raises(UserError, match="no factor turns w2 into gram"):
        convert(find("crowson"), find("gatys2015"), (512, 512))
    same = convert(find("crowson"), find("crowson"), (512, 512))
    assert same.beta == pytest.approx(1.0)


def test_two_content_layers_of_other_sizes_have_no_common_weight():
    recipe = plain(content_layers=("relu3_2", "relu4_2"), content_loss="mean")
    with pytest.raises(UserError, match="would need different weights from mean to half-sum"):
        convert(recipe, GATYS_2015, (512, 512))
    assert convert(recipe, find("gordic"), (512, 512)).alpha == recipe.alpha


# --- the command line ---


def test_units_prints_options_that_parse_to_the_converted_recipe(capsys):
    assert main(["units", "--from", "jcjohnson", "--to", "gatys2015", "--alpha", "7", "--size", "512", "384"]) == 0
    line = capsys.readouterr().out
    made = parse(["stylize", "a.png", "b.png", "-o", "c.png", *shlex.split(line)])
    want = convert(replace(find("jcjohnson"), alpha=7.0), find("gatys2015"), (384, 512))
    assert isinstance(made, Stylize)
    assert made.recipe == want


def test_units_lists_every_preset(capsys):
    assert main(["units"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(PRESETS)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--from", "crowson", "--to", "keras"], "no factor turns w2 into gram-keras"),
        (["--from", "jcjohnsen", "--to", "keras"], "did you mean 'jcjohnson'"),
        (["--to", "keras", "--size", "8"], "at least 32 pixels"),
        (["--to", "keras", "--alpha", "-1"], "alpha is -1"),
    ],
)
def test_units_refuses(argv, said, capsys):
    assert main(["units", *argv]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_recipe(name):
    made = parse(["stylize", "a.png", "b.png", "-o", "c.png", "--preset", name])
    assert isinstance(made, Stylize)
    assert made.recipe == PRESETS[name]


def test_options_beside_a_preset_win():
    argv = [
        "stylize",
        "--preset=jcjohnson",
        "--beta",
        "7",
        "a.png",
        "b.png",
        "-o",
        "c.png",
        "--layer_weights",
        "1",
        "2",
    ]
    made = parse(argv)
    assert isinstance(made, Stylize)
    assert made.recipe == replace(PRESETS["jcjohnson"], beta=7.0, layer_weights=(1.0, 2.0))


def test_an_unknown_or_missing_preset_is_refused(capsys):
    assert main(["stylize", "a.png", "b.png", "-o", "c.png", "--preset", "kera"]) == 2
    assert "did you mean 'keras'" in capsys.readouterr().err
    assert main(["stylize", "a.png", "b.png", "-o", "c.png", "--preset"]) == 2
    assert "--preset needs a name" in capsys.readouterr().err


def test_other_commands_have_no_preset():
    assert expand_preset(["demo", "--preset", "keras"]) == ["demo", "--preset", "keras"]


def test_options_keep_every_digit():
    recipe = replace(DEFAULT, alpha=1 / 3, beta=1e-7, layer_weights=(0.1 + 0.2, 1.0))
    found = options(recipe)
    assert float(found["--alpha"][0]) == 1 / 3
    assert [float(x) for x in found["--layer-weights"]] == [0.1 + 0.2, 1.0]
    assert found["--beta"] == ["1e-07"]
