"""Wait for the lanes of other processes: never for ever, and never without a word."""

import time
from collections.abc import Mapping

from nst_jax.batch.run import Interrupted, Watch
from nst_jax.batch.store import Finished, Store
from nst_jax.errors import UserError
from nst_jax.runs.ready import Ready

POLL = 0.5
"""Seconds from one look at the folder to the next."""
TELL = 60.0
"""Seconds from one line on what is waited for to the next."""
GRACE = 30.0
"""Seconds that a process may hold no lock, as while it starts, before it counts as ended."""


def gather(ready: Ready, store: Store, kept: Mapping[int, Finished], watch: Watch) -> dict[int, Finished]:
    """Give every finished lane, this process' own from what it has `kept` and those of others as they come.

    Processes share nothing but the folder. One that is at work holds a lock in it, so that nobody waits for one that
    ended without its lanes, for whatever reason.

    Raises:
        UserError: another process ended without some of its lanes.
        Interrupted: the watch asked to stop.
    """
    finished = dict(kept)
    owners = {number: number % ready.processes for number in range(len(ready.lanes))}
    began = told = time.monotonic()
    seen = dict.fromkeys(range(ready.processes), began)
    while missing := [number for number in owners if number not in finished]:
        for number in missing:
            if (found := store.load_finished(number, quietly=True)) is not None:
                finished[number] = found
        missing = [number for number in missing if number not in finished]
        now = time.monotonic()
        for process in {owners[number] for number in missing}:
            if store.at_work(process):
                seen[process] = now
            elif now - seen[process] > GRACE:
                without = _listed([number for number in missing if owners[number] == process])
                raise UserError(f"process {process} ended without {without}: run the same commands again to make them")
        if missing and watch.stop():
            raise Interrupted(None, {})
        if missing and now - told > TELL:
            watch.say(f"waiting for {_listed(missing)} of other processes, for {now - began:.0f} s")
            told = now
        if missing:
            time.sleep(POLL)
    return dict(sorted(finished.items()))


def _listed(numbers: list[int]) -> str:
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"lane{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:5]))}{more}"
