"""What `sweep` and `batch` share: the options of a run, and the way from a spec to a finished folder."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from nst_jax import backend, images
from nst_jax.cli import interrupt
from nst_jax.cli.elsewhere import Device, check_device
from nst_jax.cli.joining import Several, join
from nst_jax.cli.lanes_progress import LanesProgress
from nst_jax.cli.scripts import Scripted
from nst_jax.cli.streams import answer
from nst_jax.cli.written import Written, check_lanes
from nst_jax.errors import UserError
from nst_jax.files import check_output, check_outputs, shown
from nst_jax.printing import give, say, tell
from nst_jax.runs.folder import outputs
from nst_jax.runs.spec import Spec, all_axes, files, lanes

if TYPE_CHECKING:
    from nst_jax.batch.store import Finished
    from nst_jax.runs.ready import Ready


@dataclass(frozen=True, kw_only=True)
class Running(Several, Written, Scripted):
    """How a run is carried out, and where to."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
    """Folder of the run: pictures, tables, manifest.json and index.html. The same command goes on where it was."""
    dry_run: bool = False
    """Print the lanes, programs, chunks and memory, and make nothing."""
    format: Literal["png", "jpg", "webp", "tif"] = "png"
    """Kind of the pictures' files."""
    memory: str = ""
    """Memory of each device to plan with, such as 4GB; by default what it has left."""
    device: Device = ""
    """With --dry-run: plan for such a GPU or TPU, which need not be here."""
    lanes: int | None = None
    """Pictures computed together; by default as many as the memory holds."""
    snapshots: int = 0
    """Keep every lane's picture each so many steps; 0 keeps none."""
    animate: Literal["", "gif", "mp4"] = ""
    """Make an animation of every lane from its snapshots; MP4 needs ffmpeg."""
    metrics: bool = True
    """Compute the held-out metrics of the summary."""
    quiet: bool = False
    """Show no progress."""
    cache: bool = True
    """Keep compiled programs in the user's cache directory, so that the next start is quick."""

    def run(self, spec: Spec, kept: Sequence[Path] = ()) -> int:
        """Make everything, or say what would be made; return the exit code. Files that are `kept` are inputs, too.

        Raises:
            UserError: anything a user can put right.
        """
        with images.allowing(self.max_pixels):
            return self._run(replace(spec, format=self.format, how=self.how), kept)

    def _run(self, spec: Spec, kept: Sequence[Path]) -> int:
        found = lanes(spec)  # refuses what can be refused before jax is loaded
        if self.snapshots < 0:
            raise UserError(f"snapshots is {self.snapshots}: expected a number of steps, or 0 for none")
        check_device(self.device, self.dry_run)
        inputs = [*files(spec, (lane.recipe for lane in found)), *kept]
        check_outputs(outputs(self.out, (lane.image for lane in found), self.animate), inputs)
        check_lanes(spec, found)
        if not self.dry_run:
            check_output(self.out / "manifest.json", inputs, folders=True)
        with interrupt.requested() as asked:
            if self.device:
                from nst_jax import absent

                absent.prepare(os.environ)
            try:
                self._join(asked)
            except KeyboardInterrupt as stop:
                raise interrupt.Stopped(asked.signum) from stop
            asked.listen()  # again: several processes of jax have a handler of their own for SIGTERM
            return self._make(spec, asked)

    def _make(self, spec: Spec, asked: interrupt.Request) -> int:
        from nst_jax.batch import memory
        from nst_jax.runs.room import bytes_of

        with memory.within(bytes_of(self.memory)):
            return self._made(spec, asked)

    def _made(self, spec: Spec, asked: interrupt.Request) -> int:
        from nst_jax import pages
        from nst_jax.batch.run import Interrupted, Watch
        from nst_jax.runs import ready as readying
        from nst_jax.runs import work

        ready = readying.prepare(spec, say=say)
        if self.dry_run:
            return dry_run(ready, self.out, self.lanes, self.device)
        began = time.perf_counter()
        try:
            with LanesProgress([lane.name for lane in ready.lanes], len(ready.mine), quiet=self.quiet) as bar:
                watch = Watch(say=bar.say, show=bar.show, stop=asked, lane=bar.finished)
                told = partial(tell_lane, ready, self.out)
                done = work.make(ready, self.out, lanes=self.lanes, watch=watch, page=pages.write, lane=told)
        except Interrupted:
            tell("interrupted: the same command goes on where it was")
            return asked.code
        if ready.process == 0:
            page, seconds = self.out / "index.html", time.perf_counter() - began
            line = f"{shown(page)}  {len(done)} lanes, {seconds:.1f} s"
            give("run", line, path=self.out, page=page, lanes=len(done), seconds=seconds)
            if broken := [i for i, lane in done.items() if lane.row["stopped"] == "non-finite"]:
                tell(f"the loss became non-finite in lanes {', '.join(map(str, broken))}: kept their best pictures")
        return 0

    def _join(self, stop: Callable[[], bool]) -> None:
        """Start jax, as one of several processes where there are several."""
        backend.imported()
        if self.cache:
            from nst_jax.cache import enable

            enable()
        join(self, say=say, stop=stop)
        backend.start()


def tell_lane(ready: "Ready", out: Path, number: int, found: "Finished") -> None:
    """Give a finished lane to a script."""
    lane, last = ready.lanes[number], len(found.history["total"]) - 1
    axes = {name for axis in all_axes(ready.spec) for name in axis.names}
    ended = {name: found.row[name] for name in ("stopped", "best_step")}
    terms = {name: found.row[name] for name in found.history}
    measures = {name: x for name, x in found.row.items() if name not in {*axes, *terms, *ended}}
    what = {"lane": number, "name": lane.name, "path": out / lane.image, "settings": lane.settings}
    give("lane", **what, **ended, steps=last, terms=terms, measures=measures, seconds=found.seconds)


def dry_run(ready: "Ready", out: Path, lanes: int | None, device: str = "") -> int:
    """Print lanes, programs, chunks and memory; compiles, but runs no step."""
    from nst_jax.absent import ABSENT
    from nst_jax.batch.planning import plan

    for lane in ready.lanes:
        what = {"lane": lane.number, "name": lane.name, "path": out / lane.image, "settings": lane.settings}
        give("planned", f"{lane.number:4}  {lane.name}", **what)
    how = {"lanes": lanes, "only": ready.mine, "snapshots": ready.snapshots, "device": ABSENT.get(device)}
    for chunk in plan(list(ready.encoders.values()), ready.sweep, say=say, **how):
        give("chunk", lanes=chunk.lanes, size=chunk.size)
    answer("nothing was computed or written")
    return 0
