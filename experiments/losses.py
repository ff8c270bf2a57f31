"""What does each style loss carry, at equal content distance?

Command: python -m experiments.all --only losses
Cost: the column `seconds` of its rows, for each picture.
Expected: losses of whole distributions (sliced) come closest to the style by every held-out measure, means and
    deviations are the cheapest and loosest, losses of patches look most like it and measure worst.
"""

from collections.abc import Iterator
from typing import Any

from experiments.trials import PAIRS, USUAL, Trial
from nst_jax.recipe import plain

BALANCES = (1.0, 3.0, 10.0)
LOSSES: dict[str, dict[str, Any]] = {
    "gram": {}, "covariance": {}, "mean-std": {}, "gram-mean-std": {}, "w2": {}, "mmd-poly": {}, "mmd-gauss": {},
    "shifted": {}, "cross-layer": {}, "long-range": {}, "sliced": {}, "gram:1+histogram:0.1": {},
    "nearest": {"style_layers": ("relu3_1", "relu4_1")},
    "contextual": {"style_layers": ("relu2_1", "relu3_1", "relu4_1")},
    "remd:1+mean-std:1": {},
}  # fmt: skip
"""Each as docs/losses.md advises to use it."""

BY = ("style_loss",)
SHEET = BY, ("balance",)
MEASURES = ("style_bures", "filters_distance", "local_patterns")


def trials(size: int = 256, steps: int = 200, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted."""
    for loss, settings in LOSSES.items():
        for content, style in pairs:
            for balance in BALANCES:
                recipe = plain(**USUAL, **settings, beta=balance, style_loss=loss, size=size, steps=steps)
                yield Trial({"style_loss": loss, "balance": balance}, content, style, recipe)
