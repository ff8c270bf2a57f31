"""What does a lower precision cost in the picture?

Command: python -m experiments.all --only precision
Cost: the column `seconds` of its rows, for each picture.
Expected: TensorFloat-32 and bfloat16 end within the spread of seeds of noise, by every measure.
"""

from collections.abc import Iterator
from typing import Any

from experiments.trials import PAIRS, Trial
from nst_jax.recipe import Precision, plain

PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")
SEEDS = (0, 1)

BY = ("precision",)
SHEET = BY, ("init", "seed")
MEASURES = ("style_bures", "ssim")


def trials(size: int = 256, steps: int = 500, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted: from the content, and from seeds of noise, whose spread is the yardstick."""
    for precision in PRECISIONS:
        for content, style in pairs:
            for init, seed in (("content", 0), *(("noise", seed) for seed in SEEDS)):
                recipe = plain(
                    units="relative",
                    beta=3.0,
                    init=init,
                    seed=seed,
                    size=size,
                    steps=steps,
                    precision=precision,
                )
                yield Trial({"precision": precision, "init": init, "seed": seed}, content, style, recipe)
