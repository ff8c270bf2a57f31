"""Which of the finalists of `default_search` is the default, at two sizes and on six pairs?

Command: python -m experiments.all --only default_finalists
Cost: the column `seconds` of its rows, for each picture.
Expected: what Gram matrices and covariances give can hardly be told apart; the distance between Gaussians keeps tone
    and composition better and is slower; coarse to fine is nearer to the style and loses some of the content; what is
    best at 256 pixels is so at 512.
"""

from collections.abc import Iterator
from typing import Any

from experiments.trials import PAIRS, USUAL, Trial
from nst_jax.recipe import plain

FINALISTS: dict[str, dict[str, Any]] = {
    "gram": {},
    "covariance": {"style_loss": "covariance"},
    "w2": {"style_loss": "w2"},
    "gram, coarse to fine": {"scales": "auto", "min_scale": 128, "coarse_steps": 150},
}
SIZES = (256, 512)
BALANCES = (3.0, 10.0)

BY = ("setting", "size")
SHEET = BY, ("balance",)
MEASURES = ("style_bures", "chroma_speckle_ratio", "ssim")


def trials(sizes: tuple[int, ...] = SIZES, steps: int = 200, pairs: Any = PAIRS) -> Iterator[Trial]:
    """List what is painted."""
    for size in sizes:
        for name, settings in FINALISTS.items():
            for content, style in pairs:
                for balance in BALANCES:
                    recipe = plain(**{**USUAL, **settings}, beta=balance, size=size, steps=steps)
                    yield Trial({"setting": name, "size": size, "balance": balance}, content, style, recipe)
