"""Make one run of several processes: find the others, wait for them with a word, and never for ever."""

import atexit
import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nst_jax import backend
from nst_jax.errors import UserError
from nst_jax.files import one_line, shown

COUNTS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Variables in which launchers say how many processes they have started."""
WAIT = 600.0
"""Seconds to wait for the others."""
TELL = 30.0
"""Seconds from one line on that to the next."""
POLL = 0.1


@dataclass(frozen=True, kw_only=True)
class Several:
    """Which processes make something together."""

    distributed: bool = False
    """Join the processes of a cluster that jax recognises: of srun, mpirun or a TPU pod; a run of many pictures does
    so by itself."""
    coordinator: str = ""
    """Without such a cluster: HOST:PORT of process 0; needs --processes and --process."""
    processes: int | None = None
    """Number of processes that share the lanes, or the tiles of a single picture; all must see the same files."""
    process: int | None = None
    """Number of this process, from 0."""

    @property
    def named(self) -> bool:
        """Tell whether processes are named by hand, or part of their names is there."""
        return (self.coordinator, self.processes, self.process) != ("", None, None)


def in_cluster(environment: Mapping[str, str]) -> bool:
    """Tell whether a launcher has started several of us, by the variables it sets."""
    several = any(environment.get(name, "1").isdigit() and int(environment.get(name, "1")) > 1 for name in COUNTS)
    return several or "," in environment.get("TPU_WORKER_HOSTNAMES", "")


def join(
    whom: Several,
    *,
    say: Callable[[str], object],
    stop: Callable[[], bool],
    stay: bool = False,
) -> None:
    """Join the processes that are named by hand, or those of a cluster, if it is asked for or seen; else do nothing.

    They let go of one another once each has its number and its devices, for no lane needs another's: connected, one
    that ends minutes before the others would take them with it, and one that is told to stop could not leave.

    Args:
        whom: those named, or that whatever cluster jax recognises is asked for.
        say: gets a line on whom is waited for.
        stop: tells whether to stop waiting.
        stay: do not let go, for they compute one thing; and see no cluster that is not asked for, in which each may
            have a command of its own.

    Raises:
        UserError: no cluster, a wrong address, or others that do not come.
        KeyboardInterrupt: `stop` said so.
    """
    if whom.named:
        address, processes, process = whom.coordinator, whom.processes, whom.process
        if not address or processes is None or process is None:
            raise UserError("--coordinator, --processes and --process belong together: give all three, or none")
        _check(address, processes, process)
        where = f"{processes} processes at {shown(address)}"
        _wait(lambda: _met(address, processes, process, stay=stay), where, say, stop)
    elif whom.distributed or (in_cluster(os.environ) and not stay):
        _wait(lambda: _met(stay=stay), "the processes of the cluster", say, stop)


def _met(*whom: Any, stay: bool) -> None:
    """Give each process its number and its devices."""
    import jax

    jax.distributed.initialize(*whom, **_PATIENT)
    backend.start()
    if not stay:
        jax.distributed.shutdown()


_PATIENT: Any = {"initialization_timeout": 10**6}  # jax ends the process when its own time is over; ours speaks first


def _check(address: str, processes: int, process: int) -> None:
    """Refuse what cannot be joined, before anything waits for it."""
    host, _, port = address.rpartition(":")
    if not host or not re.fullmatch(r"\d{1,5}", port) or not 0 < int(port) < 65536:
        raise UserError(f"--coordinator is '{shown(address)}': expected HOST:PORT, such as 10.0.0.1:1234")
    if processes < 1 or not 0 <= process < processes:
        raise UserError(f"--process is {process} of {processes}: expected 0 to one less than --processes")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--coordinator is '{shown(address)}': no such host ({one_line(error)})") from error
    if process == 0:
        _check_free(address, found[0])


def _check_free(address: str, found: tuple[Any, ...]) -> None:
    family, kind, protocol, _, place = found
    with contextlib.closing(socket.socket(family, kind, protocol)) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(place)
        except OSError as error:
            raise UserError(
                f"--coordinator is '{shown(address)}': process 0 cannot listen there ({one_line(error)}); "
                "give an address of its own machine and a free port"
            ) from error


def _wait(join: Callable[[], object], whom: str, say: Callable[[str], object], stop: Callable[[], bool]) -> None:
    """Join in a thread of its own, for jax hears nothing while it waits."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            join()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    began = told = time.monotonic()
    while thread.is_alive():
        thread.join(POLL)
        now = time.monotonic()
        if stop():
            raise KeyboardInterrupt
        if now - began > WAIT:
            atexit.register(backend.leave)
            raise UserError(f"not all of {whom} came within {WAIT:.0f} s: start them all, with one address")
        if thread.is_alive() and now - told > TELL:
            say(f"waiting for {whom}, for {now - began:.0f} s")
            told = now
    if failed and isinstance(failed[0], UserError):
        raise failed[0]
    if failed:
        counts = [f"{name}={shown(os.environ[name])}" for name in COUNTS if name in os.environ]
        seen = f", though the environment has {', '.join(counts)}" if counts else ""
        raise UserError(
            f"several processes cannot be joined ({one_line(failed[0])}){seen}: start them by srun or mpirun, give "
            "--coordinator, --processes and --process, or unset what is left of another launcher"
        ) from failed[0]
