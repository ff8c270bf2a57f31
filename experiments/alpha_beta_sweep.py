"""Does only beta / alpha matter, and where not?

Command: python -m experiments.alpha_beta_sweep
    --size 512 where a GPU is at hand.
Cost: the column `seconds` of its rows, for each batch.
Expected: Adam forgets the scale of a loss, so pictures of one beta / alpha are equal, bit for bit where factors are
    powers of two, and L-BFGS keeps what it knows of the curvature in the same units. Two numbers that do not scale
    along break this: tv, and Adam's epsilon of 1e-8, once the gradients are as small. Factors of three differ in
    rounding, which a long descent carries along.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from experiments import common, trials
from nst_jax import DEFAULT, Encoder, grid, pose, zipped
from nst_jax.recipe import Optimizer

RATIO = 8.0
"""Beta of an alpha of 1: a power of two, near the default."""
OPTIMIZERS: tuple[Optimizer, ...] = ("adam", "lbfgs")


@dataclass(frozen=True)
class Config:
    """What is run; alpha is a power of a factor, beta that times RATIO."""

    contents: tuple[str, ...] = ("temple", "astronaut", "chelsea")
    styles: tuple[str, ...] = ("great_wave", "village_street_auvers", "summertime")
    size: int = 256
    steps: int = 300
    factors: tuple[float, ...] = (4.0, 3.0)
    reach: int = 2
    exponents: tuple[int, ...] = (-60, -50, -40, -20, 0)
    tv: float = 0.1


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Solve the grid of the first pair, and of all pairs the scales; give the run folder."""
    folder = common.run_folder(config, runs)
    rows, lines, found, powers = [], {}, {}, [config.factors[0] ** k for k in range(-config.reach, config.reach + 1)]
    for number, (content, style) in enumerate(zip(config.contents, config.styles, strict=True)):
        pictures = common.picture(content, config.size), common.picture(style, config.size)
        for optimizer in OPTIMIZERS:
            problem = pose(encoder, *pictures, recipe=replace(DEFAULT, tv=0.0, optimizer=optimizer, steps=config.steps))
            scales = {f"{f:g}^k": [f**k for k in range(-config.reach, config.reach + 1)] for f in config.factors}
            wide = [2.0**k for k in config.exponents]
            for name, alphas, tv in [
                *((name, a, 0.0) for name, a in scales.items()),
                *(("2^k", wide, t) for t in (0.0, config.tv)),
            ]:
                began = time.perf_counter()
                line = grid(zipped(problem, alpha=alphas, beta=[RATIO * a for a in alphas]), tv=[tv])
                images, _ = common.solved(folder / f"{content}_{optimizer}_{name[:-2]}_tv{tv:g}.npz", encoder, line)
                reference = images[alphas.index(1.0)]
                apart = [common.rmse(image, reference) for image in images]
                where = {"content": content, "style": style, "optimizer": optimizer, "tv": tv, "factor": name}
                about = {"steps": config.steps, **trials.about(time.perf_counter() - began)}
                rows += [{**where, "alpha": a, "rmse": r, **about} for a, r in zip(alphas, apart, strict=True)]
                if name == "2^k":
                    lines.setdefault((optimizer, tv), []).append((alphas, apart))
            if number == 0 and optimizer == "adam":
                square = grid(problem, alpha=powers, beta=[RATIO * p for p in powers])
                images, _ = common.solved(folder / "grid.npz", encoder, square)
                found = {
                    (a, b): images[i * len(powers) + j] for i, a in enumerate(powers) for j, b in enumerate(powers)
                }
    common.table(folder / "numbers.csv", rows)
    pairs = ", ".join(f"{content} x {style}" for content, style in zip(config.contents, config.styles, strict=True))
    draw(found, powers, lines, folder / "figure.jpg", f"{pairs}; {config.size} px, {config.steps} steps")
    return folder


def draw(found: dict, powers: list, lines: dict, path: Path, caption: str) -> None:
    """Draw the grid above, and the pictures' change with the scale below."""
    made, above, below = common.halves(7.5, 7.5, (2, 1))
    by_alpha = {f"alpha {a:.3g}": [found[a, b] for b in powers] for a in powers}
    common.gallery(above, by_alpha, [f"beta {RATIO * b:.6g}" for b in powers])
    above.suptitle("One beta / alpha along each falling diagonal (Adam)", fontsize=9)
    panel = below.subplots()
    for ((optimizer, tv), pairs), mark in zip(lines.items(), ("o-", "o--", "s-", "s--"), strict=True):
        for number, (alphas, apart) in enumerate(pairs):
            (line,) = panel.plot(alphas, apart, mark, color="C0" if optimizer == "adam" else "C1", ms=4, lw=1)
            if number == 0:
                line.set_label(f"{optimizer}, tv = {tv:g}")
    panel.set_xscale("log", base=2)
    panel.set_yscale("symlog", linthresh=1e-8)
    panel.set(ylim=(0, 1), xlabel=f"alpha, with beta = {RATIO:g} alpha", ylabel="RMSE to the picture\nof alpha = 1")
    panel.set_title("A line for each pair: tv does not scale along, nor does Adam's epsilon", fontsize=9)
    panel.legend(frameon=False, fontsize=7)
    common.save(path, made, caption)


if __name__ == "__main__":
    common.command(main, Config)
