"""One Adam step in tiles of ours beside PyTorch's, size by size: what `print_size --beside` runs in a process.

Each finding is a line of JSON, so that a run that is stopped has said what it knew. Both begin at the same picture with
the same objective and weights; the losses of their steps are compared.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.print_size import drawn

BETA, LR = 1e3, 0.02
STYLE = (608, 816)


def tell(**found: Any) -> None:
    """Write a line of JSON at once."""
    print(json.dumps(found), flush=True)


Turn = Callable[[], float]
"""Takes one step and gives the loss before it, waiting for the device."""


def ours(content: np.ndarray, style: np.ndarray, tile: int, precision: Any) -> tuple[Turn, Callable[[], dict]]:
    """Compile one step, and tell how much memory it wants."""
    from dataclasses import replace

    import jax

    import nst_jax
    from nst_jax import compiler, networks, optimize
    from nst_jax.batch.memory import needed_bytes
    from nst_jax.problem import prepared
    from nst_jax.recipe import plain

    recipe = plain(beta=BETA, optimizer="adam", lr=LR, precision=precision, steps=10**6, size=0, tile=tile)
    encoder = nst_jax.load_encoder()
    problem = prepared(nst_jax.pose(encoder, content, style, recipe=recipe), jax.default_backend())
    encoder = networks.prepare(
        replace(encoder, network=problem.network), precision, (problem.init.shape[0], problem.init.shape[1])
    )
    state = jax.jit(optimize.begin)(problem)
    step = partial(optimize.advance, length=1)
    compiled = jax.jit(step, donate_argnums=2, compiler_options=compiler.options()).lower(encoder, problem, state)
    compiled = compiled.compile()

    def turn() -> float:
        nonlocal state
        state, terms = compiled(encoder, problem, state)
        return float(jax.block_until_ready(terms)["total"][-1])

    def bytes_of() -> dict:
        stats = jax.local_devices()[0].memory_stats() or {}
        return {"compiled": needed_bytes(compiled), "peak": stats.get("peak_bytes_in_use")}

    return turn, bytes_of


def theirs(
    content: np.ndarray, style: np.ndarray, tile: int, precision: str, device: str, last: bool
) -> tuple[Turn, Callable[[], dict]]:
    """Build their step (imports torch)."""
    import torch

    from benchmarks import torch_reference as reference
    from benchmarks import torch_tiles
    from benchmarks.contenders import WEIGHTS
    from benchmarks.torch_solvers import BETAS

    variant = reference.Variant(precision=precision, channels_last=last)
    reference.set_precision(precision)
    layout = torch.channels_last if last else torch.contiguous_format

    def tensor(image: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
        return x.to(device).contiguous(memory_format=layout)

    objective = reference.Objective(beta=BETA)
    network = reference.load(WEIGHTS, reference.deepest(objective), variant, device)
    image = tensor(content)
    tiled = torch_tiles.posed(network, objective, image, tensor(style), tile)
    image = image.clone(memory_format=torch.preserve_format).requires_grad_()
    optimizer = torch.optim.Adam([image], lr=LR, betas=BETAS, fused=True)

    def turn() -> float:
        reference.set_precision(precision)
        loss, image.grad = tiled.value_and_grad(image)
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        return float(loss)

    def bytes_of() -> dict:
        return {"peak": torch.cuda.max_memory_allocated() if device == "cuda" else None}

    return turn, bytes_of


def measure(size: tuple[int, int], given: argparse.Namespace) -> None:
    """Build both at a size (h, w) and let them take steps in turn."""
    began = time.perf_counter()
    content, style = drawn(size), drawn(STYLE)[::-1].copy()
    tell(size=size, part="drawn", seconds=time.perf_counter() - began)
    running: dict[str, tuple[Turn, Callable[[], dict]]] = {}
    names = ["torch contiguous", "torch channels_last"] if given.layout == "both" else [f"torch {given.layout}"]
    builds: dict[str, Callable[[], Any]] = {
        name: partial(theirs, content, style, given.tile, given.precision, given.device, "last" in name)
        for name in names
    }
    builds["nst_jax"] = partial(ours, content, style, given.tile, given.precision)
    for name, build in builds.items():
        began = time.perf_counter()
        try:
            running[name] = build()
            loss = running[name][0]()
        except Exception as error:  # whatever a framework throws belongs in the table
            tell(size=size, who=name, part="failed", why=f"{type(error).__name__}: {str(error)[:200]}")
            running.pop(name, None)
            continue
        tell(size=size, who=name, part="ready", seconds=time.perf_counter() - began, loss=loss)
    for _ in range(given.rounds):
        for name, (turn, _) in running.items():
            wall, own = time.perf_counter(), time.process_time()
            loss = turn()
            wall, own = time.perf_counter() - wall, time.process_time() - own
            tell(size=size, who=name, part="turn", wall=wall, own=own, loss=loss)
    for name, (_, bytes_of) in running.items():
        tell(size=size, who=name, part="memory", **bytes_of())


def main() -> None:
    """Measure each size that is named, WIDTHxHEIGHT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="+")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--layout", default="channels_last")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    from benchmarks import device, speed

    speed.limit_threads(device.threads())
    tell(part="facts", **device.describe(given.device))
    for words in given.sizes:
        width, height = map(int, words.split("x"))
        measure((height, width), given)


if __name__ == "__main__":
    main()
