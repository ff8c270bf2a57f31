"""Megapixels against seconds and memory, in tiles: `python -m benchmarks.print_size [MEGAPIXELS ...] [--tile 512]`.

Each size is a process of its own, which poses a picture of 4:3 with the embedded VGG16 and the default layers, a style
of half a megapixel, and takes a few steps. Columns: processor seconds of a step for each megapixel, the process's peak
memory, what of it are the picture's own arrays (arguments of the compiled step without the weights: pictures, the
content's target, the optimizer's state), and temporaries of the compiled step. With --whole the picture is taken at
once. Times are the processor's, so that others on the machine matter little.

With --beside, sizes being WIDTHxHEIGHT, a step of ours and one of the method of Galerne et al. in PyTorch, which is
`torch_tiles`, are taken in turn, in one process; `--device cuda` on a GPU, where times are the clock's. What takes
longer than it may is left out: `python -m benchmarks.print_size 1152x896 --beside --report runs/print.md`.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nst_jax.recipe import Optimizer, Recipe


def size_of(megapixels: float) -> tuple[int, int]:
    """Give (h, w) of 4:3, sides being multiples of 16."""
    height = round((megapixels * 0.75e6) ** 0.5 / 16) * 16
    return height, round(megapixels * 1e6 / height / 16) * 16


def drawn(size: tuple[int, int]) -> np.ndarray:
    """Draw waves (h, w, 3)."""
    y, x = (np.arange(side, dtype=np.float32)[:, None] for side in size)
    k = np.arange(3, dtype=np.float32)
    return 0.5 + 0.4 * np.sin(x / 37 + k)[None] * np.cos(y / 23 + k)[:, None]


def measure(megapixels: float, tile: int, steps: int, optimizer: Optimizer) -> dict[str, float]:
    """Pose and solve in this process."""
    import jax

    import nst_jax
    from nst_jax.batch.program import Chunk, compile_chunk
    from nst_jax.batch.sweep import as_sweep, swept_leaves

    encoder = nst_jax.load_encoder()
    recipe = Recipe(size=0, tile=tile, steps=steps, optimizer=optimizer)
    began = time.process_time()
    problem = nst_jax.pose(encoder, drawn(size_of(megapixels)), drawn(size_of(0.5))[::-1].copy(), recipe=recipe)
    jax.block_until_ready(problem)
    posed = time.process_time() - began
    compiled = compile_chunk(encoder, as_sweep(problem), Chunk((0,), 1, swept_leaves([problem]))).memory_analysis()
    assert compiled is not None
    began = time.process_time()
    nst_jax.solve(encoder, problem)
    seconds = time.process_time() - began
    h, w, _ = problem.init.shape
    weights = 2 * sum(x.nbytes for x in jax.tree.leaves(encoder.params))  # and once more prepared
    return {
        "width": w,
        "height": h,
        "pose": posed / (h * w / 1e6),
        "step": seconds / (steps + 1) / (h * w / 1e6),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "own": compiled.argument_size_in_bytes - weights,
        "temporary": compiled.temp_size_in_bytes,
    }


def child(sizes: list[str], given: argparse.Namespace) -> subprocess.Popen:
    """Start the process that takes steps in turn; one GPU serves two frameworks."""
    how = {name: str(getattr(given, name)) for name in ("device", "precision", "layout", "tile", "rounds")}
    words = [word for name, value in how.items() for word in (f"--{name}", value)]
    environment = {**os.environ, "JAX_PLATFORMS": given.device, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sys.executable, "-m", "benchmarks.print_beside", *sizes, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def findings(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Give what the processes find; one that is longer at a size than it may, or over all, is stopped."""
    until, left = time.monotonic() + given.limit, list(given.sizes)
    while left and (seconds := min(given.each, until - time.monotonic())) > 0:
        with child(left, given) as process:
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            now = left[0]
            assert process.stdout is not None
            for line in process.stdout:
                if not line.startswith("{"):
                    continue
                found = json.loads(line)
                if found.get("size") and (at := "{1}x{0}".format(*found["size"])) != now:
                    left.remove(now)
                    timer.cancel()
                    now = at
                    timer = threading.Timer(max(0, min(given.each, until - time.monotonic())), process.kill)
                    timer.start()
                print(line.strip(), file=sys.stderr, flush=True)
                yield found
            timer.cancel()
        left.remove(now)
        if process.returncode:
            yield {"size": [*map(int, now.split("x"))][::-1], "part": "stopped"}
        else:
            return
    for size in left:
        yield {"size": [*map(int, size.split("x"))][::-1], "part": "no time left"}


def beside(given: argparse.Namespace) -> str:
    """Run ours and theirs in turn and give the table."""
    found, kind = list(findings(given)), "wall" if given.device == "cuda" else "own"
    facts = [x for x in found if x["part"] == "facts"][:1]
    lines = [", ".join(f"{key} {value}" for one in facts for key, value in one.items() if key != "part")]
    clock = "the clock's" if kind == "wall" else "the processor's"
    lines += ["", f"One step of Adam in tiles of {given.tile}, {given.precision}; medians of {clock} seconds", ""]
    lines.append("| picture | MP | who | s a step | s/MP | x theirs | first loss | last loss | ready s | peak GB |")
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    for size in given.sizes:
        lines += table_of(size, [x for x in found if x.get("size") == [*map(int, size.split("x"))][::-1]], kind)
    return "\n".join(lines) + "\n"


def table_of(size: str, found: list[dict[str, Any]], kind: str) -> list[str]:
    """Give the lines of a size, and what went wrong there."""
    width, height = map(int, size.split("x"))
    turns: dict[str, list[dict[str, Any]]] = {}
    for x in found:
        if x["part"] == "turn":
            turns.setdefault(x["who"], []).append(x)
    took = {who: statistics.median(x[kind] for x in each) for who, each in turns.items()}
    best = min((seconds for who, seconds in took.items() if "torch" in who), default=float("nan"))
    ready = {x["who"]: x for x in found if x["part"] == "ready"}
    memory = {x["who"]: x.get("peak") or x.get("compiled") or 0 for x in found if x["part"] == "memory"}
    lines = []
    for who, seconds in took.items():
        peak = f"{memory[who] / 1e9:.2f}" if memory.get(who) else "–"
        lines.append(
            f"| {size} | {width * height / 1e6:.1f} | {who} | {seconds:.3f} | {seconds / (width * height / 1e6):.3f} "
            f"| {seconds / best:.2f} | {ready[who]['loss']:.6g} | {turns[who][-1]['loss']:.6g} "
            f"| {ready[who]['seconds']:.1f} | {peak} |"
        )
    for x in found:
        if x["part"] in ("failed", "stopped", "no time left"):
            lines.append(f"| {size} | {width * height / 1e6:.1f} | {x.get('who', '')} {x['part']} {x.get('why', '')} |")
    return lines


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", default=["2", "8"], help="megapixels, or WIDTHxHEIGHT with --beside")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--whole", action="store_true", help="take the picture at once")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--optimizer", default="adam")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--beside", action="store_true", help="ours and PyTorch's in turn")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--layout", choices=("contiguous", "channels_last", "both"), default="channels_last")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    parser.add_argument("--limit", type=float, default=3600, help="seconds for all sizes")
    parser.add_argument("--each", type=float, default=1800, help="seconds for a size")
    parser.add_argument("--report", type=Path, help="file that the table is added to")
    return parser.parse_args()


def main() -> None:
    """Measure each size and print the table."""
    given = options()
    if given.beside:
        told = beside(given)
        print(told, flush=True)
        if given.report:
            given.report.parent.mkdir(parents=True, exist_ok=True)
            with given.report.open("a") as file:
                file.write(f"\n{told}")
        return
    tile = 0 if given.whole else given.tile
    if given.one:
        print(json.dumps(measure(float(given.sizes[0]), tile, given.steps, given.optimizer)))
        return
    print("| picture | MP | posing, s/MP | step, s/MP | peak MB | own MB | temporaries MB | peak less own MB |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for size in given.sizes:
        how = ["--tile", str(given.tile), "--steps", str(given.steps), "--optimizer", given.optimizer]
        how += ["--whole"] * given.whole
        command = [sys.executable, "-m", "benchmarks.print_size", size, "--one", *how]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"| {size} MP | failed: {done.stderr.splitlines()[-1]} |")
            continue
        x = json.loads(done.stdout.splitlines()[-1])
        own, peak = x["own"] / 1e6, x["peak"] / 1e6
        print(
            f"| {x['width']}x{x['height']} | {x['width'] * x['height'] / 1e6:.1f} | {x['pose']:.2f} | {x['step']:.2f} "
            f"| {peak:.0f} | {own:.0f} | {x['temporary'] / 1e6:.0f} | {peak - own:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
