"""Pictures for runs, and the comparison of two run folders: helpers of the tests, no tests."""

from pathlib import Path

import numpy as np
from PIL import Image


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
