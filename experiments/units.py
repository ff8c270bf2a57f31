"""Do relative units mean the same at every size, for every pair and in every network, where the paper's drift?

Command: python -m experiments.all --only units
Cost: the column `seconds` of its rows, for each picture.
Every picture is judged at 128 pixels, the smallest size, by what VGG16 holds out: as it is seen from one place. Columns
    that begin with `own.` are measured at the picture's own size: what is asked of it there.
Expected: at a fixed beta, SSIM with the content and the distance from the style stay within the spread of pairs from
    128 to 1024 px in relative units with scales, and drift in the paper's, most of all between networks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments import common
from experiments import trials as runs
from experiments.trials import PAIRS, Trial
from nst_jax import images
from nst_jax.pages.plots import HUES
from nst_jax.recipe import Units, plain

SIZES = (128, 256, 512, 1024)
NETWORKS = ("vgg16", "random:vgg16:0")
BALANCES: dict[Units, tuple[float, ...]] = {"relative": (1.0, 10.0), "paper": (2e2, 2e4)}

BY = ("network", "units", "size")
SHEET = BY, ("balance",)
MEASURES = ("ssim", "style_bures", "own.content_distance", "own.style_bures")


def trials(sizes: tuple[int, ...] = SIZES, steps: int = 200, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted: the largest size of one pair."""
    for size in sizes:
        for network in NETWORKS:
            for units, balances in BALANCES.items():
                for content, style in pairs if size < 1024 else pairs[:1]:
                    for balance in balances:
                        last = steps if size == min(sizes) else steps // 2
                        recipe = plain(
                            units=units, beta=balance, pooling="avg", scales="auto", min_scale=128, size=size,
                            coarse_steps=steps, steps=last, weights=network,
                        )  # fmt: skip
                        columns = {"size": size, "network": network, "units": units, "balance": balance}
                        yield Trial(columns, content, style, recipe, judged_at=min(sizes), measured_by="units")


def measured(_: np.ndarray, trial: Trial, pictures: Path) -> dict[str, float]:
    """Measure what VGG16 holds out at the picture's own size."""
    image = np.asarray(images.read(pictures / f"{trial.name}.png").rgb, np.float32)
    found = runs.other_of("vgg16", trial.content, trial.style, image.shape[0])(image)
    return {f"own.{key}": float(found[key]) for key in ("content_distance", "style_bures")}


def figure(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw each measure against the size, over its value at the smallest: a line for each pair, units and balance."""
    made = common.figure(9, 5.2)
    panels = made.subplots(len(NETWORKS), len(MEASURES), sharex=True, sharey="col", squeeze=False)
    settings = [(units, balance) for units, balances in BALANCES.items() for balance in balances]
    for line, network in zip(panels, NETWORKS, strict=True):
        for panel, measure in zip(line, MEASURES, strict=True):
            panel.axhline(1, color="0.75", lw=0.8)
            for number, (units, balance) in enumerate(settings):
                for pair in PAIRS[:3]:
                    found = [r for r in rows if _of(r, network, units, balance, pair) and r[measure] != ""]
                    own = {r["size"]: r[measure] for r in found}
                    if len(own) > 1:
                        x, first = sorted(own), own[min(own)]
                        look = {"color": HUES[number], "ls": "-" if units == "relative" else "--"}
                        panel.plot(x, [own[n] / first for n in x], marker=".", lw=1.2, **look)
            panel.set_xscale("log", base=2)
            panel.set_xticks(SIZES, [str(size) for size in SIZES])
            panel.set_yscale("log", base=2)
            panel.set_yticks([0.25, 0.5, 1, 2], ["1/4", "1/2", "1", "2"])
            panel.minorticks_off()
            panel.tick_params(labelsize=7)
        line[0].set_ylabel(network, fontsize=8)
    for panel, measure in zip(panels[0], MEASURES, strict=True):
        panel.set_title(measure, fontsize=8)
    for number, (units, balance) in enumerate(settings):
        panels[0][0].plot([], [], HUES[number], ls="-" if units == "relative" else "--", label=f"{units}, {balance:g}")
    made.legend(loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    said = f"pixels a side; each over its value at {min(SIZES)} pixels\n{common.devices(rows)}"
    common.save(path, made, said, device=False)


def _of(row: dict[str, Any], network: str, units: str, balance: float, pair: tuple[str, str]) -> bool:
    found = row["network"], row["units"], row["balance"], (row["content"], row["style"])
    return found == (network, units, balance, pair)
