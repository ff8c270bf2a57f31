"""The page of a run: one HTML file that needs no network, made from `page.html` and the run's data as JSON."""

import base64
import html
import io
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from nst_jax.files import escaped, write_whole
from nst_jax.meanings import said
from nst_jax.pages.folder import Run, label, main_axes

INLINE = 10_000_000
"""Bytes of pictures, as base64, that the page carries inside; beyond it refers to the files beside it."""

POINTS = 200
"""Most points of a curve."""

NUMBERS = 250_000
"""Most numbers of all curves together, so that a page of 256 lanes opens at once."""

THUMBNAIL = 120


_SHOWN = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}
"""Kinds of pictures that browsers show, by extension."""


def write_page(run: Run, pictures: dict[int, Image.Image]) -> Path:
    """Write `index.html`; `pictures` are small copies by lane, for the thumbnails."""
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    # "<" never appears in the data, so no file name can end the script element.
    data = json.dumps(_data(run, pictures), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    blanks = {"title": html.escape(_title(run)), "data": data}
    page = re.sub(r"\{\{(title|data)\}\}", lambda match: blanks[match[1]], template)
    path = run.folder / "index.html"
    write_whole(path, lambda file: file.write(page.encode()))
    return path


def _title(run: Run) -> str:
    return escaped(run.folder.resolve().name)


def _data(run: Run, pictures: dict[int, Image.Image]) -> dict[str, Any]:
    down, across = main_axes(run)
    points = max(20, min(POINTS, NUMBERS // max(1, len(run.lanes) * (1 + len(run.terms)))))
    steps, curves = _curves(run, points)
    sources = _sources(run, pictures)
    lanes = [
        {
            "name": lane.name,
            "index": lane.index,
            "image": quote(lane.image, errors="replace"),
            "source": sources.get(lane.lane),
            "thumbnail": _thumbnail(pictures[lane.lane]) if lane.lane in pictures else None,
            "command": lane.command,
            "settings": {name: label(value, 6) for name, value in lane.settings.items()},
            "curves": curves.get(lane.lane),
        }
        for lane in run.lanes
    ]
    first = next(iter(pictures.values()), None)
    return {
        "title": _title(run),
        "command": str(run.manifest.get("command", "")),
        "axes": [{"name": axis.name, "labels": axis.labels} for axis in run.axes],
        "down": down,
        "across": across,
        "ratio": first.width / first.height if first else 1,
        "terms": run.terms,
        "steps": steps,
        "lanes": lanes,
        "table": _table(run),
        "about": {k: _finite(v) for k, v in run.manifest.items() if k not in ("format", "axes", "lanes", "command")},
    }


def _sources(run: Run, pictures: dict[int, Image.Image]) -> dict[int, str]:
    """Give the address of every finished picture: its content if all together are small, else its file.

    Of a file that browsers do not show it is a small copy.
    """
    files = {lane.lane: lane.image for lane in run.lanes if lane.lane in pictures}
    size = sum((run.folder / image).stat().st_size for image in files.values())

    def source(lane: int, image: str) -> str:
        kind = _SHOWN.get(Path(image).suffix)
        if not kind:  # a TIFF
            return _jpeg(pictures[lane])
        if size * 4 / 3 < INLINE:
            return _inline((run.folder / image).read_bytes(), kind)
        return quote(image, errors="replace")

    return {lane: source(lane, image) for lane, image in files.items()}


def _thumbnail(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return _jpeg(small)


def _jpeg(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    return _inline(buffer.getvalue(), "jpeg")


def _inline(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _curves(run: Run, points: int) -> tuple[list[list[float]], dict[int, dict[str, Any]]]:
    """Thin the history to `points` a curve; lanes of equal steps share one list of them, named by its number."""
    steps: list[list[float]] = []
    curves: dict[int, dict[str, Any]] = {}
    for lane, columns in run.history.items():
        kept = _thin(len(columns["step"]), points)
        x = [columns["step"][i] for i in kept]
        if x not in steps:
            steps.append(x)
        terms = [[_short(columns[term][i]) for i in kept] for term in run.terms]
        curves[lane] = {"steps": steps.index(x), "terms": terms}
    return steps, curves


def _thin(count: int, points: int) -> list[int]:
    """Choose at most `points` of `count` indices, evenly, with the first and the last."""
    if count <= points:
        return list(range(count))
    return [round(i * (count - 1) / (points - 1)) for i in range(points)]


def _short(value: float) -> float | None:
    """Keep five digits, more than a screen has pixels; JSON has no nan."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _table(run: Run) -> dict[str, Any]:
    """Give the summary without the settings that all lanes share, which the page shows once."""
    names = dict.fromkeys(name for lane in run.lanes for name in lane.settings)
    shared = {name for name in names if len({str(lane.settings.get(name)) for lane in run.lanes}) == 1}
    swept = [name for name in names if name not in shared]
    measured = [name for name in run.columns if name not in shared and name not in swept]
    rows = []
    for lane in run.lanes:
        summary = run.summary.get(lane.lane, {})
        rows.append([_finite(lane.settings.get(n)) for n in swept] + [_cell(summary.get(n, "")) for n in measured])
    meanings = {name: words for name in measured if (words := said(name))}
    return {"columns": [*swept, *measured], "swept": len(swept), "rows": rows, "meanings": meanings}


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
