"""Ask whether ours gets as low as it should: `python -m benchmarks.convergence [--precision bfloat16] [--steps 500]`.

Without options: beside PyTorch, from the same start in as many steps. PyTorch's losses are stored
(tests/golden/make_trajectories.py made them), so this needs no PyTorch.
With --precision: beside ours in float32, both results evaluated in float32.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import jax.numpy as jnp
import numpy as np

import nst_jax
from nst_jax.recipe import Precision, plain
from nst_jax.types import Image

GOLDEN = Path(__file__).parents[1] / "tests/golden/trajectories.npz"


class Rival(NamedTuple):
    """How ours moves the pixels, for how many steps, and beside which of PyTorch's runs."""

    descent: nst_jax.Descent
    steps: int
    beside: str


RIVALS = {
    "adam": Rival(nst_jax.Adam(lr=0.01), 100, "adam"),  # the rate of the stored run, tested
    "lbfgs": Rival(nst_jax.LBFGS(), 50, "lbfgs"),
    "lbfgs-zoom": Rival(nst_jax.Zoom(), 50, "lbfgs"),
}


class Result(NamedTuple):
    """Losses of one start: at the start, the lowest of ours, and the lowest of the other side."""

    start: float
    ours: float
    other: float


def pose() -> tuple[nst_jax.Encoder, nst_jax.Problem]:
    """Load the network and the stored start and targets."""
    golden = np.load(GOLDEN)
    recipe = plain(alpha=float(golden["alpha"]), beta=float(golden["beta"]))
    encoder = nst_jax.load_encoder()
    content, style = (jnp.asarray(golden[name], jnp.float32) / 255 for name in ("content", "style"))
    return encoder, nst_jax.pose(encoder, content, style, recipe=recipe)


def beside_torch(name: str) -> Result:
    """Compare the lowest loss of ours on the way with PyTorch's.

    Not the last: after some 30 steps Adam swings by a per cent or two, and rounding alone decides where in the swing
    a run ends.
    """
    (encoder, problem), rival = pose(), RIVALS[name]
    solution = nst_jax.solve(encoder, problem, steps=rival.steps, descent=rival.descent, precision="float32")
    ours, theirs = solution.history["total"], np.load(GOLDEN)[rival.beside]
    return Result(float(ours[0]), float(ours.min()), float(theirs.min()))


def beside_float32(precision: Precision, steps: int) -> Result:
    """Compare Adam's best image in `precision` with that in float32, both evaluated in float32."""
    encoder, problem = pose()

    def loss(image: Image) -> float:
        return float(nst_jax.total(encoder, problem, image)[0])

    both: tuple[Precision, Precision] = (precision, "float32")
    adam = RIVALS["adam"].descent
    images = (nst_jax.solve(encoder, problem, steps=steps, descent=adam, precision=p).image for p in both)
    return Result(loss(problem.init), *map(loss, images))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the losses as a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convergence", description=__doc__)
    parser.add_argument("--precision", choices=get_args(Precision))
    parser.add_argument("--steps", type=int, default=500, help="with --precision")
    args = parser.parse_args(arguments)
    other = "float32" if args.precision else "PyTorch"
    print(f"| optimizer | steps | start | nst_jax | {other} | ratio |\n|" + " --- |" * 6)
    runs = {"adam": args.steps} if args.precision else {name: rival.steps for name, rival in RIVALS.items()}
    for name, steps in runs.items():
        found = beside_float32(args.precision, steps) if args.precision else beside_torch(name)
        print(f"| {name} | {steps} | " + " | ".join(f"{x:.5g}" for x in found), end="")
        print(f" | {found.ours / found.other:.4f} |")


if __name__ == "__main__":
    main()
