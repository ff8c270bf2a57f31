"""Streams that outlive their readers, and answers: what a command prints because it was asked for."""

import errno
import io
import os
import sys
from typing import Any, TextIO

from nst_jax.errors import UserError
from nst_jax.files import one_line
from nst_jax.printing import say


class Unread(Exception):
    """Nobody reads what was asked for: the other end of the pipe is closed."""


class _Raw(io.FileIO):
    """A file whose writing never fails; the first failure is kept."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write, or drop what cannot be written."""
        try:
            written = super().write(data)
        except OSError as error:
            self.failure = self.failure or error
        else:
            if written is not None:
                return written
            self.failure = self.failure or OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return memoryview(data).nbytes


class Stream(io.TextIOWrapper):
    """A stream that takes every character and outlives its other end."""

    def __init__(self, descriptor: int, encoding: str, *, lines: bool) -> None:
        self.raw = _Raw(descriptor, "w", closefd=False)
        super().__init__(io.BufferedWriter(self.raw), encoding, "backslashreplace", line_buffering=lines)


def steady() -> None:
    """Put streams that cannot fail in the place of stdout and stderr, and open those that are closed into nothing.

    A closed one must be opened first of all: the next file would take its number, and with it what others print.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        before: TextIO | None = getattr(sys, name)
        encoding = getattr(before, "encoding", None) or "utf-8"
        stream = Stream(descriptor, encoding, lines=name == "stderr" or os.isatty(descriptor))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if sys.stdin is None:
        sys.stdin = sys.__stdin__ = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115


def apart() -> None:
    """Keep stdout for what is said here: what libraries print on it themselves goes nowhere."""
    if not isinstance(sys.stdout, Stream):
        return
    sys.stdout.flush()
    own, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
    sys.stdout = sys.__stdout__ = Stream(own, sys.stdout.encoding, lines=os.isatty(own))


def answer(*lines: str) -> None:
    """Print on stdout what was asked for: here, printing is the work."""
    for line in lines:
        say(line)
    delivered()


def delivered() -> None:
    """Check that all that was printed on stdout has arrived.

    Raises:
        Unread: at the other end of a pipe nobody reads on.
        UserError: a full disk, or another failure.
    """
    if not isinstance(sys.stdout, Stream):
        return
    sys.stdout.flush()
    failure = sys.stdout.raw.failure
    if isinstance(failure, BrokenPipeError):
        raise Unread
    if failure is not None:
        raise UserError(f"what was asked for cannot be printed ({one_line(failure)}): send it elsewhere")
