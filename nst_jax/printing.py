"""Print a line about the work: it stays one line, and the work does not depend on anybody being there to read it."""

import sys
from typing import TextIO

from nst_jax.files import escaped


def say(line: str = "") -> None:
    """Print a line on stdout; if it cannot be printed, the work goes on."""
    put(sys.stdout, line)


def tell(line: str) -> None:
    """Print a line on stderr; if it cannot be printed, the work goes on."""
    put(sys.stderr, line)


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
