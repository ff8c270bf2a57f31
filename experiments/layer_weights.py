"""Which weights of the five layers are best, if a random search may choose?

Command: python -m experiments.all --only layer_weights
Cost: the column `seconds` of its rows, for each picture.
Weights are drawn from a symmetric Dirichlet distribution; the first setting is equal weights.
Expected: equal weights in relative units are near the front of content kept against style reached; no setting wins on
    all pairs.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.trials import PAIRS, USUAL, Trial
from nst_jax.recipe import plain

SETTINGS = 64

BY = ("setting",)
SHEET = None
MEASURES = ("style_bures", "filters_distance")


def weights(count: int = SETTINGS) -> list[tuple[float, ...]]:
    """Draw the weights, the same each time; their sum is 1."""
    drawn = np.random.default_rng(2015).dirichlet(np.full(5, 0.7), count - 1)
    return [(0.2,) * 5, *(tuple(round(float(w), 4) for w in row) for row in drawn)]


def trials(size: int = 128, steps: int = 200, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted."""
    for content, style in pairs:
        for number, given in enumerate(weights()):
            recipe = plain(**USUAL, beta=3.0, layer_weights=given, size=size, steps=steps)
            columns = {"setting": number, **{f"w{i + 1}": w for i, w in enumerate(given)}}
            yield Trial(columns, content, style, recipe)
