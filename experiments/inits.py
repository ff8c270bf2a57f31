"""Is starting from the content better than from noise, and in what sense?

Command: python -m experiments.all --only inits
Cost: the column `seconds` of its rows, for each picture.
Expected: the content keeps more of the content by every measure at the same loss; seeds of noise end in different
    pictures of about the same loss; in the loss itself the start matters little once it has converged.
"""

from collections.abc import Iterator
from typing import Any

from experiments.trials import PAIRS, Trial
from nst_jax.recipe import Units, plain

INITS = ("content", "blend:0.25", "blend:0.5", "style", "grey", "noise")
SEEDS = 3
BALANCES: dict[Units, float] = {"relative": 3.0, "paper": 2e3}

BY = ("units", "init")
SHEET = BY, ("seed",)
MEASURES = ("style_bures", "ssim")


def trials(size: int = 256, steps: int = 300, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted: every start, those with noise from several seeds."""
    for units, balance in BALANCES.items():
        for content, style in pairs:
            for init in INITS:
                for seed in range(SEEDS if init == "noise" else 1):
                    recipe = plain(
                        units=units,
                        beta=balance,
                        init=init,
                        seed=seed,
                        size=size,
                        steps=steps,
                    )
                    yield Trial({"units": units, "init": init, "seed": seed}, content, style, recipe)
