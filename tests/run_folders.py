"""Make run folders of tiny pictures, as `nst_jax.runs` writes them, for the tests of the report."""

import csv
import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

TERMS = ("total", "content", "style", "variation", "style/relu1_1")


def colour(lane: int) -> tuple[int, int, int]:
    """Give every lane its own flat colour."""
    return (lane * 37 % 256, lane * 91 % 256, 40 + lane * 53 % 200)


def make(
    folder: Path,
    axes: Mapping[str, Sequence[Any]],
    *,
    missing: Collection[int] = (),
    steps: int = 20,
    size: tuple[int, int] = (48, 32),
) -> Path:
    """Write manifest, pictures, history and summary; lanes in `missing` have begun but have no picture."""
    (folder / "lanes").mkdir(parents=True)
    lanes, history, summary = [], [], []
    places = itertools.product(*(range(len(values)) for values in axes.values()))
    for lane, index in enumerate(places):
        settings = {name: values[i] for (name, values), i in zip(axes.items(), index, strict=True)}
        name = f"{lane:04d}"
        command = f"nst-jax stylize content.jpg style.jpg --out {name}.png --number {lane}"
        image = f"lanes/{name}.png"
        lanes.append(
            {"lane": lane, "name": name, "settings": {**settings, "lr": 0.02}, "index": index, "image": image}
            | {"command": command}
        )
        for step in range(steps):
            history.append([lane, step, 10.0 ** (lane - step / 10), 2.0, 3.0 + lane, 0.0, 1.0])
        if lane not in missing:
            Image.new("RGB", size, colour(lane)).save(folder / image)
            summary.append([lane, *settings.values(), 0.02, 100 - lane, "nan" if lane == 1 else lane / 7, "steps"])
    manifest = {
        "format": 2,
        "command": "nst-jax sweep content.jpg style.jpg",
        "axes": [{"name": name, "values": list(values)} for name, values in axes.items()],
        "lanes": lanes,
        "config": {"tv": 0.0},
        "inputs": {"content.jpg": "ab" * 32},
        "versions": {},
        "device": "cpu",
        "git": None,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    _write(folder / "history.csv", ["lane", "step", *TERMS], history)
    _write(folder / "summary.csv", ["lane", *axes, "lr", "total", "ssim", "stopped"], summary)
    return folder


def _write(path: Path, head: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
