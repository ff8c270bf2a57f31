"""Move x: steps of a descent that keep the best, as pure functions of one lane."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from nst_jax import renewal
from nst_jax.arithmetic import in_float32
from nst_jax.descents import NON_FINITE, RUNNING, STALLED, Point
from nst_jax.gradients import Terms
from nst_jax.networks import Encoder
from nst_jax.objective import Objective
from nst_jax.problem import Problem, drawn, shown, start
from nst_jax.types import Image, Scalar

ENDINGS = {NON_FINITE: "non-finite", STALLED: "stalled"}


@struct.dataclass
class State:
    """Where one optimisation stands; a checkpoint of it is enough to go on.

    Attributes:
        x: the iterate, a pytree that the canvas draws; not yet evaluated.
        good: the last iterate whose loss and gradient were finite.
        best, best_loss, best_step: the iterate of the lowest loss so far.
        descent: the descent's own state.
        step: steps done, the starting image's evaluation being the first.
        evaluations: of the loss and its gradient; more than one a step with a line search.
        stopped: RUNNING, NON_FINITE or STALLED.
        renewed: what losses made of the picture at some step before, or drew: see `renewal`.
    """

    x: Any
    good: Any
    best: Any
    best_loss: Scalar
    best_step: jax.Array
    descent: Any
    step: jax.Array
    evaluations: jax.Array
    stopped: jax.Array
    renewed: renewal.Renewed = struct.field(default_factory=dict)


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
        record: what it was made from, as `nst_jax.save` writes it into a picture.
    """

    image: Image
    last: Image
    history: dict[str, np.ndarray]
    best_step: int = struct.field(pytree_node=False, default=0)
    stopped: str = struct.field(pytree_node=False, default="steps")
    evaluations: int = struct.field(pytree_node=False, default=0)
    record: Any = struct.field(pytree_node=False, default=None)

    def __repr__(self) -> str:
        """Say how it ended, without its arrays."""
        h, w, _ = self.image.shape
        losses = self.history.get("total", np.array([np.nan]))
        end = f"loss {losses[0]:.4g} -> {losses[self.best_step]:.4g} at step {self.best_step}"
        return f"Solution({w}x{h}, {end} of {len(losses) - 1}, {self.stopped!r})"


@in_float32()
def begin(problem: Problem) -> State:
    """Make the state before the first evaluation, from the problem's starting image."""
    x = problem.canvas.encode(start(problem))
    return _begun(problem, x, problem.descent.init(x, problem.canvas))


@in_float32()
def enlarge(state: State, problem: Problem, size: tuple[int, int]) -> State:
    """Begin at the next scale, a problem of which all but the starting image counts: that is the last scale's best.

    Args:
        state: at the last scale, whose picture has `size` (h, w).
        problem: at the next one.
        size: of the last scale.
    """
    canvas, (h, w, _) = problem.canvas, problem.init.shape
    x = canvas.encode(jax.image.resize(canvas.draw(state.best, size).clip(0, 1), (h, w, 3), "cubic").clip(0, 1))
    return _begun(problem, x, problem.descent.resized(state.descent, x, canvas, (h, w)))


def _begun(problem: Problem, x: Any, descent: Any) -> State:
    zero, least = jnp.int32(0), jnp.float32(jnp.inf)
    return State(x, x, x, least, zero, descent, zero, zero, jnp.int32(RUNNING), renewal.blank(problem))


@in_float32()
def renew(encoder: Encoder, problem: Problem, state: State) -> State:
    """Let the losses look at the picture, or draw, anew: the objective is another one from here on.

    Losses of two objectives do not compare, so the best is sought anew, and a descent that remembers forgets; a lane
    that has ended keeps what it has.
    """
    canvas = problem.canvas
    going = (state.stopped == RUNNING) & (state.step <= problem.steps)
    made = renewal.renewed(encoder, problem, drawn(problem, state.x), state.step)
    descent = problem.descent.forget(state.descent, state.x, canvas)
    fresh, kept = (made, jnp.float32(jnp.inf)), (state.renewed, state.best_loss)
    found, least = jax.tree.map(partial(jnp.where, going), fresh, kept)
    return replace(state, renewed=found, descent=problem.descent.held(descent, state.descent, going), best_loss=least)


@in_float32()
def advance(
    encoder: Encoder, problem: Problem, state: State, *, length: int, apart: bool = False
) -> tuple[State, Terms]:
    """Take `length` steps in one compiled loop, none of them past the problem's; return the terms, (length,) each.

    With `apart` what follows the gradient is a branch. Where a call takes one step of one lane, as of a large picture
    on a CPU, XLA's CPU compiler would else copy what the optimizer holds before it computes the gradient: with 4 pairs
    of L-BFGS 356 bytes a pixel of temporaries for 113, with 20 pairs 1316 for 113 (1408x1408 in tiles, JAX 0.10.2).
    Inside a loop of several steps it does not; of several lanes under `vmap` a branch would copy them.
    """
    return jax.lax.scan(lambda state, _: _step(encoder, problem, state, apart), state, length=length)


def _step(encoder: Encoder, problem: Problem, state: State, apart: bool) -> tuple[State, Terms]:
    """Evaluate the iterate, keep it if it is the best, and move on; do nothing once past the steps or stopped."""
    gradient = problem.gradient
    objective = Objective.at(encoder, renewal.with_renewed(problem, state.renewed), state.step)
    (loss, terms), grad = gradient.value_and_grad(objective, state.x)
    active = (state.stopped == RUNNING) & (state.step <= problem.steps)
    take = partial(_moved, problem, partial(gradient.value, objective))
    if apart:
        new = jax.lax.cond(active, lambda *at: take(active, *at), lambda state, *_: state, state, loss, grad)
    else:
        new = take(active, state, loss, grad)
    return new, {name: jnp.where(active, x, jnp.nan) for name, x in terms.items()}


def _moved(problem: Problem, value: Any, active: jax.Array, state: State, loss: Scalar, grad: Any) -> State:
    """Keep an iterate if it is the best, and move on from it; nothing where the lane is not active."""
    descent, steps = problem.descent, problem.steps
    finite = jnp.isfinite(loss) & jnp.stack([jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(grad)]).all()
    at = Point(state.x, loss, grad, state.step, steps, value, problem.canvas)
    moved, after = descent.update(state.descent, at)
    stopped = descent.ended(after, finite)
    moving = active & (stopped == RUNNING) & (state.step < steps)
    # Losses of different views do not compare: of those the last iterate is the picture.
    takes_last = descent.takes_last(state.step, steps) | (problem.views is not None and state.step == steps)
    better = active & finite & ((loss < state.best_loss) | takes_last)

    def select(where: jax.Array, a: Any, b: Any) -> Any:
        return jax.tree.map(partial(jnp.where, where), a, b)

    good = select(active & finite, state.x, state.good)
    return State(
        x=select(moving, moved, select(active, good, state.x)),
        good=good,
        best=select(better, state.x, state.best),
        best_loss=jnp.where(better, loss, state.best_loss),
        best_step=jnp.where(better, state.step, state.best_step),
        descent=descent.held(after, state.descent, moving),
        step=state.step + active,
        evaluations=state.evaluations + active + moving * descent.evaluations(after),
        stopped=jnp.where(active, stopped, state.stopped),
        renewed=state.renewed,
    )


def length_of_call(steps: int, pixels: int, platform: str) -> int:
    """Choose how many steps to compile into one call: three or four seconds on two cores, 50 on an accelerator.

    A call allocates its memory anew: with one step a call up to a tenth of the time of 512x512. The evaluations (one
    more than `steps`) are spread evenly, so that one compiled length serves all calls.
    """
    longest = max(1, min(50, 1_000_000 // pixels)) if platform == "cpu" else 50
    return -(-(steps + 1) // -(-(steps + 1) // longest))


def solution(problem: Problem, state: State, history: dict[str, np.ndarray]) -> Solution:
    """Give what a lane has found so far: its state, and its terms (evaluations,)."""
    done = int(state.step)
    running = "steps" if done > int(problem.steps) else "running"

    def picture(x: Any) -> Any:
        return np.asarray(shown(problem, drawn(problem, x))).clip(0, 1)

    return Solution(
        image=picture(state.best),
        last=picture(state.good),
        history={name: x[:done] for name, x in history.items()},
        best_step=int(state.best_step),
        stopped=ENDINGS.get(int(state.stopped), running),
        evaluations=int(state.evaluations),
    )
