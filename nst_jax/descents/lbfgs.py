"""Projected L-BFGS for a bounded x: one evaluation a step, and a bad step costs only the lane that took it."""

from dataclasses import replace
from typing import Any, get_args

import jax
import jax.numpy as jnp
from flax import struct

from nst_jax.canvases import Canvas
from nst_jax.descents.descent import NON_FINITE, RUNNING, STALLED, Descent, Point
from nst_jax.descents.pairs import Form, bordered, times
from nst_jax.errors import UserError
from nst_jax.recipe import PairPrecision
from nst_jax.types import Scalar

MEMORY = 20
SHRINK = 0.25
"""Factor of the step after a rejected one."""
FORGET = 3
"""Rejections in a row after which the memory is dropped."""
GIVE_UP = 10
"""Rejections in a row after which the float32 loss cannot be lowered along the steepest descent either."""


@struct.dataclass
class State:
    """What is known of the objective around the last accepted point.

    Pair k lies at k % (memory + 1): the place after the newest pair is free, and whatever is written there counts only
    once `count` has moved on. So the pairs, most of the state, are never selected from but for the new one.

    Attributes:
        point, grad, loss: the last accepted iterate, its gradient, both as x is, and its loss; infinite before the
            first.
        s, y: the last differences of points and of gradients, leaves (memory + 1, ...); each pair over sqrt(s . y).
        inverse: (memory + 1, memory + 1), of the triangle of the products s_i . y_j of the pairs i no newer than j, by
            their places; zeros at places without a pair.
        gamma: 1 / (y . P y) of the newest pair, P being the canvas' metric.
        count: pairs kept since the memory was last dropped.
        rejections: how many evaluations in a row were no better than `loss`.
    """

    point: Any
    grad: Any
    loss: Scalar
    s: Any
    y: Any
    inverse: jax.Array
    gamma: Scalar
    count: jax.Array
    rejections: jax.Array


@struct.dataclass
class LBFGS(Descent):
    """A projected L-BFGS without a line search.

        x+ = clip(x - t H g)       t = 1, or 1/4 of the last after a rejection

    H is the L-BFGS matrix, acting on the numbers that are free to move: those at a bound whose gradient points outwards
    stay (two-metric projection: Bertsekas 1982). A step that does not lower the loss, or leads to a loss or gradient
    that is not finite, is rejected: the next update leads back to the last accepted point and goes a quarter as far;
    after FORGET rejections in a row the memory is dropped and the way is the steepest descent. Each update takes
    exactly one evaluation, so lanes under `vmap` never wait for one another; GIVE_UP tells when to stop a lane.

    Attributes:
        memory: pairs that are kept, two pictures each.
        form: how they are kept; `prepared` chooses.
        pairs: what they are kept in: float32, bfloat16, float32 in the host's memory (host), or as the network's
            numbers (auto).

    Raises:
        UserError: other numbers.
    """

    remembers = True
    memory: int = struct.field(pytree_node=False, default=MEMORY)
    form: Form = struct.field(pytree_node=False, default=Form())
    pairs: PairPrecision = struct.field(pytree_node=False, default="auto")

    def __post_init__(self) -> None:
        """Refuse numbers that pairs cannot be kept in."""
        if self.pairs not in get_args(PairPrecision):
            raise UserError(f"pairs is {self.pairs!r}: expected one of {', '.join(get_args(PairPrecision))}")

    def prepared(self, precision: str, platform: str) -> "LBFGS":
        """Keep the pairs as a platform likes them, halved where that is asked for or gradients have no more digits."""
        halved = (precision if self.pairs == "auto" else self.pairs) == "bfloat16"
        on_cpu = platform == "cpu"  # whose memory is the host's
        form = Form(halved, platform == "tpu", bits=halved and on_cpu, hosted=self.pairs == "host" and not on_cpu)
        return replace(self, form=form)

    @property
    def hosted(self) -> bool:
        """Say whether pairs lie in the host's memory."""
        return self.form.hosted

    def within(self, steps: int) -> "LBFGS":
        """Keep no more pairs than there are steps."""
        return replace(self, memory=max(1, min(self.memory, steps)))

    def init(self, x: Any, canvas: Canvas) -> State:
        """Begin without pairs."""
        return self._begun(x, self.form.empty(x, self.memory + 1), self.form.empty(x, self.memory + 1))

    def forget(self, state: State, x: Any, canvas: Canvas) -> State:
        """Begin anew; what lies at the places of pairs counts no more."""
        return self._begun(x, state.s, state.y)

    def _begun(self, x: Any, s: Any, y: Any) -> State:
        inverse, nothing = jnp.zeros((self.memory + 1,) * 2, jnp.float32), jax.tree.map(jnp.zeros_like, x)
        zero = jnp.int32(0)
        return State(x, nothing, jnp.float32(jnp.inf), s, y, inverse, jnp.float32(0), zero, zero)

    def update(self, state: State, at: Point) -> tuple[Any, State]:
        """Accept the iterate or step back, and go on."""
        canvas = at.canvas
        finite = jnp.isfinite(at.loss) & _all_finite(at.grad)
        state = _judge(self.form, state, at, finite & (at.loss < state.loss))

        def is_free(x: jax.Array, g: jax.Array) -> jax.Array:
            return ((x > canvas.low) | (g < 0)) & ((x < canvas.high) | (g > 0))

        def masked(free: jax.Array, g: jax.Array) -> jax.Array:
            return jnp.where(free, g, 0)

        free = jax.tree.map(is_free, state.point, state.grad)
        direction = _direction(self.form, state, jax.tree.map(masked, free, state.grad), canvas)
        direction = jax.tree.map(masked, free, direction)
        length = _length(state, direction, canvas)
        return at.bounded(jax.tree.map(lambda x, d: x + d * length, state.point, direction)), state

    def held(self, new: State, old: State, moving: jax.Array) -> State:
        """Give the new state where the lane moves, else the old one, whose free place may have been written to."""
        now, before = (replace(state, s=(), y=()) for state in (new, old))
        return replace(super().held(now, before, moving), s=new.s, y=new.y)

    def ended(self, state: State, finite: jax.Array) -> jax.Array:
        """Say whether there is nowhere to step back to, or nowhere to go."""
        stuck = jnp.where(state.rejections >= GIVE_UP, STALLED, RUNNING)
        return jnp.where(jnp.isfinite(state.loss), stuck, NON_FINITE)

    def settings(self) -> dict[str, Any] | None:
        """Give what a recipe calls it."""
        return {"optimizer": "lbfgs", "pair_precision": self.pairs} if self.memory == MEMORY else None


def _summed(function: Any, *trees: Any) -> jax.Array:
    """Add up `function` of the leaves of some trees."""
    return sum(jax.tree.leaves(jax.tree.map(function, *trees)))  # type: ignore[return-value]


def _dot(a: Any, b: Any) -> jax.Array:
    return _summed(lambda a, b: jnp.sum(a * b), a, b)


def _all_finite(tree: Any) -> jax.Array:
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]).all()


def _judge(form: Form, state: State, at: Point, accepted: jax.Array) -> State:
    """Move to the evaluated point and remember the pair, or count a rejection."""
    s, y = jax.tree.map(jnp.subtract, (at.x, at.grad), (state.point, state.grad))
    curvature = _dot(s, y)
    # A pair of no or negative curvature would make H indefinite; below float32's rounding it is noise.
    sound = curvature > 1e-7 * jnp.sqrt(_dot(s, s)) * jnp.sqrt(_dot(y, y))
    kept = accepted & jnp.isfinite(state.loss) & sound
    scale = jax.lax.rsqrt(jnp.where(kept, curvature, 1))
    # Also a pair that is not kept is written, as zeros: what is not finite would spoil products with it.
    s, y = jax.tree.map(lambda x: jnp.where(kept, x * scale, 0), (s, y))
    place = state.count % len(state.inverse)
    all_s, all_y = form.written(state.s, s, place), form.written(state.y, y, place)
    products = form.products(all_s, form.rounded(y))
    kept &= products[place] > 0  # 1, but for the rounding of halved pairs
    rejections = jnp.where(accepted, 0, state.rejections + 1)
    point, grad, loss = jax.tree.map(
        lambda new, old: jnp.where(accepted, new, old),
        (at.x, at.grad, at.loss),
        (state.point, state.grad, state.loss),
    )
    forgotten = rejections >= FORGET
    return State(
        point=point,
        grad=grad,
        loss=loss,
        s=all_s,
        y=all_y,
        inverse=jnp.where(forgotten, 0, jnp.where(kept, bordered(state.inverse, products, place), state.inverse)),
        gamma=jnp.where(kept, 1 / at.canvas.norm(y), state.gamma),
        count=jnp.where(forgotten, 0, state.count + kept),
        rejections=rejections,
    )


def _direction(form: Form, state: State, grad: Any, canvas: Canvas) -> Any:
    """Compute -H g from H0 = gamma P, as products with all pairs at once.

        p = R^-1 S^T g        r = gamma P (g - Y p)        u = R^-T (D p - Y^T r)        H g = r + S u

    R is the upper triangle of S^T Y in the order of time, D its diagonal. The two loops of Nocedal and Wright (2006),
    algorithm 7.4, in the compact form of Byrd, Nocedal and Schnabel (1994): the first loop solves R p = S^T g, the
    second R^T u = D p - Y^T r. Four passes over the pairs in place of the loops' dependent steps.
    """
    p = times(state.inverse, form.products(state.s, grad))
    left = canvas.metric(jax.tree.map(jnp.subtract, grad, form.combined(p, state.y, grad)))
    r = jax.tree.map(lambda x: state.gamma * x, left)
    inverted = jnp.diagonal(state.inverse)  # D^-1
    scaled = p / jnp.where(inverted == 0, 1, inverted)
    u = times(scaled - form.products(state.y, r), state.inverse)
    steepest = canvas.longest / _size(left)  # gradients may be 1e10
    way = form.combined(u, state.s, grad)
    return jax.tree.map(lambda r, w, x: -jnp.where(state.count > 0, r + w, x * steepest), r, way, left)


def _size(x: Any) -> Scalar:
    """Give the root mean square of all numbers."""
    count = sum(leaf.size for leaf in jax.tree.leaves(x))
    return jnp.maximum(jnp.sqrt(_dot(x, x) / count), jnp.finfo(jnp.float32).tiny)


def _length(state: State, direction: Any, canvas: Canvas) -> Scalar:
    """Give the factor of the step: 1, at most the canvas' longest, and a quarter for each rejection."""
    return jnp.minimum(1, canvas.longest / _size(direction)) * SHRINK ** state.rejections.astype(jnp.float32)
