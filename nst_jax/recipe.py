"""Every choice that makes a picture, with its one default. Imports nothing heavy: the command line starts here."""

from dataclasses import dataclass
from typing import Literal

Pooling = Literal["max", "avg"]
Padding = Literal["zero", "reflect", "replicate"]
Optimizer = Literal["adam", "lbfgs"]
Precision = Literal["auto", "float32", "tf32", "bfloat16"]

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of one style transfer, in the units of Gatys, Ecker and Bethge (2015).

    L = alpha * L_content + beta * L_style + tv * L_tv
    """

    alpha: float = 1.0
    """Weight of the content loss, 1/2 sum (C - G)^2."""
    beta: float = 1e3
    """Weight of the style loss, sum_l w_l 1/(4 N^2) sum (Gram_S / M_S - Gram_G / M_G)^2."""
    tv: float = 0.0
    """Weight of the total variation, sum of squared differences between neighbouring pixels."""
    content_layers: tuple[str, ...] = ("relu4_2",)
    """Layers whose features follow the content picture: relu4_2, or conv4_2 for before the ReLU."""
    style_layers: tuple[str, ...] = STYLE_LAYERS
    """Layers whose Gram matrices follow the style picture."""
    layer_weights: tuple[float, ...] = ()
    """Weight w_l of each style layer, in their order; nothing means 1 / (number of layers) each."""
    init: str = "content"
    """Starting image: content, style, noise, grey, blend:0.3 (30 % noise over the content), or a picture file."""
    seed: int = 0
    """Seed of the noise."""
    size: int = 512
    """Longer side of the content picture, in pixels; 0 keeps its own size."""
    style_size: int = 0
    """Longer side of the style picture, in pixels; 0 means the same as size."""
    steps: int = 500
    """Steps of the optimizer."""
    optimizer: Optimizer = "adam"
    """How the pixels move: adam, or lbfgs with a zoom line search."""
    lr: float = 0.02
    """Adam's step in units of the image's range [0, 1]."""
    pooling: Pooling = "max"
    """Pooling of the network; Gatys et al. prefer avg."""
    padding: Padding = "zero"
    """What the network's convolutions see beyond the border."""
    weights: str = "vgg16"
    """Network: a name from `nst-jax weights list`, or a converted .h5 file."""
    precision: Precision = "auto"
    """Arithmetic of the convolutions; auto is the best of the device."""


DEFAULT = Recipe()
GATYS_2015 = Recipe(
    content_layers=("conv4_2",),
    style_layers=("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"),
    init="noise",
    pooling="avg",
    optimizer="lbfgs",
    beta=1e3,
)
