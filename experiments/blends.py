"""Is the middle of a path between two styles between them?

Command: python -m experiments.all --only blends
Cost: the column `seconds` of its rows, for each picture.
Measures of the style beside which there is a `b.`: of both styles, so that a path can be seen from either end. `place`
    is where the picture lies on the straight line between the Gaussians of both styles' features, the mean over
    held-out layers of 1/2 + (d_a^2 - d_b^2) / 2 D^2, 0 at a and 1 at b; `off` how far beside the line, in units of D.
Expected: every path is monotone by every measure and its middle lies between, for blended targets (gram) as for blended
    losses (w2, sliced, of which the share of one style does not add up to one target); the content holds the ends
    inside of 0 and 1; Gram matrices, whose mean is that of a mixture, keep both styles' strokes side by side, while w2
    and sliced meet in the middle, so `off` is smaller for these.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from experiments import figures, spreads
from experiments import trials as runs
from experiments.trials import USUAL, Trial
from nst_jax.metrics.distance import Spread
from nst_jax.recipe import plain

TRIPLES = (
    ("temple", "great_wave", "village_street_auvers"), ("astronaut", "village_street_auvers", "composition_viii"),
    ("chelsea", "summertime", "great_wave"),
)  # fmt: skip
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the second style."""
ARMS = (("gram", 10.0), ("w2", 10.0), ("sliced", 10.0))
OF_STYLE = ("style_bures", "style_sliced", "filters_distance", "colour_w2")
"""What is measured to both styles."""

BY = ("style_loss", "balance")
SHEET = BY, ("share",)
MEASURES = ("style_bures", "b.style_bures", "filters_distance", "b.filters_distance", "colour_w2", "b.colour_w2")


def trials(size: int = 128, steps: int = 150, triples: Any = TRIPLES) -> Iterator[Trial]:
    """List what is painted."""
    for loss, balance in ARMS:
        for content, a, b in triples:
            for share in SHARES:
                shares = (1 - share, share)
                recipe = plain(**USUAL, beta=balance, style_loss=loss, style_shares=shares, size=size, steps=steps)
                columns = {"style_loss": loss, "balance": balance, "share": share}
                yield Trial(columns, content, a, recipe, styles=(b,), measured_by="blends")


def measured(image: np.ndarray, trial: Trial, _pictures: Path) -> dict[str, float]:
    """Measure a picture (h, w, 3) against the second style, and where it lies between both."""
    size, (a, b) = image.shape[0], trial.every_style
    other = runs.judge_of(trial.content, b, size)(image)
    found = {f"b.{name}": float(other[name]) for name in OF_STYLE}
    return found | placed(seen(image), of_style(a, size), of_style(b, size))


def seen(image: np.ndarray) -> dict[str, Spread]:
    """Summarise a picture by the layers that are held out."""
    return spreads.spreads(spreads.seen(runs._judging("vgg16"), image))


@cache
def of_style(name: str, size: int) -> dict[str, Spread]:
    """Summarise a style, once a process."""
    return seen(runs.square(name, size))


def placed(x: dict[str, Spread], a: dict[str, Spread], b: dict[str, Spread]) -> dict[str, float]:
    """Say where x lies along the line from a to b, and how far beside it: means over layers, in units of |b - a|."""
    along, beside = [], []
    for name in a:
        whole, to_a, to_b = (
            spreads.squared(*two) for two in ((a[name], b[name]), (x[name], a[name]), (x[name], b[name]))
        )
        at = 0.5 + (to_a - to_b) / (2 * whole)
        along.append(at)
        beside.append(max(to_a / whole - at**2, 0.0) ** 0.5)
    return {"place": float(np.mean(along)), "off": float(np.mean(beside))}


def between(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Judge each path: by how many measures it follows the share, and its middle lies between its ends."""
    found = []
    for path in dict.fromkeys((row["content"], row["style"], *(row[key] for key in BY)) for row in rows):
        own = [row for row in rows if (row["content"], row["style"], *(row[key] for key in BY)) == path]
        own = sorted(own, key=lambda row: row["share"])
        if [row["share"] for row in own] != list(SHARES):
            continue
        verdict: dict[str, Any] = dict(zip(("content", "style", *BY), path, strict=True))
        both = [([row[m] for row in own], [row[f"b.{m}"] for row in own]) for m in OF_STYLE]
        verdict["monotone"] = sum(bool(np.all(np.diff(a) > 0) and np.all(np.diff(b) < 0)) for a, b in both)
        verdict["middle_between"] = sum(a[0] < a[2] < a[-1] and b[-1] < b[2] < b[0] for a, b in both)
        verdict["of"] = len(both)
        places = [row["place"] for row in own]
        verdict["middle"] = (places[2] - places[0]) / (places[-1] - places[0])
        found.append(verdict)
    return found


def figure(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw the measures along the paths, and say in a table which follow the share."""
    figures.fronts(
        path,
        rows,
        BY,
        ("style_bures", "b.style_bures", "filters_distance", "b.filters_distance", "place", "off"),
        "share",
    )
    if verdicts := between(rows):
        figures.common.table(path.with_name("blends_paths.csv"), verdicts)
