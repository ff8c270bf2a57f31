"""What the page of a run knows: axes, lanes, pictures, curves and tables, as plain JSON."""

import base64
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from nst_jax.files import escaped
from nst_jax.meanings import MEANINGS
from nst_jax.pages.folder import Run, Small, label, main_axes

SHOWN = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}
"""Kinds of pictures that browsers show, by extension; of others the page has a small copy."""
INLINE = 10_000_000
"""Bytes of pictures, as base64, that the page carries inside; beyond it refers to the files beside it."""

POINTS = 200
"""Most points of a curve."""

NUMBERS = 250_000
"""Most numbers of all curves together, so that a page of 1000 lanes opens at once."""

THUMBNAILS = ((64, 160), (300, 120), (10**9, 88))
"""Longest sides of thumbnails, up to so many lanes."""

FILES = ("summary.csv", "history.csv", "history.parquet", "timings.csv", "manifest.json", "sheet.jpg", "loss.png")
"""What the page links, where it is there."""

LATE = ("total", "stopped", "best_step")
"""Columns of every table that are no measures."""


def title_of(run: Run) -> str:
    """Call a run as its folder."""
    return escaped(run.folder.resolve().name)


def data_of(run: Run, pictures: dict[int, Small], copies: dict[int, Small]) -> dict[str, Any]:
    """Give the data of the page; `pictures` are small, by lane, `copies` those of what they were made from."""
    down, across = main_axes(run)
    points = max(20, min(POINTS, NUMBERS // max(1, len(run.lanes) * (1 + len(run.terms)))))
    steps, curves = _curves(run, points)
    first = next(iter((*pictures.values(), *copies.values())), None)
    side = next(side for most, side in THUMBNAILS if len(run.lanes) <= most)
    files = {lane.lane: lane.image for lane in run.lanes if lane.lane in pictures}
    inside = _fits(run, [*files.values(), *(run.sources[i].image for i in copies)])
    return {
        "title": title_of(run),
        "command": str(run.manifest.get("command", "")),
        "axes": [{"name": axis.name, "labels": axis.labels} for axis in run.axes],
        "down": down,
        "across": across,
        "ratio": first.copy.width / first.copy.height if first else 1,
        "terms": run.terms,
        "steps": steps,
        "pictures": [
            {"role": source.role, "name": source.name, **_picture(run, source.image, copies.get(i), side, inside)}
            for i, source in enumerate(run.sources)
        ],
        "lanes": [
            {
                "number": lane.lane,
                "name": lane.name,
                "index": lane.index,
                **_picture(run, lane.image, pictures.get(lane.lane), side, inside),
                "animation": _animation(run, lane.image),
                "snapshots": lane.snapshots,
                "pictures": lane.pictures,
                "command": lane.command,
                "settings": {name: label(value, 6) for name, value in lane.settings.items()},
                "curves": curves.get(lane.lane),
            }
            for lane in run.lanes
        ],
        "table": _table(run),
        "files": [name for name in FILES if (run.folder / name).is_file()],
        "about": {k: _finite(v) for k, v in run.manifest.items() if k not in _ELSEWHERE},
    }


_ELSEWHERE = ("format", "axes", "lanes", "command", "pictures")


def _fits(run: Run, names: Sequence[str]) -> bool:
    """Tell whether all pictures together are small enough to lie in the page."""
    return sum((run.folder / name).stat().st_size for name in names) * 4 / 3 < INLINE


def _picture(run: Run, name: str, small: Small | None, side: int, inside: bool) -> dict[str, Any]:
    """Give the addresses of a picture and of its thumbnail, and its width and height; none where it is not there."""
    address = quote(name, errors="replace")
    if small is None:
        return {"image": address, "source": None, "thumbnail": None, "size": None}
    if not (kind := SHOWN.get(Path(name).suffix)):
        source = _jpeg(small.copy)
    else:
        source = _inline((run.folder / name).read_bytes(), kind) if inside else address
    return {"image": address, "source": source, "thumbnail": _thumbnail(small.copy, side), "size": small.size}


def _animation(run: Run, name: str) -> str | None:
    kinds = (name.removesuffix(Path(name).suffix) + kind for kind in (".gif", ".mp4"))
    return next((quote(kind, errors="replace") for kind in kinds if os.path.isfile(run.folder / kind)), None)


def _thumbnail(picture: Image.Image, side: int) -> str:
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _jpeg(small)


def _jpeg(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    return _inline(buffer.getvalue(), "jpeg")


def _inline(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _curves(run: Run, points: int) -> tuple[list[list[float]], dict[int, dict[str, Any]]]:
    """Thin the history to `points` a curve; lanes of equal steps share one list of them, named by its number."""
    steps: dict[tuple[float, ...], int] = {}
    curves: dict[int, dict[str, Any]] = {}
    for lane, columns in run.history.items():
        kept = _thin(len(columns["step"]), points)
        x = tuple(columns["step"][i] for i in kept)
        terms = [[_short(columns[term][i]) for i in kept] for term in run.terms]
        curves[lane] = {"steps": steps.setdefault(x, len(steps)), "terms": terms}
    return [list(x) for x in steps], curves


def _thin(count: int, points: int) -> list[int]:
    """Choose at most `points` of `count` indices, evenly, with the first and the last."""
    if count <= points:
        return list(range(count))
    return [round(i * (count - 1) / (points - 1)) for i in range(points)]


def _short(value: float) -> float | None:
    """Keep five digits, more than a screen has pixels; JSON has no nan."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _table(run: Run) -> dict[str, Any]:
    """Give the summary: what varies, the measures, how it ended, then the losses; what all lanes share is left out."""
    names = dict.fromkeys(name for lane in run.lanes for name in lane.settings)
    shared = {name for name in names if len({str(lane.settings.get(name)) for lane in run.lanes}) == 1}
    swept = [name for name in names if name not in shared]
    rest = [name for name in run.columns if name not in shared and name not in swept]
    losses = [name for name in rest if name in run.terms and name not in LATE]
    own = [name for name in rest if name not in LATE and name not in losses]
    measured = [*(n for n in MEANINGS if n in own), *(n for n in own if n not in MEANINGS)]
    late = [name for name in LATE if name in rest]
    columns = [*measured, *late, *losses]
    rows = []
    for lane in run.lanes:
        summary = run.summary.get(lane.lane, {})
        rows.append([_finite(lane.settings.get(n)) for n in swept] + [_cell(summary.get(n, "")) for n in columns])
    return {
        "columns": [*swept, *columns],
        "kinds": ["axis"] * len(swept) + ["measure"] * len(measured) + ["end"] * len(late) + ["loss"] * len(losses),
        "rows": rows,
        "meanings": {name: MEANINGS[name] for name in measured if name in MEANINGS},
    }


def _cell(text: str) -> float | str | None:
    """Turn a field of the summary into a number where it is a finite one; an empty field is null."""
    try:
        value = float(text)
    except ValueError:
        return text or None
    return value if math.isfinite(value) else text


def _finite(value: Any) -> Any:
    """Replace what JSON lacks, nan and infinity, by their names, however deep, and write texts as they print."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {escaped(str(k)): _finite(v) for k, v in value.items()}
    if isinstance(value, Sequence):
        return [_finite(v) for v in value]
    return value
