"""How should the layers of a style weigh: alike, so that all begin with equal losses, or with equal gradients?

Command: python -m experiments.all --only balance
Cost: the column `seconds` of its rows, for each picture.
Expected: in relative units, alike is already nearly balanced; in the paper's, conv5_1 is 5e-5 of conv3_1, so there the
    balance decides what is seen.
"""

from collections.abc import Iterator
from typing import Any

from experiments.trials import PAIRS, USUAL, WEIGHINGS, Trial
from nst_jax.recipe import Units, plain

BALANCES: dict[Units, tuple[float, ...]] = {"relative": (3.0, 10.0), "paper": (1e3, 1e4)}

BY = ("units", "weights")
SHEET = BY, ("balance",)
MEASURES = ("style_bures", "filters_distance")


def trials(size: int = 256, steps: int = 300, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted."""
    for units, balances in BALANCES.items():
        for weighing in WEIGHINGS:
            for content, style in pairs:
                for balance in balances:
                    own = {**USUAL, "units": units, "tv": 0.1 if units == "relative" else 0.0}
                    recipe = plain(**own, beta=balance, size=size, steps=steps)
                    columns = {"units": units, "weights": weighing, "balance": balance}
                    yield Trial(columns, content, style, recipe, weighing)
