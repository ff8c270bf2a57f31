"""What leaves a picture the same bit for bit, and what changes it by how much?

Command: python -m experiments.reproducibility
    --size 256 --steps 300 where a GPU is at hand.
Cost: the column `seconds` of its rows, for both that are compared.
Expected: order, a stop and another process with the same command change no bit; another number of lanes at once, or
    the program of one lane alone, sum in another order: rounding, which steps carry along, L-BFGS further than Adam.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from experiments import again, common
from nst_jax import Encoder
from nst_jax.pages.plots import HUES
from nst_jax.recipe import Optimizer

OPTIMIZERS: tuple[Optimizer, ...] = ("adam", "lbfgs")
COMPARED = {
    "1 at once, or 8": ("1", "8"),
    "4 at once, or 8": ("4", "8"),
    "alone by `solve`, or 1 at once": ("1 alone", "1"),
    "alone by `solve`, or 8 at once": ("1 alone", "8"),
    "8 devices of 1, or 1 at once": ("8 devices", "1"),
    "8 devices of 1, or 8 at once": ("8 devices", "8"),
    "4 at once, in reverse": ("4 reversed", "4"),
    "4 at once, stopped and gone on": ("4 stopped", "4"),
    "4 at once, another process": ("4 again", "4"),
}
"""How the lanes are painted: how many at once, and what else is done; each with what it is compared with."""


@dataclass(frozen=True)
class Config(again.Lanes):
    """What is run: pairs times balances are the eight lanes."""


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Paint in every way and compare; give the run folder."""
    folder, rows = common.run_folder(config, runs), []
    for optimizer in OPTIMIZERS:
        found = {}
        for how in dict.fromkeys(how for both in COMPARED.values() for how in both):
            where = again.elsewhere if how.endswith(("devices", "again")) else again.paint
            make = partial(where, encoder, config, optimizer, how)
            found[how] = common.kept(folder / f"{optimizer}, {how}.npz", make)
        for name, both in COMPARED.items():
            (a, told), (b, _) = (found[how] for how in both)
            seconds = sum(float(found[how][1]["seconds"]) for how in both)
            about = {"size": config.size, "steps": config.steps, **told, "seconds": seconds}
            rows.append({"optimizer": optimizer, "compared": name, **difference(a, b), **about})
    common.table(folder / "numbers.csv", rows)
    draw(folder / "figure.jpg", rows)
    return folder


def difference(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> dict[str, float | str]:
    """Compare what two ways painted, lane by lane, and give the largest differences."""
    apart = [common.apart(x, y) for x, y in zip(a["images"], b["images"], strict=True)]
    equal = np.array([x["equal_bits"] for x in apart]) * (a["losses"] == b["losses"]).all(1)
    ends = a["losses"].min(1) / b["losses"].min(1) - 1
    firsts = np.flatnonzero((a["losses"] != b["losses"]).any(0))
    return {
        "lanes": len(equal),
        "equal_bits": int(equal.sum()),
        "levels": max(x["levels"] for x in apart),
        "rmse": max(x["rmse"] for x in apart),
        "loss": float(np.abs(ends).max()),
        "first_evaluation": int(firsts[0]) + 1 if len(firsts) else "",
    }


def draw(path: Path, rows: list) -> None:
    """Draw the largest differences of each comparison, of both optimizers."""
    made = common.figure(8, 3.6)
    panels = made.subplots(1, 2, sharey=True)
    labels = {"levels": ("largest difference in levels of 8 bits", 1), "loss": ("and of the loss, relatively", 1e-8)}
    for panel, (column, (label, least)) in zip(panels, labels.items(), strict=True):
        for shift, optimizer, mark, colour in zip((-0.15, 0.15), OPTIMIZERS, "os", HUES, strict=False):
            own = [row for row in rows if row["optimizer"] == optimizer]
            places, values = np.arange(len(own)) + shift, [row[column] for row in own]
            panel.plot(values, places, mark, color=colour, ms=5, label=optimizer)
        panel.set_xscale("symlog", linthresh=least)
        panel.set_title(label, fontsize=9)
        panel.grid(axis="x", alpha=0.25, lw=0.6)
    panels[0].set_yticks(range(len(COMPARED)), COMPARED)
    panels[0].invert_yaxis()
    panels[1].legend(frameon=False, fontsize=8)
    said = f"{rows[0]['lanes']} lanes; {rows[0]['size']} px, {rows[0]['steps']} steps"
    common.save(path, made, f"{said}\n{common.devices(rows)}", device=False)


if __name__ == "__main__":
    common.command(main, Config)
