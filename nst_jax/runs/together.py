"""Processes that make one picture together: what they tell one another, and that none waits for one that is gone."""

import atexit
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from nst_jax import backend
from nst_jax.errors import UserError
from nst_jax.files import one_line

LENGTH = 1000
"""Bytes of what is told at once."""
PATIENCE = 30.0
"""Seconds to wait for others to hear of a failure."""
GONE = ("Gloo", "NCCL", "UNAVAILABLE", "coordination service")
"""Words of the errors of jax when another process cannot be reached."""


class Elsewhere(UserError):
    """What another process could not do, which ends this one, too."""


@dataclass(frozen=True)
class Together:
    """The processes of one picture, each of which runs the same program; or this one alone.

    Each method but `first` is called by all of them, and in the same order: what one tells, all hear.

    Attributes:
        on: there are several.
    """

    on: bool = False

    @property
    def first(self) -> bool:
        """Say whether this process is the one that writes."""
        if not self.on:
            return True
        import jax

        return jax.process_index() == 0

    def least(self, number: int) -> int:
        """Give the least of the numbers that the processes have."""
        return min(map(int, self._told(str(number)))) if self.on else number

    def most(self, number: int) -> int:
        """Give the largest of the numbers that the processes have."""
        return max(map(int, self._told(str(number)))) if self.on else number

    def same(self, text: str, otherwise: str) -> None:
        """Go on where all processes have the same text.

        Raises:
            UserError: the number of a process that has not, and what is `otherwise`.
        """
        told = self._told(text) if self.on else [text]
        for process, found in enumerate(told):
            if found != told[0]:
                raise Elsewhere(f"process {process} {otherwise}")

    @contextlib.contextmanager
    def as_one(self) -> Iterator[None]:
        """End all processes where one ends before its time, each with a line that says why.

        Raises:
            UserError: another process failed, or cannot be reached.
        """
        if not self.on:
            yield
            return
        try:
            yield
            self._told("")
        except Elsewhere:
            raise
        except Exception as error:
            if any(word in str(error) for word in GONE):
                atexit.register(backend.leave)
                raise Elsewhere(
                    f"another process ended, or cannot be reached ({one_line(error)[:200]}): run the same commands "
                    "again to go on"
                ) from error
            _tell(error)
            raise

    def _told(self, text: str) -> list[str]:
        """Give what every process tells, by its number.

        Raises:
            UserError: one tells of a failure.
        """
        found = _gathered("+" + text)
        for process, line in enumerate(found):
            if not line.startswith("+"):
                raise Elsewhere(f"process {process} ended: {line[1:]}")
        return [line[1:] for line in found]


def _gathered(text: str) -> list[str]:
    """Give the text of every process: a line of bytes on the first device of each, then all lines on all of them."""
    import jax
    import numpy as np

    split, copied = _exchange()
    line = np.frombuffer(text.encode()[:LENGTH].ljust(LENGTH, b"\0"), np.uint8)[None]
    found = copied(jax.make_array_from_process_local_data(split, line))
    return [bytes(each).rstrip(b"\0").decode(errors="replace") for each in np.asarray(found)]


@cache
def _exchange() -> tuple[Any, Callable[[Any], Any]]:
    """Give how lines lie on the first devices of the processes, which may have more, and what copies all to each."""
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    firsts = {device.process_index: device for device in reversed(jax.devices())}
    mesh = Mesh([firsts[process] for process in sorted(firsts)], ("processes",))
    split, whole = (NamedSharding(mesh, PartitionSpec(axis)) for axis in ("processes", None))
    return split, jax.jit(lambda lines: lines, out_shardings=whole)


def _tell(error: Exception) -> None:
    """Tell the others of a failure; if they do not hear of it in time, end without them."""
    heard: list[bool] = []

    def tell() -> None:
        with contextlib.suppress(Exception):
            _gathered("-" + one_line(error))
            heard.append(True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not heard:
        atexit.register(backend.leave)


ALONE = Together()
