"""What varies in a sweep: names and values, as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PICTURES = ("content_image", "style_image")
"""Names of the axes along which the pictures vary; `content` and `style` are losses."""

COLUMNS = (
    "lane", "step", "seconds", "total", "stopped", "best_step", "content_distance", "style_bures", "style_sliced",
    "ssim", "colour_distance", "total_variation",
)  # fmt: skip
"""What the tables of a run call what is no setting and no term: neither may have such a name."""


@dataclass(frozen=True)
class Axis:
    """One thing that varies; several names move together. `values` has one tuple, of one value a name, a place."""

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]


def at(axes: Sequence[Axis], index: Sequence[int]) -> dict[str, Any]:
    """Give the settings at one place of each axis."""
    places = zip(axes, index, strict=True)
    return {name: value for axis, i in places for name, value in zip(axis.names, axis.values[i], strict=True)}


def plain(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Give the axes as a manifest holds them."""
    return [{"name": ", ".join(a.names), "values": [v[0] if len(v) == 1 else list(v) for v in a.values]} for a in axes]
