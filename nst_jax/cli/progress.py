"""The progress of a single picture on stderr: a bar on a terminal, a line a minute elsewhere."""

import contextlib
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from nst_jax.cli.minutes import Minutes
from nst_jax.files import escaped
from nst_jax.printing import tell

if TYPE_CHECKING:
    from nst_jax.batch.program import Partial


def watched() -> bool:
    """Tell whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class Progress:
    """Show steps, iterations a second, time left and the loss."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._watched = quiet, watched()
        self._bar = RichProgress(
            BarColumn(24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[loss]}"),
            console=Console(stderr=True),
            transient=True,
            disable=quiet or not self._watched,
        )
        self._task = self._bar.add_task("", total=None, rate="compiling", loss="")
        self._began = (0.0, 0)
        self._line = "compiling"
        self._around = contextlib.ExitStack()

    def __enter__(self) -> "Progress":
        self._around.enter_context(self._bar)
        self._around.enter_context(Minutes(lambda: self._line, on=not self._quiet and not self._watched))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._around.close()

    def say(self, line: str) -> None:
        """Print a line above the bar, on stderr."""
        if self._quiet:
            return
        if self._watched:
            self._bar.console.print(escaped(line), markup=False, highlight=False, soft_wrap=True)
        else:
            tell(line)

    def show(self, at: "Partial") -> None:
        """Move the bar to where a single lane stands."""
        history, steps = {name: x[0] for name, x in at.history.items()}, at.steps
        done, now = len(history["total"]), time.perf_counter()
        # The first chunk compiles: the rate counts from its end. A history that is shorter again is the next scale's.
        if not self._began[1] or done < self._began[1]:
            self._began = (now, done)
        since, taken = now - self._began[0], done - self._began[1]
        rate = f"{taken / since:.1f} it/s" if taken else "compiled"
        last = min(done - 1, steps)  # the last piece may go on, with nothing in it, beyond the steps that are asked for
        loss = f"loss {history['total'][last]:.4g}"
        scale = f"scale {at.scale + 1} of {at.scales}, " if at.scales > 1 else ""
        self._line = f"{scale}step {last} of {steps}, {rate}, {loss}"
        self._bar.update(self._task, total=steps, completed=min(done, steps), rate=rate, loss=loss)
