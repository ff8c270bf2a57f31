"""Numbers to rank pictures by, one noun a file; each a pure function of arrays, and none needs a download.

`held_out` gives those that runs write beside their pictures, `Judge` all of them; `MEANINGS` says what they mean.
"""

from nst_jax.meanings import MEANINGS, Meaning
from nst_jax.metrics.chroma import chroma_speckle, colour_w2
from nst_jax.metrics.distance import bures_distance, content_distance, sliced_distance
from nst_jax.metrics.divergence import basis_of, effect, effects
from nst_jax.metrics.edges import edge_f1
from nst_jax.metrics.filters import filters_distance
from nst_jax.metrics.holdout import StyleSide, held_out, style_side
from nst_jax.metrics.judge import Judge, measures
from nst_jax.metrics.layers import held_out_layers, least_side, levels
from nst_jax.metrics.resemblance import content_fidelity, global_effects, local_patterns
from nst_jax.metrics.spectrum import checkerboard, spectrum_slope

__all__ = [
    "MEANINGS", "Judge", "Meaning", "StyleSide", "basis_of", "bures_distance", "checkerboard", "chroma_speckle",
    "colour_w2", "content_distance", "content_fidelity", "edge_f1", "effect", "effects", "filters_distance",
    "global_effects", "held_out", "held_out_layers", "least_side", "levels", "local_patterns", "measures",
    "sliced_distance", "spectrum_slope", "style_side",
]  # fmt: skip
