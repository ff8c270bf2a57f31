"""How far does one region's style leak across the border, by each kind of guide?

Command: python -m experiments.all --only regions
Cost: the column `seconds` of its rows, for each picture.
Masks are drawn (experiments/drawn.py): two halves, and a disc of half the area; each region has a style of its own.
Measured on each side of the border, in a band of BAND pixels beside it and further in than INSIDE: the share
    d_own / (d_own + d_other) of distances to both styles, the mean of both sides; 0 is the own style, 1/2 as near to
    one as to the other. `border_colour` and `inside_colour` by colour_w2, `border_features` and `inside_features` by
    the Gaussians of the shallower held-out layers. Contents differ from place to place, so each is compared with the
    same place of pictures painted wholly by one style (guides `none`): what is above them is leak.
Expected: `all` leaks most, since positions near the border count for both; `simple` less, by half of what a position
    sees; `inside` least at the border, but deep layers have few or no positions there and it is painted by shallow
    layers alone. Away from the border all three are as if painted wholly.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from experiments import drawn, figures, spreads
from experiments import trials as runs
from experiments.trials import USUAL, Trial
from nst_jax.metrics import colour_w2
from nst_jax.metrics.distance import Spread
from nst_jax.recipe import plain

TRIPLES = (
    ("temple", "great_wave", "village_street_auvers"), ("astronaut", "village_street_auvers", "composition_viii"),
    ("chelsea", "summertime", "great_wave"),
)  # fmt: skip
GUIDES = ("inside", "simple", "all")
BALANCES = (10.0,)
BAND, INSIDE = 1 / 16, 1 / 6
"""Of the side: how wide a border is, and how far from it is inside."""
SHALLOW = slice(1, 3)
"""Which of the held-out layers see few enough pixels for a band: of VGG16 relu2_2 and relu3_3."""

BY = ("mask", "guides")
SHEET = BY, ("balance",)
MEASURES = ("style_bures",)


def trials(size: int = 128, steps: int = 120, triples: Any = TRIPLES) -> Iterator[Trial]:
    """List what is painted: with masks, and wholly by each style."""
    how = {**USUAL, "size": size, "steps": steps}
    for mask in drawn.MASKS:
        for guides in (*GUIDES, "none"):
            for content, a, b in triples:
                for balance in BALANCES:
                    columns = {"mask": mask, "guides": guides, "balance": balance}
                    if guides != "none":
                        recipe = plain(**how, beta=balance, guides=guides)
                        both = columns | {"painted": "both"}
                        yield Trial(both, content, a, recipe, styles=(b,), mask=mask, measured_by="regions")
                        continue
                    for side, style, other in ((0, a, b), (1, b, a)):
                        own = columns | {"painted": side, "other": other}
                        yield Trial(own, content, style, plain(**how, beta=balance), measured_by="regions")


def shown(trial: Trial) -> bool:
    """Say whether the sheet has a trial: those of two regions."""
    return bool(trial.mask)


def measured(image: np.ndarray, trial: Trial, _pictures: Path) -> dict[str, float]:
    """Measure how near a picture (h, w, 3) is to its own style beside the border and away from it."""
    size, painted = image.shape[0], trial.columns["painted"]
    both = trial.every_style if trial.mask else (trial.style, trial.columns["other"])
    labels = drawn.MASKS[trial.columns["mask"]](size)
    features = shallow(spreads.seen(runs._judging("vgg16"), image))
    found: dict[str, list[float]] = {}
    for side in (0, 1) if painted == "both" else (painted,):
        own, other = (both[side], both[1 - side]) if painted == "both" else both
        for where, place in places(labels == side).items():
            away = [colour_w2(image[place][None], runs.square(style, size)) for style in (own, other)]
            found.setdefault(f"{where}_colour", []).append(share(*away))
            here = spreads.spreads(features, place)
            each = [
                [spreads.squared(here[name], of_style(style, size)[name]) ** 0.5 for name in here]
                for style in (own, other)
            ]
            found.setdefault(f"{where}_features", []).append(
                float(np.mean([share(*two) for two in zip(*each, strict=True)]))
            )
    return {name: float(np.mean(values)) for name, values in found.items()}


def shallow(found: dict[str, Any]) -> dict[str, Any]:
    """Keep the layers that see few pixels."""
    return dict(list(found.items())[SHALLOW])


@cache
def of_style(name: str, size: int) -> dict[str, Spread]:
    """Summarise a style, once a process."""
    return spreads.spreads(shallow(spreads.seen(runs._judging("vgg16"), runs.square(name, size))))


def share(own: float, other: float) -> float:
    """Give d_own / (d_own + d_other)."""
    return own / max(own + other, 1e-12)


def places(region: np.ndarray) -> dict[str, np.ndarray]:
    """Divide a region (h, w): what is nearer than BAND to what lies outside of it, and what is further than INSIDE."""
    size = region.shape[0]
    return {
        "border": region & ~eroded(region, round(size * BAND)),
        "inside": eroded(region, round(size * INSIDE)),
    }


def eroded(region: np.ndarray, by: int) -> np.ndarray:
    """Take off a region (h, w) what is within a square of so many pixels of another; the picture's edge is none."""
    wide = np.pad(region, by, mode="edge")
    for axis in (0, 1):
        length = wide.shape[axis] - 2 * by
        wide = np.logical_and.reduce([np.take(wide, range(k, k + length), axis) for k in range(2 * by + 1)])
    return wide


def leaks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare each picture of two regions with those painted wholly: a row each, what is more of each share."""
    found = []
    for row in rows:
        if row["guides"] == "none":
            continue
        same = [
            r for r in rows
            if r["guides"] == "none" and all(r[k] == row[k] for k in ("mask", "content", "balance"))
            and f"{r['style']}" in row["style"].split("+")
        ]  # fmt: skip
        if len(same) == 2:
            more = {
                f"{where}_{what}": row[f"{where}_{what}"] - np.mean([r[f"{where}_{what}"] for r in same])
                for where in ("border", "inside") for what in ("colour", "features")
            }  # fmt: skip
            found.append(
                {**{k: row[k] for k in ("content", "style", *BY, "balance", "device", "nst_jax", "jax")}, **more}
            )
    return found


def figure(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw the leak of each mask and guide: shares above those of pictures painted wholly, or the shares themselves."""
    measures = ("border_colour", "border_features", "inside_colour", "inside_features")
    figures.dots(path, leaks(rows) or rows, ("guides", "mask"), measures)
