"""Pictures for runs, processes that make them, and the comparison of two run folders: helpers, no tests."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from weights_files import narrow, params_of

from nst_jax.weights.store import Weights, save_weights

SMALL = ("--size", "32", "--content-layers", "relu2_2", "--style-layers", "relu1_1", "relu2_1")
"""Little to compile."""


def narrow_weights(place: Path) -> tuple[str, ...]:
    """Give the options of a VGG-16 of a few channels, whose file is written into a folder."""
    path = place / "narrow.h5"
    if not path.exists():
        save_weights(path, Weights(params_of("vgg16"), narrow("vgg16")))
    return ("--weights", str(path))


def draw(path: Path, seed: int, width: int = 32, height: int = 32) -> Path:
    """Write a picture of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def results(folder: Path) -> dict[str, bytes]:
    """Read every file of a run that must not depend on how it was interrupted: all but state and seconds."""
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    kept = {name: p for name, p in files.items() if not name.startswith("state/") and name != "timings.csv"}
    return {name: p.read_bytes() for name, p in sorted(kept.items())}


def assert_same(found: Path, expected: Path) -> None:
    """Check that two runs left the same files with the same bytes."""
    a, b = results(found), results(expected)
    assert list(a) == list(b)
    assert [name for name in a if a[name] != b[name]] == []


def begin(place: Path, where: str, command: str, *words: str, **environment: str) -> subprocess.Popen:
    """Start `nst-jax command` in place/where; every program that it compiles is kept for the processes after it.

    A run goes into the folder `run`, a single picture of `stylize` or `rerun` to `out.png`.
    """
    (place / where).mkdir(exist_ok=True)
    output = "out.png" if command in ("stylize", "rerun") else "run"
    recipe = () if command == "rerun" else SMALL
    store = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return subprocess.Popen(
        [sys.executable, "-m", "nst_jax", command, *words, "-o", output, *recipe, *narrow_weights(place)],
        cwd=place / where,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])} | store | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen, code: int = 0) -> str:
    """Wait for the end of a process; give what it said."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out + err
