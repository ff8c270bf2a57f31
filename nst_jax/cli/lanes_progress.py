"""The progress of many lanes on stderr: two bars on a terminal; elsewhere a line a minute and one a finished lane."""

import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nst_jax.cli.minutes import Minutes
from nst_jax.cli.progress import watched
from nst_jax.printing import say, tell

if TYPE_CHECKING:
    from nst_jax.batch.program import Chunk, Partial
    from nst_jax.optimize import Solution


class LanesProgress:
    """Show lanes done, steps of the chunk in flight, and the time left for both.

    Args:
        names: of all lanes, by their numbers.
        lanes: how many of them are made here.
        quiet: show nothing.
    """

    def __init__(self, names: Sequence[str], lanes: int, *, quiet: bool) -> None:
        self._names, self._lanes, self._lines = names, lanes, not quiet and not watched()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
            disable=quiet or not watched(),
        )
        self._whole = self._bars.add_task("all lanes", total=None)
        self._chunk = self._bars.add_task("compiling", total=None)
        self._line = "compiling"
        self._around = contextlib.ExitStack()

    def __enter__(self) -> "LanesProgress":
        self._around.enter_context(self._bars)
        self._around.enter_context(Minutes(lambda: self._line, on=self._lines))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._around.close()

    def say(self, line: str) -> None:
        """Print a line above the bars, on stdout."""
        self._bars.stop()
        say(line)
        self._bars.start()

    def finished(self, lane: int, solution: "Solution", seconds: float) -> None:
        """Say that a lane is done, where no bar says so."""
        if self._lines:
            total = float(solution.history["total"][solution.best_step])
            tell(f"lane {lane} is done: {self._names[lane]}, loss {total:.4g}, {seconds:.1f} s")

    def show(self, chunk: "Chunk", at: "Partial", done: int) -> None:
        """Move the bars to where a chunk stands, so many lanes being done."""
        self._bars.update(self._whole, completed=done, total=self._lanes)
        which = f"lanes {chunk.lanes[0]} to {chunk.lanes[-1]}"
        which += f", scale {at.scale + 1} of {at.scales}" if at.scales > 1 else ""
        self._line = f"{done} of {self._lanes} lanes are done, {which} at step {min(at.step, at.steps)} of {at.steps}"
        if self._bars.tasks[1].description != which:
            self._bars.reset(self._chunk, description=which)
        self._bars.update(self._chunk, completed=min(at.step, at.steps), total=at.steps)
