"""Run what fits into a time, the experiments that say most first: `python -m experiments.all --budget 2h`.

Rows that their tables have are not made again; a run that was cut short goes on from the committed files.
"""

import os
import re
import sys
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import tyro

from experiments import common, figures, trials

ORDER = (
    "default_search", "default_finalists", "vgg_or_inception", "losses", "layers", "inits", "balance", "novak",
    "precision", "layer_weights", "units", "blends", "regions", "colours", "texture", "strokes",
)  # fmt: skip
UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Config:
    """What is run, and how long."""

    budget: str = "2h"
    """Time after which nothing more is begun: 90s, 20m, 2h."""
    workers: int = 1
    """Processes at once: each compiles and paints."""
    judges: int = 0
    """Processes that judge beside them; 0 for those that paint, -1 for none: the next run judges."""
    lanes: int = 24
    """Pictures of 256 pixels that run at once, of larger ones fewer."""
    alike: bool = False
    """Fill all batches up to so many, so that programs differ as little as they can: for a GPU."""
    grace: str = "1h"
    """Time after the budget for judging what is painted."""
    size: int = 0
    """Pixels a side, of experiments that have one size; 0 for their own. Its rows stand beside theirs."""
    steps: int = 0
    """Steps; 0 for their own."""
    only: str = ""
    """Experiments to run, with commas between them; all if none is named."""
    out: Path = common.RESULTS
    """Where the tables are."""
    pictures: Path = common.ROOT / "runs/pictures"
    """Where every picture is kept."""
    figures: bool = True
    """Draw them from all rows at the end."""


def seconds(text: str) -> float:
    """Read 90s, 20m or 2h."""
    if not re.fullmatch(r"\d+(\.\d+)?[smh]", text):
        raise SystemExit(f"a time is {text!r}: expected such as 90s, 20m or 2h")
    return float(text[:-1]) * UNITS[text[-1]]


def main(config: Config) -> int:
    """Run the trials of all experiments through one pool of processes; draw what is whole."""
    names = tuple(config.only.split(",")) if config.only else ORDER
    if unknown := [name for name in names if name not in ORDER]:
        raise SystemExit(f"no experiment is called {unknown[0]}: use {', '.join(ORDER)}")
    os.environ.setdefault("NST_COMMIT", common.commit())  # for the processes to come
    wanted = {name: listed(name, config) for name in names}
    tables = {name: trials.Table(config.out / f"{name}.csv") for name in names}
    limits = trials.Limits(
        config.workers,
        config.judges,
        seconds(config.budget),
        seconds(config.grace),
        config.lanes * 256**2,
        config.alike,
    )
    trials.run(wanted, tables, config.pictures, limits)
    for name in names:
        rows = tables[name].of(wanted[name])
        print(f"{name}: {len(rows)} of {len(wanted[name])} rows", flush=True)
        if rows and config.figures:
            draw(name, rows, wanted[name], config)
    return 0


def listed(name: str, config: Config) -> list[trials.Trial]:
    """List the trials of an experiment, at the size and steps that are asked for if it takes them."""
    make = import_module(f"experiments.{name}").trials
    asked = {key: getattr(config, key) for key in ("size", "steps") if getattr(config, key)}
    if strange := asked.keys() - signature(make).parameters.keys():
        raise SystemExit(f"{name} takes no {min(strange)}: leave it out, or name other experiments with --only")
    return list(make(**asked))


def draw(name: str, rows: list[dict[str, Any]], wanted: list[trials.Trial], config: Config) -> None:
    """Draw what an experiment shows: its pictures, as far as they are here, and its measures."""
    module = import_module(f"experiments.{name}")
    wanted = [trial for trial in wanted if not hasattr(module, "shown") or module.shown(trial)]
    seen = config.out / f"{name}_pictures.jpg"
    if hasattr(module, "sheet"):
        module.sheet(seen, wanted, rows, config.pictures)
    elif module.SHEET:
        figures.sheet(seen, wanted, config.pictures, *module.SHEET)
    path = config.out / f"{name}.jpg"
    if hasattr(module, "figure"):
        module.figure(path, rows)
    else:
        figures.fronts(path, rows, module.BY, module.MEASURES)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config, description=__doc__)))
