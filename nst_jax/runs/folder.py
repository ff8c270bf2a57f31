"""The folder of a run: who may write to it, and how files get there whole."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import filelock

from nst_jax.errors import UserError

STATE = "state"
"""Subfolder for what only a resumed run reads."""


@contextlib.contextmanager
def locked(folder: Path, process: int = 0) -> Iterator[None]:
    """Keep every other run out of the folder; the lock dies with the process.

    Raises:
        UserError: another process is at work there, or the folder cannot be made.
    """
    try:
        (folder / STATE).mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / STATE / f"lock-{process}")
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(
            f"another process is writing to '{folder}': wait for it to end, or give another --out"
        ) from None
    except OSError as error:
        raise UserError(f"'{folder}' cannot be written ({error.strerror}): give another --out") from error
    try:
        yield
    finally:
        lock.release()


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside and rename it: after a kill there is the old one or the new one.

    Raises:
        UserError: the disk is full, or the folder is not writable.
    """
    beside = path.with_name(f".nst_jax-{path.name}-{os.getpid()}.tmp")
    try:
        try:
            with beside.open("wb") as file:
                write(file)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = f"'{path}' cannot be written ({error.strerror})"
        raise UserError(f"{reason}: free some space; the same command goes on") from error


def clean(folder: Path) -> None:
    """Remove what a killed process left half written; only for who holds the lock."""
    for path in folder.rglob(".*"):
        if path.is_file() and re.fullmatch(r"\.nst_jax-.*\.tmp|\.\w+\.(html|jpg|png)\.\d+", path.name):
            path.unlink(missing_ok=True)
