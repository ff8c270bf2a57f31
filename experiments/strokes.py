"""How wide are the strokes of a result, if the style is shown at another size?

Command: python -m experiments.all --only strokes
Cost: the column `seconds` of its rows, for each picture.
Styles are shown with sides from half to twice the content's; the pictures have squares of some 430 to 450 pixels, so
that at 512 they are a little enlarged. Two measures of width, each of the result and of the style at the size at which
it was shown: `width`, in pixels, twice the shift at which the autocorrelation of the luminance, less what is coarser
than a sixteenth of the side, falls to a half; and `strokes_as`, the size of the style at which its oriented filters
answer most like the result's. The second is the answer: the styles alone, shown at 512 instead of 128 pixels, are wider
by 0.9, 1.5 and 2.0 times only, since a painting has details of every size.
Expected: strokes grow with the style, though less than it does: strokes_as with a power of style_size of 0.5 to 1 from
    noise, less at balance 3 from the content, whose own edges stay; below 256 px it is nearer to the style's than
    above: layers see no more than so many pixels, and large strokes come in pieces.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from experiments import figures
from experiments import trials as runs
from experiments.trials import PAIRS, USUAL, Trial
from nst_jax.metrics.filters import filters_distance, responses
from nst_jax.metrics.planes import blurred, luma
from nst_jax.recipe import plain

FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Sides of the style over the content's."""
ARMS = ((3.0, "content"), (10.0, "content"), (10.0, "noise"))
SIZES = tuple(float(2 ** (k / 4)) for k in range(-6, 7))
"""Sizes, over the content's, among which that of the strokes is looked for."""

BY = ("balance", "init")
SHEET = BY, ("style_size",)
MEASURES = ("filters_distance", "style_bures", "spectrum_slope")


def trials(size: int = 128, steps: int = 150, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted."""
    for balance, init in ARMS:
        for content, style in pairs:
            for factor in FACTORS:
                side = round(factor * size)
                recipe = plain(**USUAL, beta=balance, init=init, style_size=side, size=size, steps=steps)
                columns = {"balance": balance, "init": init, "style_size": side}
                yield Trial(columns, content, style, recipe, measured_by="strokes")


def measured(image: np.ndarray, trial: Trial, _pictures: Path) -> dict[str, float]:
    """Measure the width of strokes in a picture (h, w, 3) and in its style as it was shown."""
    size = image.shape[0]
    known = answers(trial.style, size)
    return {
        "width": width(luma(image), size / 16),
        "width_style": width(luma(runs.square(trial.style, trial.recipe.style_size or size)), size / 16),
        "strokes_as": nearest(responses(image), known),
    }


@cache
def answers(style: str, size: int) -> dict[int, np.ndarray]:
    """Give how filters answer to a style at many sizes, once a process; those too small for a filter are left out."""
    sizes = (round(size * factor) for factor in SIZES)
    return {side: responses(runs.square(style, side)) for side in sizes if side >= 32}


def width(plane: np.ndarray, coarse: float) -> float:
    """Give twice the shift in pixels at which a plane (h, w) is half like itself, all directions together.

    Less a Gaussian blur of `coarse` pixels, so that what is larger does not count. Shifts go around the border.
    """
    high = plane - blurred(plane, coarse)
    power = np.abs(np.fft.fft2(high - high.mean())) ** 2
    found = np.fft.ifft2(power).real
    h, w = plane.shape
    radius = np.hypot(np.fft.fftfreq(h, 1 / h)[:, None], np.fft.fftfreq(w, 1 / w)[None])
    bins = np.minimum(np.rint(radius).astype(int), min(h, w) // 2)
    mean = np.bincount(bins.ravel(), found.ravel()) / np.bincount(bins.ravel())
    middle = np.bincount(bins.ravel(), radius.ravel()) / np.bincount(bins.ravel())
    if mean[0] <= 0:
        return float("nan")
    mean = mean / mean[0]
    first = int(np.argmax(mean < 0.5))
    if first == 0:  # nowhere
        return float("nan")
    (a, b), (r, s) = mean[first - 1 : first + 1], middle[first - 1 : first + 1]
    return float(2 * (r + (a - 0.5) / (a - b) * (s - r)))


def nearest(found: np.ndarray, known: dict[int, np.ndarray]) -> float:
    """Give the size whose filters answer most alike: the lowest point of a parabola over the logarithm."""
    sizes = sorted(known)
    away = np.array([filters_distance(found, known[size]) for size in sizes])
    best = int(np.argmin(away))
    if best in (0, len(sizes) - 1):
        return float(sizes[best])
    x, y = np.log(np.array(sizes[best - 1 : best + 2], float)), away[best - 1 : best + 2]
    a, b, _ = np.polyfit(x - x[1], y, 2)
    return float(np.exp(x[1] - b / (2 * a))) if a > 0 else float(sizes[best])


def growth(rows: Sequence[dict[str, Any]], measure: str) -> float:
    """Give the power of the style's size with which a measure grows: the slope of its logarithm."""
    known = [(row["style_size"], row[measure]) for row in rows if row[measure] > 0]
    x, y = (np.log(np.array(values, float)) for values in zip(*known, strict=True))
    return float(np.polyfit(x, y, 1)[0])


def figure(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw the widths against the style's size, and keep with which power of it they grow."""
    figures.fronts(path, rows, BY, ("width", "width_style", "strokes_as", "content_distance"), "style_size")
    grown = []
    for key in dict.fromkeys((row["content"], row["style"], *(row[k] for k in BY)) for row in rows):
        own = [row for row in rows if (row["content"], row["style"], *(row[k] for k in BY)) == key]
        if len(own) > 1:
            powers = {measure: growth(own, measure) for measure in ("width", "width_style", "strokes_as")}
            grown.append(dict(zip(("content", "style", *BY), key, strict=True)) | powers)
    if grown:
        figures.common.table(path.with_name("strokes_growth.csv"), grown)
