"""Which measures agree with which?

Command: python -m experiments.metrics, or with TABLES of rows that trials wrote
Cost: seconds; the rows are those of the other experiments.
Expected: measures of the content agree, so do those of the style, and the two contradict each other as the balance
    varies; at equal content distance local_patterns and filters_distance say what Gram matrices do not.
Ranks are those within a pair of content and style, which explains more of a measure than how it is painted (Yeh 2020).
More is better in each, so 1 is agreement and -1 contradiction.
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from experiments import common
from nst_jax.metrics import MEANINGS

GIVEN, LEAST = "content_distance", 4  # what is held fixed, and pictures of a pair below which ranks say nothing


@dataclass(frozen=True)
class Config:
    """Tables of trials to read, by default all that are committed, and where metrics.csv and metrics.jpg go."""

    tables: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    out: Path = common.RESULTS


def ranks(x: np.ndarray) -> np.ndarray:
    """Number values by size, equal ones by the mean of their places."""
    _, which, count = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[which]


def agreement(x: np.ndarray) -> np.ndarray:
    """Give Spearman's rank correlations (m, m) of the columns of (pictures, m); NaN for a column that is constant."""
    r = np.stack([ranks(column) for column in x.T])
    r = r - r.mean(1, keepdims=True)
    norm = np.linalg.norm(r, axis=1)
    return r @ r.T / np.where(np.outer(norm, norm) > 0, np.outer(norm, norm), np.nan)


def given(found: np.ndarray, at: int) -> np.ndarray:
    """Give the partial correlations that are left where one column is held fixed; NaN for that and for its equals."""
    left = np.sqrt(np.maximum(1 - found[at] ** 2, 0))
    left[left < 1e-6] = np.nan
    return (found - np.outer(found[at], found[at])) / np.outer(left, left)


def read(tables: Sequence[Path]) -> tuple[list[str], list[np.ndarray]]:
    """Read the measures of every pair: names, and for each pair (pictures, names), what is better being more."""
    found = [row for path in tables for row in csv.DictReader(path.read_text().splitlines())]
    rows = [row for row in found if row.get("trial") and row.get(GIVEN)]
    names = [name for name in MEANINGS if all(row.get(name) for row in rows)]
    pairs: dict[Any, dict[str, list[float]]] = {}
    for row in rows:  # a trial that stands in two tables counts once
        values = [float(row[name]) for name in names]
        if np.isfinite(values).all():
            pairs.setdefault((row["content"], row["style"]), {})[row["trial"]] = values
    sign = np.array([[-1 if MEANINGS[name].better == "lower" else 1 for name in names]])
    return names, [np.array(list(kept.values())) * sign for kept in pairs.values() if len(kept) >= LEAST]


def draw(path: Path, names: Sequence[str], maps: Mapping[str, np.ndarray], caption: str) -> None:
    """Draw maps of correlations, one beside the other."""
    made = common.figure(15, 7.5)
    for panel, (title, found) in zip(made.subplots(1, len(maps)), maps.items(), strict=True):
        panel.imshow(found, cmap="RdBu", alpha=0.7, vmin=-1, vmax=1)
        panel.set(title=title, yticks=range(len(names)), yticklabels=names)
        panel.set_xticks(range(len(names)), names, rotation=90)
        for (i, j), value in np.ndenumerate(found):
            if np.isfinite(value):
                panel.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=5)
    common.save(path, made, caption)


def main(config: Config) -> int:
    """Correlate all measures of all rows, and draw them."""
    names, pairs = read(config.tables or sorted(common.RESULTS.glob("*.csv")))
    if not pairs:
        print(f"no pair has {LEAST} judged pictures in these tables: run python -m experiments.all")
        return 2
    each = [agreement(x) for x in pairs]
    both = {"within a pair": each, f"at equal {GIVEN}": [given(found, names.index(GIVEN)) for found in each]}
    maps = {title: np.ma.masked_invalid(found).mean(0).filled(np.nan) for title, found in both.items()}
    lines = ((title, name, line) for title, found in maps.items() for name, line in zip(names, found, strict=True))
    rows = [{"ranks": title, "measure": name, **dict(zip(names, line, strict=True))} for title, name, line in lines]
    common.table(config.out / "metrics.csv", rows)
    draw(config.out / "metrics.jpg", names, maps, f"{sum(map(len, pairs))} pictures of {len(pairs)} pairs")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config, description=__doc__)))
