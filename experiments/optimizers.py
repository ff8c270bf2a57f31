"""What lowers the loss fastest per evaluation?

Command: python -m experiments.optimizers
    --size 256 --steps 300 where a GPU is at hand.
Cost: the column `seconds` of its rows, for each way on each pair.
Expected: L-BFGS, whatever its memory, smoothed or not; another way to write the picture helps Adam more than L-BFGS;
    what pairs disagree on, or what a start moved by half a level of 8 bits changes as much, is no difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import numpy as np

from experiments import common, descents, trials
from experiments.descents import OURS, Drawn, Rows, Way, over, ranges
from nst_jax import Encoder, Problem, networks, pose, total
from nst_jax.pages.plots import HUES


@dataclass(frozen=True)
class Config:
    """What is run: every way from the content, on each pair of middle squares, `steps` evaluations each."""

    pairs: tuple[str, ...] = tuple(map(":".join, trials.PAIRS[:3]))
    size: int = 96
    steps: int = 100


@jax.jit
def gradient(encoder: Encoder, problem: Problem, image: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Give the objective and its gradient, in one program for all pairs of one shape."""
    return jax.value_and_grad(lambda image: total(encoder, problem, image)[0])(image)


def followed(made: tuple[Way, Drawn], value_grad: Callable, steps: int) -> dict[str, np.ndarray]:
    """Give the lowest loss at each evaluation, and the picture."""
    return dict(zip(("lowest", "image"), descents.follow(*made, value_grad, steps), strict=True))


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Follow every way on each pair; give the run folder."""
    folder, at = common.run_folder(config, runs), [k for k in (25, 50, 100) if k <= config.steps] or [config.steps]
    posed = {}
    for pair in config.pairs:
        content, style = (trials.square(name, config.size) for name in pair.split(":"))
        problem = pose(encoder, content, style)
        prepared = networks.prepare(replace(encoder, network=problem.network), "auto", content.shape[:2])
        posed[pair] = descents.ways(content, config.steps), partial(gradient, prepared, problem)
    rows = []
    for way, pair in [(way, pair) for way in posed[config.pairs[0]][0] for pair in config.pairs]:
        ways, value_grad = posed[pair]
        kept = folder / f"{way}, {pair.replace(':', ' ')}.npz"
        found, told = common.kept(kept, partial(followed, ways[way], value_grad, config.steps))
        losses = {f"loss_{k}": float(found["lowest"][k - 1]) for k in at}
        rows.append({"pair": pair, "way": way, "size": config.size, "steps": config.steps, **losses, **told})
    common.table(folder / "numbers.csv", rows)
    common.table(folder / "ranges.csv", ranges(rows, at))
    draw(folder / "figure.jpg", rows, at)
    return folder


def draw(path: Path, rows: Rows, at: Sequence[int]) -> None:
    """Draw each way's lowest loss over that of OURS, a panel for each number of evaluations; the best way is first."""
    last, pairs = over(rows, at[-1]), list(dict.fromkeys(row["pair"] for row in rows))
    ways = sorted((way for way in last if "moved" not in way), key=lambda way: np.mean(np.log(last[way])))
    made = common.figure(9, 0.27 * len(ways) + 1.3)
    panels = np.ravel(made.subplots(1, len(at), sharex=True, sharey=True, squeeze=False))
    for panel, k in zip(panels, at, strict=True):
        found = over(rows, k)
        luck = [1, *(x for way, values in found.items() if "moved" in way for x in values)]
        panel.axvspan(min(luck), max(luck), color="0.8", lw=0, zorder=0, label="ours from moved starts")
        panel.axhspan(ways.index(OURS) - 0.5, ways.index(OURS) + 0.5, color="0.93", zorder=-1)
        panel.hlines(range(len(ways)), [min(found[w]) for w in ways], [max(found[w]) for w in ways], "0.55", lw=1.2)
        for number, (pair, mark) in enumerate(zip(pairs, "osD^vP*X", strict=False)):
            values, told = [found[way][number] for way in ways], pair.replace(":", " + ")
            panel.plot(values, range(len(ways)), mark, color=HUES[number], ms=5, label=told)
        panel.set_title(f"after {k} evaluations", fontsize=9)
        panel.set_xscale("log")
        panel.set_xticks((1, 1.2, 1.5, 2, 3), ("1", "1.2", "1.5", "2", "3"))
        panel.set_xticks([], minor=True)
        panel.tick_params(labelsize=8)
        panel.grid(axis="x", alpha=0.25, lw=0.6)
    panels[0].set_yticks(range(len(ways)), ways)
    panels[0].get_yticklabels()[ways.index(OURS)].set_fontweight("bold")
    panels[0].invert_yaxis()
    made.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    said = f"lowest loss over that of '{OURS}', the library's: left is better; {rows[0]['size']} px, from the content"
    common.save(path, made, f"{said}\n{common.devices(rows)}", device=False)


if __name__ == "__main__":
    common.command(main, Config)
