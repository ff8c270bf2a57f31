"""Figures of trials: pictures as a table, and what is kept of the content against what is reached of the style."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

from experiments import common
from experiments.trials import Trial
from nst_jax.metrics import MEANINGS
from nst_jax.pages.plots import HUES

LINES, MARKS = ("-", "--", ":"), ("o", "^", "s")
"""Of the first eight settings, the next, and those after: lines and points are told apart."""


def text(name: str, value: Any) -> str:
    """Write a column as a figure shows it: a number with its name."""
    return f"{name} {value:g}" if isinstance(value, float | int) else str(value)


def called(columns: Mapping[str, Any], names: Sequence[str]) -> str:
    """Name a trial by some of its columns."""
    return ", ".join(text(name, columns[name]) for name in names if columns.get(name, "") != "")


def telling(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Keep the columns that tell some rows apart."""
    found = [name for name in names if len({str(row[name]) for row in rows if row.get(name, "") != ""}) > 1]
    return found or list(names[:1])


def sheet(path: Path, trials: Sequence[Trial], pictures: Path, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Show pictures of trials: a row for each value of some columns, the pairs side by side, each with the others.

    Trials whose pictures are not there are left out; without any there is no sheet.
    """
    lines: dict[str, dict[str, list[tuple[str, Any]]]] = {}
    if not (trials := [trial for trial in trials if (pictures / f"{trial.name}.png").exists()]):
        return
    rows = telling([trial.columns for trial in trials], rows)
    for trial in trials:
        line = lines.setdefault(called(trial.columns, rows), {})
        shown = called(trial.columns, columns), np.asarray(Image.open(pictures / f"{trial.name}.png")) / 255
        line.setdefault(trial.pair, []).append(shown)
    pairs = list(dict.fromkeys(pair for line in lines.values() for pair in line))
    wide = {pair: max(len(line.get(pair, ())) for line in lines.values()) for pair in pairs}
    made = common.figure(1.15 * sum(wide.values()) + 0.9, 1.35 * len(lines) + 0.5)
    panels = made.subplots(len(lines), sum(wide.values()), squeeze=False)
    for panel in panels.ravel():
        panel.set_axis_off()
    for row, (name, line) in zip(panels, lines.items(), strict=True):
        row[0].text(
            -0.1, 0.5, name.replace(", ", "\n"), transform=row[0].transAxes, ha="right", va="center", fontsize=7
        )
        for pair in pairs:
            first = sum(wide[other] for other in pairs[: pairs.index(pair)])
            for panel, (said, image) in zip(row[first:], line.get(pair, ()), strict=False):
                panel.set_axis_on()
                common.show(panel, image)
                panel.set_title(said, fontsize=7, pad=2)
    steps = ", ".join(map(str, sorted({trial.recipe.steps for trial in trials})))
    size = ", ".join(map(str, sorted({trial.recipe.size for trial in trials})))
    said = textwrap.fill(f"{'; '.join(pairs)}; {size} px, {steps} steps", int(14 * made.get_figwidth()))
    common.save(path, made, said, device=False)


def logarithmic(panel: Any, marks: Sequence[int] = (1, 2, 5)) -> None:
    """Make the x axis of a panel logarithmic, with plain numbers at so many times the powers of ten."""
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=marks))
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter(NullFormatter())


def fronts(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    by: Sequence[str],
    measures: Sequence[str],
    across: str = "content_distance",
) -> None:
    """Draw measures against the content's distance, or another column: a panel a pair, a line a setting."""
    pairs = list(dict.fromkeys((row["content"], row["style"]) for row in rows))
    by = telling(rows, by)
    names = list(dict.fromkeys(called(row, by) for row in rows))
    made = common.figure(2.6 * len(pairs), 2.2 * len(measures) + 0.25 * -(-len(names) // 3))
    panels = made.subplots(len(measures), len(pairs), squeeze=False)
    for line, measure in zip(panels, measures, strict=True):
        for panel, pair in zip(line, pairs, strict=True):
            for number, name in enumerate(names):
                own = [r for r in rows if (r["content"], r["style"]) == pair and called(r, by) == name]
                own.sort(key=lambda r: r[across])
                colour, turn = HUES[number % len(HUES)], number // len(HUES) % len(LINES)
                look = {"ls": LINES[turn], "marker": MARKS[turn], "zorder": 3 - number / len(names)}
                x, y = ([r[key] for r in own] for key in (across, measure))
                panel.plot(x, y, ms=3 + turn, lw=1.2, color=colour, label=name, **look)
            panel.tick_params(labelsize=7)
        known = MEANINGS.get(measure.rpartition(".")[2])
        line[0].set_ylabel(f"{measure}\n({known.better} is better)" if known else measure, fontsize=7)
    for row in panels:
        for panel in row:
            low, high = panel.get_xlim()
            if high > 10 * max(low, 1e-6):
                logarithmic(panel)
    for panel, (content, style) in zip(panels[0], pairs, strict=True):
        panel.set_title(f"{content} + {style}".replace("+", "+\n", style.count("+")), fontsize=8)
    handles, labels = panels[0][0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=7, frameon=False)
    made.supylabel(" ")
    said = "content_distance: left is nearer to the content" if across == "content_distance" else f"across: {across}"
    common.save(path, made, f"{said}\n{common.devices(rows)}", device=False)


def dots(
    path: Path, rows: Sequence[Mapping[str, Any]], by: Sequence[str], measures: Sequence[str], caption: str = ""
) -> None:
    """Draw measures side by side, a line of dots and their median for each value of some columns.

    The caption says by default what made the rows.
    """
    names = list(dict.fromkeys(called(row, by) for row in rows))
    kinds = list(dict.fromkeys(row[by[0]] for row in rows))
    made = common.figure(7.5, 0.24 * len(names) + 1.1)
    panels = made.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for panel, measure in zip(panels, measures, strict=True):
        for place, name in enumerate(names):
            own = [row for row in rows if called(row, by) == name]
            values, colour = [row[measure] for row in own], HUES[kinds.index(own[0][by[0]]) % len(HUES)]
            panel.plot(values, [place] * len(values), "o", ms=3, alpha=0.5, color=colour)
            panel.plot(np.median(values), place, "|", ms=12, mew=2, color=colour)
        panel.set_title(measure.replace("_", " "), fontsize=8)
        panel.tick_params(labelsize=7)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    common.save(path, made, caption or common.devices(rows), device=bool(caption))


def at(rows: Sequence[Mapping[str, Any]], measure: str, distance: float) -> float:
    """Interpolate a measure of one setting's rows at a content distance, along its logarithm; nan out of range."""
    known = sorted((row["content_distance"], row[measure]) for row in rows)
    x, y = (np.array(values, float) for values in zip(*known, strict=True))
    return float(np.interp(np.log(distance), np.log(x), y, np.nan, np.nan))


def level(groups: Sequence[Sequence[Mapping[str, Any]]]) -> float:
    """Give the content distance in the middle (of logarithms) of the range that all groups of rows reach; else nan."""
    low = max(min(row["content_distance"] for row in rows) for rows in groups)
    high = min(max(row["content_distance"] for row in rows) for rows in groups)
    return float(np.sqrt(low * high)) if low <= high else float("nan")
