"""Megapixels against seconds and memory, in tiles: `python -m benchmarks.print_size [MEGAPIXELS ...] [--tile 512]`.

Each size is a process of its own, which poses a picture of 4:3 with the embedded VGG16 and the default layers, a style
of half a megapixel, and takes a few steps. Columns: processor seconds of a step for each megapixel, the process's peak
memory, what of it are the picture's own arrays (arguments of the compiled step without the weights: pictures, the
content's target, the optimizer's state), and temporaries of the compiled step. With --whole the picture is taken at
once. Times are the processor's, so that others on the machine matter little.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from nst_jax.recipe import Optimizer, Recipe


def picture(megapixels: float) -> np.ndarray:
    """Draw waves (h, w, 3) of 4:3, sides being multiples of 16."""
    height = round((megapixels * 0.75e6) ** 0.5 / 16) * 16
    y, x = np.mgrid[0:height, 0 : round(megapixels * 1e6 / height / 16) * 16].astype(np.float32)
    return np.stack([0.5 + 0.4 * np.sin(x / 37 + k) * np.cos(y / 23 + k) for k in range(3)], -1).astype(np.float32)


def measure(megapixels: float, tile: int, steps: int, optimizer: Optimizer) -> dict[str, float]:
    """Pose and solve in this process."""
    import jax

    import nst_jax
    from nst_jax.batch.program import Chunk, compile_chunk
    from nst_jax.batch.sweep import as_sweep, swept_leaves

    encoder = nst_jax.load_encoder()
    recipe = Recipe(size=0, tile=tile, steps=steps, optimizer=optimizer)
    began = time.process_time()
    problem = nst_jax.pose(encoder, picture(megapixels), picture(0.5)[::-1].copy(), recipe=recipe)
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


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("megapixels", nargs="*", type=float, default=[2.0, 8.0])
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--whole", action="store_true", help="take the picture at once")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--optimizer", default="adam")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    tile = 0 if given.whole else given.tile
    if given.one:
        print(json.dumps(measure(given.megapixels[0], tile, given.steps, given.optimizer)))
        return
    print("| picture | MP | posing, s/MP | step, s/MP | peak MB | own MB | temporaries MB | peak less own MB |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for size in given.megapixels:
        how = ["--tile", str(given.tile), "--steps", str(given.steps), "--optimizer", given.optimizer]
        how += ["--whole"] * given.whole
        command = [sys.executable, "-m", "benchmarks.print_size", str(size), "--one", *how]
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
