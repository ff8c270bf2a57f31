"""Solve every lane of a sweep: in chunks that fit the memory, each chunk by one compiled program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optax

from nst_jax import optimize
from nst_jax.batch import memory
from nst_jax.batch.planning import halve, plan
from nst_jax.batch.program import Chunk, How, advance_chunk, solutions
from nst_jax.batch.sweep import Sweep
from nst_jax.errors import UserError
from nst_jax.optimize import Optimizer, Solution
from nst_jax.recipe import DEFAULT, Precision
from nst_jax.vgg import Encoder


@dataclass(frozen=True)
class Results:
    """What `solve_batch` found: one solution a lane."""

    sweep: Sweep
    solutions: tuple[Solution, ...]
    steps: tuple[int, ...]


def solve_batch(
    encoder: Encoder,
    sweep: Sweep,
    *,
    steps: int | Sequence[int] = DEFAULT.steps,
    coarse_steps: int = DEFAULT.coarse_steps,
    first_steps: int = DEFAULT.first_steps,
    optimizer: Optimizer | optax.GradientTransformation = DEFAULT.optimizer,
    precision: Precision = DEFAULT.precision,
    clamp: bool | None = None,
    lanes: int | None = None,
    say: Callable[[str], object] = print,
) -> Results:
    """Solve every lane as `solve` would solve it alone.

    A lane's result does not depend on its neighbours, nor on the order of the lanes. A program compiled for another
    number of lanes may sum in another order: float32 rounding, which the steps then carry along.

    Args:
        encoder: the network.
        sweep: from `grid`, `zipped`, `product`, `pairs` or `stack`; over the scales of the recipe that `product` or
            `pairs` were given.
        steps: updates of the image, for all lanes or for each.
        coarse_steps: updates at every scale but the last of a sweep over several; 0 means `steps`.
        first_steps: updates at the first of several scales; 0 means as many as at the other coarse ones.
        optimizer, precision, clamp: as for `solve`.
        lanes: how many run together; by default as many as the memory holds.
        say: what to do with lines on lanes, chunks and memory.

    Raises:
        UserError: no lane fits the memory, or `lanes` is below 1.
    """
    clamp = optimize.clamps(optimizer) if clamp is None else clamp
    each = (steps,) * len(sweep) if isinstance(steps, int) else tuple(steps)
    how = How(each, optimizer, precision, clamp, coarse_steps=coarse_steps, first_steps=first_steps)
    found: dict[int, Solution] = {}

    def work(chunk: Chunk) -> None:
        *_, last = advance_chunk(encoder, sweep, chunk, how)
        found.update(solutions(last, sweep, chunk, how))

    run(plan(encoder, sweep, how, lanes=lanes, say=say), work, say)
    return Results(sweep, tuple(found[lane] for lane in range(len(sweep))), each)


def run(
    chunks: Sequence[Chunk],
    work: Callable[[Chunk], None],
    say: Callable[[str], object],
    recut: Callable[[Sequence[Chunk]], object] = lambda _: None,
) -> None:
    """Work through the chunks; where the memory runs out, go on with half the lanes, and tell `recut`.

    Raises:
        UserError: one lane alone is too much.
    """
    todo = list(chunks)
    while todo:
        chunk, *rest = todo
        try:
            work(chunk)
        except Exception as error:
            if not memory.out_of_memory(error):
                raise
            if chunk.size <= 1:
                raise UserError(
                    "the memory does not hold one lane: use a smaller --size, or --precision bfloat16"
                ) from error
            todo = halve(todo)
            recut(todo)
            say(f"out of memory with {chunk.size} lanes at once: going on with {todo[0].size}")
        else:
            todo = rest
