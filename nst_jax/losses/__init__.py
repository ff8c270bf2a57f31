"""Losses as values, one file each: a statistic of a layer, its target, and the distance between the two."""

from nst_jax.losses.blend import Blend
from nst_jax.losses.chosen import (
    CONTENT,
    STYLE,
    VARIATION,
    Chosen,
    content_of,
    named,
    style_of,
    variation_of,
    variation_within,
)
from nst_jax.losses.content import Content
from nst_jax.losses.contextual import Contextual
from nst_jax.losses.covariance import Covariance
from nst_jax.losses.cross_layer import CrossLayer
from nst_jax.losses.gram import GramMatrix
from nst_jax.losses.gram_mean_std import GramMeanStd
from nst_jax.losses.histogram import Histogram
from nst_jax.losses.laplacian import Laplacian
from nst_jax.losses.long_range import LongRange
from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.matting import Matting
from nst_jax.losses.mean_std import MeanStd
from nst_jax.losses.mixture import Mixture
from nst_jax.losses.mmd_gauss import MMDGauss
from nst_jax.losses.mmd_poly import MMDPoly
from nst_jax.losses.nearest import Nearest
from nst_jax.losses.regions import Guided, Lists, Regions, by_regions, patches, unregioned
from nst_jax.losses.relative import Relative
from nst_jax.losses.remd import REMD
from nst_jax.losses.self_similarity import SelfSimilarity
from nst_jax.losses.shifted import Shifted
from nst_jax.losses.sliced import Sliced
from nst_jax.losses.smoothed import Smoothed, smooth
from nst_jax.losses.variation import Variation
from nst_jax.losses.w2 import W2

__all__ = [
    "CONTENT", "REMD", "STYLE", "VARIATION", "W2", "Blend", "Chosen", "Content", "Contextual", "Covariance",
    "CrossLayer", "GramMatrix", "GramMeanStd", "Guided", "Histogram", "Laplacian", "Lists", "LongRange", "Loss",
    "MMDGauss", "MMDPoly", "Matting", "MeanStd", "Mixture", "Nearest", "Place", "Regions", "Relative", "SelfSimilarity",
    "Shifted", "Sliced", "Smoothed", "Variation", "by_regions", "content_of", "named", "patches", "smooth", "style_of",
    "unregioned", "variation_of", "variation_within",
]  # fmt: skip
