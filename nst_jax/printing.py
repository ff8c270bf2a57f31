"""Say a line about the work: to people, to scripts (`--json`) or to a program's log; it stays one line.

The work does not depend on anybody being there to read it. What is said goes one of three ways:

- the command line says lines for people, on stdout and stderr;
- with `--json` it gives one object a line on stdout for what is made, and lines for people go to stderr;
- functions that Python calls write to the log named nst_jax, which the package leaves unconfigured.
"""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from nst_jax.files import escaped

LOG = logging.getLogger("nst_jax")
LOG.addHandler(logging.NullHandler())

_scripted = False
"""Whether stdout is for a script."""


def say(line: str = "") -> None:
    """Print a line on stdout, or on stderr where stdout is a script's; if it cannot be printed, the work goes on."""
    put(sys.stderr if _scripted else sys.stdout, line)


def tell(line: str) -> None:
    """Print a line on stderr; if it cannot be printed, the work goes on."""
    put(sys.stderr, line)


def give(event: str, *lines: str, **held: Any) -> None:
    """Say what is made: in lines for people, or to a script as one object, of this event and what it holds."""
    if _scripted:
        put(sys.stdout, json.dumps(as_json({"event": event, **held}), allow_nan=False))
        return
    for line in lines:
        say(line)


def log(line: str) -> None:
    """Write a line into the log."""
    LOG.info("%s", line)


def warn(line: str) -> None:
    """Write a line into the log that asks for attention."""
    LOG.warning("%s", line)


@contextlib.contextmanager
def scripted(on: bool) -> Iterator[None]:
    """Keep stdout for a script, if it is `on`."""
    global _scripted
    before, _scripted = _scripted, on
    try:
        yield
    finally:
        _scripted = before


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Say what goes into the log, for a command whose log is what it says."""
    handler, level = _Heard(), LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)


class _Heard(logging.Handler):
    """Says each line of the log, warnings on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one line."""
        (tell if record.levelno >= logging.WARNING else say)(record.getMessage())


def as_json(value: Any) -> Any:
    """Turn paths, tuples and numpy's numbers into what JSON has; a number that is not finite is null."""
    if isinstance(value, dict):
        return {str(name): as_json(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(held) for held in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def put(stream: TextIO | None, line: str) -> None:
    """Print a line on a stream that may be closed, full, broken or of an encoding that lacks its letters."""
    text = escaped(line)
    try:
        try:
            print(text, file=stream, flush=True)
        except UnicodeEncodeError:
            print(text.encode("ascii", "backslashreplace").decode("ascii"), file=stream, flush=True)
    except (OSError, ValueError):
        pass  # nobody is there
