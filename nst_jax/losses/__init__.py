"""Losses as values, one file each: a statistic of a layer, its target, and the distance between the two."""

from typing import get_args

from nst_jax.losses.content import Content
from nst_jax.losses.covariance import Covariance
from nst_jax.losses.cross_layer import CrossLayer
from nst_jax.losses.gram import GramMatrix, Scale
from nst_jax.losses.gram_mean_std import GramMeanStd
from nst_jax.losses.long_range import LongRange
from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.mean_std import MeanStd
from nst_jax.losses.mmd_gauss import MMDGauss
from nst_jax.losses.mmd_poly import MMDPoly
from nst_jax.losses.shifted import Shifted
from nst_jax.losses.variation import Variation
from nst_jax.losses.w2 import W2
from nst_jax.recipe import ContentLoss, TvLoss

CONTENT: dict[str, Loss] = {kind: Content(kind) for kind in get_args(ContentLoss)}
STYLE: dict[str, Loss] = {
    **{scale: GramMatrix(scale) for scale in get_args(Scale)},
    "covariance": Covariance(),
    "mean-std": MeanStd(),
    "gram-mean-std": GramMeanStd(),
    "w2": W2(),
    "mmd-poly": MMDPoly(),
    "mmd-gauss": MMDGauss(),
    "shifted": Shifted(),
    "cross-layer": CrossLayer(),
    "long-range": LongRange(),
}
VARIATION: dict[str, Variation] = {kind: Variation(kind) for kind in get_args(TvLoss)}
"""What a recipe's names mean."""

__all__ = [
    "CONTENT", "STYLE", "VARIATION", "W2", "Content", "Covariance", "CrossLayer", "GramMatrix", "GramMeanStd",
    "LongRange", "Loss", "MMDGauss", "MMDPoly", "MeanStd", "Place", "Shifted", "Variation",
]  # fmt: skip
