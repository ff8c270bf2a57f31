"""The parts of the device report that no other benchmark has: `python -m benchmarks.device_parts --help`.

Each writes JSON: `facts` by name, `tables` with a caption, a header and rows, and whether all was `ok`.
"""

import argparse
import gzip
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BOUNDS = {"float32": 2e-5, "tf32": 5e-3, "bfloat16": 2e-2}
"""Largest relative error of a kernel, in the root mean square, beside the CPU's float32."""
LAYERS = ((96, 96, 3, 64), (16, 16, 64, 64), (33, 31, 128, 128), (16, 16, 256, 512))
"""Rows, columns, input and output channels of the convolutions that are checked."""
Found = dict[str, Any]


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device_parts", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for what is found")
    parser.add_argument("--size", type=int, default=512, help="side of the square pictures")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--lanes", type=int, default=32, help="most pictures at once")
    parser.add_argument("--cases", default="lbfgs:32,adam:32,adam:1,lbfgs:1", help="descents and pictures at once")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--picture", type=Path, help="NumPy file of a solved picture")
    parser.add_argument("--beside", type=Path, help="the CPU's, to compare with")
    parser.add_argument("--layers", type=int, default=len(LAYERS), help="how many convolutions to check")
    parser.add_argument("--tests", default="test_ops_*.py", help="which files of tests/")
    return parser.parse_args(arguments)


def save(path: Path, found: Found) -> None:
    """Write what is found so far, whole or not at all."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(found, indent=1) + "\n")
    os.replace(beside, path)


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Found:
    """Give a table as the report reads it."""
    return {"caption": caption, "header": list(header), "rows": [[str(cell) for cell in row] for row in rows]}


# --- device and versions ---


def machine(args: argparse.Namespace) -> Iterator[Found]:
    """Name the device and the versions, then measure what its matrix products reach."""
    import jax

    from benchmarks import device
    from nst_jax import record

    facts = {**device.describe(args.device), **record.versions(), "devices": len(jax.devices()), **driver()}
    stats = jax.devices()[0].memory_stats() or {}
    facts["memory"] = f"{stats.get('bytes_limit', 0) / 2**30:.1f} GiB for jax" if stats else "not told"
    yield {"facts": facts, "tables": [], "ok": True}
    for precision in BOUNDS:
        facts[f"matmul {precision}"] = f"{device.matmul_peak(args.device, precision, 3) / 1e12:.3g} TFLOP/s"
        yield {"facts": facts, "tables": [], "ok": True}


def driver() -> dict[str, str]:
    """Ask nvidia-smi, where there is one, for the card, its driver and its power limit."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,power.limit,memory.total", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"nvidia-smi": said.strip().replace("\n", "; ")}


# --- kernels ---


def kernels(args: argparse.Namespace) -> Iterator[Found]:
    """Compare every kernel of the device with the CPU's plainest one, value and derivative."""
    rows: list[tuple[Any, ...]] = []
    for name, precision, error, bound in checks(args):
        rows.append((name, precision, f"{error:.2g}", f"{bound:.2g}", "yes" if error <= bound else "NO"))
        made = table("Relative error beside float32 on the CPU", ("kernel", "precision", "error", "bound", "ok"), rows)
        yield {"facts": {}, "tables": [made], "ok": all(row[-1] == "yes" for row in rows)}


def checks(args: argparse.Namespace) -> Iterator[tuple[str, str, float, float]]:
    """Yield the name, precision, error and bound of each check."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from nst_jax import ops

    cpu, rng, platform = jax.devices("cpu")[0], np.random.default_rng(0), jax.default_backend()

    def compared(ours, judge, x: np.ndarray) -> tuple[float, float]:
        """Give the relative errors of the value and of the derivative along a random direction."""
        y = np.asarray(judge(jax.device_put(x, cpu)), np.float32)
        w = rng.normal(size=y.shape).astype(np.float32)

        def both(function, where):
            def run(x, w):
                y, back = jax.vjp(function, x)
                return y, back(w.astype(y.dtype))[0]

            return [np.asarray(a, np.float32) for a in jax.jit(run)(*jax.device_put((x, w), where))]

        pairs = zip(both(ours, jax.devices()[0]), both(judge, cpu), strict=True)
        value, grad = (float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs)
        return value, grad

    for h, w, c_in, c_out in LAYERS[: args.layers]:
        x = rng.random((h, w, c_in), np.float32) - 0.3
        kernel = rng.normal(0, np.sqrt(2 / (9 * c_in)), (3, 3, c_in, c_out)).astype(np.float32)
        bias = rng.normal(0, 0.1, c_out).astype(np.float32)
        with jax.default_device(cpu):
            plain = ops.plan_conv(jnp.asarray(kernel), jnp.asarray(bias), "reference")
        for precision, bound in BOUNDS.items():
            method = ops.choose(platform, c_in, c_out, (h, w), precision)  # type: ignore[arg-type]
            plan = ops.plan_conv(jnp.asarray(kernel), jnp.asarray(bias), method, precision)  # type: ignore
            # Without the ReLU: of a mask, a single element that rounding turns is a large error.
            found = compared(
                lambda x, p=plan: ops.conv(x, p, relu=False), lambda x, p=plain: ops.conv(x, p, relu=False), x
            )
            for what, error in zip(("conv", "conv, derivative"), found, strict=True):
                yield f"{what} {h}x{w}, {c_in} to {c_out}, {method}", precision, error, bound
            pooled, _ = compared(lambda x, p=plan: ops.conv_pool(x, p), lambda x, p=plain: ops.conv_pool(x, p), x)
            yield f"conv, ReLU and pool {h}x{w}, {c_in} to {c_out}, {method}", precision, pooled, bound
    x = rng.random((64, 64, 128), np.float32)
    for what, error in zip(("Gram matrix", "Gram matrix, derivative"), compared(ops.gram, ops.gram, x), strict=True):
        yield f"{what} 64x64, 128", "float32", error, BOUNDS["float32"]


def tests(args: argparse.Namespace) -> Iterator[Found]:
    """Run the kernels' tests on the device where pytest is installed, each file in a process of its own."""
    if importlib.util.find_spec("pytest") is None:
        yield {"facts": {"pytest": "not installed: the kernels were checked by the table above alone"}, "ok": True}
        return
    files = sorted((ROOT / "tests").glob(args.tests))
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"{file.stem}.log" for file in files]
        running = [start_tests(file, log, args.device) for file, log in zip(files, logs, strict=True)]
        try:
            going = True
            while going:
                time.sleep(1)
                going = any(process.poll() is None for process in running)
                yield counted(files, [log.read_text() for log in logs], [process.poll() for process in running])
        finally:
            for process in running:
                process.kill()


def start_tests(file: Path, log: Path, device: str) -> subprocess.Popen:
    """Start pytest on one file, without the project's options: xdist need not be there, programs are as a user's."""
    words = ["-o", "addopts=", "-o", "filterwarnings=default", "-p", "no:cacheprovider", "-v", "--tb=short"]
    command = [sys.executable, "-m", "pytest", *words, "--optimized", str(file)]
    environment = {**os.environ, "JAX_PLATFORMS": device, "COLUMNS": "200", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT)


def counted(files: Sequence[Path], logs: Sequence[str], codes: Sequence[int | None]) -> Found:
    """Count what pytest has said so far, and name what failed."""
    rows, failed = [], []
    for file, log, code in zip(files, logs, codes, strict=True):
        found = Counter(re.findall(r"^\S+::.* (PASSED|FAILED|SKIPPED|ERROR)", log, re.MULTILINE))
        ending = "not ended" if code is None else f"ended with {code}"
        rows.append((file.name, found["PASSED"], found["FAILED"] + found["ERROR"], found["SKIPPED"], ending))
        failed += [(line[:160],) for line in re.findall(r"^(?:FAILED|ERROR) (\S+::.*)$", log, re.MULTILINE)]
    tables = [table("pytest on the device", ("file", "passed", "failed", "skipped", "state"), rows)]
    tables += [table("Failed", ("test",), failed)] if failed else []
    return {"facts": {}, "tables": tables, "ok": all(code in (None, 0) for code in codes)}


# --- a picture beside the CPU's ---


def picture(args: argparse.Namespace) -> Iterator[Found]:
    """Solve a few steps of Adam; keep the picture, or compare it with the one that the CPU kept."""
    import jax
    import numpy as np

    import nst_jax
    from benchmarks.contenders import pictures
    from nst_jax.recipe import plain

    (content,), style = pictures(args.size, 1)
    encoder = nst_jax.load_encoder()
    posed = nst_jax.pose(encoder, content, style, recipe=plain(beta=1e3))
    rows = []
    for precision in args.precision.split(","):
        began = time.perf_counter()
        solution = nst_jax.solve(encoder, posed, steps=args.steps, descent=nst_jax.Adam(), precision=precision)
        seconds = time.perf_counter() - began
        image, losses = np.asarray(solution.last), solution.history["total"]
        if args.picture:
            np.savez(args.picture, image=image, losses=losses)
        kept = np.load(args.beside) if args.beside else {"image": image, "losses": losses}
        gap = np.abs(image - kept["image"])
        off = float(np.abs(losses / kept["losses"] - 1).max())
        row = [f"{x:.5g}" for x in (losses[0], losses[-1])] + [f"{x:.2g}" for x in (off, gap.mean(), gap.max())]
        rows.append((precision, *row, f"{seconds:.1f}", off < LOSS_BOUNDS[precision]))
        header = ("precision", "first loss", "last loss", "largest relative difference of a loss")
        header += ("mean difference of a pixel", "largest", "seconds, compiling included")
        where = "this CPU's float32" if not args.beside else "the CPU's float32"
        caption = f"{args.steps} steps of Adam, {args.size} px, {jax.default_backend()}, beside {where}"
        made = table(caption, header, [row[:-1] for row in rows])
        yield {"facts": {}, "tables": [made], "ok": all(row[-1] for row in rows)}


LOSS_BOUNDS = {"float32": 0.01, "tf32": 0.02, "bfloat16": 0.05}
"""Largest relative difference of a loss from the CPU's, over 20 steps: Adam's first steps follow signs of gradients."""


# --- a profile ---


def profile(args: argparse.Namespace) -> Iterator[Found]:
    """Trace one compiled step, and add up its operations."""
    import jax

    from benchmarks import contenders

    step = contenders.ours(args.size, 1, args.precision, 1)
    for _ in range(3):
        step.run(1)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            step.run(1)
        traces = sorted(Path(folder).rglob("*.trace.json.gz"))
        content = traces[0].read_bytes()
    args.out.with_name("step.trace.json.gz").write_bytes(content)
    spent = operations(json.loads(gzip.decompress(content))["traceEvents"])
    whole = sum(seconds for seconds, _ in spent.values())
    rows = [
        (name[:90], count, f"{1e6 * seconds:.1f}", f"{seconds / whole:.1%}")
        for name, (seconds, count) in sorted(spent.items(), key=lambda item: -item[1][0])[:30]
    ]
    memory = step.memory()
    facts = {"operations": len(spent), "ms in operations": f"{1e3 * whole:.4g}"}
    facts["MB of the compiled step"] = f"{memory / 1e6:.0f}" if memory else "not told"
    caption = f"One step at {args.size} px, {args.precision}: its longest operations (step.trace.json.gz has all)"
    yield {"facts": facts, "tables": [table(caption, ("operation", "times", "us", "share"), rows)], "ok": bool(rows)}


# --- steps beside the bytes of their programs ---


def steps(args: argparse.Namespace) -> Iterator[Found]:
    """Time the steps of both descents, in turn with the same without what was done for a GPU, beside their bytes."""
    from contextlib import ExitStack
    from unittest.mock import patch

    import jax

    from benchmarks import contenders, program

    plain = patch("nst_jax.ops.joined.runs_here", lambda: False)
    unrecorded = patch("nst_jax.compiler.options", lambda **_: {})
    forms = {"as it is": (), "gradients of Grams by XLA": (plain,), "no command buffers of convolutions": (unrecorded,)}
    header = (
        "descent",
        "lanes",
        "form",
        "ms a step",
        "fastest to slowest",
        "x as it is",
        "GB by the text",
        "GB/s",
        "start s",
    )
    rows: list[tuple[Any, ...]] = []
    for case in args.cases.split(","):
        descent, count = case.split(":")
        lanes = min(int(count), args.lanes)
        running, starts = {}, {}
        for name, patches in forms.items():
            if lanes > 1 and patches == (unrecorded,):
                continue
            with ExitStack() as stack:
                for patched in patches:
                    stack.enter_context(patched)
                jax.clear_caches()
                began = time.perf_counter()
                running[name] = contenders.ours(args.size, lanes, args.precision, args.steps, optimizer=descent)
                running[name].run(args.steps)
                starts[name] = time.perf_counter() - began
        times: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(5):
            for name, contender in running.items():
                began = time.perf_counter()
                contender.run(args.steps)
                times[name].append((time.perf_counter() - began) / args.steps)
        own = statistics.median(times["as it is"])
        for name, contender in running.items():
            took, moved = statistics.median(times[name]), program.read(contender.text()).moved
            spread = f"{1e3 * min(times[name]):.3f} to {1e3 * max(times[name]):.3f}"
            speed = (f"{took / own:.2f}", f"{moved / 1e9:.2f}", f"{moved / took / 1e9:.0f}")
            speed += (f"{starts[name]:.1f}",)
            rows.append((descent, lanes, name, f"{1e3 * took:.3f}", spread, *speed))
        caption = f"Steps at {args.size} px, {args.precision}, medians of 5 turns of {args.steps}"
        yield {"facts": {}, "tables": [table(caption, header, rows)], "ok": True}


def operations(events: Sequence[dict[str, Any]]) -> dict[str, tuple[float, int]]:
    """Add up the seconds and the number of each kernel in a device's streams; on a CPU, of each operation of XLA's."""
    where = {(e["pid"], e.get("tid")): e["args"].get("name", "") for e in events if e.get("ph") == "M"}
    timed = [e for e in events if e.get("ph") == "X"]
    ours = [e for e in timed if where.get((e["pid"], e.get("tid")), "").startswith("Stream")]
    ours = ours or [e for e in timed if "hlo_op" in e.get("args", {})]
    found: dict[str, tuple[float, int]] = {}
    for event in ours:
        seconds, count = found.get(event["name"], (0.0, 0))
        found[event["name"]] = seconds + 1e-6 * event.get("dur", 0.0), count + 1
    return found


PARTS = {
    "machine": machine,
    "kernels": kernels,
    "tests": tests,
    "picture": picture,
    "profile": profile,
    "steps": steps,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one part; write what it has found each time that there is more."""
    args = options(arguments)
    # Before jax is imported. The kernels are compared with those of a CPU.
    os.environ["JAX_PLATFORMS"] = "cuda,cpu" if args.device == "cuda" else "cpu"
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    found: Found = {"ok": False}
    for found in PARTS[args.part](args):
        save(args.out, found)
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
