"""Do settings chosen at one size hold at another, and in which units?

Command: python -m experiments.size_transfer
    --steps 200 where a GPU is at hand.
Cost: 37 minutes (44 of processor time) on two cores of an AMD EPYC that were busy with other programs.
Expected: a Gram is a mean over positions, the content loss of Gatys et al. (2015), eq. 1, a sum: with fixed numbers
    content wins as pictures grow. With a content loss that is a mean, or alpha divided by the area, they should hold.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from experiments import common
from nst_jax import Encoder, grid, images, pose, stylize
from nst_jax.presets import JCJOHNSON
from nst_jax.units import convert

Rows = list[dict[str, float]]


@dataclass(frozen=True)
class Config:
    """What is run: at each size, `factors` times the beta / alpha that is the default's at the last size.

    With a content loss that is a mean, fixed numbers are factor 1; with a sum, (area of the last size) / (area).
    """

    content: str = "temple"
    style: str = "great_wave"
    sizes: tuple[int, ...] = (256, 512, 1024)
    factors: tuple[float, ...] = (0.25, 1.0, 4.0, 16.0)
    steps: int = 60
    beta: float = 2e3


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Solve each size with every factor, and coarse to fine from the first size with the factor 1; give the folder."""
    folder, names, sizes = common.run_folder(config, runs), (config.content, config.style), config.sizes
    small, last = ([common.picture(name, size) for name in names] for size in (sizes[0], sizes[-1]))
    recipe = replace(common.PAPER, beta=config.beta, steps=config.steps, size=0)
    means = convert(recipe, JCJOHNSON, last[0].shape[:2], encoder.network)
    rows, found = [], {}
    for size in sizes:
        pictures = [common.picture(name, size) for name in names]
        sweep = grid(pose(encoder, *pictures, recipe=means), beta=[means.beta * f for f in config.factors])
        shown, history = common.solved(folder / f"{size}.npz", encoder, sweep)
        scaled = replace(means, scales="auto", min_scale=sizes[0])
        found[f"{size} px"] = shown = [*shown, stylize(encoder, pictures[0], pictures[1], scaled).image]
        shrunk = [images.fit(image, small[0].shape[:2]) for image in shown]
        held, best = common.judged(folder / f"{size}-shrunk.json", encoder, shrunk, *small), history["total"].argmin(1)
        fixed = {"size": size, "factor_of_fixed_sums": last[0].size / pictures[0].size}
        for lane, factor in enumerate(config.factors):
            content, style = (history[name][lane, best[lane]] for name in ("content", "style"))
            share = means.alpha * content / (means.alpha * content + factor * means.beta * style)
            row = {**fixed, "factor": factor, "content_share": share, "ssim_coarse": held[-1]["ssim"]}
            rows.append(row | held[lane])
    common.table(folder / "numbers.csv", rows)
    draw(config, folder, found, rows)
    return folder


def curve(rows: Rows, size: float, name: str) -> np.ndarray:
    """Give a measure over the factors at one size."""
    return np.array([row[name] for row in rows if row["size"] == size])


def draw(config: Config, folder: Path, found: dict[str, list], rows: Rows) -> None:
    """Draw the pictures as a table of sizes and factors, and below what is kept of content and style."""
    made, above, below = common.halves(9, 1.5 * len(config.sizes) + 2.8, (1.5 * len(config.sizes), 2.6))
    common.gallery(above, found, [*(f"beta x {f:g}" for f in config.factors), "x 1, coarse to fine"])
    names = {"content_share": "content's share of the loss", "ssim": "SSIM, all shrunk", "style_bures": "to the style"}
    for panel, (name, label) in zip(below.subplots(1, 3), names.items(), strict=True):
        for k, size in enumerate(config.sizes):
            values, factor = curve(rows, size, name), curve(rows, size, "factor_of_fixed_sums")[0]
            panel.plot(config.factors, values, ".-", color=f"C{k}", label=f"{size} px")
            sums = np.interp(np.log(factor), np.log(config.factors), values)
            panel.plot(factor, sums, "o", ms=9, mfc="none", color=f"C{k}")
        panel.set(xscale="log", xlabel="factor of beta, content a mean")
        panel.set_title(label, fontsize=8)
        panel.legend(frameon=False, fontsize=7)
    caption = f"{config.content} x {config.style}, {config.steps} L-BFGS steps; circles: fixed numbers, content a sum"
    common.save(folder / "figure.jpg", made, caption)


if __name__ == "__main__":
    common.command(main, Config)
