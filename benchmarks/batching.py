"""Images a minute of our batch, our loop of single runs, a loop of PyTorch: `python -m benchmarks.batching --help`."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

BATCH, LOOP, PROCESSES = "nst_jax batch", "nst_jax loop", "nst_jax processes"
Timed = Callable[[], object]


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""

    def numbers(text: str) -> list[int]:
        return [int(word) for word in text.split(",")]

    parser = argparse.ArgumentParser(prog="python -m benchmarks.batching", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--sizes", type=numbers, default=[256, 512], help="sides of the square images")
    parser.add_argument("--lanes", type=numbers, default=[1, 4, 16, 64], help="images of one batch, or of one loop")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--steps", type=int, default=5, help="Adam steps of each image; 500 where time allows")
    parser.add_argument("--rounds", type=int, default=3, help="times that each contender has its turn")
    parser.add_argument("--most", type=int, default=4, help="images that a loop runs each turn, for all its lanes")
    parser.add_argument("--picture-steps", type=int, default=500, help="steps that make one image of the table")
    parser.add_argument(
        "--variants", default="eager", help="comma-separated parts of PyTorch variants' names; '' for all"
    )
    parser.add_argument("--processes", action="store_true", help="also time a whole `nst-jax stylize` an image")
    parser.add_argument("--overhead", type=int, default=0, help="lanes of a `nst-jax sweep` to watch; 0 for none")
    parser.add_argument("--out", type=Path, help="JSON file for every measurement")
    return parser.parse_args(arguments)


@dataclass
class Row:
    """What one way did in one configuration; `seconds` of one step of one image, one a round, in their order."""

    size: int
    lanes: int
    name: str
    seconds: list[float] = field(default_factory=list)
    start: float = 0.0
    note: str = ""


def pictures(size: int, lanes: int):
    """Pose each view of one photograph with one painting."""
    from benchmarks import contenders
    from nst_jax import load_encoder, product

    contents, style = contenders.pictures(size, lanes)
    encoder = load_encoder()
    return encoder, product(encoder, list(contents), [style])


def ways(size: int, lanes: int, args: argparse.Namespace) -> dict[str, tuple[Timed, int, Callable[[], str]]]:
    """Name every contender: what to time, how many steps of one image that is, and what to note of it."""
    from nst_jax import Adam, Watch, solve, solve_batch

    encoder, sweep = pictures(size, lanes)
    few = min(lanes, args.most)
    how = {"steps": args.steps, "descent": Adam(), "precision": args.precision}
    said: list[str] = []
    found: dict[str, tuple[Timed, int, Callable[[], str]]] = {
        # The loss is evaluated once more than the image moves: steps + 1 of the work of a step.
        BATCH: (
            lambda: solve_batch(encoder, sweep, watch=Watch(say=said.append), **how),
            lanes * (args.steps + 1),
            lambda: said[-1].partition(": ")[0] if said else "",
        ),
        LOOP: (
            lambda: [solve(encoder, problem, **how) for problem in sweep.problems[:few]],
            few * (args.steps + 1),
            lambda: f"{few} timed",
        ),
    }
    if args.processes:
        found[PROCESSES] = (lambda: stylize(size, args), args.picture_steps, lambda: "1 timed, start-up counted")
    return {**found, **opponents(size, few, args)}


def opponents(size: int, few: int, args: argparse.Namespace) -> dict[str, tuple[Timed, int, Callable[[], str]]]:
    """Name PyTorch's loops: one image `few` times, already warm, with its targets computed."""
    try:
        from benchmarks.torch_reference import variants
    except ImportError:
        return {}
    from benchmarks import contenders

    def loop(variant) -> Timed:
        ready = contenders.theirs(size, 1, variant, args.device)
        return lambda: [ready.run(args.steps) for _ in range(few)]

    words = args.variants.split(",")
    chosen = [v for v in variants(args.device, args.precision) if any(word in v.name for word in words)]
    return {f"{v.name} loop": (loop(v), few * args.steps, lambda: f"{few} timed") for v in chosen}


def stylize(size: int, args: argparse.Namespace) -> None:
    """Make one picture in a process of its own."""
    from benchmarks.contenders import ROOT

    photograph, painting = (str(ROOT / "examples/images" / name) for name in ("astronaut.jpg", "great_wave.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        words = ["--size", size, "--steps", args.picture_steps, "--optimizer", "adam", "--precision", args.precision]
        command = ["stylize", photograph, painting, "-o", f"{folder}/out.png", *map(str, words)]
        subprocess.run([sys.executable, "-m", "nst_jax", *command], check=True, capture_output=True)


def measure(size: int, lanes: int, args: argparse.Namespace) -> list[Row]:
    """Warm every contender up, then let each have its turn, `rounds` times."""
    from benchmarks.speed import reset_memory

    reset_memory(args.device)
    contenders = ways(size, lanes, args)
    rows = [Row(size, lanes, name) for name in contenders]
    for row in rows:
        if row.name != PROCESSES:  # each process is cold, save for the compiled programs on disk
            began = time.perf_counter()
            contenders[row.name][0]()
            row.start = time.perf_counter() - began
    for _ in range(args.rounds):
        for row in rows:
            run, steps, note = contenders[row.name]
            began = time.perf_counter()
            run()
            row.seconds.append((time.perf_counter() - began) / steps)
            row.note = note()
    return rows


def busy(lanes: int, size: int, args: argparse.Namespace) -> dict[str, float]:
    """Watch a warm `nst-jax sweep`, with pictures, metrics, tables and page: how long is it inside the program?"""
    import jax

    from benchmarks.contenders import ROOT
    from nst_jax.batch import lanes as program
    from nst_jax.cli.main import main

    asked, inside = program.advancing_lanes, [0.0]
    plain = asked.jitted()

    def watched(*given, **named):
        began = time.perf_counter()
        out = jax.block_until_ready(plain(*given, **named))
        inside[0] += time.perf_counter() - began
        return out

    watched.jitted = lambda: plain  # type: ignore[attr-defined]
    program.advancing_lanes = watched  # type: ignore[assignment]
    photograph, painting = (str(ROOT / "examples/images" / name) for name in ("astronaut.jpg", "great_wave.jpg"))
    words = ["--size", size, "--steps", args.picture_steps, "--optimizer", "adam", "--precision", args.precision]
    seconds = 0.0
    try:
        for _ in range(2):  # the first compiles
            inside[0] = 0.0
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                beta = f"1e1:1e5:{lanes}log"
                main(["sweep", photograph, painting, "--out", folder, "--beta", beta, "--quiet", *map(str, words)])
                seconds = time.perf_counter() - began
    finally:
        program.advancing_lanes = asked
    return {"size": size, "lanes": lanes, "seconds": seconds, "inside": inside[0], "share": inside[0] / seconds}


HEADER = ("size", "lanes", "who", "images / minute", "x our loop", "x best PyTorch", "ms / step / image", "note")


def markdown(rows: Sequence[Row], picture_steps: int) -> str:
    """Write the table: medians, and ratios as medians over the rounds of paired times."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    for row in rows:
        beside = [other for other in rows if (other.size, other.lanes) == (row.size, row.lanes)]
        torch = min((o for o in beside if o.name.startswith("torch")), key=lambda o: median(o.seconds), default=None)
        loop = next((o for o in beside if o.name == LOOP), None)
        ratios = [f"{_times(row, rival):.2f}" if rival else "–" for rival in (loop, torch)]
        step = median(row.seconds)
        rate = f"{60 / (step * picture_steps):.3g}"
        cells = (f"{row.size}x{row.size}", str(row.lanes), row.name, rate, *ratios, f"{step * 1e3:.4g}", row.note)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _times(row: Row, rival: Row) -> float:
    return median(b / a for a, b in zip(row.seconds, rival.seconds, strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every configuration, print the table and write the JSON."""
    args = options(arguments)
    os.environ["JAX_PLATFORMS"] = args.device  # before jax is imported: one GPU serves two frameworks
    if args.device == "cuda":
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    from benchmarks import device
    from benchmarks.speed import limit_threads

    limit_threads(device.threads())
    facts = {**device.describe(args.device), **{k: v for k, v in vars(args).items() if k not in ("out", "device")}}
    rows: list[Row] = []
    overhead: list[dict[str, float]] = []
    for size in args.sizes:
        for lanes in args.lanes:
            print(f"{size}x{size}, {lanes} lanes", file=sys.stderr)
            rows += measure(size, lanes, args)
            save(args.out, facts, rows, overhead)
        if args.overhead:
            overhead.append(busy(args.overhead, size, args))
            save(args.out, facts, rows, overhead)
    print(", ".join(f"{key} {value}" for key, value in facts.items()), markdown(rows, args.picture_steps), sep="\n\n")
    for at in overhead:
        words = "`nst-jax sweep` of {lanes} lanes at {size}: {seconds:.1f} s, {share:.1%} of it in the compiled program"
        print("\n" + words.format(**at))


def save(path: Path | None, facts: dict, rows: Sequence[Row], overhead: Sequence[dict]) -> None:
    """Write everything measured so far, whole or not at all."""
    if path:
        beside = path.with_name(path.name + ".part")
        text = json.dumps({**facts, "rows": [asdict(row) for row in rows], "overhead": overhead}, indent=1)
        beside.write_text(text + "\n")
        os.replace(beside, path)


if __name__ == "__main__":
    main()
