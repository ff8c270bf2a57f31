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
    sources: Sequence[tuple[str, str]] = (),
    snapshots: Sequence[int] = (),
) -> Path:
    """Write manifest, pictures, history and summary; lanes in `missing` have begun but have no picture.

    `sources` are roles and names of what the lanes were made from, white pictures, and `snapshots` steps at which each
    lane's picture on the way was kept, grey. Even lanes are a front of content_distance and style_bures.
    """
    (folder / "lanes").mkdir(parents=True)
    (folder / "inputs").mkdir()
    for number in range(len(sources)):
        Image.new("RGB", size, "white").save(folder / f"inputs/{number}.png")
    lanes, history, summary = [], [], []
    places = itertools.product(*(range(len(values)) for values in axes.values()))
    for lane, index in enumerate(places):
        settings = {name: values[i] for (name, values), i in zip(axes.items(), index, strict=True)}
        name = f"{lane:04d}"
        command = f"nst-jax stylize content.jpg style.jpg --out {name}.png --number {lane}"
        image = f"lanes/{name}.png"
        lanes.append(
            {"lane": lane, "name": name, "settings": {**settings, "lr": 0.02}, "index": index, "image": image}
            | {"command": command, "pictures": list(range(len(sources)))}
        )
        for step in range(steps):
            history.append([lane, step, 10.0 ** (lane % 60 - step / 10), 2.0, 3.0 + lane, 0.0, 1.0])
        if lane not in missing:
            Image.new("RGB", size, colour(lane)).save(folder / image)
            measures = [lane / 100, "nan" if lane == 1 else lane / 7, 10 - lane / 100 + lane % 2]
            summary.append([lane, *settings.values(), 0.02, 7.5, 100 - lane, "steps", *measures])
        for step in snapshots:
            (folder / f"snapshots/{lane:04d}").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (step, step, step)).save(folder / f"snapshots/{lane:04d}/{step:06d}.png")
    manifest = {
        "format": 2,
        "command": "nst-jax sweep content.jpg style.jpg",
        "axes": [{"name": name, "values": list(values)} for name, values in axes.items()],
        "lanes": lanes,
        "pictures": [{"role": r, "name": n, "image": f"inputs/{i}.png"} for i, (r, n) in enumerate(sources)],
        "config": {"tv": 0.0},
        "inputs": {"content.jpg": "ab" * 32},
        "versions": {},
        "device": "cpu",
        "git": None,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    _write(folder / "history.csv", ["lane", "step", *TERMS], history)
    measures = ["content_distance", "ssim", "style_bures"]
    _write(folder / "summary.csv", ["lane", *axes, "lr", "style", "total", "stopped", *measures], summary)
    return folder


def _write(path: Path, head: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
