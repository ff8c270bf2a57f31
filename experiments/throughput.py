"""What does one program for all lanes gain over a loop of single ones, and what do more devices add?

Command: XLA_FLAGS=--xla_force_host_platform_device_count=2 python -m experiments.throughput
    (the flag makes two devices of one CPU); --size 512 --lanes 1 4 16 64 --steps 50 on GPUs, without the flag.
Cost: the column `seconds` of its rows, for a number of lanes; compiling as long again.
Expected: on a CPU, whose cores one lane keeps busy, all three are about equal and memory grows with the lanes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from timeit import timeit

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments import common, trials
from nst_jax import DEFAULT, Encoder, Sweep, grid, networks, pose
from nst_jax.batch import lanes as program
from nst_jax.batch.memory import needed_bytes
from nst_jax.batch.sweep import collate, swept_leaves
from nst_jax.recipe import MOST_STEPS


@dataclass(frozen=True)
class Config:
    """What is run: a beta sweep of each number of `lanes`; an image is `whole` steps."""

    size: int = 128
    lanes: tuple[int, ...] = (1, 4, 16)
    steps: int = 1
    rounds: int = 3
    whole: int = 500


def build(encoder: Encoder, sweep: Sweep, steps: int, mesh: Mesh) -> tuple[Callable[[], object], int]:
    """Compile `steps` steps of every lane on the devices of a mesh: (run them once and wait, bytes a device)."""
    swept = swept_leaves(sweep.problems)
    encoder = jax.device_put(encoder, NamedSharding(mesh, PartitionSpec()))
    problem = program.place(mesh, replace(collate(sweep.problems, swept), origin=None), swept)
    how = {"swept": swept, "mesh": mesh}
    lanes = program.place_lanes(mesh, np.arange(len(sweep), dtype=np.int32))
    state = program.begin_lanes(problem, lanes, **how)
    compiled = program.advancing_lanes.jitted().lower(encoder, problem, state, length=steps, **how).compile()

    def run() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(compiled(encoder, problem, state))

    return run, needed_bytes(compiled) or 0


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Let the three ways take turns; give the run folder."""
    folder, rows, recipe = common.run_folder(config, runs), [], replace(DEFAULT, optimizer="adam", steps=MOST_STEPS)
    problem = pose(encoder, *(trials.square(name, config.size) for name in ("temple", "great_wave")), recipe=recipe)
    one_device = Mesh(np.array(jax.devices()[:1]), (program.AXIS,))
    encoder = networks.prepare(replace(encoder, network=problem.network), "auto", (config.size, config.size))
    single, alone = build(encoder, grid(problem, beta=10.0), config.steps, one_device)
    for lanes in config.lanes:
        sweep, mesh = grid(problem, beta=np.geomspace(1, 100, lanes)), program.lane_mesh(lanes)
        ways: dict[str, tuple] = {"loop": (lambda lanes=lanes: [single() for _ in range(lanes)], alone)}
        for where in dict.fromkeys((one_device, mesh)):
            name = f"sharded over {where.size}" if where.size > 1 else "vmap"
            ways[name] = build(encoder, sweep, config.steps, where)
        began = time.perf_counter()
        # They take turns, so that a busy minute hits all; the first turn warms up.
        turns = [[timeit(run, number=1) for run, _ in ways.values()] for _ in range(config.rounds + 1)][1:]
        about = {"size": config.size, "steps": config.steps, **common.about(time.perf_counter() - began)}
        for k, (name, (_, held)) in enumerate(ways.items()):
            rate = 60 * lanes * config.steps / config.whole / median(turn[k] for turn in turns)
            times = sorted(turn[0] / turn[k] for turn in turns)
            speed = {"images_a_minute": rate, "times_the_loop": median(times), "least": times[0], "most": times[-1]}
            rows.append({"lanes": lanes, "how": name, **speed, "MB_a_device": held / 1e6, **about})
    common.table(folder / "numbers.csv", rows)
    draw(config, rows, folder / "figure.jpg")
    return folder


def draw(config: Config, rows: list, path: Path) -> None:
    """Draw speed and memory against lanes."""
    made = common.figure(7.5, 3.2)
    labels = ("images_a_minute", f"images of {config.whole} steps a minute"), ("MB_a_device", "MB a device")
    for panel, (column, label) in zip(made.subplots(1, 2), labels, strict=True):
        for name, mark in zip(dict.fromkeys(row["how"] for row in rows), ("o-", "s-", "^--"), strict=False):
            own = [row for row in rows if row["how"] == name]
            panel.plot([row["lanes"] for row in own], [row[column] for row in own], mark, label=name)
        panel.set_xscale("log", base=2)
        panel.set(xlabel="lanes", ylabel=label, ylim=(0, 1.1 * max(row[column] for row in rows)))
        panel.legend(frameon=False, fontsize=8)
    said = f"temple + great_wave, {config.size} px, Adam, median of {config.rounds} turns\n{common.devices(rows)}"
    common.save(path, made, said, device=False)


if __name__ == "__main__":
    common.command(main, Config)
