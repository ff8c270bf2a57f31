"""What a killed run goes on from: the cut into chunks, the chunk in flight, the finished lanes."""

import contextlib
import hashlib
import json
import re
import types
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import msgspec
import numpy as np

from nst_jax.batch.program import Chunk, Saved
from nst_jax.batch.seals import Seals, Verdict, sha256
from nst_jax.batch.sweep import Sweep
from nst_jax.errors import UserError
from nst_jax.files import one_line, shown, write_whole
from nst_jax.plain import Digest, parsed, validated
from nst_jax.value import Value


@dataclass(frozen=True)
class Finished:
    """A finished lane.

    Attributes:
        history: its terms (evaluations,).
        row: every number of its row in the summary.
        seconds: that it took.
        pictures: those that are kept here.
        files: sha256 of those that are not, by path.
    """

    history: dict[str, np.ndarray]
    row: dict[str, Any]
    seconds: float
    pictures: dict[str, np.ndarray]
    files: dict[str, str] = field(default_factory=dict)


def _nothing(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Store:
    """A folder that only a resumed run reads; each of several processes has chunks of its own in it.

    Every file has its digest beside it. One that is cut, changed, replaced or gone is none: what it held is made again,
    and `say` gets a line.
    """

    folder: Path
    process: int = 0
    say: Callable[[str], object] = _nothing

    @property
    def seals(self) -> Seals:
        """Give the digests of the files."""
        return Seals(self.folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other run out of the folder, which is made; the lock dies with the process.

        Raises:
            UserError: another process is at work there, or the folder cannot be made.
        """
        import filelock

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self._lock(self.process))
            lock.acquire(timeout=0.2)  # longer than another process looks whether somebody is here
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

    def _lock(self, process: int) -> Path:
        return self.folder / f"lock-{process}"

    def at_work(self, process: int) -> bool:
        """Tell whether a process holds its lock; where the file system has no locks, that it does."""
        import filelock

        lock = filelock.FileLock(self._lock(process))
        try:
            lock.acquire(timeout=0)
        except (filelock.Timeout, OSError, NotImplementedError):
            return True
        lock.release()
        return False

    def settle(self, found: str) -> None:
        """Begin a folder for what has this digest, or go on in one.

        Raises:
            UserError: the folder holds something else.
        """
        if self.holds(found) is None:
            self.claim(found)
        elif not self.holds(found):
            raise UserError(
                f"'{shown(self.folder)}' holds the run of another sweep: give another folder, or remove that one"
            )

    def claim(self, found: str) -> None:
        """Say that the folder is that of this digest."""
        write_whole(self.folder / "digest", lambda file: file.write(found.encode()))

    def holds(self, digest: str) -> bool | None:
        """Tell whether the folder is that of this digest; none if it is new."""
        path = self.folder / "digest"
        return path.read_text(encoding="utf-8", errors="replace") == digest if path.exists() else None

    def clear(self) -> None:
        """Forget everything but the lock."""
        for path in self.folder.iterdir():
            if not path.name.startswith("lock-"):
                path.unlink()

    def _whole(self, path: Path, lost: str) -> bool:
        """Tell whether a file is there as it was written; say what is `lost` where it was and is no more."""
        found = self.seals.verdict(path)
        if found in (Verdict.GONE, Verdict.DAMAGED):
            self.say(f"{shown(path)} is {found.value}: {lost}")
        return found == Verdict.INTACT

    def save_chunks(self, chunks: Sequence[Chunk]) -> None:
        """Keep the cut: a resumed run must compile the same shapes to get the same bits."""
        plain = [{"lanes": c.lanes, "size": c.size, "swept": c.swept} for c in chunks]
        self.seals.write(self._chunks, lambda file: file.write(json.dumps(plain).encode()))

    def load_chunks(self) -> list[Chunk] | None:
        """Give the kept cut; none if there is none."""
        if not self._whole(self._chunks, "the lanes are cut anew, and those made now may differ in the last digits"):
            return None
        what = shown(self._chunks)
        return validated(parsed(self._chunks.read_bytes(), what), list[Chunk], what)

    @property
    def _chunks(self) -> Path:
        return self.folder / f"chunks-{self.process}.json"

    def kept(self) -> str:
        """Hash what there is to go on from."""
        found = hashlib.sha256()
        for path in sorted(self.folder.glob("chunk*")):
            found.update(f"{path.name} {sha256(path)}\n".encode())
        return found.hexdigest()

    def _checkpoint(self, chunk: Chunk) -> Path:
        return self.folder / f"chunk-{chunk.lanes[0]:04d}-of-{chunk.size}.npz"

    def save_checkpoint(self, chunk: Chunk, saved: Saved) -> None:
        """Keep where a chunk stands."""
        arrays = {f"leaf-{name}": leaf for name, leaf in saved.leaves.items()}
        arrays |= {f"term-{name}": x for name, x in saved.history.items()}
        numbers = {"scale": np.array(saved.scale), "seconds": np.array(saved.seconds), "lanes": np.array(chunk.lanes)}
        self._save(self._checkpoint(chunk), {**arrays, **numbers})

    def load_checkpoint(self, chunk: Chunk) -> Saved | None:
        """Give where a chunk stood; none if it has to start."""
        arrays = self._load(self._checkpoint(chunk), "these lanes begin again")
        if arrays is None or tuple(arrays["lanes"]) != chunk.lanes:  # other lanes, of an earlier cut
            return None
        leaves = _named(arrays, "leaf-")
        return Saved(int(arrays["scale"]), leaves, _named(arrays, "term-"), float(arrays["seconds"]))

    def drop_checkpoint(self, chunk: Chunk) -> None:
        """Forget a chunk whose lanes are all finished, or are to be computed in another size."""
        self.seals.drop(self._checkpoint(chunk))

    def _lane(self, lane: int) -> Path:
        return self.folder / f"lane-{lane:04d}.npz"

    def save_finished(self, lane: int, finished: Finished) -> None:
        """Keep a lane; called after its picture is written, so it says that the lane is done."""
        arrays = {f"term-{name}": x for name, x in finished.history.items()}
        arrays |= {f"picture-{name}": x for name, x in finished.pictures.items()}
        told = {"row": finished.row, "seconds": finished.seconds, "files": finished.files}
        self._save(self._lane(lane), {**arrays, "told": np.frombuffer(json.dumps(told).encode(), np.uint8)})

    def load_finished(self, lane: int, *, quietly: bool = False) -> Finished | None:
        """Give a finished lane; none if it is not."""
        store = replace(self, say=_nothing) if quietly else self
        arrays = store._load(self._lane(lane), "that lane is made again")
        if arrays is None:
            return None
        what = shown(self._lane(lane))
        told = validated(parsed(arrays["told"].tobytes(), what, nan=True), Told, what)
        return Finished(_named(arrays, "term-"), told.row, told.seconds, _named(arrays, "picture-"), told.files)

    def holds_files(self, finished: Finished, root: Path) -> bool:
        """Tell whether the files of a finished lane, by their paths below `root`, are those that were written."""
        for name, digest in finished.files.items():
            if sha256(root / name) != digest:
                self.say(f"{shown(root / name)} is not what was written there: that lane is made again")
                return False
        return True

    def _save(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        # The names of terms hold slashes, which are folders inside the archive and do no harm there.
        self.seals.write(path, lambda file: np.savez(file, allow_pickle=False, **arrays))

    def _load(self, path: Path, lost: str) -> dict[str, np.ndarray] | None:
        if not self._whole(path, lost):
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, zipfile.BadZipFile, ValueError, EOFError) as error:  # written by something else
            raise UserError(
                f"{shown(path)} cannot be read ({one_line(error)}): remove it, and it is made again"
            ) from error


class Onlooker(Store):
    """The folder as another process than the one that writes it sees it: what is kept is read, and nothing written."""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Leave the lock to the one that writes."""
        yield

    def save_chunks(self, chunks: Sequence[Chunk]) -> None:
        """Leave that to the one that writes."""

    def save_checkpoint(self, chunk: Chunk, saved: Saved) -> None:
        """Leave that to the one that writes."""

    def drop_checkpoint(self, chunk: Chunk) -> None:
        """Leave that to the one that writes."""


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """What a finished lane holds beside its arrays: see `Finished`."""

    row: dict[str, Any]
    seconds: float
    files: dict[str, Digest]


def _named(arrays: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(kind): x for name, x in arrays.items() if name.startswith(kind)}


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
