"""docs/runs.md and the folder of a run say the same: every file, every column, every key of manifest and record."""

import csv
import dataclasses
import re
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_files
from PIL import Image

from nst_jax import images, record
from nst_jax.cli import main as cli
from nst_jax.plain import parsed
from nst_jax.recipe import Recipe
from nst_jax.runs import manifest

DOC = Path(__file__).parents[1] / "docs" / "runs.md"
HEADS = ("", "tables", "manifest.json", "in each picture")
PARTS: dict[str, str] = dict(zip(HEADS, re.split(r"^## .*\n", DOC.read_text(), flags=re.MULTILINE), strict=True))
HOLDERS = {"NNNN": r"\d{4}", "STEP": r"\d{6}", "P": r"\d+", "SIZE": r"\d+", "TERM/LAYER": r"\w+/\w+", "TERM": r"\w+"}
"""What stands for something in a name; other capitals stand for any words."""
MEASURES = ("content_distance", "style_bures", "style_sliced", "ssim", "colour_distance", "total_variation")
ELSEWHERE = {"history.parquet", "state/chunk-NNNN-of-SIZE.npz"}
"""What is there only with pandas, or before the end."""


def pattern(name: str) -> str:
    """Turn a name of the document into what it stands for."""
    parts = re.split(r"(TERM/LAYER|\b[A-Z]+\b|(?<=[-_])[A-Z]+(?=[-_.]|$)|[A-Z]{4}(?=_))", name)
    return "".join(HOLDERS.get(part, ".+" if part.isupper() else re.escape(part)) for part in parts)


def rows(part: str, columns: int = 2) -> list[tuple[str, ...]]:
    """Give the names in the first columns of a part's table."""
    cells = rf"^\| {' . '.join(['`([^`]+)`'] * (columns - 1))} \|"
    found = re.findall(cells, PARTS[part], re.MULTILINE)
    return [row if isinstance(row, tuple) else (row,) for row in found]


def assert_alike(documented: list[str], found: set[str], elsewhere: Set[str] = frozenset()) -> None:
    """Check that each name that is found is documented, itself or what is in it, and that each documented is found."""
    undocumented = [
        name
        for name in sorted(found)
        if not any(re.fullmatch(pattern(doc), name) or doc.startswith(f"{name}.") for doc in documented)
    ]
    missing = {doc for doc in documented if not any(re.fullmatch(pattern(doc), name) for name in found)}
    assert (undocumented, missing - elsewhere) == ([], set())


def keys(held: Any, above: str = "") -> Iterator[str]:
    """List the keys of a JSON value by their paths; entries of a list share theirs."""
    for entry in held if isinstance(held, list) else ():
        yield from keys(entry, above)
    for name, value in held.items() if isinstance(held, dict) else ():
        yield f"{above}{name}"
        yield from keys(value, f"{above}{name}.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run with all that a folder can hold: snapshots, animations, masks, a start, several styles."""
    place = tmp_path_factory.mktemp("schema")
    for number, name in enumerate(("photo", "wave", "night", "start")):
        run_files.draw(place / f"{name}.png", number, 48, 48)
    halves = np.zeros((48, 48), np.uint8)
    halves[:, 24:] = 255
    Image.fromarray(halves).save(place / "mask.png")
    words = ["sweep", "photo.png", "--style", "wave.png", "night.png", "--content-mask", "mask.png", "--init"]
    words += ["./start.png", *run_files.SMALL, "--steps", "2", "--size", "48", "--beta", "1,10", "--out", "run"]
    words += [
        "--dpi",
        "300",
        "--snapshots",
        "1",
        "--animate",
        "gif",
        "--quiet",
        "--no-cache",
        *run_files.narrow_weights(place),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(manifest, "_git", lambda *_: "0123abc")  # as in a repository
        assert cli.main(words) == 0
    return place / "run"


def test_every_file_is_documented(folder):
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert_alike([name for (name,) in rows("")], found, ELSEWHERE)


@pytest.mark.parametrize("table", ["history.csv", "summary.csv", "timings.csv"])
def test_every_column_is_documented(folder, table):
    with (folder / table).open(newline="", encoding="utf-8") as file:
        found = next(csv.reader(file))
    if table == "summary.csv":  # what may be called anything is told by what it is
        assert set(MEASURES) <= set(found)
        found = ["AXIS" if name == "beta" else "MEASURE" if name in MEASURES else name for name in found]
    assert_alike([column for of, column in rows("tables", 3) if of == table], set(found))
    assert len(found) == len(set(found)) + (len(MEASURES) - 1 if table == "summary.csv" else 0)


def test_every_key_of_the_manifest_is_documented(folder):
    held = parsed((folder / "manifest.json").read_bytes(), "manifest")
    assert_alike([name for (name,) in rows("manifest.json")], set(keys(held)))
    assert held["config"]["recipe"].keys() == {field.name for field in dataclasses.fields(Recipe)}
    assert held["versions"].keys() == record.versions().keys()
    for package in held["versions"]:
        assert package in PARTS["manifest.json"]


def test_every_key_in_a_picture_is_documented(folder):
    documented = {name for (name,) in rows("in each picture")}
    assert documented == set(record.Record.__struct_fields__)
    for path in sorted((folder / "lanes").glob("*.png")):
        held = record.from_metadata(images.read_metadata(path), path)
        assert held.keys() == documented
        for name in (*held["result"], *held["weights"], *held["inputs"]["content"]):
            assert f"`{name}`" in PARTS["in each picture"], name
        assert {re.sub(r"_\d+$", "", name) for name in held["inputs"]} <= {"content", "style", "content_mask", "init"}
