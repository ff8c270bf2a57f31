"""Loss curves of all lanes as one picture."""

import io
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from nst_jax.files import write_whole
from nst_jax.pages.folder import Run, main_axes

MAIN = ("total", "content", "style", "variation")
"""Terms that get a panel; those of single layers are on the page."""

LEGEND = 12
"""Most entries of a legend; of more values a few, evenly, with the first and the last."""
FEW = 7

RAMP = 0.6
"""Where plasma ends that is told from white: 3 to 1."""

HUES = ("#0072b2", "#c14d00", "#00845f", "#aa3377", "#7a6a00", "#4b2a8c", "#3f3f3f", "#1f8aa5")
DASHES = ((0, ()), (0, (7, 3)), (0, (2, 3)), (0, (9, 3, 2, 3)))
"""Words on an axis: told apart by the colour-blind, each 3 to 1 on white, and by their dashes; 16 by both."""

Style = tuple[Any, Any]
"""A colour and a dash, as matplotlib takes them."""

NOTHING = 1e-3
"""Of a curve's median: what lies below at its beginning is the rounding of a content that starts as itself."""


def write_plots(run: Run) -> Path | None:
    """Write `loss.png`: the main terms over steps, logarithmic, one line a lane; nothing without a history.

    Lanes take their colour from their place on the axis that the contact sheet runs across.
    """
    terms = [term for term in MAIN if term in run.terms and _positive(run, term)]
    if not terms:
        return None
    # The object API on Agg: no global state, no display.
    figure = Figure(figsize=(4.2 * len(terms), 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(terms), squeeze=False)[0]
    _, across = main_axes(run)
    values = run.axes[across].labels if across is not None else ("",)
    styles = _styles(values)
    for panel, term in zip(panels, terms, strict=True):
        _draw(panel, run, term, across, styles)
    if across is not None:
        shown = _named(len(values))
        lines = [Line2D([], [], color=styles[i][0], ls=styles[i][1]) for i in shown]
        names, title = [_plain(values[i]) for i in shown], _plain(run.axes[across].name)
        # Beside the panels, so that it covers no curve.
        figure.legend(lines, names, title=title, loc="outside right upper", fontsize=8, frameon=False, handlelength=3.5)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a file name may have letters that the font lacks
        figure.savefig(buffer, format="png", metadata={"Software": None})
    path = run.folder / "loss.png"
    write_whole(path, lambda file: file.write(buffer.getvalue()))
    return path


def _named(count: int) -> list[int]:
    """Choose which of `count` values a legend names."""
    if count <= LEGEND:
        return list(range(count))
    return [round(i * (count - 1) / (FEW - 1)) for i in range(FEW)]


def _styles(values: tuple[str, ...]) -> list[Style]:
    """Choose a colour and a dash for each value of an axis: a ramp for numbers, hues for words."""
    if (len(values) > 2 and all(map(_is_number, values))) or len(values) > 2 * len(HUES):
        ramp = matplotlib.colormaps["plasma"](np.linspace(0.0, RAMP, len(values)))
        return [(colour, DASHES[0]) for colour in ramp]
    count = len(HUES)
    return [(HUES[i % count], DASHES[(i + i // count) % len(DASHES)]) for i in range(len(values))]


def _is_number(words: str) -> bool:
    try:
        float(words)
    except ValueError:
        return False
    return True


def _draw(panel: Axes, run: Run, term: str, across: int | None, styles: list[Style]) -> None:
    """Draw one term of every lane: the lines of each value of the axis `across` are one collection."""
    lines: list[list[np.ndarray]] = [[] for _ in styles]
    for lane in run.lanes:
        if lane.lane in run.history:
            curves = run.history[lane.lane]
            y = np.array(curves[term])
            y[~(np.isfinite(y) & (y > 0))] = np.nan
            line = np.stack([np.array(curves["step"], float), y], -1)
            lines[lane.index[across] if across is not None else 0].append(line)
    for (colour, dash), found in zip(styles, lines, strict=True):
        panel.add_collection(LineCollection(found, colors=[colour], linestyles=[dash], lw=1.2, alpha=0.85))
    panel.autoscale()
    panel.set(title=_plain(term), xlabel="step", yscale="log")
    low, high = _range(line[:, 1] for found in lines for line in found)
    room = max((high / low) ** 0.05, 1.01)
    panel.set_ylim(low / room, high * room)
    _mark(panel, high / low * room**2)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, lw=0.6)


def _mark(panel: Axes, ratio: float) -> None:
    """Write plain numbers on a logarithmic axis that spans less than two powers of ten, and no fine ones."""
    if ratio < 100:
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if ratio > 5 else MaxNLocator(5))
        panel.yaxis.set_major_formatter(lambda y, _: f"{y:.6g}")
    panel.yaxis.set_minor_formatter(NullFormatter())


def _range(curves: Iterable[np.ndarray]) -> tuple[float, float]:
    """Give the least and the largest value of curves, but for the beginning of a curve that starts from nothing."""
    kept = []
    for y in curves:
        known = y[np.isfinite(y)]
        if len(known):
            begun = known >= NOTHING * np.median(known)
            kept.append(known[int(np.argmax(begun)) :])
    values = np.concatenate(kept)
    return float(values.min()), float(values.max())


def _plain(words: str) -> str:
    """Shorten a name, and keep matplotlib from reading a formula in it, or a mark to leave it out of the legend."""
    short = words if len(words) <= 28 else f"{words[:14]}...{words[-10:]}"
    short = short.replace("$", r"\$")
    return f" {short}" if short.startswith("_") else short


def _positive(run: Run, term: str) -> bool:
    """Tell whether a logarithmic axis has anything to show."""
    return any(0 < y < float("inf") for curves in run.history.values() for y in curves[term])
