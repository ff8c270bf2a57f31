"""What a killed run goes on from: the cut into chunks, the chunk in flight, the finished lanes."""

import contextlib
import hashlib
import json
import re
import types
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nst_jax.batch.program import Chunk, Saved
from nst_jax.batch.sweep import Sweep
from nst_jax.errors import UserError
from nst_jax.files import shown, write_whole
from nst_jax.value import Value


@dataclass(frozen=True)
class Finished:
    """A finished lane: its terms (evaluations,), every number of its row in the summary, its pictures if kept here."""

    history: dict[str, np.ndarray]
    row: dict[str, Any]
    seconds: float
    pictures: dict[str, np.ndarray]


@dataclass(frozen=True)
class Store:
    """A folder that only a resumed run reads; each of several processes has chunks of its own in it."""

    folder: Path
    process: int = 0

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other run out of the folder, which is made; the lock dies with the process.

        Raises:
            UserError: another process is at work there, or the folder cannot be made.
        """
        import filelock

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / f"lock-{self.process}")
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise UserError(
                f"another process is writing to '{shown(self.folder)}': wait for it to end, or give another folder"
            ) from None
        except OSError as error:
            raise UserError(
                f"'{shown(self.folder)}' cannot be written ({error.strerror}): give another folder"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def settle(self, found: str) -> None:
        """Begin a folder for what has this digest, or go on in one.

        Raises:
            UserError: the folder holds something else.
        """
        if self.holds(found) is None:
            write_whole(self.folder / "digest", lambda file: file.write(found.encode()))
        elif not self.holds(found):
            raise UserError(
                f"'{shown(self.folder)}' holds the run of another sweep: give another folder, or remove that one"
            )

    def holds(self, digest: str) -> bool | None:
        """Tell whether the folder is that of this digest; none if it is new."""
        path = self.folder / "digest"
        return path.read_text(encoding="utf-8", errors="replace") == digest if path.exists() else None

    def clear(self) -> None:
        """Forget everything but the lock."""
        for path in self.folder.iterdir():
            if not path.name.startswith("lock-"):
                path.unlink()

    def save_chunks(self, chunks: Sequence[Chunk]) -> None:
        """Keep the cut: a resumed run must compile the same shapes to get the same bits."""
        plain = [{"lanes": c.lanes, "size": c.size, "swept": c.swept} for c in chunks]
        write_whole(self._chunks, lambda file: file.write(json.dumps(plain).encode()))

    def load_chunks(self) -> list[Chunk] | None:
        """Give the kept cut; none if there is none."""
        try:
            plain = json.loads(self._chunks.read_bytes())
        except FileNotFoundError:
            return None
        return [Chunk(tuple(c["lanes"]), c["size"], tuple(c["swept"])) for c in plain]

    @property
    def _chunks(self) -> Path:
        return self.folder / f"chunks-{self.process}.json"

    def _checkpoint(self, chunk: Chunk) -> Path:
        return self.folder / f"chunk-{chunk.lanes[0]:04d}-of-{chunk.size}.npz"

    def save_checkpoint(self, chunk: Chunk, saved: Saved) -> None:
        """Keep where a chunk stands."""
        arrays = {f"leaf-{name}": leaf for name, leaf in saved.leaves.items()}
        arrays |= {f"term-{name}": x for name, x in saved.history.items()}
        numbers = {"scale": np.array(saved.scale), "seconds": np.array(saved.seconds)}
        _save(self._checkpoint(chunk), {**arrays, **numbers})

    def load_checkpoint(self, chunk: Chunk) -> Saved | None:
        """Give where a chunk stood; none if it has to start."""
        arrays = _load(self._checkpoint(chunk))
        if arrays is None:
            return None
        leaves = _named(arrays, "leaf-")
        return Saved(int(arrays["scale"]), leaves, _named(arrays, "term-"), float(arrays["seconds"]))

    def drop_checkpoint(self, chunk: Chunk) -> None:
        """Forget a chunk whose lanes are all finished, or are to be computed in another size."""
        self._checkpoint(chunk).unlink(missing_ok=True)

    def save_finished(self, lane: int, finished: Finished) -> None:
        """Keep a lane; called after its picture is written, so it says that the lane is done."""
        arrays = {f"term-{name}": x for name, x in finished.history.items()}
        arrays |= {f"picture-{name}": x for name, x in finished.pictures.items()}
        row = np.frombuffer(json.dumps(finished.row).encode(), np.uint8)
        _save(self.folder / f"lane-{lane:04d}.npz", {**arrays, "row": row, "seconds": np.array(finished.seconds)})

    def load_finished(self, lane: int) -> Finished | None:
        """Give a finished lane; none if it is not."""
        arrays = _load(self.folder / f"lane-{lane:04d}.npz")
        if arrays is None:
            return None
        row, seconds = json.loads(arrays["row"].tobytes()), float(arrays["seconds"])
        return Finished(_named(arrays, "term-"), row, seconds, _named(arrays, "picture-"))


def _named(arrays: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(kind): x for name, x in arrays.items() if name.startswith(kind)}


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    # The names of terms hold slashes, which are folders inside the archive and do no harm there.
    write_whole(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def _load(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError):
        return None  # files appear whole, but a crashed machine may lose what was not yet on the disk


def digest(sweep: Sweep) -> str:
    """Hash everything that a sweep's results depend on: its numbers, arrays and static values."""
    found = hashlib.sha256()
    seen: dict[int, str] = {}
    told: dict[Any, str] = {}
    for lane in range(len(sweep)):
        for problem in sweep.scales(lane):
            leaves, tree = jax.tree.flatten(replace(problem, origin=None))
            if tree not in told:
                told[tree] = _told(tree)
            found.update(told[tree].encode())
            for leaf in leaves:
                if id(leaf) not in seen:
                    array = np.asarray(leaf)
                    seen[id(leaf)] = hashlib.sha256(
                        f"{array.dtype}{array.shape}".encode() + array.tobytes()
                    ).hexdigest()
                found.update(seen[id(leaf)].encode())
    return found.hexdigest()


def _told(static: Any, above: tuple[int, ...] = ()) -> str:
    """Spell out what is no array: a value by its attributes, a function by its name and by what it closes over."""
    if id(static) in above:
        return "..."
    above = (*above, id(static))
    if isinstance(static, jax.tree_util.PyTreeDef):
        kind = static.node_data()
        return _told((kind and kind[0].__qualname__, kind and kind[1], static.children()), above)
    if isinstance(static, partial):
        return _told((static.func, static.args, static.keywords), above)
    if isinstance(static, types.FunctionType):
        closed = [cell.cell_contents for cell in static.__closure__ or () if cell != types.CellType()]
        held = _told((static.__defaults__, static.__kwdefaults__, closed), above)
        return f"{static.__module__}.{static.__qualname__}{held}"
    if isinstance(static, tuple | list):
        return f"({', '.join(_told(x, above) for x in static)})"
    if isinstance(static, dict):
        return _told(sorted(static.items()), above)
    if isinstance(static, jax.Array | np.ndarray):
        return f"{static.dtype}{static.shape}{hashlib.sha256(np.asarray(static).tobytes()).hexdigest()}"
    if is_dataclass(static):
        return f"{type(static).__qualname__}{_told({f.name: getattr(static, f.name) for f in fields(static)}, above)}"
    if isinstance(static, Value):
        return f"{type(static).__qualname__}{_told(vars(static), above)}"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(static))
