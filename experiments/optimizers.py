"""What lowers the loss fastest per evaluation?

Command: python -m experiments.optimizers
    --size 256 --steps 300 where a GPU is at hand.
Cost: 7 minutes on two cores of an AMD EPYC.
Expected: L-BFGS, whatever its memory, smoothed or not; another way to write the picture helps Adam more than L-BFGS.
"""

from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

import jax
import numpy as np

from experiments import common, descents
from nst_jax import DEFAULT, Encoder, Problem, pose, total


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
    rows, curves, images = [], {}, {}
    for pair in config.pairs:
        content, style = (common.picture(name, config.size) for name in pair.split(":"))
        value_grad = partial(gradient, encoder, pose(encoder, content, style, recipe=DEFAULT))
        for name, made in descents.ways(content, config.steps).items():
            lowest, images[pair, name] = descents.follow(
                *made, value_grad, config.steps, config.average * name.endswith("average")
            )
            curves[pair, name] = lowest
            at = {f"loss_{k}": lowest[k - 1] for k in (25, 50, config.steps) if k <= config.steps}
            rows.append({"pair": pair, "way": name, **at})
    common.table(folder / "numbers.csv", rows)
    draw(config, folder, curves, images)
    return folder


def draw(config: Config, folder: Path, curves: dict, images: dict) -> None:
    """Draw the first pair's pictures above, and the lowest loss so far of every pair below."""
    made, above, below = common.halves(9, 7, (1, 1.3))
    shown = {name: image for (pair, name), image in images.items() if pair == config.pairs[0]}
    for panel, name in zip_longest(np.ravel(above.subplots(3, 6)), shown):
        common.show(panel, shown.get(name, np.ones((2, 3, 3))))
        panel.set_title(name or "", fontsize=7)
    panels = np.ravel(below.subplots(1, len(config.pairs), squeeze=False))
    for panel, pair in zip(panels, config.pairs, strict=True):
        for k, name in enumerate(shown):
            dash = "-" if k < 10 else "--"
            panel.plot(np.arange(1, config.steps + 1), curves[pair, name], dash, color=f"C{k % 10}", lw=1.2, label=name)
        panel.set(xscale="log", yscale="log", xlabel="evaluations", ylabel="lowest loss so far", title=pair)
        panel.title.set_fontsize(9)
    panels[0].legend(frameon=False, fontsize=6)
    common.save(folder / "figure.jpg", made, f"{config.size} px, from the content, default objective")


if __name__ == "__main__":
    common.command(main, Config)
