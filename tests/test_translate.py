"""Other programs' command lines become ours: the printed line is parsed and its recipe compared."""

import shlex
from dataclasses import replace

import pytest

from nst_jax.cli.main import main, parse
from nst_jax.cli.stylize import Stylize
from nst_jax.cli.translate import translate
from nst_jax.errors import UserError
from nst_jax.presets import PRESETS

CASES = {
    "th neural_style.lua -content_image c.jpg -style_image s.jpg -gpu -1": ("jcjohnson", {}),
    "python neural_style.py -content_weight 7 -style_weight 1e3 -tv_weight 0 -image_size 256": (
        "neural-style-pt",
        {"alpha": 7.0, "beta": 1e3, "tv": 0.0, "size": 256},
    ),
    "neural_style.py -init image -optimizer adam -learning_rate 5 -num_iterations 300 -seed 9 -style_scale 0.5": (
        "neural-style-pt",
        {"init": "content", "optimizer": "adam", "lr": 5 / 255, "steps": 300, "seed": 9, "style_size": 256},
    ),
    "neural-style -content_layers relu2_2 -style_layers relu1_1,relu2_1 -pooling avg -seed -1": (
        "neural-style-pt",
        {
            "content_layers": ("relu2_2",), "style_layers": ("relu1_1", "relu2_1"), "layer_weights": (1.0, 1.0),
            "pooling": "avg",
        },
    ),
    "th neural_style.lua -init image -init_image start.png": ("jcjohnson", {"init": "start.png"}),
    "python neural_style.py --content c.jpg --styles s.jpg --output o.png --iterations 400 --content-weight=3": (
        "anishathalye",
        {"steps": 400, "alpha": 3.0},
    ),
    "neural_style.py --content c.jpg --styles s.jpg --style-layer-weight-exp 2 --initial-noiseblend 0.25": (
        "anishathalye",
        {"layer_weights": (1 / 31, 2 / 31, 4 / 31, 8 / 31, 16 / 31), "init": "blend:0.25"},
    ),
    "python neural_style_transfer.py --content_weight 1e4 --tv_weight 0.5 --height 300 --init_method random": (
        "gordic",
        {"alpha": 1e4, "tv": 0.5, "size": 300, "init": "noise"},
    ),
    "python neural_style_transfer.py --optimizer adam --init_method style": (
        "gordic",
        {"optimizer": "adam", "steps": 3000, "init": "style"},
    ),
    "style_transfer c.jpg s.jpg -o o.tif -s 640 -cw 0.03 -tw 1 -ii 700 -ss 0.01 --pooling average -r 3": (
        "crowson",
        {"size": 640, "alpha": 0.03, "tv": 1.0, "steps": 700, "lr": 0.01, "pooling": "avg", "seed": 3},
    ),
    "style_transfer c.jpg s.jpg --init gray --style-scale-fac 1.5": ("crowson", {"init": "grey", "style_size": 768}),
}  # fmt: skip


@pytest.mark.parametrize("command", CASES)
def test_the_line_parses_to_the_recipe_that_was_meant(command):
    preset, changes = CASES[command]
    found = translate(command)
    assert found.preset == preset
    want = replace(PRESETS[preset], **changes)
    assert found.recipe == want
    made = parse(shlex.split(found.command)[1:])
    assert isinstance(made, Stylize)
    assert made.recipe == want


def test_pictures_are_found():
    for command, want in {
        "neural_style.lua -style_image a.jpg -content_image 'a b.jpg' -output_image c.png": "'a b.jpg' a.jpg -o c.png",
        "neural_style.py --content c.jpg --styles a.jpg b.jpg --output o.png": "c.jpg a.jpg -o o.png",
        "neural_style_transfer.py --content_img_name c.jpg --style_img_name s.jpg": "c.jpg s.jpg -o out.png",
        "style_transfer -s 300 c.jpg a.jpg b.jpg -o o.png": "c.jpg a.jpg -o o.png",
        "neural_style.py": "CONTENT STYLE -o out.png",
    }.items():
        assert translate(command).command.startswith(f"nst-jax stylize {want} --preset")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("th neural_style.lua -original_colors 1", "original_colors 1: colours are not kept"),
        ("th neural_style.lua -normalize_gradients 1", "gradients are not normalized"),
        ("neural_style.py -style_image a.jpg,b.jpg", "only the first of 2 style pictures"),
        ("neural_style.py --content a --styles b --preserve-colors --width 400", "colours are not kept"),
        ("neural_style.py --content a --styles b --preserve-colors --width 400", "not the width"),
        ("neural_style.py --content a --styles b --beta2 0.99", "beta2 0.99: no equivalent"),
        ("neural_style_transfer.py", "its height is --size"),
        ("style_transfer a b --min-scale 64 --avg-decay 0.9", "min_scale 64: one scale only"),
        ("style_transfer a b -i 300", "with the steps of the first"),
        ("neural_style.py", "it uses VGG-19"),
        ("neural_style.py", "faint noise is grey"),
    ],
)
def test_what_has_no_equivalent_is_said(command, said):
    assert any(said in note for note in translate(command).notes)


def test_nothing_is_said_of_what_does_not_change_the_picture():
    command = (
        "neural_style.py -gpu c -print_iter 1 -save_iter 0 -backend mkl -init image -model_file vgg16-00b39a1b.pth"
    )
    assert translate(command).notes == ()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("convert a.png b.png", "not a command line that is known"),
        ("neural_style.py -content_weight heavy", "content_weight is 'heavy': expected a number"),
        ("neural_style.py -content_weight nan", "alpha is nan"),
        ("neural_style.py -optimizer sgd", "optimizer is 'sgd'"),
        ("neural_style.py 'open", "cannot be read"),
        ("neural_style.py -num_iterations inf", "expected a number"),
    ],
)
def test_refuses(command, said):
    with pytest.raises(UserError, match=said):
        translate(command)


def test_the_command_prints_the_line_and_comments(capsys):
    assert main(["translate", "neural_style.py -content_weight 5 -style_weight 100 -original_colors 1"]) == 0
    line, *comments = capsys.readouterr().out.splitlines()
    assert line == "nst-jax stylize CONTENT STYLE -o out.png --preset neural-style-pt"
    assert all(comment.startswith("# ") for comment in comments)
    assert len(comments) == 3
