"""A step with each style loss beside a step with `gram`, in turns: `python -m benchmarks.losses [LOSS ...]`.

Gradient and update of an image of 256 pixels a side, as the solver compiles them, the embedded VGG16, the loss's own
defaults; what a loss seeks or draws anew every few steps is timed too, by its share. Prints the median of the ratios of
neighbouring turns, and the memory that the program asks for. Times are the processor's, so that others on the machine
matter little.
"""

import argparse
import statistics
import time
from dataclasses import replace

import jax
import numpy as np

import nst_jax
from nst_jax import optimize, renewal
from nst_jax.compiler import late_jit
from nst_jax.networks import prepare
from nst_jax.recipe import STYLE_LOSSES, Optimizer, Recipe

STEPS = 4


class Turn:
    """A compiled piece of a run, that goes on each time it is called."""

    def __init__(self, encoder: nst_jax.Encoder, loss: str, size: int, optimizer: Optimizer) -> None:
        content, style = (np.random.default_rng(k).random((size, size, 3), np.float32) for k in (0, 1))
        recipe = Recipe(style_loss=loss, units="relative", beta=3.0, optimizer=optimizer, steps=10_000)
        posed = nst_jax.pose(encoder, content, style, recipe=recipe)
        self.problem = replace(posed, origin=None)
        self.encoder = replace(prepare(encoder, "float32", (size, size)), network=posed.network)
        self.state = jax.jit(optimize.begin)(self.problem)
        advance = late_jit(donate_argnums=2)(lambda e, p, s: optimize.advance(e, p, s, length=STEPS)).jitted()
        self.renew = jax.jit(optimize.renew)
        self.compiled = advance.lower(self.encoder, self.problem, self.state).compile()
        self.period = renewal.period(self.problem)
        if renewal.renews(self.problem):
            self.state = self.renew(self.encoder, self.problem, self.state)

    def step(self) -> float:
        """Take a piece, and give the seconds of a step."""
        start = time.process_time()
        self.state, _ = jax.block_until_ready(self.compiled(self.encoder, self.problem, self.state))
        return (time.process_time() - start) / STEPS

    def again(self) -> float:
        """Renew, and give the seconds that fall to a step."""
        if not self.period:
            return 0.0
        start = time.process_time()
        self.state = jax.block_until_ready(self.renew(self.encoder, self.problem, self.state))
        return (time.process_time() - start) / self.period

    def gigabytes(self) -> float:
        """Give the memory that the program asks for."""
        found = self.compiled.memory_analysis()
        return (found.temp_size_in_bytes + found.argument_size_in_bytes) / 2**30


def main() -> None:
    """Compare the losses that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("losses", nargs="*", default=[name for name in STYLE_LOSSES if name != "gram"])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--optimizer", default="adam")
    given = parser.parse_args()
    encoder = nst_jax.load_encoder()
    gram = Turn(encoder, "gram", given.size, given.optimizer)
    gram.step()
    print(
        f"| loss | a step, gram's = 1 | renewing | GiB (gram {gram.gigabytes():.2f}) |\n|---|--:|--:|--:|", flush=True
    )
    for name in given.losses:
        one = Turn(encoder, name, given.size, given.optimizer)
        one.step()
        one.again()
        ratios, renewing = [], []
        for _ in range(given.turns):
            before, own, after = gram.step(), one.step(), gram.step()
            ratios.append(2 * own / (before + after))
            renewing.append(2 * one.again() / (before + after))
        shares = statistics.median(ratios), statistics.median(renewing)
        print(f"| {name} | {sum(shares):.2f} | {shares[1]:.2f} | {one.gigabytes():.2f} |", flush=True)


if __name__ == "__main__":
    main()
