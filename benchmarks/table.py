"""Turn measurements into the Markdown table and the JSON file."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median


@dataclass
class Row:
    """What one contender did in one configuration; times in seconds, memory in bytes.

    Attributes:
        times: seconds per iteration of the whole batch, one a round, in the order in which they ran.
        start: seconds to build, compile and warm up, not part of `times`.
        memory: peak of the step, for the whole batch; None where the framework cannot tell.
        loss: sum over the batch after every step taken, the same number of steps for all.
        failure: why there are no times.
    """

    name: str
    size: int
    batch: int
    precision: str
    flops: int
    peak: float
    times: list[float]
    start: float = 0.0
    memory: int | None = None
    loss: float | None = None
    failure: str = ""

    @property
    def group(self) -> tuple[int, int, str]:
        """Name the configuration that rows share."""
        return self.size, self.batch, self.precision


HEADER = (
    "size", "batch", "precision", "who", "ms / iteration", "x best PyTorch", "TFLOP/s", "of matmul peak",
    "MB / image", "start s",
)  # fmt: skip


def best_opponent(rows: Sequence[Row], group: tuple[int, int, str]) -> Row | None:
    """Find the fastest PyTorch of a configuration, by its median."""
    rivals = [row for row in rows if row.group == group and row.times and row.name.startswith("torch")]
    return min(rivals, key=lambda row: median(row.times), default=None)


def speedup(row: Row, rival: Row) -> float:
    """Compute the median over the rounds of the rival's time over this one's: pairs from the same minute."""
    return median(b / a for a, b in zip(row.times, rival.times, strict=True))


def cells(row: Row, rival: Row | None) -> tuple[str, ...]:
    """Write one row's cells."""
    where = (f"{row.size}x{row.size}", str(row.batch), row.precision, row.name)
    if not row.times:
        return (*where, f"failed: {row.failure}", *("–",) * 5)
    seconds = median(row.times)
    rate = row.batch * row.flops / seconds
    return (
        *where,
        f"{seconds * 1e3:.4g}",
        f"{speedup(row, rival):.2f}" if rival else "–",
        f"{rate / 1e12:.3g}",
        f"{rate / row.peak:.0%}",
        f"{row.memory / row.batch / 1e6:.0f}" if row.memory else "–",
        f"{row.start:.1f}",
    )


def markdown(rows: Sequence[Row]) -> str:
    """Write the table."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    lines += ["| " + " | ".join(cells(row, best_opponent(rows, row.group))) + " |" for row in rows]
    return "\n".join(lines)


def write_json(path: Path, facts: dict, rows: Sequence[Row]) -> None:
    """Write everything measured, whole or not at all."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    os.replace(beside, path)
