"""What does each way to keep the content's colours keep, before painting and after it?

Command: python -m experiments.all --only colours
Cost: the column `seconds` of its rows, for each picture.
Measured beside the judge's, whose `ssim` is of the luminance and whose `colour_w2` is the distance to the style's
    colours: `content_colour_w2`, that to the content's; `chroma_distance`, how far U and V of each pixel are from the
    content's (root of the mean square); `grey_bures`, the held-out distance of the luminance to the style's luminance,
    which says what is left of the strokes whatever their colour.
Expected: keep-luminance alone keeps colours where they are (chroma_distance near 0); the linear matches and the
    histogram keep which colours there are (content_colour_w2 near 0 after, small before), and move the style's
    contrast, too, so that grey_bures rises; of the linear ones mk moves colours least and root hardly more, cholesky
    turns them; before and after differ little for them. style_bures is lost by all, grey_bures least by keep-luminance.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np

from experiments import figures, spreads
from experiments import trials as runs
from experiments.trials import PAIRS, USUAL, Trial
from nst_jax.colour import YUV, luminance
from nst_jax.metrics import colour_w2
from nst_jax.metrics.distance import Spread
from nst_jax.recipe import Colour, plain

METHODS: tuple[Colour, ...] = get_args(Colour)
BALANCES = (10.0,)

BY = ("colour", "when")
SHEET = BY, ("balance",)
MEASURES = ("ssim", "style_bures", "colour_w2")


def trials(size: int = 128, steps: int = 120, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted: without, and by each method before and after."""
    for method in METHODS:
        for when in ("before", "after") if method != "none" else ("",):
            for content, style in pairs:
                for balance in BALANCES:
                    own = method if when == "before" else "none"
                    recipe = plain(**USUAL, beta=balance, colour=own, size=size, steps=steps)
                    columns = {"colour": method, "when": when, "balance": balance}
                    after = method if when == "after" else ""
                    yield Trial(columns, content, style, recipe, after=after, measured_by="colours")


def measured(image: np.ndarray, trial: Trial, _pictures: Path) -> dict[str, float]:
    """Measure what a picture (h, w, 3) keeps of its content's colours, and of its style without colours."""
    content = runs.square(trial.content, image.shape[0])
    grey = grey_of(image)
    return {
        "content_colour_w2": colour_w2(image, content),
        "chroma_distance": chroma_distance(image, content),
        "grey_bures": spreads.relative(grey, grey_style(trial.style, image.shape[0])),
    }


def chroma_distance(image: np.ndarray, content: np.ndarray) -> float:
    """Give the root of the mean squared difference of U and V, pixel by pixel."""
    return float(np.sqrt(np.mean(((np.asarray(image, float) - content) @ YUV[1:].T) ** 2)))


def grey_of(image: np.ndarray) -> dict[str, Spread]:
    """Summarise the luminance of a picture by the layers that are held out."""
    return spreads.spreads(spreads.seen(runs._judging("vgg16"), luminance(image)))


@cache
def grey_style(name: str, size: int) -> dict[str, Spread]:
    """Summarise the luminance of a style, once a process."""
    return grey_of(runs.square(name, size))


def figure(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw what each method keeps."""
    figures.dots(
        path, rows, BY, ("chroma_distance", "content_colour_w2", "colour_w2", "ssim", "style_bures", "grey_bures")
    )
