"""Loss curves of all lanes as one picture."""

import io
import warnings
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nst_jax.files import write_whole
from nst_jax.pages.folder import Run, main_axes

MAIN = ("total", "content", "style", "variation")
"""Terms that get a panel; those of single layers are on the page."""

LEGEND = 12
"""Most entries of a legend."""


def write_plots(run: Run) -> Path | None:
    """Write `loss.png`: the main terms over steps, logarithmic, one line a lane; nothing without a history.

    Lanes take their colour from their place on the axis that the contact sheet runs across.
    """
    terms = [term for term in MAIN if term in run.terms and _positive(run, term)]
    if not terms:
        return None
    # The object API on Agg: no global state, no display.
    figure = Figure(figsize=(4.2 * len(terms), 3.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(terms), squeeze=False)[0]
    _, across = main_axes(run)
    values = run.axes[across].labels if across is not None else ("",)
    for panel, term in zip(panels, terms, strict=True):
        _draw(panel, run, term, across, values)
    if across is not None and len(values) <= LEGEND:
        panels[-1].legend(title=_plain(run.axes[across].name), fontsize=8, frameon=False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a file name may have letters that the font lacks
        figure.savefig(buffer, format="png", metadata={"Software": None})
    path = run.folder / "loss.png"
    write_whole(path, lambda file: file.write(buffer.getvalue()))
    return path


def _draw(panel: Axes, run: Run, term: str, across: int | None, values: tuple[str, ...]) -> None:
    """Draw one term of every lane; the first line of each of `values` carries its name for the legend."""
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, len(values)))
    named: set[int] = set()
    for lane in run.lanes:
        if lane.lane not in run.history:
            continue
        curves = run.history[lane.lane]
        place = lane.index[across] if across is not None else 0
        name = None if place in named else _plain(values[place])
        named.add(place)
        y = np.array(curves[term])
        y[~(np.isfinite(y) & (y > 0))] = np.nan
        panel.plot(curves["step"], y, lw=1.1, alpha=0.85, color=colours[place], label=name)
    panel.set(title=_plain(term), xlabel="step", yscale="log")
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25, lw=0.6)


def _plain(words: str) -> str:
    """Shorten a name, and keep matplotlib from reading a formula in it, or a mark to leave it out of the legend."""
    short = words if len(words) <= 28 else f"{words[:14]}...{words[-10:]}"
    short = short.replace("$", r"\$")
    return f" {short}" if short.startswith("_") else short


def _positive(run: Run, term: str) -> bool:
    """Tell whether a logarithmic axis has anything to show."""
    return any(0 < y < float("inf") for curves in run.history.values() for y in curves[term])
