"""Compile a step for a GPU or a TPU that is not here, and read it: `python -m benchmarks.compiled --help`.

Nothing is timed. What is read is the compiler's program: whether there is one, its memory, its kernels and the bytes
that they move. cuDNN's algorithms are chosen on a device alone, so the choice of its kernels differs there.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.program import Step, read
from nst_jax.errors import UserError

SMALL = 64
"""Side of the picture that is posed in place of the large one, for everything but its shapes."""

HEADER = ("device", "px", "lanes", "descent", "kernels", "launches", "GB a step", "outside convolutions", "temporaries",
          "arguments", "compiling", "of processors")  # fmt: skip
"""Columns of the table."""


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""

    def numbers(text: str) -> list[int]:
        return [int(word) for word in text.split(",")]

    parser = argparse.ArgumentParser(prog="python -m benchmarks.compiled", description=__doc__)
    parser.add_argument("--device", choices=("h100", "v5e", "v5p"), default="h100")
    parser.add_argument("--lanes", type=numbers, default=[1], help="pictures optimised at once; several: 1,8,32")
    parser.add_argument("--size", type=numbers, default=[512], help="side of the square pictures; several: 512,1024")
    parser.add_argument("--descent", type=lambda text: text.split(","), default=["adam"], help="adam, lbfgs or both")
    parser.add_argument("--precision", choices=("float32", "tf32", "bfloat16"), default="bfloat16")
    parser.add_argument("--rows", type=int, default=12, help="how many of the largest kernels to name")
    parser.add_argument("--json", type=Path, help="file for everything that was read")
    parser.add_argument("--text", type=Path, help="file for the last program as the compiler gives it")
    return parser.parse_args(arguments)


def large(problem: Any, size: int) -> Any:
    """Give the shapes of a problem of a square picture with sides of `size`, from one of a small picture."""
    import jax
    import jax.numpy as jnp

    from nst_jax.ops import FEATURES

    def grown(layer: str, x: Any) -> Any:
        if getattr(x, "ndim", 0) < 3:  # no features
            return x
        return jax.ShapeDtypeStruct((*problem.network.layer(layer).positions((size, size)), x.shape[-1]), x.dtype)

    def larger(term: Any) -> Any:
        if term.loss.statistic != FEATURES:
            return term
        return term.replace(
            targets={layer: jax.tree.map(partial(grown, layer), x) for layer, x in term.targets.items()}
        )

    terms = {name: larger(term) for name, term in problem.terms.items()}
    return replace(problem, init=jax.ShapeDtypeStruct((size, size, 3), jnp.float32), terms=terms, origin=None)


def own(problem: Any) -> tuple[bool, ...]:
    """Say which leaves each lane has for itself: its picture and its content's features; the style is shared."""
    import jax

    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(problem)]
    return tuple(".init" in path or "'content'].targets" in path for path in paths)


def measure(args: argparse.Namespace, size: int, lanes: int, descent: str) -> dict[str, Any]:
    """Compile one program and read it.

    Raises:
        UserError: there is no compiler here.
    """
    import numpy as np

    import nst_jax
    from nst_jax.absent import ABSENT
    from nst_jax.batch.elsewhere import compile_there
    from nst_jax.recipe import plain

    encoder, grey = nst_jax.load_encoder(), np.full((SMALL, SMALL, 3), 0.5, np.float32)
    recipe = plain(optimizer=descent, precision=args.precision)  # type: ignore[arg-type]
    problem = large(nst_jax.pose(encoder, grey, grey, recipe=recipe), size)
    with tempfile.TemporaryDirectory() as folder:
        more = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True} if ABSENT[args.device].platform == "gpu" else {}
        began, spent = time.perf_counter(), time.process_time()
        program = compile_there(ABSENT[args.device], encoder, problem, own(problem), lanes, more)
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
        launched = next((p.read_text() for p in Path(folder).glob("*advance*thunk_sequence_after*")), "")
    memory, text = program.memory_analysis(), program.as_text() or ""
    if args.text:
        args.text.write_text(text)
    step = read(text)
    return {
        "device": args.device, "size": size, "lanes": lanes, "descent": descent, "precision": args.precision,
        "kernels": len(step.kernels), "launches": launches(launched), "bytes": step.moved, "outside": step.outside,
        "accessed": int((program.cost_analysis() or {}).get("bytes accessed", 0)),
        "temporaries": memory.temp_size_in_bytes if memory else None,
        "arguments": memory.argument_size_in_bytes if memory else None,
        "seconds": round(seconds, 1), "processor_seconds": round(spent, 1),
        "convolutions": convolutions(step), "all": [asdict(kernel) for kernel in step.kernels],
    }  # fmt: skip


def launches(thunks: str) -> int | None:
    """Count what the host launches in a turn of the loop, a command buffer as one; none for a program without them."""
    lines = thunks.splitlines()
    begin = next((i for i, line in enumerate(lines) if line.strip() == "body:"), None)
    if begin is None:
        return None
    if any("kWhile" in line and line.startswith(" ") for line in lines[:begin]):
        return 0  # the whole loop is in a command buffer
    indent = len(lines[begin + 1]) - len(lines[begin + 1].lstrip())
    return sum(1 for line in lines[begin + 1 :] if re.match(rf" {{{indent}}}\d+: k", line))


def convolutions(step: Step) -> dict[str, int]:
    """Count the convolutions by what is fused into them."""
    found: dict[str, int] = {}
    for kernel in step.kernels:
        if kernel.convolution:
            name = "with " + ", ".join(kernel.fused) if kernel.fused else "alone"
            found[name] = found.get(name, 0) + 1
    return found


def row(found: dict[str, Any]) -> str:
    """Give one row of the table."""

    def mega(count: int | None) -> str:
        return "?" if count is None else f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

    cells = (
        found["device"], found["size"], found["lanes"], found["descent"], found["kernels"],
        "?" if found["launches"] is None else found["launches"], f"{found['bytes'] / 1e9:.2f}",
        f"{found['outside'] / 1e9:.2f}", mega(found["temporaries"]), mega(found["arguments"]), f"{found['seconds']} s",
        f"{found['processor_seconds']} s",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def largest(found: dict[str, Any], rows: int) -> list[str]:
    """List the kernels that move most."""
    kernels = sorted(found["all"], key=lambda kernel: -kernel["moved"])[:rows]
    return [f"{k['moved'] / 1e6:10.1f} MB  {k['kind']:36.36}  {k['where']:44.44}  {k['name']}" for k in kernels]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile and read every configuration; print tables, write the JSON."""
    args = options(arguments)
    from nst_jax import absent

    absent.prepare(os.environ)
    rows: list[dict[str, Any]] = []
    try:
        for size in args.size:
            for descent in args.descent:
                for lanes in args.lanes:
                    rows.append(measure(args, size, lanes, descent))
                    print("\n".join((row(rows[-1]), str(rows[-1]["convolutions"]), *largest(rows[-1], args.rows))))
                    if args.json:
                        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"| {' | '.join(HEADER)} |", "|" + " --: |" * len(HEADER), *(row(found) for found in rows), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
