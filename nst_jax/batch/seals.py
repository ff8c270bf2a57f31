"""Digests of files, each in a file of its own: what is read again is what was written, or it is made again."""

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

from nst_jax.files import write_whole

KEPT = 4
"""Digests of one file that count: the newest, and those before it, which a kill or a full disk may have left there."""


class Verdict(Enum):
    """What became of a file: never written, as it was written, gone, or not what was written."""

    UNKNOWN = "unknown"
    INTACT = "intact"
    GONE = "gone"
    DAMAGED = "damaged"


def sha256(path: Path) -> str:
    """Hash the bytes of a file, not all of them in memory at once; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


class _Hashing(io.RawIOBase):
    """A file that hashes what is written to it; it cannot go back, so what was hashed is what is there."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class Seals:
    """The folder of the digests: NAME.sha256 as `sha256sum` writes and, in that folder, checks it."""

    folder: Path

    def write(self, path: Path, write: Callable[[BinaryIO], object]) -> None:
        """Write a file whole. Its digest is on the disk before it is: of a kill in between, the old file still counts.

        Raises:
            UserError: it cannot be written.
        """

        def hashed(file: BinaryIO) -> None:
            hashing = _Hashing(file)
            write(hashing)  # type: ignore[arg-type]
            self.note(path, hashing.hexdigest())

        write_whole(path, hashed)

    def note(self, path: Path, digest: str) -> None:
        """Keep the digest that a file has, or is about to have."""
        lines = [f"{known}  {self._name(path)}\n" for known in (digest, *self._known(path))[:KEPT]]
        write_whole(self._seal(path), lambda file: file.write("".join(lines).encode()))

    def verdict(self, path: Path) -> Verdict:
        """Tell whether a file is what was written."""
        if not self._seal(path).exists():
            return Verdict.DAMAGED if path.exists() else Verdict.UNKNOWN
        if not path.exists():
            return Verdict.GONE
        return Verdict.INTACT if sha256(path) in self._known(path) else Verdict.DAMAGED

    def drop(self, path: Path) -> None:
        """Remove a file and its digest, the digest last: what is left of a kill in between is said to be gone."""
        path.unlink(missing_ok=True)
        self.forget(path)

    def forget(self, path: Path) -> None:
        """Remove the digest of a file."""
        self._seal(path).unlink(missing_ok=True)

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.folder)

    def _seal(self, path: Path) -> Path:
        name = self._name(path).removeprefix(f"..{os.sep}").replace(os.sep, "_")
        return self.folder / f"{name}.sha256"

    def _known(self, path: Path) -> list[str]:
        try:
            lines = self._seal(path).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        words = [line.partition("  ") for line in lines]
        return [digest for digest, _, name in words if name == self._name(path) and len(digest) == 64]
