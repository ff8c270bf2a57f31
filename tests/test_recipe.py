"""The recipe refuses what cannot make a picture, in one line that says what to do."""

import subprocess
import sys
from dataclasses import replace

import pytest

from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT, GATYS_2015, check, init_file, tidied

NAN, INF = float("nan"), float("inf")

REFUSED = {
    "alpha negative": ({"alpha": -1.0}, "alpha is -1"),
    "alpha nan": ({"alpha": NAN}, "alpha is nan"),
    "beta infinite": ({"beta": INF}, "beta is inf"),
    "tv negative": ({"tv": -0.1}, "tv is -0.1"),
    "lr nan": ({"lr": NAN}, "lr is nan"),
    "lr zero": ({"lr": 0.0}, "lr is 0"),
    "nothing to do": ({"alpha": 0.0, "beta": 0.0}, "alpha and beta are both 0"),
    "steps": ({"steps": -1}, "steps is -1"),
    "coarse steps": ({"coarse_steps": -1}, "coarse_steps is -1"),
    "first steps": ({"first_steps": -1}, "first_steps is -1"),
    "min scale": ({"min_scale": 0}, "min_scale is 0: expected a longer side in pixels"),
    "no scales": ({"scales": 0}, "scales is 0: expected a whole number of at least 1 and at most 100, or auto"),
    "scales": ({"scales": "many"}, "scales is 'many': expected a whole number of at least 1 and at most 100, or auto"),
    "size": ({"size": -5}, "size is -5"),
    "style size": ({"style_size": -5}, "style_size is -5"),
    "seed negative": ({"seed": -1}, "seed is -1"),
    "seed large": ({"seed": 2**32}, "below 2^32"),
    "no content layers": ({"content_layers": ()}, "content_layers is empty"),
    "no style layers": ({"style_layers": ()}, "style_layers is empty"),
    "too few layer weights": ({"layer_weights": (1.0,)}, "1 numbers for 5 style layers"),
    "layer weight negative": ({"layer_weights": (1.0, 1.0, -1.0, 1.0, 1.0)}, "layer_weights[2] is -1"),
    "optimizer": ({"optimizer": "sgd"}, "optimizer is 'sgd': expected one of adam"),
    "schedule": ({"lr_schedule": "linear"}, "lr_schedule is 'linear': expected one of constant, cosine"),
    "ema one": ({"ema": 1.0, "optimizer": "adam"}, "ema is 1: expected a decay"),
    "ema nan": ({"ema": NAN, "optimizer": "adam"}, "ema is nan: expected a decay"),
    "ema of another": (
        {"ema": 0.9},
        "ema is 0.9 and optimizer is lbfgs: it belongs to Adam; change optimizer, or leave ema out",
    ),
    "schedule of another": ({"lr_schedule": "cosine"}, "lr_schedule is cosine and optimizer is lbfgs"),
    "rate of another": ({"lr": 0.5}, "lr is 0.5 and optimizer is lbfgs: it belongs to Adam"),
    "seed without noise": ({"seed": 3}, "seed is 3 and init is content: a seed belongs to a start with noise"),
    "seed without blended noise": ({"seed": 3, "init": "blend:0"}, "seed is 3 and init is blend:0"),
    "seed of a file": ({"seed": 3, "init": "photo.png"}, "seed is 3 and init is photo.png"),
    "coarse steps of one scale": ({"coarse_steps": 5}, "coarse_steps is 5 and scales is 1: it belongs to several"),
    "first steps of one scale": ({"first_steps": 5}, "first_steps is 5 and scales is 1"),
    "ratio of one scale": ({"scale_ratio": 1.5}, "scale_ratio is 1.5 and scales is 1"),
    "style of one scale": ({"style_scaling": "fixed"}, "style_scaling is fixed and scales is 1"),
    "least of one scale": ({"min_scale": 64}, "min_scale is 64 and scales is 1: it is for scales auto"),
    "least of given scales": ({"min_scale": 64, "scales": 3}, "min_scale is 64 and scales is 3: it is for scales auto"),
    "pooling": ({"pooling": "l2"}, "pooling is 'l2': expected one of max, avg"),
    "padding": ({"padding": "same"}, "padding is 'same': expected one of zero"),
    "precision": ({"precision": "float16"}, "precision is 'float16': expected one of auto"),
    "blend word": ({"init": "blend:much"}, "expected blend:FRACTION"),
    "blend above one": ({"init": "blend:1.5"}, "between 0 and 1"),
    "blend nan": ({"init": "blend:nan"}, "between 0 and 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case):
    changes, said = REFUSED[case]
    with pytest.raises(UserError) as error:
        check(replace(DEFAULT, **changes))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"alpha": 0.0, "content_layers": ()},
        {"beta": 0.0, "style_layers": ()},
        {"steps": 0, "size": 0},
        {"seed": 2**32 - 1, "init": "noise"},
        {"seed": 3, "init": "blend:0.1"},
        {"optimizer": "adam", "lr": 0.5},
        {"scales": 3, "scale_ratio": 1.5, "style_scaling": "fixed", "coarse_steps": 5},
        {"scales": "auto", "coarse_steps": 5, "first_steps": 9, "min_scale": 64},
        {"optimizer": "adam", "ema": 0.99, "lr_schedule": "cosine"},
        {"init": "blend:0"},
        {"init": "blend:1"},
        {"init": "photo.png"},
        {"layer_weights": (0.0, 1.0, 2.0, 3.0, 4.0)},
    ],
)
def test_accepts(changes):
    check(replace(DEFAULT, **changes))


def test_what_nothing_reads_is_tidied_away_and_nothing_else():
    idle = {"lr": 0.5, "ema": 0.9, "lr_schedule": "cosine", "coarse_steps": 5, "first_steps": 6, "scale_ratio": 1.5,
            "style_scaling": "fixed", "min_scale": 64, "seed": 3}  # fmt: skip
    kept = {"beta": 7.0, "steps": 9, "size": 100, "pooling": "avg", "init": "grey"}
    assert tidied(replace(DEFAULT, **idle, **kept)) == replace(DEFAULT, **kept)
    read = replace(DEFAULT, **{**idle, **kept, "optimizer": "adam", "scales": "auto", "init": "noise"})
    assert tidied(read) == read


def test_accepts_gatys():
    check(GATYS_2015)


def test_only_a_file_is_a_file():
    kinds = ("content", "style", "noise", "grey", "blend:0.3")
    assert [init_file(kind) for kind in kinds] == [None] * 5
    assert init_file("photo.png") == "photo.png"


def test_imports_nothing_heavy():
    code = "import sys, nst_jax.recipe; sys.exit('jax' in sys.modules or 'flax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
