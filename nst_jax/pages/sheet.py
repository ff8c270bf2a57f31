"""The contact sheet: what a sweep was made from, and its lanes over the two main axes, as one labelled picture."""

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from nst_jax.files import write_whole
from nst_jax.pages.folder import Run, main_axes

LARGEST = 300_000
"""Bytes that a sheet may have, so that it can go into a README."""

PAPER, INK, GREY, EMPTY = "#ffffff", "#1c1d1f", "#6b6e73", "#efeeea"
GAP = 6
SMALLEST = 96
"""Pixels of the box of an even smaller picture, which is not enlarged; the words need them."""
WRAP = 8
"""Most pictures in a row of a sheet with a single axis."""

MOST = 144
"""Most lanes of a sheet that shows all; of more only the first value of the axes beside the main two."""
SOURCES = 8
"""Most pictures that lanes were made from on a sheet."""
SHAPE = 1.5
"""Width over height that grids side by side and below each other come close to."""

ATTEMPTS = tuple((side, quality) for side in (208, 160, 120, 88, 60, 40) for quality in (86, 74))


@dataclass(frozen=True)
class Grid:
    """Pictures, by their keys, at (row, column), with what is written around them."""

    pictures: dict[tuple[int, int], int]
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    captions: dict[tuple[int, int], str]
    across: str
    down: str
    fixed: str


def write_sheet(
    run: Run, pictures: Mapping[int, Image.Image], sources: Mapping[int, Image.Image] | None = None
) -> Path:
    """Write `sheet.jpg`, scaled down until the file is under 300 kB.

    Args:
        run: what is shown.
        pictures: by lane.
        sources: what the lanes were made from, by number.
    """
    above = _of_sources(run, sources or {})
    every = {-1 - i: picture for i, picture in (sources or {}).items()} | dict(pictures)
    grids = _grids(run)
    content = b""
    for side, quality in ATTEMPTS:
        buffer = io.BytesIO()
        parts = [_draw(grid, every, side) for grid in grids]
        sheet = _beside(parts)
        if above.pictures:
            sheet = _below([_draw(above, every, side), sheet])
        sheet.save(buffer, "JPEG", quality=quality, optimize=True)
        content = buffer.getvalue()
        if len(content) < LARGEST:
            break
    path = run.folder / "sheet.jpg"
    write_whole(path, lambda file: file.write(content))
    return path


def _beside(parts: Sequence[Image.Image]) -> Image.Image:
    """Lay parts side by side and in lines, so that the whole is about as wide as SHAPE says."""
    width, height = (max(part.size[k] for part in parts) for k in (0, 1))

    def far(count: int) -> float:
        shape = count * width / (-(-len(parts) // count) * height)
        return max(shape / SHAPE, SHAPE / shape)

    count = min(range(1, len(parts) + 1), key=far)
    sheet = Image.new("RGB", (count * width, -(-len(parts) // count) * height), PAPER)
    for i, part in enumerate(parts):
        sheet.paste(part, (i % count * width, i // count * height))
    return sheet


def _below(parts: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(p.width for p in parts), sum(p.height for p in parts)), PAPER)
    for i, part in enumerate(parts):
        sheet.paste(part, (0, sum(p.height for p in parts[:i])))
    return sheet


def _of_sources(run: Run, sources: Mapping[int, Image.Image]) -> Grid:
    """Put what the lanes were made from into a line, unless that is too much."""
    shown = sorted(sources) if len(sources) <= SOURCES else []
    roles = [source.role for source in run.sources]
    words = [roles[i] if roles.count(roles[i]) == 1 else Path(run.sources[i].name).stem for i in shown]
    captions = {(0, k): word for k, word in enumerate(words)}
    return Grid({(0, k): -1 - i for k, i in enumerate(shown)}, ("",) * len(shown), ("",), captions, "", "", "")


def _grids(run: Run) -> list[Grid]:
    """Make a grid over the main axes for each place on the others, or for the first where there are too many lanes."""
    rest = [i for i in range(len(run.axes)) if i not in main_axes(run)]
    counts = [len(run.axes[i].labels) if len(run.lanes) <= MOST else 1 for i in rest]
    return [_grid(run, dict(zip(rest, places, strict=True))) for places in itertools.product(*map(range, counts))]


def _grid(run: Run, rest: Mapping[int, int]) -> Grid:
    down, across = main_axes(run)
    lanes = [lane for lane in run.lanes if all(lane.index[i] == place for i, place in rest.items())]
    fixed = ", ".join(f"{run.axes[i].name} = {run.axes[i].labels[place]}" for i, place in rest.items())
    if across is None:
        return Grid({(0, 0): lanes[0].lane} if lanes else {}, ("",), ("",), {}, "", "", fixed)
    axis = run.axes[across]
    if down is None:
        count = len(axis.labels)
        rows = -(-count // WRAP)
        columns = -(-count // rows)
        places = {divmod(lane.index[across], columns): lane for lane in lanes}
        captions = {place: axis.labels[lane.index[across]] for place, lane in places.items()}
        keys = {place: lane.lane for place, lane in places.items()}
        return Grid(keys, ("",) * columns, ("",) * rows, captions, axis.name, "", fixed)
    keys = {(lane.index[down], lane.index[across]): lane.lane for lane in lanes}
    return Grid(keys, axis.labels, run.axes[down].labels, {}, axis.name, run.axes[down].name, fixed)


@dataclass(frozen=True)
class Layout:
    """Pixels of a sheet: picture box, height of a line, width of rows' words, origin of the first box, and all."""

    font: ImageFont.FreeTypeFont
    box: tuple[int, int]
    line: int
    words: int
    origin: tuple[int, int]
    step: tuple[int, int]
    size: tuple[int, int]

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Give the upper left pixel of the box at (row, column)."""
        return self.origin[0] + self.step[0] * column, self.origin[1] + self.step[1] * row


def _layout(grid: Grid, pictures: Mapping[int, Image.Image], side: int) -> Layout:
    """Make room for boxes no wider or higher than `side`, shaped as the tallest picture, and for words."""
    font = ImageFont.load_default(max(11, min(16, side // 9)))
    assert isinstance(font, ImageFont.FreeTypeFont)
    shown = [pictures[key] for key in grid.pictures.values() if key in pictures]
    ratio = max((p.height / p.width for p in shown), default=1.0)
    side = min(side, max((SMALLEST, *(max(p.size) for p in shown))))
    width, height = (side, round(side * ratio)) if ratio <= 1 else (round(side / ratio), side)
    line = round(font.size * 1.7)
    words = max(math.ceil(font.getlength(_cut(font, text, side))) for text in (*grid.rows, grid.down))
    left = GAP * 2 + (words + GAP if words else 0)
    top = GAP + line * (bool(grid.across) + any(grid.columns) + bool(grid.captions))
    step = width + GAP, height + GAP + line * bool(grid.captions)
    bottom = GAP + line * bool(grid.fixed) - line * bool(grid.captions)
    size = left + step[0] * len(grid.columns) + GAP, top + step[1] * len(grid.rows) + bottom
    return Layout(font, (width, height), line, words, (left, top), step, size)


def _draw(grid: Grid, pictures: Mapping[int, Image.Image], side: int) -> Image.Image:
    """Draw the grid with pictures no wider or higher than `side` pixels."""
    layout = _layout(grid, pictures, side)
    sheet = Image.new("RGB", layout.size, PAPER)
    draw = ImageDraw.Draw(sheet)
    _write_axes(draw, grid, layout)
    width, height = layout.box
    for place, key in grid.pictures.items():
        x, y = layout.corner(*place)
        _write(draw, layout, (x + width / 2, y - layout.line / 2), grid.captions.get(place, ""), "mm", width)
        picture = pictures.get(key)
        if picture is None:
            draw.rectangle((x, y, x + width - 1, y + height - 1), fill=EMPTY)
            _write(draw, layout, (x + width / 2, y + height / 2), "not finished", "mm", width, GREY)
        else:
            small = picture.copy()
            small.thumbnail(layout.box, Image.Resampling.LANCZOS)
            sheet.paste(small, (x + (width - small.width) // 2, y + (height - small.height) // 2))
    return sheet


def _write_axes(draw: ImageDraw.ImageDraw, grid: Grid, layout: Layout) -> None:
    """Write the axes' names in grey, their values, and below what all pictures share."""
    (left, top), (width, height), line = layout.origin, layout.box, layout.line
    middle = left + layout.step[0] * len(grid.columns) / 2
    _write(draw, layout, (middle, (line + GAP) / 2), grid.across, "mm", layout.size[0], GREY)
    _write(draw, layout, (GAP * 2, top - line / 2), grid.down, "lm", layout.words, GREY)
    for column, words in enumerate(grid.columns):
        x, _ = layout.corner(0, column)
        _write(draw, layout, (x + width / 2, top - line / 2), words, "mm", width)
    for row, words in enumerate(grid.rows):
        _, y = layout.corner(row, 0)
        _write(draw, layout, (GAP * 2, y + height / 2), words, "lm", layout.words)
    bottom = layout.size[1] - (line + GAP) / 2
    _write(draw, layout, (GAP * 2, bottom), grid.fixed, "lm", layout.size[0] - GAP * 4, GREY)


def _write(draw: ImageDraw.ImageDraw, layout: Layout, at, words: str, anchor: str, room: int, colour=INK) -> None:
    draw.text(at, _cut(layout.font, words, room), fill=colour, font=layout.font, anchor=anchor)


def _cut(font: ImageFont.FreeTypeFont, words: str, room: float) -> str:
    """Shorten `words` in the middle until they fit into `room` pixels: the ends of file names tell them apart."""
    keep = len(words)
    short = words
    while keep > 2 and font.getlength(short) > room:
        keep -= 1
        short = f"{words[: keep - keep // 2]}...{words[len(words) - keep // 2 :]}"
    return short
