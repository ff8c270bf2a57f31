"""Curves of one objective against seconds and evaluations: what they say as a table, as JSON and as figures."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

LBFGS, ADAM = "torch L-BFGS", "torch Adam"


class Point(NamedTuple):
    """One judgement: the clock and the count so far, and the loss of the picture clipped to [0, 1], and unclipped."""

    seconds: float
    evaluations: float
    saved: float
    free: float


@dataclass
class Curve:
    """How one contender did in one race; `start` are the seconds before its clock began: building, compiling."""

    pair: str
    init: str
    name: str
    shape: tuple[int, int]
    start: float = 0.0
    points: list[Point] = field(default_factory=list)

    @property
    def race(self) -> tuple[str, str]:
        """Name the race."""
        return self.pair, self.init

    def lowest(self, kind: str = "saved", until: float = math.inf) -> float:
        """Give the lowest loss up to a time; losses that are not finite do not count."""
        losses = [getattr(p, kind) for p in self.points if p.seconds <= until]
        return min((loss for loss in losses if math.isfinite(loss)), default=math.nan)

    def reaches(self, goal: float, kind: str = "saved") -> Point | None:
        """Find the first judgement with a loss of at most `goal`: never earlier than it was really reached."""
        return next((p for p in self.points if getattr(p, kind) <= goal), None)


class Verdict(NamedTuple):
    """A curve beside the reference's L-BFGS; ratios above 1 say that the curve is the faster one.

    Attributes:
        seconds, evaluations: until the saved picture has the lowest loss of the reference's; nan if never.
        faster: seconds of the reference until its own lowest loss, over `seconds`; `fewer` the same of evaluations.
        faster_free: until the saved picture has the lowest loss of the reference's UNCLIPPED picture.
        equal_time: the sooner end of the two.
        ratio: lowest loss of the curve's saved picture until then over that of the reference's.
    """

    seconds: float
    evaluations: float
    faster: float
    fewer: float
    faster_free: float
    equal_time: float
    ratio: float


def verdict(curve: Curve, reference: Curve) -> Verdict:
    """Compare a curve with the reference's by the pictures that can be saved."""
    goal, ideal = reference.lowest("saved"), reference.lowest("free")
    never = Point(math.nan, math.nan, math.nan, math.nan)
    there, there_free = curve.reaches(goal) or never, curve.reaches(ideal) or never
    own, own_free = reference.reaches(goal) or never, reference.reaches(ideal, "free") or never
    end = min(curve.points[-1].seconds, reference.points[-1].seconds)
    return Verdict(
        seconds=there.seconds,
        evaluations=there.evaluations,
        faster=_over(own.seconds, there.seconds),
        fewer=_over(own.evaluations, there.evaluations),
        faster_free=_over(own_free.seconds, there_free.seconds),
        equal_time=end,
        ratio=curve.lowest("saved", end) / reference.lowest("saved", end),
    )


def _over(a: float, b: float) -> float:
    return a / b if b else math.nan


HEADER = (
    "content + style", "from", "who", "evaluations", "seconds", "loss", "unclipped", "s to the reference's loss",
    "x faster", "x fewer evaluations", "x faster to its unclipped", "of its loss at equal time",
)  # fmt: skip


def markdown(curves: Sequence[Curve]) -> str:
    """Write one row for each curve."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    for curve in curves:
        end = curve.points[-1]
        cells = [curve.pair.replace(":", " + "), curve.init, curve.name, f"{end.evaluations:.0f}"]
        cells += [f"{end.seconds:.4g}", f"{curve.lowest():.4g}", f"{curve.lowest('free'):.4g}"]
        rival = next((c for c in curves if c.race == curve.race and c.name == LBFGS), None)
        if rival is None:
            cells += ["–"] * 5
        else:
            v = verdict(curve, rival)
            cells += [_number(v.seconds), _number(v.faster), _number(v.fewer), _number(v.faster_free)]
            cells += [f"{v.ratio:.3f} at {v.equal_time:.3g} s"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "never"


def write_json(path: Path, facts: Mapping[str, Any], curves: Sequence[Curve]) -> None:
    """Write every point, whole or not at all; a loss that is not finite becomes null."""

    def plain(curve: Curve) -> dict[str, Any]:
        points = [[x if math.isfinite(x) else None for x in point] for point in curve.points]
        return {**asdict(curve), "points": points}

    beside = path.with_name(path.name + ".part")
    text = json.dumps({**facts, "columns": Point._fields, "curves": [plain(c) for c in curves]}, allow_nan=False)
    beside.write_text(text + "\n")
    os.replace(beside, path)


def read_json(path: Path) -> tuple[dict[str, Any], list[Curve]]:
    """Read what `write_json` wrote: the facts and the curves."""
    facts = json.loads(path.read_text())
    found = facts.pop("curves")
    del facts["columns"]
    for curve in found:
        points = [Point(*(math.nan if x is None else x for x in point)) for point in curve["points"]]
        curve.update(shape=tuple(curve["shape"]), points=points)
    return facts, [Curve(**curve) for curve in found]


def draw(path: Path, curves: Sequence[Curve], caption: str) -> None:
    """Draw the loss against seconds and evaluations, a row for each pair, ours over the others, the shortest on top.

    Dotted lines are of the unclipped picture.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import Normal, Stroke

    from experiments import common

    pairs, inits = (list(dict.fromkeys(c.race[k] for c in curves)) for k in (0, 1))
    names = list(dict.fromkeys(c.name for c in curves))
    made = common.figure(1.2 + 3.2 * 2 * len(inits), 0.8 + 2.1 * len(pairs))
    axes = made.subplots(len(pairs), 2 * len(inits), squeeze=False)
    for curve in sorted(curves, key=lambda c: (c.name not in (LBFGS, ADAM), -c.points[-1].evaluations)):
        ours = {"lw": 2.2, "path_effects": [Stroke(linewidth=4.5, foreground="white"), Normal()]}
        how: dict[str, Any] = {"lw": 1.2} if curve.name in (LBFGS, ADAM) else ours
        line, place = axes[pairs.index(curve.pair)], 2 * inits.index(curve.init)
        for panel, unit in ((line[place], "seconds"), (line[place + 1], "evaluations")):
            later = [p for p in curve.points if getattr(p, unit) > 0]
            for kind, style in (("saved", "-"), ("free", ":")):
                x, y = [getattr(p, unit) for p in later], [getattr(p, kind) for p in later]
                label = curve.name if kind == "saved" else None
                panel.plot(x, y, style, color=f"C{names.index(curve.name)}", label=label, **how)
            panel.set(xscale="log", yscale="log", xlabel=unit)
            panel.xaxis.set_minor_formatter("")
            panel.set_title(f"{curve.pair.replace(':', ' + ')}, from {curve.init}", fontsize=8)
    for line in axes:
        line[0].set_ylabel("loss")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles.append(Line2D([], [], ls=":", color="0.3"))
    made.legend(
        handles, [*labels, "unclipped"], loc="outside upper center", ncols=len(labels) + 1, frameon=False, fontsize=7
    )
    common.save(path, made, caption, device=False)


def sheet(path: Path, rows: Mapping[str, Mapping[str, Any]], caption: str) -> None:
    """Show pictures side by side: a row for each start, a column for each name."""
    from experiments import common

    columns = list(next(iter(rows.values())))
    made = common.figure(2.4 * len(columns), 0.5 + 1.9 * len(rows))
    common.gallery(made, {name: list(row.values()) for name, row in rows.items()}, columns)
    common.save(path, made, caption, device=False)
