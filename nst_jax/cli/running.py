"""What `sweep` and `batch` share: the options of a run, and the way from a spec to a finished folder."""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from nst_jax.cli import interrupt
from nst_jax.cli.lanes_progress import LanesProgress
from nst_jax.errors import UserError
from nst_jax.runs.spec import Spec, lanes

if TYPE_CHECKING:
    from nst_jax.runs.ready import Ready


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a run is carried out, and where to."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DIR")]
    """Folder of the run: pictures, tables, manifest.json and index.html. The same command goes on where it was."""
    dry_run: bool = False
    """Print the lanes, programs, chunks and memory, and make nothing."""
    device: Literal["", "h100", "v5e", "v5p"] = ""
    """With --dry-run: plan for such a GPU or TPU, which need not be here."""
    lanes: int | None = None
    """Pictures computed together; by default as many as the memory holds."""
    snapshots: int = 0
    """Keep every lane's picture each so many steps; 0 keeps none."""
    animate: Literal["", "gif", "mp4"] = ""
    """Make an animation of every lane from its snapshots; MP4 needs ffmpeg."""
    metrics: bool = True
    """Compute the held-out metrics of the summary."""
    distributed: bool = False
    """Join the processes of a cluster that jax recognises; under srun, mpirun and on TPU pods this is automatic."""
    coordinator: str = ""
    """Without such a cluster: HOST:PORT of process 0; needs --processes and --process."""
    processes: int | None = None
    """Number of processes that share the lanes; all must see the same DIR."""
    process: int | None = None
    """Number of this process, from 0."""
    quiet: bool = False
    """Show no progress."""
    cache: bool = True
    """Keep compiled programs in the user's cache directory, so that the next start is quick."""

    def run(self, spec: Spec) -> int:
        """Make everything, or say what would be made; return the exit code.

        Raises:
            UserError: anything a user can put right.
        """
        lanes(spec)  # refuses what can be refused before jax is loaded
        if self.snapshots < 0:
            raise UserError(f"snapshots is {self.snapshots}: expected a number of steps, or 0 for none")
        if self.device and not self.dry_run:
            raise UserError(f"--device {self.device} plans for a device that is not here: add --dry-run")
        with interrupt.requested() as stop:
            if self.device:
                from nst_jax import absent

                absent.prepare(os.environ)
            self._join()
            from nst_jax import pages
            from nst_jax.batch.run import Interrupted, Watch
            from nst_jax.runs import ready as readying
            from nst_jax.runs import work

            ready = readying.prepare(spec, say=print)
            if self.dry_run:
                return dry_run(ready, self.lanes, self.device)
            began = time.perf_counter()
            try:
                with LanesProgress(len(ready.mine), quiet=self.quiet) as bar:
                    watch = Watch(say=bar.say, show=bar.show, stop=stop)
                    done = work.make(ready, self.out, lanes=self.lanes, watch=watch, page=pages.write)
            except Interrupted:
                print("interrupted: the same command goes on where it was", file=sys.stderr)
                return 130
        if ready.process == 0:
            print(f"{self.out / 'index.html'}  {len(done)} lanes, {time.perf_counter() - began:.1f} s")
            if broken := [i for i, lane in done.items() if lane.row["stopped"] == "non-finite"]:
                numbers = ", ".join(map(str, broken))
                print(f"the loss became non-finite in lanes {numbers}: kept their best pictures", file=sys.stderr)
        return 0

    def _join(self) -> None:
        """Start jax, as one of several processes where there are several."""
        import jax

        if self.cache:
            from nst_jax.cache import enable

            enable()
        given = (self.coordinator, self.processes, self.process)
        if any(x not in ("", None) for x in given):
            if any(x in ("", None) for x in given):
                raise UserError("--coordinator, --processes and --process belong together: give all three, or none")
            jax.distributed.initialize(self.coordinator, self.processes, self.process)
        elif self.distributed or in_cluster(os.environ):
            jax.distributed.initialize()


def in_cluster(environment: Mapping[str, str]) -> bool:
    """Tell whether a launcher has started several of us, by the variables it sets."""
    counts = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
    several = any(environment.get(name, "1").isdigit() and int(environment.get(name, "1")) > 1 for name in counts)
    return several or "," in environment.get("TPU_WORKER_HOSTNAMES", "")


def dry_run(ready: "Ready", lanes: int | None, device: str = "") -> int:
    """Print lanes, programs, chunks and memory; compiles, but runs no step."""
    from nst_jax.absent import ABSENT
    from nst_jax.batch.planning import plan

    for lane in ready.lanes:
        print(f"{lane.number:4}  {lane.name}")
    how = {"lanes": lanes, "only": ready.mine, "snapshots": ready.snapshots, "device": ABSENT.get(device)}
    plan(list(ready.encoders.values()), ready.sweep, **how)
    print("nothing was computed or written")
    return 0
