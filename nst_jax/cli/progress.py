"""The progress bar on stderr: silent when nobody is watching."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Progress:
    """Show steps, iterations a second, time left and the loss terms."""

    def __init__(self, steps: int, *, quiet: bool) -> None:
        self._bar = RichProgress(
            BarColumn(24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[terms]}"),
            console=Console(stderr=True),
            transient=True,
            disable=quiet or not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("", total=steps, rate="compiling", terms="")
        self._began = (0.0, 0)

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, history: Mapping[str, np.ndarray], steps: int) -> None:
        """Move the bar to the end of `history`, of a scale of so many steps."""
        done, now = len(history["total"]), time.perf_counter()
        # The first chunk compiles: the rate counts from its end. A history that is shorter again is the next scale's.
        if not self._began[1] or done < self._began[1]:
            self._began = (now, done)
        since, taken = now - self._began[0], done - self._began[1]
        rate = f"{taken / since:.1f} it/s" if taken else "compiled"
        shown = ("total", "content", "style")
        terms = " ".join(f"{name} {history[name][-1]:.3g}" for name in shown)
        self._bar.update(self._task, total=steps, completed=min(done, steps), rate=rate, terms=terms)
