"""The folder of a run: what lies where in it, and beside a single picture what a killed process goes on from."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

STATE = "state"
"""Subfolder for what only a resumed run reads."""
SNAPSHOTS = "snapshots"
"""Subfolder for the lanes on their way."""
LANES = "lanes"
"""Subfolder for the pictures."""
INPUTS = "inputs"
"""Subfolder for copies of what they were made from."""

FILES = (
    *("manifest.json", "history.csv", "history.parquet", "summary.csv", "timings.csv"),
    *("sheet.jpg", "loss.png", "index.html"),
)
"""Every other file."""


def outputs(out: Path, pictures: Iterable[str], animation: str = "") -> list[Path]:
    """List every file that a run writes: those in its folder, and what has gathered in the folders of its state."""
    found = [out / name for name in FILES]
    for name in pictures:
        found += [out / name, *([(out / name).with_suffix(f".{animation}")] if animation else [])]
    return [*found, *(path for name in (STATE, SNAPSHOTS, INPUTS) for path in inside(out / name))]


def inside(folder: Path) -> list[Path]:
    """List every file in a folder and below it; none where there is no folder."""
    return [path for root, _, names in os.walk(folder) for name in names if (path := Path(root) / name).is_file()]


def beside(output: Path) -> Path:
    """Name the folder that holds a picture's state while it is made."""
    name = os.fsencode(output.name)
    short = output.name if len(name) < 200 else hashlib.sha256(name).hexdigest()
    return output.with_name(f".{short}.nst_jax")
