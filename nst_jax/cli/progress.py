"""The progress bar on stderr: silent when nobody is watching."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

if TYPE_CHECKING:
    from nst_jax.batch.program import Partial


class Progress:
    """Show steps, iterations a second, time left and the loss terms."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
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
        self._task = self._bar.add_task("", total=None, rate="compiling", terms="")
        self._began = (0.0, 0)

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar, on stderr."""
        if not self._quiet:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, at: "Partial") -> None:
        """Move the bar to where a single lane stands."""
        history, steps = {name: x[0] for name, x in at.history.items()}, at.steps
        done, now = len(history["total"]), time.perf_counter()
        # The first chunk compiles: the rate counts from its end. A history that is shorter again is the next scale's.
        if not self._began[1] or done < self._began[1]:
            self._began = (now, done)
        since, taken = now - self._began[0], done - self._began[1]
        rate = f"{taken / since:.1f} it/s" if taken else "compiled"
        shown = ("total", "content", "style")
        terms = " ".join(f"{name} {history[name][-1]:.3g}" for name in shown)
        self._bar.update(self._task, total=steps, completed=min(done, steps), rate=rate, terms=terms)
