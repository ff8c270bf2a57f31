"""Numbers to rank pictures by, one noun a file; each a pure function of arrays, and none needs a download."""

from nst_jax.metrics.chroma import chroma_speckle, colour_w2
from nst_jax.metrics.distance import bures_distance, content_distance, sliced_distance
from nst_jax.metrics.edges import edge_f1
from nst_jax.metrics.filters import filters_distance
from nst_jax.metrics.holdout import StyleSide, held_out, style_side
from nst_jax.metrics.layers import held_out_layers, least_side, levels
from nst_jax.metrics.spectrum import checkerboard, spectrum_slope

__all__ = [
    "StyleSide", "bures_distance", "checkerboard", "chroma_speckle", "colour_w2", "content_distance", "edge_f1",
    "filters_distance", "held_out", "held_out_layers", "least_side", "levels", "sliced_distance", "spectrum_slope",
    "style_side",
]  # fmt: skip
