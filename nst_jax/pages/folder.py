"""Read a run folder: `manifest.json`, `history.csv`, `summary.csv` and the pictures, as far as they are written."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from nst_jax.errors import UserError
from nst_jax.files import escaped, regular, shown
from nst_jax.frame import frame
from nst_jax.runs import reading
from nst_jax.runs.folder import SNAPSHOTS

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingImports, reportMissingModuleSource]


@dataclass(frozen=True)
class Axis:
    """One swept setting and its values as they are shown."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """One picture that lanes were made from: its role, the name of its file, and its copy relative to the folder."""

    role: str
    name: str
    image: str


@dataclass(frozen=True)
class Lane:
    """One setting of the sweep.

    Attributes:
        index: its place on every axis.
        image: its picture relative to the folder.
        pictures: what it was made from, by number.
        snapshots: the steps at which its picture on the way was kept.
    """

    lane: int
    name: str
    settings: dict[str, Any]
    index: tuple[int, ...]
    image: str
    command: str
    pictures: tuple[int, ...]
    snapshots: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """What a run folder holds.

    Attributes:
        sources: what the lanes were made from.
        terms: the columns of the history beside lane and step.
        history: lane -> column ("step" and each term) -> values, nan where a value is missing.
        columns: the columns of the summary beside lane.
        summary: lane -> column -> text.
    """

    folder: Path
    manifest: dict[str, Any]
    axes: tuple[Axis, ...]
    lanes: tuple[Lane, ...]
    sources: tuple[Source, ...]
    terms: tuple[str, ...]
    history: dict[int, dict[str, list[float]]]
    columns: tuple[str, ...]
    summary: dict[int, dict[str, str]]

    def to_dataframe(self) -> "DataFrame":
        """Give a pandas data frame of one row a lane: `lane`, what varies, and its summary, empty where not finished.

        Raises:
            UserError: pandas is not installed.
        """
        return frame([self._row(lane) for lane in self.lanes])

    def _row(self, lane: Lane) -> dict[str, Any]:
        summary = self.summary.get(lane.lane, {})
        row = {name: _value(summary.get(name, "")) for name in self.columns}
        steps = self.history.get(lane.lane, {}).get("step")
        # Settings are values in the manifest, and text in the summary.
        return {"lane": lane.lane, **row, **lane.settings, "steps": int(max(steps)) if steps else None}


def read(folder: Path) -> Run:
    """Read a run folder, finished or not.

    Raises:
        UserError: no manifest, or one that this version cannot read.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise UserError(f"'{shown(folder)}' is no run folder, it has no manifest.json: give another")
    manifest = reading.read(path)
    try:
        axes = tuple(Axis(escaped(str(a["name"])), labels(a["values"])) for a in manifest["axes"])
        sources = tuple(
            Source(escaped(p["role"]), escaped(p["name"]), p["image"]) for p in manifest.get("pictures", ())
        )
        steps = _snapshots(folder / SNAPSHOTS)
        lanes = tuple(_lane(entry, axes, len(sources), steps) for entry in manifest["lanes"])
        columns, rows = _table(folder / "summary.csv")
        summary = {int(row["lane"]): row for row in rows}
        terms, history = _history(folder / "history.csv")
    except (KeyError, TypeError, ValueError, AttributeError, OSError, csv.Error) as error:
        raise UserError(
            f"run folder '{shown(folder)}' is damaged: {shown(repr(error))}; run the command again"
        ) from error
    measured = tuple(c for c in columns if c != "lane")
    return Run(folder, manifest, axes, lanes, sources, terms, history, measured, summary)


def _snapshots(folder: Path) -> dict[int, tuple[int, ...]]:
    """List the steps of the snapshots of each lane."""
    found: dict[int, list[int]] = {}
    for path in folder.glob("[0-9]*/[0-9]*.png"):
        if path.parent.name.isdecimal() and path.stem.isdecimal():
            found.setdefault(int(path.parent.name), []).append(int(path.stem))
    return {lane: tuple(sorted(steps)) for lane, steps in found.items()}


def _lane(entry: dict[str, Any], axes: Sequence[Axis], sources: int, snapshots: Mapping[int, tuple[int, ...]]) -> Lane:
    index = tuple(int(i) for i in entry["index"])
    if len(index) != len(axes) or not all(0 <= i < len(a.labels) for i, a in zip(index, axes, strict=True)):
        raise ValueError(f"lane {entry['lane']} has index {list(index)}, outside of the axes")
    pictures = tuple(int(i) for i in entry.get("pictures", ()))
    if not all(i < sources for i in pictures):
        raise ValueError(f"lane {entry['lane']} has pictures {list(pictures)} of {sources}")
    return Lane(
        int(entry["lane"]),
        escaped(str(entry["name"])),
        dict(entry["settings"]),
        index,
        str(entry["image"]),
        str(entry.get("command", "")),
        pictures,
        snapshots.get(int(entry["lane"]), ()),
    )


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read a CSV file; none if it is missing. A line cut short by a kill is left out."""
    if not path.exists():
        return [], []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    head, *rows = list(csv.reader(io.StringIO(whole))) or [[]]
    return head, [dict(zip(head, row, strict=True)) for row in rows if len(row) == len(head)]


def _history(path: Path) -> tuple[tuple[str, ...], dict[int, dict[str, list[float]]]]:
    head, rows = _table(path)
    history: dict[int, dict[str, list[float]]] = {}
    for row in rows:
        curves = history.setdefault(int(row["lane"]), {name: [] for name in head if name != "lane"})
        for name, values in curves.items():
            values.append(float(row[name] or "nan"))
    return tuple(name for name in head if name not in ("lane", "step")), history


def labels(values: Sequence[Any]) -> tuple[str, ...]:
    """Write the values of an axis with as few digits (three or more) as keep them apart."""
    for digits in (3, 4, 6, 9):
        found = tuple(label(value, digits) for value in values)
        if len(set(found)) == len(set(map(str, values))):
            return found
    return tuple(map(str, values))


def label(value: Any, digits: int = 3) -> str:
    """Write one setting: 1000.0 as 1000, 1e5 as 1e5, 31.6227766 as 31.6, a list with commas."""
    if isinstance(value, list | tuple):
        return ", ".join(label(v, digits) for v in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escaped(" ".join(str(value).split()))
    if isinstance(value, int) and abs(value) < 10**6:
        return str(value)
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    if exponent and -5 < int(exponent) < 5:  # 3 digits of 1234.5 are 1.23e+03: 1230 reads better
        return f"{float(f'{value:.{digits}g}'):.0f}"
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _value(text: str) -> Any:
    """Read a cell of a summary: nothing, a number, or words."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


def main_axes(run: Run) -> tuple[int | None, int | None]:
    """Choose the axes (down, across) of a flat view: the first two that vary, the longer one across."""
    varying = [i for i, axis in enumerate(run.axes) if len(axis.labels) > 1][:2]
    if len(varying) < 2:
        return None, (varying[0] if varying else None)
    first, second = varying
    longer = len(run.axes[first].labels) > len(run.axes[second].labels)
    return (second, first) if longer else (first, second)


class Small(NamedTuple):
    """A copy of a picture, no larger than a thumbnail needs, and the picture's own width and height."""

    copy: Image.Image
    size: tuple[int, int]


def shrink(folder: Path, name: str, side: int = 256) -> Small | None:
    """Load a picture no larger than `side`; none if it is not there or not whole.

    Raises:
        UserError: it lies outside of the folder.
    """
    path = reading.within(folder, name)
    try:
        with Image.open(regular(path, "a picture of a run"), formats=("PNG", "JPEG", "WEBP", "TIFF")) as image:
            small = image.convert("RGB")
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
            return Small(small, image.size)
    except (UserError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None  # Pillow raises SyntaxError for some broken files
