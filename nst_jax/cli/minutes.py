"""A line a minute where there is no terminal to draw a bar on."""

import threading
from collections.abc import Callable
from types import TracebackType

from nst_jax.printing import tell

EVERY = 60.0
"""Seconds from one line to the next."""


class Minutes:
    """Tell on stderr how the work stands, once a minute, also while it compiles."""

    def __init__(self, line: Callable[[], str], *, on: bool) -> None:
        self._line = line
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True) if on else None

    def _tell(self) -> None:
        while not self._ended.wait(EVERY):
            tell(self._line())

    def __enter__(self) -> "Minutes":
        if self._thread:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()
