"""What lowers the loss fastest per evaluation?

Command: python -m experiments.optimizers
    --size 256 --steps 300 where a GPU is at hand.
Cost: 7 minutes on two cores of an AMD EPYC.
Expected: L-BFGS, whatever its memory, smoothed or not; another way to write the picture helps Adam more than L-BFGS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import common, descents
from nst_jax import Encoder, Problem, pose, total
from nst_jax.pages.plots import HUES

OURS = "L-BFGS, 20 pairs, smoothed"


@dataclass(frozen=True)
class Config:
    """What is run: every way from the content, on each pair, `steps` evaluations each."""

    pairs: tuple[str, ...] = ("temple:great_wave", "chelsea:composition_viii")
    size: int = 96
    steps: int = 100
    average: float = 0.9


@jax.jit
def gradient(encoder: Encoder, problem: Problem, image: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Give the objective and its gradient, in one program for all pairs of one shape."""
    return jax.value_and_grad(lambda image: total(encoder, problem, image)[0])(image)


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Follow every way on each pair; give the run folder."""
    folder = common.run_folder(config, runs)
    rows, images = [], {}
    for pair in config.pairs:
        content, style = (common.picture(name, config.size) for name in pair.split(":"))
        value_grad = partial(gradient, encoder, pose(encoder, content, style, recipe=common.PAPER))
        for name, made in descents.ways(content, config.steps).items():
            lowest, images[pair, name] = descents.follow(
                *made, value_grad, config.steps, config.average * name.endswith("average")
            )
            at = {f"loss_{k}": lowest[k - 1] for k in (25, 50, config.steps) if k <= config.steps}
            rows.append({"pair": pair, "way": name, **at})
    common.table(folder / "numbers.csv", rows)
    draw(folder / "figure.jpg", rows, f"{config.size} px, from the content, default objective")
    gallery(folder / "pictures.jpg", config.pairs[0], images)
    return folder


def draw(path: Path, rows: Sequence[Mapping[str, Any]], caption: str, device: bool = True) -> None:
    """Draw each way's lowest loss over that of OURS, a panel for each number of evaluations; the best way is first."""
    columns = [name for name in rows[0] if name.startswith("loss_")]
    loss = {(row["pair"], row["way"], name): float(row[name]) for row in rows for name in columns}
    pairs, ways = (list(dict.fromkeys(row[name] for row in rows)) for name in ("pair", "way"))
    over = {key: value / loss[key[0], OURS, key[2]] for key, value in loss.items()}
    ways.sort(key=lambda way: np.mean([np.log(over[pair, way, columns[-1]]) for pair in pairs]))
    made = common.figure(9, 0.27 * len(ways) + 1.2)
    panels = np.ravel(made.subplots(1, len(columns), sharex=True, sharey=True, squeeze=False))
    for panel, name in zip(panels, columns, strict=True):
        panel.axhspan(ways.index(OURS) - 0.5, ways.index(OURS) + 0.5, color="0.93", zorder=0)
        panel.axvline(1, color="0.6", lw=0.8, zorder=1)
        for pair, colour, mark in zip(pairs, HUES, "osD^vP*X", strict=False):
            panel.plot([over[pair, w, name] for w in ways], range(len(ways)), mark, color=colour, ms=5, label=pair)
        panel.set_title(f"after {name.removeprefix('loss_')} evaluations", fontsize=9)
        panel.set_xscale("log")
        panel.set_xticks((1, 1.5, 2, 3, 4, 5), ("1", "1.5", "2", "3", "4", "5"))
        panel.set_xticks([], minor=True)
        panel.tick_params(labelsize=8)
        panel.grid(axis="x", alpha=0.25, lw=0.6)
    panels[0].set_yticks(range(len(ways)), ways)
    panels[0].get_yticklabels()[ways.index(OURS)].set_fontweight("bold")
    panels[0].invert_yaxis()
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    common.save(path, made, f"lowest loss over that of '{OURS}', the one of nst-jax: left is better; {caption}", device)


def gallery(path: Path, pair: str, images: Mapping[tuple[str, str], Any]) -> None:
    """Show one pair's pictures, a way each."""
    shown = {name: image for (of, name), image in images.items() if of == pair}
    made = common.figure(9, 0.9 * -(-len(shown) // 6) + 0.3)
    for panel, name in zip_longest(np.ravel(made.subplots(-(-len(shown) // 6), 6, squeeze=False)), shown):
        common.show(panel, shown.get(name, np.ones((2, 3, 3))))
        panel.set_title(name or "", fontsize=6)
    common.save(path, made, pair)


if __name__ == "__main__":
    common.command(main, Config)
