"""Temporary files: on the disk of what they become, locked while written, removed once their writer is dead."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows lets nobody remove a file that somebody has open
    fcntl = None

PATTERN = ".nst_jax-*.tmp"


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a new file in a folder; whatever happens, it is gone at the end, unless it was renamed.

    Its name is short, whatever the final one: a rename within a disk is atomic.
    """
    path, file, held = _created(folder)
    try:
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)
        if held is not None:
            os.close(held)


def _created(folder: Path) -> tuple[Path, BinaryIO, int | None]:
    """Make a file and lock it by a second descriptor, which outlives the closing of the first."""
    while True:
        path = folder / PATTERN.replace("*", secrets.token_hex(8))
        file = path.open("xb")
        if fcntl is None:
            return path, file, None
        held = os.dup(file.fileno())
        with contextlib.suppress(OSError):  # a disk that knows no locks
            fcntl.flock(held, fcntl.LOCK_EX)
        if os.fstat(held).st_nlink:
            return path, file, held
        file.close()  # somebody cleaned it away between the making and the locking
        os.close(held)


def clean(folder: Path, *, deep: bool = False) -> None:
    """Remove what killed processes left half written in a folder, or also below it; what is being written stays."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.rglob(PATTERN) if deep else folder.glob(PATTERN)):
            with contextlib.suppress(OSError):
                _remove(path)


def _remove(path: Path) -> None:
    if not path.is_file() or path.is_symlink():
        return
    with path.open("rb") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where its writer lives
            path.unlink()
    if fcntl is None:
        path.unlink()
