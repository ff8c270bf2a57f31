"""The tables and the page of a run, written as lanes finish and not only at the end."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from nst_jax.batch.store import Finished, Store
from nst_jax.runs import tables
from nst_jax.runs.ready import Ready

SHARE = 0.05
"""Part of the time that may go into it before the end: a thousand lanes are not drawn a thousand times."""


SHOWN = ("index.html", "summary.csv", "history.csv")
"""What is there once something was shown."""


class Publisher:
    """Shows what is finished of a run, by the process that is its first.

    Args:
        ready, out, store: the run.
        page: what draws the folder.
        kept: this process' own lanes, as they finish.
    """

    def __init__(
        self,
        ready: Ready,
        out: Path,
        store: Store,
        page: Callable[[Path], object],
        kept: Mapping[int, Finished],
    ) -> None:
        self._ready, self._out, self._store, self._page, self._kept = ready, out, store, page, kept
        self._shown: tuple[int, ...] = ()
        self._due = 0.0

    def begin(self) -> None:
        """Show what the run will be, before a lane is finished, unless an earlier call has shown more."""
        if self._ready.process == 0 and not any((self._out / name).exists() for name in SHOWN):
            self._page(self._out)

    def between(self) -> None:
        """Show what is there, if that was not done just now."""
        if self._ready.process == 0 and time.perf_counter() >= self._due:
            began = time.perf_counter()
            self.show()
            ended = time.perf_counter()
            self._due = ended + (ended - began) / SHARE

    def show(self) -> None:
        """Show what is there, if there is more than before."""
        if self._ready.process:
            return
        finished = {i: found for i in range(len(self._ready.lanes)) if (found := self._finished(i)) is not None}
        if tuple(finished) != self._shown:
            self.write(finished)

    def _finished(self, lane: int) -> Finished | None:
        if lane % self._ready.processes == self._ready.process:
            return self._kept.get(lane)
        return self._store.load_finished(lane, quietly=True)

    def write(self, finished: dict[int, Finished]) -> None:
        """Write the tables of these lanes, and the page."""
        tables.write(self._out, finished)
        self._page(self._out)
        self._shown = tuple(finished)
