"""Measure a device in one command, part by part, each in processes of its own: `benchmarks/device.sh --help`.

A part that fails, or takes longer than it may, is said to; the next one runs. The report, in Markdown and JSON, is
written anew whenever a part has found something.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import batching, quality, table

ROOT = Path(__file__).parents[1]
RUNNING, DONE, FAILED, LATE, SKIPPED = "running", "done", "failed", "stopped at its time limit", "no time left"


@dataclass
class Run:
    """One process: a module of benchmarks/ with its words, the JSON that it writes, and how it went."""

    words: tuple[str, ...]
    state: str = ""
    seconds: float = 0.0
    said: str = ""
    found: dict[str, Any] = field(default_factory=dict)


@dataclass
class Part:
    """Some runs, one after the other, that together may take `limit` seconds."""

    title: str
    limit: float
    runs: list[Run]


def parts(smoke: bool, folder: Path) -> list[Part]:
    """List what is done, in order; `folder` is for what parts hand on.

    The limits add up to less than 10 minutes, and are no concern of toy sizes.
    """
    cpu, gpu = ("--device", "cpu"), ("--device", "cuda")
    device = cpu if smoke else gpu
    own, kept = "device_parts", str(folder / "cpu.npz")
    layers, files = (("--layers", "2"), ("--tests", "test_ops_narrow.py")) if smoke else ((), ())
    drawn = ("--size", "32", "--steps", "3") if smoke else ("--size", "256", "--steps", "20")
    solves = "float32,bfloat16" if smoke else "float32,tf32,bfloat16"
    return [
        Part("Device and versions", 30, [Run((own, "machine", *device))]),
        Part("Kernels", 90, [Run((own, "kernels", *device, *layers)), Run((own, "tests", *device, *files))]),
        Part(
            "A picture beside the CPU's",
            70,
            [
                Run((own, "picture", *cpu, *drawn, "--picture", kept)),
                Run((own, "picture", *device, *drawn, "--precision", solves, "--beside", kept)),
            ],
        ),
        Part("Steps beside the bytes of their programs", 100, [Run((own, "steps", *device, *stepped(smoke)))]),
        Part("Speed beside PyTorch", 120, [Run(("speed", *device, *words)) for words in speeds(smoke)]),
        Part("Batches", 70, [Run(("batching", *device, *batches(smoke)))]),
        Part("Time to quality", 80, [Run(("time_to_quality", *device, *race(smoke)))]),
        Part("A step's profile", 20, [Run((own, "profile", *device, *profiled(smoke)))]),
    ]


def speeds(smoke: bool) -> list[tuple[str, ...]]:
    """List the runs of `speed`, the ones that say most first; what compiles longest comes last."""
    if smoke:
        toy = ("--sizes", "32", "--steps", "2", "--rounds", "2", "--without", "remat,compile")
        return [(*toy, "--batches", "1,2", "--precisions", "bfloat16")]
    how = ("--steps", "20", "--rounds", "5", "--limit", "60")
    # PyTorch's fastest without compiling, and with it.
    eager = (*how, "--only", "nst_jax,eager channels_last", "--without", "remat")
    compiled = (*how, "--only", "nst_jax,compile channels_last CUDA graph", "--without", "remat")
    small, large = ("--sizes", "512", "--batches", "1,8,32"), ("--sizes", "1024", "--batches", "1")
    one = ("--sizes", "512", "--batches", "1")
    return [
        (*eager, *small, "--precisions", "bfloat16"),
        (*compiled, *one, "--precisions", "bfloat16"),
        (*eager, *small, "--precisions", "tf32"),
        (*eager, *large, "--precisions", "bfloat16,tf32"),
        (*compiled, *one, "--precisions", "tf32"),
        (*compiled, "--sizes", "512", "--batches", "32,8", "--precisions", "bfloat16,tf32"),
        (*compiled, *large, "--precisions", "bfloat16,tf32"),
    ]


def batches(smoke: bool) -> tuple[str, ...]:
    """Compare batches with our own loop alone: no variant of PyTorch's has a + in its name."""
    if smoke:
        return ("--sizes", "32", "--lanes", "1,2", "--steps", "2", "--rounds", "1", "--variants", "+")
    how = ("--precision", "bfloat16", "--steps", "49", "--rounds", "3")
    return ("--sizes", "512", "--lanes", "1,4,16,64", *how, "--variants", "+")


def race(smoke: bool) -> tuple[str, ...]:
    pair = ("--pairs", "temple:great_wave", "--inits", "content", "--presets", "fast", "--no-torch-adam")
    if smoke:
        return (*pair, "--size", "48", "--ours-steps", "2", "--torch-iterations", "2")
    return (*pair, "--size", "512", "--torch-precision", "tf32")


def profiled(smoke: bool) -> tuple[str, ...]:
    return ("--size", "32") if smoke else ("--size", "512", "--precision", "bfloat16")


def stepped(smoke: bool) -> tuple[str, ...]:
    if smoke:
        return ("--size", "32", "--lanes", "2", "--steps", "2", "--precision", "bfloat16")
    return ("--size", "512", "--lanes", "32", "--steps", "20", "--precision", "bfloat16")


# --- running ---


def run_part(part: Part, folder: Path, log: Path, write: Any) -> None:
    """Run what a part is made of until its limit; `write()` whenever something is new."""
    until = time.monotonic() + part.limit
    for number, run in enumerate(part.runs):
        if time.monotonic() >= until:
            run.state = SKIPPED
            continue
        out = folder / f"{run.words[0]}-{number}.json"
        out.unlink(missing_ok=True)
        command = [sys.executable, "-m", f"benchmarks.{run.words[0]}", *run.words[1:], "--out", str(out)]
        run.state, began = RUNNING, time.monotonic()
        write()
        with log.open("a") as told:
            told.write(f"\n$ {' '.join(command[1:])}\n")
            told.flush()
            place = told.tell()
            code = watched(command, told, until, lambda run=run, out=out: taken(run, out) and write())
        run.seconds = round(time.monotonic() - began, 1)
        run.state = LATE if code is None else DONE if code == 0 else FAILED
        run.said = "" if code == 0 else log.read_bytes()[place:].decode(errors="replace")[-1500:]
        taken(run, out)
        write()


def watched(command: Sequence[str], told: Any, until: float, look: Any) -> int | None:
    """Run a command in a session of its own and `look()` now and then; None if it had to be stopped."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        while time.monotonic() < until:
            try:
                return process.wait(min(2.0, max(0.0, until - time.monotonic())))
            except subprocess.TimeoutExpired:
                look()
        return process.poll()
    finally:
        end(process)


def end(process: subprocess.Popen) -> None:
    """End a process and all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def taken(run: Run, out: Path) -> bool:
    """Take what a run has written so far; say whether it is new."""
    if not out.exists():
        return False
    found = json.loads(out.read_text())
    new, run.found = found != run.found, found
    return new


# --- the report ---


def markdown(plan: Sequence[Part], began: str) -> str:
    """Write the report."""
    lines = [f"# Device report, {began}", ""]
    for part in plan:
        states = [run.state for run in part.runs if run.state]
        seconds = sum(run.seconds for run in part.runs)
        lines += [f"## {part.title}", "", f"{', '.join(dict.fromkeys(states)) or 'not begun'}, {seconds:.0f} s", ""]
        for run in part.runs:
            if run.state:
                lines += [f"`python -m benchmarks.{' '.join(run.words)}`: {run.state}, {run.seconds:.0f} s", ""]
            lines += [shown(run), ""] if run.found else []
            if run.said and run.state in (FAILED, LATE):
                lines += ["```", run.said.strip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def shown(run: Run) -> str:
    """Write what a run has found as its benchmark does."""
    found = {key: value for key, value in run.found.items() if key not in ("rows", "curves", "columns", "overhead")}
    if run.words[0] == "device_parts":
        texts = [facts(run.found.get("facts", {})), *map(plain, run.found.get("tables", []))]
        return "\n\n".join(text for text in texts if text)
    if run.words[0] == "speed":
        return facts(found) + "\n\n" + table.markdown([table.Row(**row) for row in run.found["rows"]])
    if run.words[0] == "batching":
        rows = [batching.Row(**row) for row in run.found["rows"]]
        return facts(found) + "\n\n" + batching.markdown(rows, run.found["picture_steps"])
    return facts(found) + "\n\n" + quality.markdown([curve(given) for given in run.found["curves"]])


def curve(given: dict[str, Any]) -> quality.Curve:
    """Read a curve back from JSON, where a loss that is not finite is null."""
    points = [quality.Point(*(float("nan") if x is None else x for x in point)) for point in given["points"]]
    return quality.Curve(**{**given, "shape": tuple(given["shape"]), "points": points})


def facts(found: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in found.items())


def plain(found: dict[str, Any]) -> str:
    """Write a table with its caption."""
    cells = [[cell.replace("|", "/") for cell in row] for row in (found["header"], *found["rows"])]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([found["caption"] + ":", "", lines[0], "|" + " --- |" * len(found["header"]), *lines[1:]])


def save(folder: Path, plan: Sequence[Part], began: str) -> None:
    """Write report.md and report.json, each whole or not at all."""
    whole = {"began": began, "parts": [asdict(part) for part in plan]}
    for name, text in (("report.md", markdown(plan, began)), ("report.json", json.dumps(whole, indent=1) + "\n")):
        beside = folder / f"{name}.part"
        beside.write_text(text)
        os.replace(beside, folder / name)


@contextmanager
def scratch(smoke: bool):
    """Give a folder for the parts' own files, in which they share what they compile: at toy sizes, most of the time."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{name}/compiled")
        if smoke:
            os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
        yield Path(name)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/device.sh", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="the same on a CPU, at toy sizes, in two minutes")
    parser.add_argument("--only", default="", help="comma-separated parts of titles, to do fewer")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do every part; give 1 if any of them was not done."""
    args = options(arguments)
    out = Path(os.environ.get("OUT") or ROOT / "runs/device")
    out.mkdir(parents=True, exist_ok=True)
    log = out / "log.txt"
    log.write_text("")
    began = time.strftime("%Y-%m-%d %H:%M")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what has been started ends too
    with scratch(args.smoke) as folder:
        plan = [p for p in parts(args.smoke, folder) if any(word in p.title for word in args.only.split(","))]
        for part in plan:
            part.limit *= 4 if args.smoke else 1
        for part in plan:
            print(part.title, end=" ... ", flush=True)
            run_part(part, folder, log, lambda: save(out, plan, began))
            print(", ".join(dict.fromkeys(run.state for run in part.runs)), flush=True)
            for trace in folder.glob("*.gz"):
                shutil.move(trace, out / trace.name)
    print(out / "report.md")
    return 0 if all(run.state == DONE for part in plan for run in part.runs) else 1


if __name__ == "__main__":
    sys.exit(main())
