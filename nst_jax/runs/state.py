"""What a killed run goes on from: the cut into chunks, the chunk in flight, the finished lanes."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nst_jax.batch.program import Chunk
from nst_jax.runs.folder import STATE, write_whole


@dataclass(frozen=True)
class Checkpoint:
    """A chunk in flight: its scale, leaves of its state, the terms there (size, evaluations), the seconds so far."""

    scale: int
    leaves: list[np.ndarray]
    history: dict[str, np.ndarray]
    seconds: float


@dataclass(frozen=True)
class Finished:
    """A finished lane: its terms (evaluations,), and every number of its row in the summary."""

    history: dict[str, np.ndarray]
    row: dict[str, Any]
    seconds: float


def save_chunks(folder: Path, process: int, chunks: Sequence[Chunk]) -> None:
    """Keep the cut: a resumed run must compile the same shapes to get the same bits."""
    plain = [{"lanes": c.lanes, "size": c.size, "swept": c.swept} for c in chunks]
    write_whole(folder / STATE / f"chunks-{process}.json", lambda file: file.write(json.dumps(plain).encode()))


def load_chunks(folder: Path, process: int) -> list[Chunk] | None:
    """Give the kept cut; none if there is none."""
    try:
        plain = json.loads((folder / STATE / f"chunks-{process}.json").read_bytes())
    except FileNotFoundError:
        return None
    return [Chunk(tuple(c["lanes"]), c["size"], tuple(c["swept"])) for c in plain]


def _checkpoint(folder: Path, chunk: Chunk) -> Path:
    return folder / STATE / f"chunk-{chunk.lanes[0]:04d}-of-{chunk.size}.npz"


def save_checkpoint(folder: Path, chunk: Chunk, checkpoint: Checkpoint) -> None:
    """Keep where a chunk stands."""
    arrays = {f"leaf-{i:03d}": leaf for i, leaf in enumerate(checkpoint.leaves)}
    arrays |= {f"term-{name}": x for name, x in checkpoint.history.items()}
    numbers = {"scale": np.array(checkpoint.scale), "seconds": np.array(checkpoint.seconds)}
    _save(_checkpoint(folder, chunk), {**arrays, **numbers})


def load_checkpoint(folder: Path, chunk: Chunk) -> Checkpoint | None:
    """Give where a chunk stood; none if it has to start."""
    arrays = _load(_checkpoint(folder, chunk))
    if arrays is None:
        return None
    leaves = [arrays[name] for name in sorted(arrays) if name.startswith("leaf-")]
    return Checkpoint(int(arrays["scale"]), leaves, _terms(arrays), float(arrays["seconds"]))


def drop_checkpoint(folder: Path, chunk: Chunk) -> None:
    """Forget a chunk whose lanes are all finished, or are to be computed in another size."""
    _checkpoint(folder, chunk).unlink(missing_ok=True)


def save_finished(folder: Path, lane: int, finished: Finished) -> None:
    """Keep a lane; called after its picture is written, so it says that the lane is done."""
    arrays = {f"term-{name}": x for name, x in finished.history.items()}
    row = np.frombuffer(json.dumps(finished.row).encode(), np.uint8)
    _save(folder / STATE / f"lane-{lane:04d}.npz", {**arrays, "row": row, "seconds": np.array(finished.seconds)})


def load_finished(folder: Path, lane: int) -> Finished | None:
    """Give a finished lane; none if it is not."""
    arrays = _load(folder / STATE / f"lane-{lane:04d}.npz")
    if arrays is None:
        return None
    return Finished(_terms(arrays), json.loads(arrays["row"].tobytes()), float(arrays["seconds"]))


def _terms(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix("term-"): x for name, x in arrays.items() if name.startswith("term-")}


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    # The names of terms hold slashes, which are folders inside the archive and do no harm there.
    write_whole(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def _load(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError):
        return None  # files appear whole, but a crashed machine may lose what was not yet on the disk
