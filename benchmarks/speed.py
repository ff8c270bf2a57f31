"""Time one Adam step of ours beside PyTorch's, in alternation: `python -m benchmarks.speed --help`."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.table import Row, markdown, write_json


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""

    def numbers(text: str) -> list[int]:
        return [int(word) for word in text.split(",")]

    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--sizes", type=numbers, default=[256, 512], help="sides of the square images")
    parser.add_argument("--batches", type=numbers, default=[1, 4], help="images optimised at once")
    parser.add_argument("--precisions", type=lambda text: text.split(","), default=["float32"])
    parser.add_argument("--steps", type=int, default=5, help="iterations a round")
    parser.add_argument("--rounds", type=int, default=5, help="times that each contender has its turn")
    parser.add_argument("--only", default="", help="comma-separated parts of names, to run fewer contenders")
    parser.add_argument("--without", default="", help="comma-separated parts of names to leave out of those")
    parser.add_argument("--limit", type=int, default=300, help="seconds that building one contender may take")
    parser.add_argument("--out", type=Path, help="JSON file for every measurement")
    return parser.parse_args(arguments)


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError when the block takes longer (where the system has alarms)."""

    def stop(*_) -> None:
        raise TimeoutError(f"took longer than {seconds} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def builders(size: int, batch: int, precision: str, args: argparse.Namespace) -> dict[str, Callable]:
    """Name every contender of one configuration, with how to build it; ours alone where PyTorch is absent."""
    from benchmarks import contenders

    def ours(remat: bool) -> Callable:
        return lambda: contenders.ours(size, batch, precision, args.steps, remat)  # type: ignore

    found = {"nst_jax": ours(False), "nst_jax remat": ours(True)}
    try:
        from benchmarks.torch_reference import variants
    except ImportError:
        print("PyTorch is not installed: timing nst_jax alone (pip install 'nst-jax[bench]')", file=sys.stderr)
    else:
        for variant in variants(args.device, precision):
            found[variant.name] = lambda variant=variant: contenders.theirs(size, batch, variant, args.device)
    wanted, unwanted = args.only.split(","), [word for word in args.without.split(",") if word]
    found = {name: build for name, build in found.items() if any(word in name for word in wanted)}
    return {name: build for name, build in found.items() if not any(word in name for word in unwanted)}


def measure(builds: dict[str, Callable], rows: dict[str, Row], args: argparse.Namespace) -> None:
    """Build every contender, then let each run `steps` iterations in turn, `rounds` times; fill the rows."""
    running = {}
    if "torch" in sys.modules:
        # One function may be compiled eight times before PyTorch gives up in silence: count from zero again.
        sys.modules["torch"].compiler.reset()
    for name, build in builds.items():
        begin = time.perf_counter()
        reset_memory(args.device)
        try:
            with limit(args.limit):
                running[name] = build()
                for _ in range(2):
                    running[name].run(args.steps)
            rows[name].memory = running[name].memory()
        except Exception as error:  # whatever a compiler throws belongs in the table
            running.pop(name, None)
            rows[name].failure = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        rows[name].start = time.perf_counter() - begin
        print(f"  {name}: ready after {rows[name].start:.1f} s {rows[name].failure}", file=sys.stderr)
    for _ in range(args.rounds):
        for name, contender in running.items():
            begin = time.perf_counter()
            rows[name].loss = contender.run(args.steps)
            rows[name].times.append((time.perf_counter() - begin) / args.steps)


def reset_memory(device: str) -> None:
    """Forget PyTorch's earlier peak and give back what it caches."""
    if device == "cuda" and "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every configuration, print the table and write the JSON; give 1 if ours failed anywhere."""
    args = options(arguments)
    # Both before jax is imported: one GPU serves two frameworks.
    os.environ["JAX_PLATFORMS"] = args.device
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    from benchmarks import contenders, device, flops

    limit_threads(device.threads())
    facts = {**device.describe(args.device), "steps": args.steps, "rounds": args.rounds}
    print(", ".join(f"{key} {value}" for key, value in facts.items()), file=sys.stderr)
    rows: list[Row] = []
    for precision in args.precisions:
        peak = 0.0
        for size in args.sizes:
            for batch in args.batches:
                peak = max(peak, device.matmul_peak(args.device, precision))
                work = flops.conv_flops(contenders.LAST, size, size)
                builds = builders(size, batch, precision, args)
                group = {name: Row(name, size, batch, precision, work, peak, []) for name in builds}
                print(f"{size}x{size}, batch {batch}, {precision}", file=sys.stderr)
                measure(builds, group, args)
                rows += group.values()
                for row in rows:
                    row.peak = peak if row.precision == precision else row.peak
                if args.out:
                    write_json(args.out, facts, rows)
    print(", ".join(f"{key} {value}" for key, value in facts.items()), markdown(rows), sep="\n\n")
    return int(any(row.failure and row.name.startswith("nst_jax") for row in rows))


def limit_threads(count: int) -> None:
    """Let PyTorch use every core, as XLA does."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(count)


if __name__ == "__main__":
    sys.exit(main())
