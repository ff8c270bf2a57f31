"""Does only beta / alpha matter, and where not?

Command: python -m experiments.alpha_beta_sweep
    --size 256 --steps 300 where a GPU is at hand.
Cost: the column `seconds` of its rows, for each batch of all settings of one pair, optimizer and unit.
Expected: Adam forgets the scale of a loss, so pictures of one beta / alpha are equal, bit for bit where factors are
    powers of two, and L-BFGS keeps what it knows of the curvature in the same units. What does not scale along breaks
    this: tv; Adam's epsilon of 1e-8, once gradients are as small; the least numbers of float32. Factors of three differ
    in rounding, which a long descent carries along.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments import common, trials
from nst_jax import DEFAULT, Encoder, pose, zipped
from nst_jax.pages.plots import HUES
from nst_jax.recipe import Optimizer, Units

BASE: dict[Units, tuple[float, float]] = {"relative": (8.0, 0.1), "paper": (2048.0, 1e3)}
"""Beta at an alpha of 1, a power of two near the default, and tv."""
ARMS: tuple[tuple[Units, Optimizer], ...] = ("relative", "adam"), ("relative", "lbfgs"), ("paper", "adam")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Config:
    """What is run: alpha is a power of two or three and beta that times the base; without tv and with it."""

    pairs: tuple[str, ...] = tuple(map(":".join, trials.PAIRS[:3]))
    size: int = 64
    steps: int = 16
    twos: tuple[int, ...] = (-60, -40, -20, -4, -2, 0, 2, 4)
    threes: tuple[int, ...] = (-1, 1)
    ratios: tuple[float, ...] = (0.25, 4.0)
    with_tv: tuple[int, ...] = (-20, -4, 0)


def lanes(config: Config, beta: float, tv: float) -> Rows:
    """List what is painted: one ratio at many scales, other ratios, and the ratio beside tv."""
    found = [("scale, 2^k", 2.0**k, 1.0, 0.0) for k in config.twos]
    found += [("scale, 3^k", 3.0**k, 1.0, 0.0) for k in config.threes]
    found += [("scale beside tv, 2^k", 2.0**k, 1.0, tv) for k in config.with_tv]
    found += [("ratio", 1.0, ratio, 0.0) for ratio in config.ratios]
    return [{"part": part, "alpha": a, "beta": a * ratio * beta, "tv": t} for part, a, ratio, t in found]


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Paint every pair in every unit with every optimizer; give the run folder."""
    folder, rows = common.run_folder(config, runs), []
    for units, optimizer, pair in [(*arm, pair) for arm in ARMS for pair in config.pairs]:
        beta, tv = BASE[units]
        recipe = replace(DEFAULT, units=units, beta=beta, tv=tv, optimizer=optimizer, steps=config.steps)
        problem = pose(encoder, *(trials.square(name, config.size) for name in pair.split(":")), recipe=recipe)
        wanted, unscaled = lanes(config, beta, tv), (1.0, beta)
        sweep = zipped(problem, **{name: [lane[name] for lane in wanted] for name in ("alpha", "beta", "tv")})
        kept = folder / f"{units}, {optimizer}, {pair.replace(':', ' ')}.npz"
        images, _, told = common.solved(kept, encoder, sweep)
        centre = {a["tv"]: x for a, x in zip(wanted, images, strict=True) if (a["alpha"], a["beta"]) == unscaled}
        about = {"size": config.size, "steps": config.steps, **told}
        for lane, image in zip(wanted, images, strict=True):
            where = {"units": units, "optimizer": optimizer, "pair": pair, **lane}
            rows.append({**where, **common.apart(image, centre[lane["tv"]]), **about})
    common.table(folder / "numbers.csv", rows)
    draw(config, folder / "figure.jpg", rows)
    return folder


def draw(config: Config, path: Path, rows: Rows) -> None:
    """Draw how far pictures of one ratio are apart over the scale, a panel for each unit and optimizer."""
    made = common.figure(9, 3.6)
    panels = made.subplots(1, len(ARMS), sharey=True)
    for panel, (units, optimizer) in zip(panels, ARMS, strict=True):
        own = [row for row in rows if (row["units"], row["optimizer"]) == (units, optimizer)]
        others = [row["rmse"] for row in own if row["part"] == "ratio"]
        panel.axhspan(min(others), max(others), color="0.85", lw=0, label="beta / alpha x 1/4, x 4")
        parts = dict.fromkeys(row["part"] for row in own if row["part"] != "ratio")
        for part, mark, colour in zip(parts, ("o-", "D", "s--"), HUES, strict=False):
            for pair in config.pairs:
                at = sorted((r["alpha"], r["rmse"]) for r in own if (r["part"], r["pair"]) == (part, pair))
                told = part if pair == config.pairs[0] else None
                panel.plot(*zip(*at, strict=True), mark, color=colour, ms=4, lw=1, label=told)
        panel.set_xscale("log", base=2)
        panel.set_yscale("symlog", linthresh=1e-8)
        panel.set_ylim(-3e-9, 1)
        panel.set_title(f"{units} units, {optimizer}", fontsize=9)
        panel.grid(alpha=0.25, lw=0.6)
    made.supylabel("RMSE to the picture of alpha = 1; 0: equal bits", fontsize=9)
    handles, names = panels[0].get_legend_handles_labels()
    made.legend(handles, names, loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    said = f"across: alpha, beta along; {len(config.pairs)} pairs, a line each; {config.size} px, {config.steps} steps"
    common.save(path, made, f"{said}\n{common.devices(rows)}", device=False)


if __name__ == "__main__":
    common.command(main, Config)
