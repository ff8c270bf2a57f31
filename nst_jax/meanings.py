"""What measures of pictures mean. Imports no jax, so that a page can say it."""

from typing import Literal, NamedTuple


class Meaning(NamedTuple):
    """What a measure says, in one line, and which way is better."""

    text: str
    better: Literal["higher", "lower", "neither"]


MEANINGS: dict[str, Meaning] = {
    "content_distance": Meaning("features of the content that are lost, place by place; 0 none, 1 all", "lower"),
    "ssim": Meaning("structure of the content's luminance that is kept; 1 all", "higher"),
    "edge_f1": Meaning("edges shared with the content; 1 all, 0 none", "higher"),
    "content_fidelity": Meaning("cosine with the content's deep features; 1 alike", "higher"),
    "style_bures": Meaning("mean and covariance of features, from the style's; 0 alike, 1 as far as blank", "lower"),
    "style_sliced": Meaning("whole distribution of features, from the style's; 0 alike, 1 as far as blank", "lower"),
    "global_effects": Meaning("cosines with the style's Gram matrices and colours; 1 alike", "higher"),
    "local_patterns": Meaning("patches that are the style's, and how many of its patches there are; 1 all", "higher"),
    "effect": Meaning("minus the logarithm of the divergence of features from the style's, calibrated", "higher"),
    "filters_distance": Meaning("strokes of four sizes and directions, from the style's; 0 alike, 1 blank", "lower"),
    "colour_w2": Meaning("how far the colours lie from the style's, in units of RGB; 0 alike", "lower"),
    "colour_distance": Meaning("share of colours that the content has not; 0 none, 1 all", "neither"),
    "spectrum_slope": Meaning("how power falls with frequency; -2 a photograph, 0 noise, below -3 a blur", "neither"),
    "spectrum_gap": Meaning("that slope's distance from the style's; 0 alike", "lower"),
    "checkerboard": Meaning("power at a period of two pixels over that around it; up to 1 none", "lower"),
    "chroma_speckle": Meaning("change of colour from pixel to pixel, in 8-bit levels; 0 none", "lower"),
    "chroma_speckle_ratio": Meaning("that over the style's own; 1 as much as the style", "lower"),
    "total_variation": Meaning("squared steps between neighbouring pixels; 0 flat", "neither"),
}
"""The names that `nst_jax.metrics.Judge` gives, in its order, and what they say."""
