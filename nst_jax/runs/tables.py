"""`history.csv` (and `history.parquet`), `summary.csv` and `timings.csv`, from the finished lanes."""

import csv
import importlib
import importlib.util
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nst_jax.batch.store import Finished
from nst_jax.files import escaped, write_whole

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula."""


def write(folder: Path, finished: Mapping[int, Finished]) -> None:
    """Write the tables of the lanes finished so far, in the order of the lanes; Parquet where pandas can write it.

    Seconds have a file of their own: everything else is the same in every run on one machine, byte for byte.
    """
    lanes = sorted(finished)
    terms = list(dict.fromkeys(name for i in lanes for name in finished[i].history))
    history = (row for i in lanes for row in _steps(i, finished[i].history, terms))
    _write(folder / "history.csv", ["lane", "step", *terms], history)
    _parquet(folder / "history.parquet", {i: finished[i].history for i in lanes}, terms)
    columns = list(dict.fromkeys(name for i in lanes for name in finished[i].row))
    rows = ([i, *(_cell(finished[i].row.get(name)) for name in columns)] for i in lanes)
    _write(folder / "summary.csv", ["lane", *columns], rows)
    _write(folder / "timings.csv", ["lane", "seconds"], ([i, f"{finished[i].seconds:.3f}"] for i in lanes))


def _steps(lane: int, history: Mapping[str, np.ndarray], terms: Sequence[str]) -> Iterable[list[Any]]:
    length = len(next(iter(history.values())))
    # Nine digits tell every float32 from its neighbours.
    columns = [[f"{x:.9g}" for x in history[name]] if name in history else [""] * length for name in terms]
    return ([lane, step, *values] for step, values in enumerate(zip(*columns, strict=True)))


def _parquet(path: Path, histories: Mapping[int, Mapping[str, np.ndarray]], terms: Sequence[str]) -> None:
    """Write the history in binary: lane and step int32, terms float32, NaN where a lane has no such term."""
    found = {name for name in ("pandas", "pyarrow", "fastparquet") if importlib.util.find_spec(name)}
    if len(found) < 2 or "pandas" not in found:
        path.unlink(missing_ok=True)  # an older one would not belong to the history beside it
        return
    lengths = {lane: len(next(iter(history.values()))) for lane, history in histories.items()}
    columns = {
        "lane": np.repeat(np.array(list(lengths), np.int32), list(lengths.values())),
        "step": np.concatenate([np.zeros(0, np.int32), *(np.arange(n, dtype=np.int32) for n in lengths.values())]),
    }
    for name in terms:
        parts = [h.get(name, np.full(lengths[lane], np.nan)) for lane, h in histories.items()]
        columns[name] = np.concatenate(parts).astype(np.float32)
    table = importlib.import_module("pandas").DataFrame(columns)
    write_whole(path, lambda file: table.to_parquet(file, index=False))


def _cell(value: Any) -> Any:
    """Write a value of a row: numbers as they are, words as text."""
    if isinstance(value, list | tuple):
        text = " ".join(map(str, value))
        return _text(text) if any(isinstance(x, str) for x in value) else text
    if isinstance(value, str):
        return _text(value)
    return "" if value is None else value


def _text(words: str) -> str:
    """Write words in one line that prints; a spreadsheet takes none for a formula, whatever a file is called."""
    text = escaped(words)
    return f"'{text}" if words[:1] in FORMULA else text


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(map(_text, head))
    table.writerows(rows)
    write_whole(path, lambda file: file.write(text.getvalue().encode()))
