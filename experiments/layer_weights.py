"""Which weights of the five layers are best, if a random search may choose?

Command: python -m experiments.all --only layer_weights
Cost: the column `seconds` of its rows, for each picture.
Weights are drawn from a symmetric Dirichlet distribution; the first setting is equal weights.
Expected: equal weights in relative units are near the front of content kept against style reached; no setting wins on
    all pairs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from experiments import common
from experiments.trials import PAIRS, USUAL, Trial
from nst_jax.pages.plots import HUES
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


def front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep the points that no other is below in both coordinates, from the left."""
    return sorted(p for p in points if not any(q[0] < p[0] and q[1] < p[1] for q in points))


def figure(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw measures of the style against the content's distance: a dot a setting, coloured by the deepest's weight."""
    pairs = list(dict.fromkeys((row["content"], row["style"]) for row in rows))
    made = common.figure(2.6 * len(pairs) + 0.6, 2.3 * len(MEASURES) + 0.5)
    panels = made.subplots(len(MEASURES), len(pairs), squeeze=False)
    scale = ScalarMappable(Normalize(0, 0.6), "viridis")
    for line, measure in zip(panels, MEASURES, strict=True):
        for panel, (content, style) in zip(line, pairs, strict=True):
            own = [row for row in rows if (row["content"], row["style"]) == (content, style)]
            points = [(row["content_distance"], row[measure]) for row in own]
            panel.plot(*zip(*front(points), strict=True), color="0.7", lw=1, zorder=0)
            panel.scatter(*zip(*points, strict=True), c=scale.to_rgba(np.array([row["w5"] for row in own])), s=14)
            alike = [point for point, row in zip(points, own, strict=True) if row["setting"] == 0]
            if alike:
                panel.plot(*alike[0], "*", color=HUES[1], ms=12, mec="white", label="equal weights")
            panel.tick_params(labelsize=7)
            if measure == MEASURES[0]:
                panel.set_title(f"{content} + {style}", fontsize=8)
        line[0].set_ylabel(f"{measure} (lower is better)", fontsize=7)
    panels[0][-1].legend(fontsize=7, frameon=False)
    made.colorbar(scale, ax=panels, shrink=0.6).set_label("weight of the deepest layer", fontsize=7)
    said = (
        f"content_distance: left is nearer to the content; grey: what no setting beats in both\n{common.devices(rows)}"
    )
    common.save(path, made, said, device=False)
