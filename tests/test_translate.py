"""Other programs' command lines become ours: the printed line is parsed and its recipe compared."""

import shlex
from dataclasses import replace

import pytest
from run_files import draw

from nst_jax.cli.main import main, parse
from nst_jax.cli.stylize import Stylize
from nst_jax.cli.translate import translate
from nst_jax.errors import UserError
from nst_jax.networks import VGGS
from nst_jax.presets import PRESETS
from nst_jax.recipe import STYLE_LAYERS
from nst_jax.scales import plan

LEAST = VGGS["vgg16"].least_side(STYLE_LAYERS)

TF = {
    "style_layers": STYLE_LAYERS, "layer_weights": (0.2,) * 5, "beta": 1e4 / 5, "tv": 1e-3, "tv_loss": "mean-squares",
    "init": "content", "steps": 1000,
}  # fmt: skip
CASES = {
    "th neural_style.lua -content_image c.jpg -style_image s.jpg -gpu -1": ("jcjohnson", {}),
    "python neural_style.py -content_weight 7 -style_weight 1e3 -tv_weight 0 -image_size 256": (
        "neural-style-pt",
        {"alpha": 7.0, "beta": 1e3, "tv": 0.0, "size": 256},
    ),
    "neural_style.py -init image -optimizer adam -learning_rate 5 -num_iterations 300 -seed 9 -style_scale 0.5": (
        "neural-style-pt",
        {"init": "content", "optimizer": "adam", "lr": 5 / 255, "steps": 300, "style_size": 256},
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
        {"optimizer": "adam", "lr": 10 / 255, "steps": 3000, "init": "style"},
    ),
    "style_transfer c.jpg s.jpg -o o.tif -s 640 -cw 0.03 -tw 1 -ii 700 -ss 0.01 --pooling average -r 3": (
        "crowson",
        {
            "size": 640, "alpha": 0.03, "tv": 1.0, "first_steps": 700, "lr": 0.01, "pooling": "avg",
            "scales": 5,
        },
    ),
    "style_transfer c.jpg s.jpg -ms 64 -s 1024 -i 300 -ad 0.9": (
        "crowson",
        {"size": 1024, "min_scale": 64, "steps": 300, "ema": 0.9},
    ),
    "style_transfer c.jpg s.jpg -s 100 --optimizer lbfgs --style-size 80": (
        "crowson",
        {
            "size": 100, "min_scale": 100, "steps": 1000, "ema": 0.0, "optimizer": "lbfgs", "style_size": 80,
            "style_scaling": "fixed",
        },
    ),
    "python neural_style.py --content_img c.jpg --style_imgs s.jpg --max_size 512 --tv_weight 0": (
        "gatys2015",
        {
            **TF, "alpha": 5 / (512 * 64 * 64) ** 0.5, "tv": 0.0,
        },
    ),
    "neural_style.py --style_imgs s.jpg t.jpg --content_img c.jpg --content_loss_function 2 --style_layers relu1_1 "
    "relu2_1 --style_layer_weights 1 3 --original_colors --optimizer adam --learning_rate 2 --init_img_type random": (
        "gatys2015",
        {
            **TF, "alpha": 5.0, "content_loss": "mean", "beta": 1e4 / 4, "style_layers": ("relu1_1", "relu2_1"),
            "layer_weights": (0.25, 0.75), "colour": "keep-luminance", "optimizer": "adam", "lr": 2 / 255,
            "init": "grey",
        },
    ),
    "python nst.py --content_img_name a.jpg --style_img_name b.jpg --height 300": ("gordic", {"size": 300}),
    "renamed.py --content c.jpg --styles s.jpg --iter 400 --tv 3": ("anishathalye", {"steps": 400, "tv": 3.0}),
    "style_transfer c.jpg s.jpg -s 512+ --init normal -r 3": ("crowson", {"init": "noise", "seed": 3}),
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
        "neural_style.py --content c.jpg --styles a.jpg b.jpg --output o.png": "c.jpg --style a.jpg b.jpg -o o.png",
        "neural_style.lua -style_image a.jpg,b.jpg -content_image c.jpg -style_blend_weights 3,7": (
            "c.jpg --style a.jpg:3 b.jpg:7 -o out.png"
        ),
        "neural_style.py --content c.jpg --styles a.jpg b.jpg --style-blend-weights 0.2 0.8": (
            "c.jpg --style a.jpg:0.2 b.jpg:0.8 -o out.png"
        ),
        "neural_style.lua -style_image a.jpg -content_image c.jpg -style_blend_weights 3": "c.jpg a.jpg -o out.png",
        "neural_style_transfer.py --content_img_name c.jpg --style_img_name s.jpg": "c.jpg s.jpg -o out.png",
        "style_transfer -s 300 c.jpg a.jpg b.jpg -o o.png": "c.jpg --style a.jpg b.jpg -o o.png",
        "style_transfer c.jpg a.jpg b.jpg -sw 0.5 1 -o o.png": "c.jpg --style a.jpg:0.5 b.jpg:1 -o o.png",
        "style_transfer -sw 0.5 0.5 -o o.png -- c.jpg a.jpg b.jpg": "c.jpg --style a.jpg:0.5 b.jpg:0.5 -o o.png",
        "neural_style.py": "CONTENT STYLE -o out.png",
        "neural_style.py --content_img c.jpg --style_imgs a.jpg b.jpg --style_imgs_weights 1 3 --style_imgs_dir . "
        "--style_mask --style_mask_imgs m.png n.png --img_name o": (
            "image_input/c.jpg --style a.jpg:1 b.jpg:3 --content-mask image_input/m.png image_input/n.png "
            "-o image_output/o.png"
        ),
    }.items():
        assert translate(command).command.startswith(f"nst-jax stylize {want} --preset")


def test_a_mask_of_one_style_leaves_the_rest_the_content():
    command = "neural_style.py --content_img c --style_imgs s --style_mask --style_mask_imgs m.png"
    found = translate(command)
    made = parse(shlex.split(found.command)[1:])
    assert isinstance(made, Stylize)
    assert (made.recipe.style_shares, [path.name for path in made.content_mask]) == ((0.0, 1.0), ["m.png"])


def test_the_content_weight_of_neural_style_tf_is_that_of_the_picture(tmp_path):
    draw(tmp_path / "c.png", 1, 64, 32)
    command = f"neural_style.py --content_img c.png --content_img_dir {tmp_path} --style_imgs s --max_size 128"
    found = translate(command)
    assert found.recipe.alpha == pytest.approx(5 / (512 * 16 * 8) ** 0.5)
    assert not any("content weight" in note for note in found.notes)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("th neural_style.lua -original_colors 1", "luminance alone is painted here"),
        ("th neural_style.lua -normalize_gradients 1", "gradients are not normalized"),
        ("style_transfer c a b", "distances to the styles are added up"),
        ("neural_style.py --content a --styles b --preserve-colors --width 400", "luminance alone is painted here"),
        ("neural_style.py --content a --styles b --preserve-colors --width 400", "not the width"),
        ("neural_style.py --content a --styles b --beta2 0.99", "beta2 0.99: no equivalent"),
        ("neural_style_transfer.py", "its height is --size"),
        ("style_transfer a b", "a style smaller than a scale is not enlarged"),
        ("style_transfer a b --optimizer lbfgs", "avg_decay 0.99: only Adam's iterates are averaged"),
        ("style_transfer a b --end-scale 640+", "end_scale 640+: with +, the area"),
        ("style_transfer a b --init style_stats", "init style_stats: noise is uniform"),
        ("style_transfer a b --pooling average", "averages are not rescaled"),
        ("neural_style.py", "it uses VGG-19"),
        ("th neural_style.lua", "pooling rounds odd sides up"),
        ("neural_style.py --content a --styles b", "pooling rounds odd sides up"),
        ("neural_style.py", "faint noise is grey"),
        (
            "neural_style.py --content_img c --style_imgs s --style_mask --style_mask_imgs m",
            "divided by the whole picture",
        ),
        ("neural_style.py --content_img c --style_imgs s", "the content weight is that of a picture of 512x512"),
        ("neural_style.py --content_img c --style_imgs s --original_colors --color_convert_type lab", "of lab there"),
        ("neural_style.py --content_img c --style_imgs s --video", "video: no equivalent"),
    ],
)
def test_what_has_no_equivalent_is_said(command, said):
    assert any(said in note for note in translate(command).notes)


@pytest.mark.parametrize("command", ["-ms 64 -ad 0.9", "-i 300 -ii 400", "-s 300 --pooling max --init uniform"])
def test_crowsons_scales_and_average_need_no_note(command):
    assert len(translate(f"style_transfer c.jpg s.jpg {command}").notes) == 2  # of every command: style, network


@pytest.mark.parametrize(("size", "least"), [(512, 128), (640, 128), (724, 64), (500, 90), (100, 128)])
def test_crowsons_scales_are_the_sources(size, least):
    recipe = translate(f"style_transfer c.jpg s.jpg -s {size} -ms {least}").recipe
    found = [max(scale.content) for scale in plan((size, size), (size, size), recipe, LEAST)]
    sides, i = [], 0
    while (side := round(size / pow(2, i / 2))) >= min(least, size):
        sides, i = [side, *sides], i + 1
    assert found == sides


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
        ("neural_style.py --content_img a --style_imgs b c --style_mask --style_mask_imgs m", "1 masks for 2 styles"),
        ("neural_style.py --content_img a --style_imgs b --style_layer_weights 1 2", "2 numbers for 5 layers"),
        ("neural_style.py --content_img a --style_imgs b --style_layer_weights x", "x"),
        ("python neural_style.py train --dataset d --style-image s.jpg --epochs 2", "'train' is a command of a feed"),
        ("neural_style/neural_style.py eval --content-image c.jpg --model m.pth --output-image o.jpg", "'eval' is a"),
        ("evaluate.py --checkpoint c.ckpt --in-path a --out-path b", "feed-forward fast-style-transfer"),
        ("test.py --content_dir a --style_dir b --decoder d.pth", "feed-forward"),
        ("th neural_style.lua -content_wieght 5", "no option of jcjohnson's.* did you mean content_weight"),
        ("neural_style.py -content_image a.jpg --styles b.jpg", "different programs: neural-style-pt's"),
        ("neural_style.py -content_image a.jpg -seed 3 0.5", "'0.5' belongs to no option"),
    ],
)
def test_refuses(command, said):
    with pytest.raises(UserError, match=said):
        translate(command)


def test_the_command_prints_the_line_and_comments(capsys):
    assert main(["translate", "neural_style.py -content_weight 5 -style_weight 100 -original_colors 1"]) == 0
    line, *comments = capsys.readouterr().out.splitlines()
    assert line == "nst-jax stylize CONTENT STYLE -o out.png --preset neural-style-pt --colour keep-luminance"
    assert all(comment.startswith("# ") for comment in comments)
    assert len(comments) == 3


@pytest.mark.parametrize("weights", ["1", "1,2,3", "1,x", "0,0", "-1,2"])
def test_weights_of_styles_that_mean_nothing_are_refused(weights):
    with pytest.raises(UserError):
        translate(f"neural_style.lua -style_image a.jpg,b.jpg -content_image c.jpg -style_blend_weights={weights}")
