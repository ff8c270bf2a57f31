"""Named recipes in the units of their sources: the numbers of a preset are the numbers in its source.

What a source does and a preset does not stands beside it. Common to all: sources feed pictures of 0-255 (some 0-256),
here they are [0, 1] times the range of the weights, so learning rates are divided by 255; a starting image of faint
noise becomes grey; each Gram is divided by its own number of positions; most sources use VGG-19 (`--weights vgg19`).
"""

import difflib
from dataclasses import replace
from typing import Any

from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT, GATYS_2015, Recipe, plain, tidied

# leongatys/PytorchNeuralStyleTransfer be6c8e2, NeuralStyleTransfer.ipynb: style weights 1e3 / N^2 on the mean squared
# difference of Grams, content 1 on the mean. Not here: the second stage (200 steps at a shorter side of 800 pixels);
# its 512 pixels are the shorter side; pictures are clipped only at the end, ours stay within [0, 1].
GATYS_NOTEBOOK = plain(
    alpha=1.0,
    beta=1e3,
    content_loss="mean",
    style_loss="gram-johnson",
    layer_weights=(1.0,) * 5,
    init="content",
    optimizer="lbfgs",
    steps=500,
    resample="bilinear",
    rounding="down",
)

# leongatys/NeuralImageSynthesis cced0b9, ExampleNotebooks (Gatys et al. 2017): normalised VGG-19, style 1e9 / 5 on the
# mean squared difference of Grams for every layer alike, content 1e6. Needs weights whose filters fire equally:
#     nst-jax weights normalize vgg16 vgg16-normalized.h5 --images FOLDER
# Not here: the second stage at 1024 pixels (200 steps); its size is the square root of the area, and scikit-image
# resamples there.
GATYS_2017_NORMALISED = plain(
    alpha=1e6,
    beta=1e9,
    content_loss="mean",
    style_loss="gram-mean",
    init="content",
    optimizer="lbfgs",
    steps=500,
    padding="reflect",
    weights="vgg16-normalized.h5",
)

# jcjohnson/neural-style 07c4b82, neural_style.lua: every style layer weighs 1e2. Torch's image.scale averages the area
# of a pixel when it reduces and truncates sides. Not here: its "bilinear" when it enlarges; pixels times 256, not 255;
# its total variation has a gradient but is missing in the loss it prints (and in its L-BFGS); loadcaffe's pooling
# rounds odd sides up: a picture whose sides are multiples of 16 has none.
NEURAL_STYLE: dict[str, Any] = {
    "alpha": 5.0,
    "beta": 1e2,
    "tv": 1e-3,
    "content_loss": "mean",
    "style_loss": "gram-johnson",
    "tv_loss": "johnson",
    "layer_weights": (1.0,) * 5,
    "init": "grey",
    "optimizer": "lbfgs",
    "steps": 1000,
    "resample": "box",
    "rounding": "down",
}
JCJOHNSON = plain(**NEURAL_STYLE)

# ProGamerGov/neural-style-pt 7251405, neural_style.py: the same with absolute differences, pooling that rounds down as
# ours, and torchvision's Resize.
NEURAL_STYLE_PT = plain(**{**NEURAL_STYLE, "tv_loss": "absolute", "resample": "bilinear"})

# Luan, Paris, Shechtman and Bala (2017), Deep photo style transfer, on neural-style's objective: the matting Laplacian
# of the content beside it, and a style for each region by masks. Not here: their weight of it is 1e4 after a first run
# without it, which leaves strokes; here it is 1e6 (alpha times what follows), from the content in one run.
PHOTOREAL = plain(**{**NEURAL_STYLE, "content_loss": "mean:1+matting:2e5", "init": "content"})

# anishathalye/neural-style d0a1148, stylize.py: 5e2 times 1/5 is neural-style's 1e2 a layer. Not here: Adam's second
# decay 0.999 (ours 0.99), the content loss's second layer (off by default there), pooling that rounds odd sides up
# ("SAME"), and a style that is as wide as the content.
ANISHATHALYE = plain(
    **{
        **NEURAL_STYLE,
        "beta": 5e2,
        "tv": 1e2,
        "tv_loss": "mean-squares",
        "layer_weights": (),
        "optimizer": "adam",
        "lr": 10 / 255,
        "size": 0,
        "resample": "bicubic",
    }
)

# gordicaleksa/pytorch-neural-style-transfer a244dc6: the sum over entries of squared differences of Grams divided by
# N M is m. Its conv4_2 passes through an in-place ReLU before it is compared, so it is relu4_2. Not here: torchvision's
# weights fed 0-255 minus the mean; its 400 pixels are the height.
GORDIC = plain(
    alpha=1e5,
    beta=3e4,
    tv=1.0,
    content_loss="mean",
    style_loss="gram-mean",
    tv_loss="absolute",
    init="content",
    optimizer="lbfgs",
    steps=1000,
    size=400,
    resample="bicubic-plain",
    rounding="down",
)

# crowsonkb/style-transfer-pytorch e7e2c71, style_transfer.py. Its scale is that of torchvision's VGG-19; activations of
# the Caffe weights are far larger. As there: scales from 128 pixels up, each begun from the average of the last one's
# iterates, Adam's moments resampled and its count kept, and averaged anew. Not here: replicated padding at conv1_1
# alone; a style picture is never enlarged there; torch's bicubic kernel between scales (a = -0.75, ours -0.5); of a
# size that is no power of sqrt 2 times 128 the coarsest scale is above 128 there; a picture of one scale takes 1000
# steps there; its L-BFGS is averaged too; the matrix root of its W2 is cut short after twelve iterations of Newton and
# Schulz, which leaves loss and gradient some 6 % off (ours are exact within 1e-3).
CROWSON = plain(
    alpha=0.015,
    beta=1.0,
    tv=2.0,
    content_loss="mean",
    style_loss="w2",
    tv_loss="nine-point",
    layer_weights=(256 / 341, 64 / 341, 16 / 341, 4 / 341, 1 / 341),
    init="content",
    scales="auto",
    scale_ratio=2**0.5,
    optimizer="adam",
    lr=0.02,
    steps=500,
    first_steps=1000,
    ema=0.99,
    resample="bicubic",
)

# keras-io, examples/generative/neural_style_transfer.py (2020). Layers are after the ReLU. Not here: gradient descent
# with a rate of 100 x 0.96 every 100 steps for 4000 steps (L-BFGS as in the example's first version: 10 times 20
# evaluations); its 400 pixels are the height, and the style picture is stretched to the content's shape.
KERAS = plain(
    alpha=2.5e-8,
    beta=1e-6,
    tv=1e-6,
    content_loss="sum",
    style_loss="gram-keras",
    tv_loss="keras",
    content_layers=("relu5_2",),
    init="content",
    optimizer="lbfgs",
    steps=200,
    size=400,
    resample="nearest",
    rounding="down",
)

# bgalerne/scaling_painting_style_transfer 3aa9a73, spst.py with --iterations_mode spst-fast (Galerne, Raad, Lezama and
# Morel 2022): of each layer 1e3 / N^2 on the mean squared difference of Grams and 1e4 on those of means and deviations.
# Not here: scales are halves of the shorter side down to 1023 at most, ours even steps of the longer side from 1024 up;
# L-BFGS remembers 100 pairs at the first scale; a style that is smaller than the content keeps its size. To a variance
# 1e-5 of the style's mean square is added: there it is diag G - m^2, whose root is no number where rounding makes it
# negative. Its size is the content's own.
SPST = plain(
    alpha=1.0,
    beta=1e3,
    content_loss="mean",
    style_loss="gram-johnson:1+mean-std:10",
    layer_weights=(1.0,) * 5,
    init="content",
    optimizer="lbfgs",
    size=0,
    scales="auto",
    min_scale=1024,
    first_steps=600,
    steps_ratio=3.0,
    steps=30,
    resample="bicubic",
    tile=512,
)

# 250 steps of L-BFGS deliver a lower loss than 1000 of neural-style-pt's on six pairs of pictures, from the content and
# from noise (docs/speed.md). Ten at half the side first lower it further and lose the content (docs/optimizers.md).
FAST = replace(DEFAULT, steps=250)

# On six of six pairs the distance between Gaussians is nearer to the style than Gram matrices are at equal content
# distance, with less speckle, and takes 1.35 times the time (experiments/README.md, default_finalists).
BEST = replace(DEFAULT, style_loss="w2", steps=1000)

# Coarse to fine with few steps where they are dear (docs/print.md).
PRINT = replace(
    DEFAULT,
    size=4096,
    scales="auto",
    min_scale=512,
    first_steps=300,
    steps_ratio=3.0,
    steps=10,
    tile=512,
)

PRESETS: dict[str, Recipe] = {
    "default": DEFAULT,
    "fast": FAST,
    "best": BEST,
    "print": PRINT,
    "gatys2015": GATYS_2015,
    "gatys-notebook": GATYS_NOTEBOOK,
    "gatys2017-normalised": GATYS_2017_NORMALISED,
    "jcjohnson": JCJOHNSON,
    "neural-style-pt": NEURAL_STYLE_PT,
    "photoreal": PHOTOREAL,
    "anishathalye": ANISHATHALYE,
    "gordic": GORDIC,
    "crowson": CROWSON,
    "spst": SPST,
    "keras": KERAS,
}

WEIGHTS: dict[str, dict[str, float]] = {
    "relative": {"alpha": 1.0, "beta": DEFAULT.beta, "tv": DEFAULT.tv},
    "paper": {"alpha": 1.0, "beta": GATYS_2015.beta, "tv": 0.0},
}
"""Weights of a preset in other units than its own, where none are given."""
RATES = {"jcjohnson": 10 / 255, "neural-style-pt": 1 / 255, "gordic": 10 / 255}
"""Adam's step in the sources of presets that use L-BFGS."""


def adapted(name: str, **settings: Any) -> Recipe:
    """Give a preset with other settings, and without what of the preset's own would then not be read.

    Raises:
        UserError: no such preset.
    """
    recipe = find(name)
    if settings.get("optimizer", recipe.optimizer) == "adam" and recipe.optimizer != "adam":
        recipe = replace(recipe, lr=RATES.get(name, DEFAULT.lr))
    if (units := settings.get("units", recipe.units)) != recipe.units and units in WEIGHTS:
        recipe = replace(recipe, **WEIGHTS[units], layer_weights=())
    deciders = {name: settings[name] for name in ("optimizer", "scales", "init") if name in settings}
    return replace(tidied(replace(recipe, **deciders)), **settings)


def find(name: str) -> Recipe:
    """Give the preset called `name`.

    Raises:
        UserError: no such preset; names the nearest.
    """
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(PRESETS)}"
    raise UserError(f"no preset is called '{name}': {hint}")
