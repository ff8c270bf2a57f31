"""Is starting from the content better than from noise, and in what sense?

Command: python -m experiments.init_sweep
    --size 512 --steps 500 where a GPU is at hand.
Cost: 9 minutes (205 s of processor time) on two cores of an AMD EPYC that were busy with other programs.
Expected: the content reaches any loss first and keeps more of the content by every held-out measure; noise needs many
    more steps, and 16 seeds end in 16 different pictures of about the same loss.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from experiments import common
from nst_jax import Encoder, pose, stack


@dataclass(frozen=True)
class Config:
    """What is run: each of `inits` once, and noise with `seeds` seeds."""

    content: str = "temple"
    style: str = "village_street_auvers"
    size: int = 256
    steps: int = 60
    inits: tuple[str, ...] = ("content", "blend:0.25", "blend:0.5", "blend:0.75", "style", "grey")
    seeds: int = 16
    lr: float = 0.04


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Solve from every start; give the run folder."""
    folder = common.run_folder(config, runs)
    pictures = common.picture(config.content, config.size), common.picture(config.style, config.size)
    names = [*config.inits, *(f"noise {seed}" for seed in range(config.seeds))]
    recipe = replace(common.PAPER, optimizer="adam", lr=config.lr, steps=config.steps)
    recipes = [replace(recipe, init=name) for name in config.inits]
    recipes += [replace(recipe, init="noise", seed=seed) for seed in range(config.seeds)]
    sweep = stack([pose(encoder, *pictures, recipe=recipe) for recipe in recipes], name="init", values=names)
    images, history = common.solved(folder / "found.npz", encoder, sweep)
    held = common.judged(folder / "held_out.json", encoder, images, *pictures)

    lowest = np.minimum.accumulate(history["total"], axis=1)
    goal = lowest[:, -1].max()  # every lane gets as low as the one that ends highest
    rows = [
        {"init": name, "loss": low[-1], "steps_to_goal": int(np.argmax(low <= goal)), **metrics}
        for name, low, metrics in zip(names, lowest, held, strict=True)
    ]
    pairs = combinations(images[len(config.inits) :], 2)
    apart = float(np.mean([common.rmse(a, b) for a, b in pairs])) if config.seeds > 1 else float("nan")
    for row, image in zip(rows, images, strict=True):
        row["rmse_to_first"] = common.rmse(image, images[0])
    common.table(folder / "numbers.csv", rows)
    draw(config, folder, names, images, lowest, goal, apart)
    return folder


def draw(config: Config, folder: Path, names: list, images: list, lowest: np.ndarray, goal: float, apart: float):
    """Draw the pictures above, and the lowest loss so far below."""
    few = len(config.inits)
    made, above, below = common.halves(7.5, 6.6, (1, 1.1))
    shown = list(range(min(few + 2, len(names))))
    half = -(-len(shown) // 2)
    panels = np.ravel(above.subplots(2, half, squeeze=False))
    for panel in panels:
        panel.set_axis_off()
    for panel, lane in zip(panels, shown, strict=False):
        common.show(panel, images[lane])
        panel.set_title(f"from {names[lane]}", fontsize=8)
    curves = below.subplots()
    steps = np.arange(lowest.shape[1])
    for lane, name in enumerate(names[:few]):
        curves.plot(steps, lowest[lane], lw=1.6, color=f"C{lane}", label=name)
    for lane in range(few, len(names)):
        curves.plot(
            steps, lowest[lane], lw=0.6, color="0.5", label=f"noise, {config.seeds} seeds" if lane == few else None
        )
    curves.axhline(goal, lw=0.8, ls=":", color="k", label="the highest end")
    title = f"Two seeds of noise end {apart:.3f} apart (RMSE, mean over pairs)"
    curves.set(yscale="log", xlabel="step", ylabel="lowest total loss so far", title=title)
    curves.title.set_fontsize(9)
    curves.legend(frameon=False, fontsize=8, ncols=2)
    caption = f"{config.content} x {config.style}, {config.size} px, {config.steps} Adam steps of {config.lr}"
    common.save(folder / "figure.jpg", made, caption)


if __name__ == "__main__":
    common.command(main, Config)
