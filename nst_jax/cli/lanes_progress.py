"""Two bars on stderr, all lanes and the chunk in flight: silent when nobody is watching."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from nst_jax.batch.program import Chunk, Partial


class LanesProgress:
    """Show lanes done, steps of the chunk in flight, and the time left for both."""

    def __init__(self, lanes: int, *, quiet: bool) -> None:
        self._lanes = lanes
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
            disable=quiet or not sys.stderr.isatty(),
        )
        self._whole = self._bars.add_task("all lanes", total=None)
        self._chunk = self._bars.add_task("compiling", total=None)

    def __enter__(self) -> "LanesProgress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print a line above the bars, on stdout."""
        self._bars.stop()
        print(line, flush=True)
        self._bars.start()

    def show(self, chunk: "Chunk", at: "Partial", done: int) -> None:
        """Move the bars to where a chunk stands, so many lanes being done."""
        self._bars.update(self._whole, completed=done, total=self._lanes)
        which = f"lanes {chunk.lanes[0]} to {chunk.lanes[-1]}"
        which += f", scale {at.scale + 1} of {at.scales}" if at.scales > 1 else ""
        if self._bars.tasks[1].description != which:
            self._bars.reset(self._chunk, description=which)
        self._bars.update(self._chunk, completed=min(at.step, at.steps), total=at.steps)
