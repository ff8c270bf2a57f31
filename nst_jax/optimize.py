"""Move the pixels: optax steps that keep the best image, in jitted chunks of one `lax.scan`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from nst_jax import lbfgs, vgg
from nst_jax import problem as problems
from nst_jax.compiler import late_jit
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, LrSchedule, Precision, Recipe
from nst_jax.recipe import Optimizer as Named
from nst_jax.types import Image, Scalar
from nst_jax.vgg import Encoder

RUNNING, NON_FINITE, STALLED = 0, 1, 2
ENDINGS = {NON_FINITE: "non-finite", STALLED: "stalled"}


@dataclass(frozen=True)
class Adam:
    """Adam with a schedule of its rate, or with the average of its iterates as the picture.

    Attributes:
        schedule: `constant`, or `cosine`: lr (1 + cos(pi t / steps)) / 2 at step t.
        ema: decay d of the average of the iterates x_0 ... x_n, (1 - d) sum_t d^(n - t) x_t / (1 - d^(n + 1)), as in
            Crowson's style-transfer-pytorch. The last evaluation is that of the average, which is then the solution's
            image, whatever the losses of the iterates were; an unfinished run has the best iterate. 0 for none.
    """

    schedule: LrSchedule = "constant"
    ema: float = 0.0


Optimizer = Named | Adam


@struct.dataclass
class State:
    """Where one optimisation stands; a checkpoint of it is enough to go on.

    Attributes:
        image: the iterate (h, w, 3), not yet evaluated.
        good: the last iterate whose loss and gradient were finite.
        best, best_loss, best_step: the iterate of the lowest loss so far.
        opt: the optimizer's own state.
        average: sum_t (1 - d) d^(n - t) x_t over the iterates evaluated so far, where one is asked for.
        step: steps done, the starting image's evaluation being the first.
        evaluations: of the loss and its gradient; more than one a step with a line search.
        stopped: RUNNING, NON_FINITE or STALLED.
    """

    image: Image
    good: Image
    best: Image
    best_loss: Scalar
    best_step: jax.Array
    opt: Any
    average: Any
    step: jax.Array
    evaluations: jax.Array
    stopped: jax.Array


@struct.dataclass
class Solution:
    """What an optimisation found.

    Attributes:
        image: the image of the lowest loss, (h, w, 3) in [0, 1].
        last: the last image whose loss was finite, (h, w, 3) in [0, 1].
        history: every term at each step, (steps + 1,): the first entry is the starting image's.
        best_step: the step of `image`.
        stopped: why it ended: `steps`, `non-finite`, `stalled` (L-BFGS found no lower loss along the steepest descent),
            or `running` for a partial solution.
        evaluations: of the loss and its gradient.
    """

    image: Image
    last: Image
    history: dict[str, np.ndarray]
    best_step: int = struct.field(pytree_node=False, default=0)
    stopped: str = struct.field(pytree_node=False, default="steps")
    evaluations: int = struct.field(pytree_node=False, default=0)


def chosen(recipe: Recipe) -> Optimizer:
    """Give the optimizer of a checked recipe, Adam with what the recipe adds to it."""
    plain = recipe.lr_schedule == "constant" and not recipe.ema
    return recipe.optimizer if plain else Adam(recipe.lr_schedule, recipe.ema)


def is_adam(optimizer: Optimizer | optax.GradientTransformation) -> bool:
    """Say whether it is Adam, plain or not."""
    return optimizer == "adam" or isinstance(optimizer, Adam)


def transformation(optimizer: Optimizer | optax.GradientTransformation, lr: Scalar) -> Any:
    """Build the optax transformation; one handed in by the caller brings its own learning rate."""
    if is_adam(optimizer):
        return optax.with_extra_args_support(optax.adam(lr, b1=0.9, b2=0.99))
    if optimizer == "lbfgs":
        return lbfgs.guarded()
    if optimizer == "lbfgs-zoom":
        return optax.lbfgs()
    assert isinstance(optimizer, optax.GradientTransformation)
    return optax.with_extra_args_support(optimizer)


@partial(jax.jit, static_argnames="optimizer")
def begin(problem: Problem, optimizer: Optimizer | optax.GradientTransformation = "adam") -> State:
    """Make the state before the first evaluation."""
    image = problems.start(problem)
    return State(
        image=image,
        good=image,
        best=image,
        best_loss=jnp.float32(jnp.inf),
        best_step=jnp.int32(0),
        opt=transformation(optimizer, problem.lr).init(image),
        average=jnp.zeros_like(image) if _decay(optimizer) else (),
        step=jnp.int32(0),
        evaluations=jnp.int32(0),
        stopped=jnp.int32(RUNNING),
    )


def _step(encoder, problem, steps, optimizer, clamp, state: State) -> tuple[State, problems.Terms]:
    """Evaluate the iterate, keep it if it is the best, and move on; do nothing once past `steps` or stopped."""

    def value(image):
        return problems.total(encoder, problem, image)

    (loss, terms), grad = jax.value_and_grad(value, has_aux=True)(state.image)
    finite = jnp.isfinite(loss) & jnp.all(jnp.isfinite(grad))
    updates, opt = transformation(optimizer, _rate(optimizer, problem.lr, state.step / jnp.maximum(steps, 1))).update(
        grad, state.opt, state.image, value=loss, grad=grad, value_fn=lambda image: value(image)[0]
    )
    moved = state.image + updates
    moved = moved.clip(0, 1) if clamp else moved
    decay, average = _decay(optimizer), state.average
    if decay:
        average, mean = _averaged(state, moved, decay)
        moved = jnp.where(state.step + 1 == steps, mean, moved)
    active = (state.stopped == RUNNING) & (state.step <= steps)
    stopped = _ending(opt, finite)
    moving = active & (stopped == RUNNING) & (state.step < steps)
    better = active & finite & ((loss < state.best_loss) | (decay > 0) & (state.step == steps))
    good = jnp.where(active & finite, state.image, state.good)
    new = State(
        image=jnp.where(moving, moved, jnp.where(active, good, state.image)),
        good=good,
        best=jnp.where(better, state.image, state.best),
        best_loss=jnp.where(better, loss, state.best_loss),
        best_step=jnp.where(better, state.step, state.best_step),
        opt=_held(opt, state.opt, moving),
        average=jax.tree.map(partial(jnp.where, moving), average, state.average),
        step=state.step + active,
        evaluations=state.evaluations + active + moving * optax.tree.get(opt, "num_linesearch_steps", 0),
        stopped=jnp.where(active, stopped, state.stopped),
    )
    return new, {name: jnp.where(active, x, jnp.nan) for name, x in terms.items()}


def _held(opt: Any, old: Any, moving: jax.Array) -> Any:
    """Give the optimizer's new state where the lane moves, else the old one."""
    if isinstance(opt, lbfgs.State):
        return opt.held(old, moving)
    return jax.tree.map(partial(jnp.where, moving), opt, old)


def _rate(optimizer: Optimizer | optax.GradientTransformation, lr: Scalar, done: jax.Array) -> Scalar:
    """Give the rate when that part of the steps is done."""
    cosine = isinstance(optimizer, Adam) and optimizer.schedule == "cosine"
    return lr * 0.5 * (1 + jnp.cos(jnp.pi * done)) if cosine else lr


def _decay(optimizer: Optimizer | optax.GradientTransformation) -> float:
    return optimizer.ema if isinstance(optimizer, Adam) else 0.0


def _averaged(state: State, moved: Image, decay: float) -> tuple[Image, Image]:
    """Take the iterate into the running sum; give it, and the average that there is once `moved` is in it too."""
    average = optax.tree.update_moment(state.image, state.average, decay, 1)
    return average, optax.tree.bias_correction(
        optax.tree.update_moment(moved, average, decay, 1), decay, state.step + 2
    )


def _ending(opt: Any, finite: jax.Array) -> jax.Array:
    """Tell whether a lane must stop: the guarded L-BFGS steps back from a loss that is not finite, others cannot."""
    if not isinstance(opt, lbfgs.State):
        return jnp.where(finite, RUNNING, NON_FINITE)
    stuck = jnp.where(opt.rejections >= lbfgs.GIVE_UP, STALLED, RUNNING)
    return jnp.where(jnp.isfinite(opt.loss), stuck, NON_FINITE)  # nowhere to step back to


def advance(
    encoder: Encoder,
    problem: Problem,
    state: State,
    steps: jax.Array,
    *,
    length: int,
    optimizer: Optimizer | optax.GradientTransformation,
    clamp: bool,
) -> tuple[State, problems.Terms]:
    """Take `length` steps in one compiled loop, none of them past `steps`; return the terms, (length,) each."""
    step = partial(_step, encoder, problem, steps, optimizer, clamp)
    return jax.lax.scan(lambda state, _: step(state), state, length=length)


advancing = late_jit(advance, static_argnames=("length", "optimizer", "clamp"), donate_argnames="state")
"""Give `advance` compiled, for calls that are not inside another compiled function."""


def clamps(optimizer: Optimizer | optax.GradientTransformation) -> bool:
    """Say whether iterates are held in [0, 1] by default: not for `lbfgs-zoom`, whose line search it would falsify."""
    return optimizer != "lbfgs-zoom"


def chunk_length(steps: int, pixels: int, platform: str) -> int:
    """Choose how many steps to compile into one call: three or four seconds on two cores, 50 on an accelerator.

    A call allocates its memory anew: with one step a call up to a tenth of the time of 512x512. The evaluations (one
    more than `steps`) are spread evenly, so that one compiled length serves all chunks.
    """
    longest = max(1, min(50, 1_000_000 // pixels)) if platform == "cpu" else 50
    return -(-(steps + 1) // -(-(steps + 1) // longest))


def iterate(
    encoder: Encoder,
    problem: Problem,
    *,
    steps: int = DEFAULT.steps,
    optimizer: Optimizer | optax.GradientTransformation = DEFAULT.optimizer,
    precision: Precision = DEFAULT.precision,
    clamp: bool | None = None,
) -> Iterator[Solution]:
    """Yield the solution so far after each chunk of steps; the last one is what `solve` returns."""
    state = begin(problem, optimizer)
    how = {"steps": steps, "optimizer": optimizer, "precision": precision, "clamp": clamp}
    yield from (solution for _, solution in go_on(encoder, problem, state, **how))


def go_on(
    encoder: Encoder,
    problem: Problem,
    state: State,
    *,
    steps: int,
    optimizer: Optimizer | optax.GradientTransformation,
    precision: Precision = DEFAULT.precision,
    clamp: bool | None = None,
) -> Iterator[tuple[State, Solution]]:
    """Yield the state and the solution after each chunk of steps; a state yielded is good until the next."""
    h, w, _ = problem.init.shape
    clamp = clamps(optimizer) if clamp is None else clamp
    encoder = vgg.prepare(encoder, precision, (h, w))
    length = chunk_length(steps, h * w, jax.default_backend())
    records: list[problems.Terms] = []
    while True:
        state, record = advancing()(
            encoder, problem, state, jnp.int32(steps), length=length, optimizer=optimizer, clamp=clamp
        )
        records.append(jax.device_get(record))
        yield state, _solution(problem, state, records, steps)
        if int(state.step) > steps or int(state.stopped) != RUNNING:
            return


def _solution(problem: Problem, state: State, records: list[problems.Terms], steps: int) -> Solution:
    done = int(state.step)
    history = {name: np.concatenate([r[name] for r in records])[:done] for name in records[0]}
    running = "steps" if done > steps else "running"
    return Solution(
        image=problems.shown(problem, state.best).clip(0, 1),
        last=problems.shown(problem, state.good).clip(0, 1),
        history=history,
        best_step=int(state.best_step),
        stopped=ENDINGS.get(int(state.stopped), running),
        evaluations=int(state.evaluations),
    )


def solve(
    encoder: Encoder,
    problem: Problem,
    *,
    steps: int = DEFAULT.steps,
    optimizer: Optimizer | optax.GradientTransformation = DEFAULT.optimizer,
    precision: Precision = DEFAULT.precision,
    clamp: bool | None = None,
) -> Solution:
    """Minimise alpha L_content + beta L_style + tv L_tv over the pixels of one image.

    Args:
        encoder: the network.
        problem: from `pose`.
        steps: updates of the image; the loss is evaluated once more, at the end.
        optimizer: `adam`; `lbfgs`, guarded and projected, one evaluation a step (`nst_jax.lbfgs`); `lbfgs-zoom`,
            optax's with a zoom line search of several evaluations a step; `Adam(...)`; or any optax transformation.
        precision: arithmetic of the convolutions; Grams, losses, image and optimizer are float32 always.
        clamp: hold every iterate in [0, 1]; by default for all but `lbfgs-zoom`, whose search it would falsify: there
            the loss is that of a picture which loses by being clipped at the end. `lbfgs` holds it in any case.

    A loss or gradient that is not finite ends the run, save for `lbfgs`, which steps back; the images kept are finite
    ones.
    """
    solution = None
    for solution in iterate(  # noqa: B007
        encoder, problem, steps=steps, optimizer=optimizer, precision=precision, clamp=clamp
    ):
        pass
    assert solution is not None
    return solution
