"""What every experiment does alike: read pictures, name its run folder, write its table and its figure."""

import csv
import dataclasses
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache as once_a_process
from pathlib import Path
from typing import Any

import jax
import matplotlib
import numpy as np
import tyro
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from nst_jax import Encoder, Sweep, cache, images, load_encoder, record, solve_batch
from nst_jax.metrics import held_out, style_side
from nst_jax.pages.plots import HUES

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
LARGEST = 300_000
"""Bytes of a committed figure."""

# What figures call C0, C1, ...: told apart by the colour-blind, and on white.
matplotlib.rcParams["axes.prop_cycle"] = cycler(color=HUES)


def picture(name: str, size: int) -> np.ndarray:
    """Read a picture, or one of the examples by its name, with a longer side of `size` pixels: (h, w, 3) in [0, 1]."""
    return images.resize(images.read(find(name)).rgb, size)


def find(name: str) -> Path:
    """Give the path of a picture, or of one of the examples by its name."""
    return Path(name) if Path(name).suffix else ROOT / "examples/images" / f"{name}.jpg"


def run_folder(config: Any, runs: Path) -> Path:
    """Make the folder of a configuration, named by its experiment and its digest, and write it down there."""
    name = Path(sys.modules[type(config).__module__].__file__ or "").stem
    text = json.dumps(dataclasses.asdict(config), indent=1)
    folder = runs / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "config.json", text.encode())
    return folder


def write(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    os.replace(beside, path)


def table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, numbers with six digits; a column that a row lacks stays empty."""
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float | np.floating) else v for k, v in row.items()})
    write(path, text.getvalue().encode())


@once_a_process
def commit() -> str:
    """Name the commit that is run, with a + if files differ from it; nothing where there is no git."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return os.environ.get("NST_COMMIT") or told.stdout.strip()


def about(seconds: float) -> dict[str, Any]:
    """Say where, when and by which program a row was made, and in how many seconds."""
    versions = record.versions()
    where = {"device": record.device_name(), "commit": commit()}
    return {"seconds": seconds, "nst_jax": versions["nst_jax"], "jax": versions["jax"], **where}


def figure(width: float, height: float) -> Figure:
    """Make an empty figure of so many inches, without matplotlib's global state."""
    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def halves(width: float, height: float, ratios: tuple[float, float]) -> tuple[Figure, SubFigure, SubFigure]:
    """Make an empty figure of so many inches, and its upper and lower part."""
    made = figure(width, height)
    above, below = made.subfigures(2, 1, height_ratios=ratios)  # type: ignore[misc]
    return made, above, below


def show(panel: Axes, image: Any) -> None:
    """Show a picture without ticks."""
    panel.imshow(np.clip(np.asarray(image), 0, 1), interpolation="lanczos")
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)


def gallery(where: Figure | SubFigure, rows: Mapping[str, Sequence[Any]], columns: Sequence[str]) -> None:
    """Show pictures as a table: a name for each row and each column; None is an empty place."""
    panels = where.subplots(len(rows), len(columns), squeeze=False)
    for line, (name, row) in zip(panels, rows.items(), strict=True):
        for panel, image in zip(line, row, strict=True):
            show(panel, np.ones((2, 3, 3)) if image is None else image)
        line[0].set_ylabel(name, fontsize=8)
    for panel, name in zip(panels[0], columns, strict=True):
        panel.set_title(name, fontsize=8)


def devices(rows: Sequence[Mapping[str, Any]]) -> str:
    """Name the devices of rows, and what they ran."""
    found = dict.fromkeys(f"{row['device']}, nst_jax {row['nst_jax']}, jax {row['jax']}" for row in rows)
    return "; ".join(found)


def save(path: Path, made: Figure, caption: str, device: bool = True) -> None:
    """Write a figure as JPEG of less than 300 kB, with what was run below it, and this device."""
    made.supxlabel(f"{caption}; {record.device_name()}" if device else caption, fontsize=7, color="0.35")
    for dpi, quality in ((150, 88), (130, 82), (110, 76), (90, 70), (70, 60)):
        content = io.BytesIO()
        made.savefig(content, format="jpeg", dpi=dpi, pil_kwargs={"quality": quality, "optimize": True})
        if len(content.getvalue()) < LARGEST:
            break
    write(path, content.getvalue())


def kept(path: Path, make: Callable[[], Mapping[str, Any]]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Make arrays once: they are kept in the file `path`, with when, where and by what they were made.

    So a figure can be drawn again without waiting, and a run that was cut short goes on.
    """
    if not path.exists():
        began, content = time.perf_counter(), io.BytesIO()
        arrays = make()
        told = [[name, str(value)] for name, value in about(round(time.perf_counter() - began, 1)).items()]
        np.savez(
            content, allow_pickle=False, told=np.array(told), **{name: np.asarray(x) for name, x in arrays.items()}
        )
        write(path, content.getvalue())
    with np.load(path) as found:
        return {name: found[name] for name in found.files if name != "told"}, dict(found["told"].tolist())


Solved = tuple[list[np.ndarray], dict[str, np.ndarray], dict[str, str]]


def solved(path: Path, encoder: Encoder, sweep: Sweep) -> Solved:
    """Solve a sweep, once: a picture (h, w, 3) a lane, every term's history (lanes, steps + 1), and by what."""

    def make() -> dict[str, Any]:
        found = solve_batch(encoder, sweep).solutions
        arrays = {name: np.stack([s.history[name] for s in found]) for name in found[0].history}
        return {f"image{lane}": s.image for lane, s in enumerate(found)} | arrays

    arrays, told = kept(path, make)
    images = [arrays.pop(f"image{lane}") for lane in range(len(sweep))]
    return images, arrays, told


def judged(kept: Path, encoder: Encoder, results: Sequence[Any], content: Any, style: Any) -> list[dict[str, float]]:
    """Compute the held-out metrics of each picture, once; they are kept in the file `kept`."""
    if not kept.exists():
        side = style_side(encoder, style)
        found = [jax.device_get(held_out(encoder, image, content, side)) for image in results]
        write(kept, json.dumps([{k: float(v) for k, v in row.items()} for row in found]).encode())
    return json.loads(kept.read_text())


def rmse(a: Any, b: Any) -> float:
    """Compute the root of the mean squared difference of two pictures in [0, 1]."""
    return float(np.sqrt(np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2)))


def apart(a: Any, b: Any) -> dict[str, float]:
    """Say how far two pictures (h, w, 3) in [0, 1] are apart: root mean square, and the most in levels of 8 bits."""
    a, b = np.asarray(a), np.asarray(b)
    levels = np.abs(np.rint(255 * a.astype(float)) - np.rint(255 * b.astype(float))).max()
    return {"equal_bits": int(np.array_equal(a, b)), "rmse": rmse(a, b), "levels": float(levels)}


def command(main: Callable[[Any, Encoder, Path], Path], config: type) -> None:
    """Run an experiment from the command line; with its default configuration, renew what is committed of it."""
    chosen = tyro.cli(config, description=sys.modules["__main__"].__doc__)
    cache.enable()
    os.environ.setdefault("NST_COMMIT", commit())  # files may be changed while it runs
    began = time.perf_counter()
    folder = main(chosen, load_encoder(), ROOT / "runs")
    print(f"{folder}: {time.perf_counter() - began:.0f} s on {record.device_name()}")
    if chosen == config():
        for file in (*folder.glob("*.jpg"), *folder.glob("*.csv")):
            part = "" if file.stem in ("figure", "numbers") else f"_{file.stem}"
            shutil.copyfile(file, RESULTS / f"{folder.name.rpartition('-')[0]}{part}{file.suffix}")
