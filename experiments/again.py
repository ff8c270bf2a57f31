"""The same lanes painted in several ways: so many at once, each alone, in reverse, stopped, in another process."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from experiments import trials
from nst_jax import DEFAULT, Encoder, Interrupted, Results, Watch, grid, product, solve, solve_batch
from nst_jax.batch.run import nothing
from nst_jax.recipe import Optimizer

EIGHT = "--xla_force_host_platform_device_count=8"


@dataclass(frozen=True)
class Lanes:
    """What is painted: each pair with each balance is a lane."""

    pairs: int = 4
    balances: tuple[float, ...] = (3.0, 30.0)
    size: int = 64
    steps: int = 10


def paint(encoder: Encoder, config: Lanes, optimizer: Optimizer, how: str) -> dict[str, np.ndarray]:
    """Paint all lanes in one way: pictures (lanes, h, w, 3) and losses (lanes, evaluations)."""
    lanes, _, way = how.partition(" ")
    order = slice(None, None, -1 if way == "reversed" else 1)
    names = zip(*trials.PAIRS[: config.pairs][order], strict=True)
    contents, styles = ([trials.square(name, config.size) for name in own] for own in names)
    recipe = replace(DEFAULT, optimizer=optimizer, steps=config.steps)
    sweep = grid(product(encoder, contents, styles, recipe=recipe, paired=True), beta=config.balances[order])
    if way == "alone":
        found = [solve(encoder, problem) for problem in sweep.problems]
    else:
        watch = Watch(say=nothing, snapshots=config.steps // 2)  # there is a place to stop
        solved = partial(solve_batch, encoder, sweep, lanes=int(lanes), watch=watch)
        found = (stopped(solved, watch) if way == "stopped" else solved()).solutions[order]
    return {"images": np.stack([x.image for x in found]), "losses": np.stack([x.history["total"] for x in found])}


def stopped(solved: partial[Results], watch: Watch) -> Results:
    """Stop in the midst of the first chunk, and go on."""
    with TemporaryDirectory() as folder:
        try:
            solved(folder=folder, watch=replace(watch, stop=lambda: True))
        except Interrupted:
            return solved(folder=folder)
    raise RuntimeError("nothing was stopped")


def elsewhere(*what: Any) -> dict[str, np.ndarray]:
    """Paint in a process of its own, which compiles for itself; on eight devices if so many are asked for."""
    before = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{before} {EIGHT}" if str(what[-1]).endswith("devices") else before
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(paint, *what).result()
    finally:
        os.environ["XLA_FLAGS"] = before
