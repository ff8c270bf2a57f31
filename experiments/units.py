"""Do relative units mean the same at every size, for every pair and in every network, where the paper's drift?

Command: python -m experiments.all --only units
Cost: the column `seconds` of its rows, for each picture.
Every picture is judged at 128 pixels, the smallest size, by what VGG16 holds out.
Expected: at a fixed beta, SSIM with the content and the distance from the style stay within the spread of pairs from
    128 to 1024 px in relative units with scales, and drift in the paper's, most of all between networks.
"""

from collections.abc import Iterator
from typing import Any

from experiments.trials import PAIRS, Trial
from nst_jax.recipe import Units, plain

SIZES = (128, 256, 512, 1024)
NETWORKS = ("vgg16", "random:vgg16:0")
BALANCES: dict[Units, tuple[float, ...]] = {"relative": (1.0, 10.0), "paper": (2e2, 2e4)}

BY = ("network", "units", "size")
SHEET = BY, ("balance",)
MEASURES = ("style_bures", "ssim")


def trials(sizes: tuple[int, ...] = SIZES, steps: int = 200, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted: the largest size of one pair."""
    for size in sizes:
        for network in NETWORKS:
            for units, balances in BALANCES.items():
                for content, style in pairs if size < 1024 else pairs[:1]:
                    for balance in balances:
                        last = steps if size == min(sizes) else steps // 2
                        recipe = plain(
                            units=units, beta=balance, pooling="avg", scales="auto", min_scale=128, size=size,
                            coarse_steps=steps, steps=last, weights=network,
                        )  # fmt: skip
                        columns = {"size": size, "network": network, "units": units, "balance": balance}
                        yield Trial(columns, content, style, recipe, judged_at=min(sizes))
