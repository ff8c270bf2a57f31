"""Projected L-BFGS for a bounded x: one evaluation a step, and a bad step costs only the lane that took it."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax.scipy.linalg import solve_triangular

from nst_jax.canvases import Canvas
from nst_jax.descents.descent import NON_FINITE, RUNNING, STALLED, Descent, Point
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
        s, y: the last differences of points and of gradients (memory + 1, size), flat, each pair divided by
            sqrt(s . y), so that s . y = 1.
        sy: (memory + 1, memory + 1), s_i . y_j of the pairs i no newer than j.
        gamma: 1 / (y . P y) of the newest pair, P being the canvas' metric.
        count: pairs kept since the memory was last dropped.
        rejections: how many evaluations in a row were no better than `loss`.
    """

    point: Any
    grad: Any
    loss: Scalar
    s: jax.Array
    y: jax.Array
    sy: jax.Array
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
    """

    memory: int = struct.field(pytree_node=False, default=MEMORY)

    def init(self, x: Any, canvas: Canvas) -> State:
        """Begin without pairs."""
        pairs = jnp.zeros((self.memory + 1, _flat(x).size), jnp.float32)
        products = jnp.zeros((self.memory + 1, self.memory + 1), jnp.float32)
        nothing = jax.tree.map(jnp.zeros_like, x)
        zero = jnp.int32(0)
        return State(x, nothing, jnp.float32(jnp.inf), pairs, pairs, products, jnp.float32(0), zero, zero)

    def update(self, state: State, at: Point) -> tuple[Any, State]:
        """Accept the iterate or step back, and go on."""
        canvas = at.canvas
        finite = jnp.isfinite(at.loss) & _all_finite(at.grad)
        state = _judge(state, at, finite & (at.loss < state.loss))

        def is_free(x: jax.Array, g: jax.Array) -> jax.Array:
            return ((x > canvas.low) | (g < 0)) & ((x < canvas.high) | (g > 0))

        def masked(free: jax.Array, g: jax.Array) -> jax.Array:
            return jnp.where(free, g, 0)

        free = jax.tree.map(is_free, state.point, state.grad)
        direction = _direction(state, jax.tree.map(masked, free, state.grad), canvas)
        direction = jax.tree.map(masked, free, direction)
        length = _length(state, direction, canvas)
        return at.bounded(jax.tree.map(lambda x, d: x + d * length, state.point, direction)), state

    def held(self, new: State, old: State, moving: jax.Array) -> State:
        """Give the new state where the lane moves, else the old one, whose free place may have been written to."""
        kept = jax.tree.map(lambda new, old: jnp.where(moving, new, old), new, old)
        return kept.replace(s=new.s, y=new.y)

    def ended(self, state: State, finite: jax.Array) -> jax.Array:
        """Say whether there is nowhere to step back to, or nowhere to go."""
        stuck = jnp.where(state.rejections >= GIVE_UP, STALLED, RUNNING)
        return jnp.where(jnp.isfinite(state.loss), stuck, NON_FINITE)

    def settings(self) -> dict[str, Any] | None:
        """Give what a recipe calls it."""
        return {"optimizer": "lbfgs"} if self.memory == MEMORY else None


def _flat(tree: Any) -> jax.Array:
    leaves = [leaf.reshape(-1) for leaf in jax.tree.leaves(tree)]
    return leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves)


def _like(vector: jax.Array, tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    found, begin = [], 0
    for leaf in leaves:
        found.append(vector[begin : begin + leaf.size].reshape(leaf.shape))
        begin += leaf.size
    return jax.tree.unflatten(structure, found)


def _sum(function: Any, *trees: Any) -> jax.Array:
    """Add up `function` of all numbers of some trees."""
    return sum(jnp.sum(part) for part in jax.tree.leaves(jax.tree.map(function, *trees)))  # type: ignore[return-value]


def _dot(a: Any, b: Any) -> jax.Array:
    return _sum(jnp.multiply, a, b)


def _all_finite(tree: Any) -> jax.Array:
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]).all()


def _judge(state: State, at: Point, accepted: jax.Array) -> State:
    """Move to the evaluated point and remember the pair, or count a rejection."""
    s, y = jax.tree.map(jnp.subtract, (at.x, at.grad), (state.point, state.grad))
    curvature = _dot(s, y)
    # A pair of no or negative curvature would make H indefinite; below float32's rounding it is noise.
    sound = curvature > 1e-7 * jnp.sqrt(_dot(s, s)) * jnp.sqrt(_dot(y, y))
    kept = accepted & jnp.isfinite(state.loss) & sound
    scale = jax.lax.rsqrt(jnp.where(kept, curvature, 1))
    # Also a pair that is not kept is written, as zeros: what is not finite would spoil products with it.
    s, y = jax.tree.map(lambda x: jnp.where(kept, x * scale, 0), (s, y))
    place = state.count % len(state.s)
    all_s, all_y = (
        jax.lax.dynamic_update_index_in_dim(pairs, _flat(x), place, 0) for pairs, x in ((state.s, s), (state.y, y))
    )
    rejections = jnp.where(accepted, 0, state.rejections + 1)
    point, grad, loss = jax.tree.map(
        lambda new, old: jnp.where(accepted, new, old),
        (at.x, at.grad, at.loss),
        (state.point, state.grad, state.loss),
    )
    return State(
        point=point,
        grad=grad,
        loss=loss,
        s=all_s,
        y=all_y,
        sy=state.sy.at[:, place].set(_times(all_s, _flat(y))),
        gamma=jnp.where(kept, 1 / _dot(y, at.canvas.metric(y)), state.gamma),
        count=jnp.where(rejections >= FORGET, 0, state.count + kept),
        rejections=rejections,
    )


def _times(a: jax.Array, b: jax.Array) -> jax.Array:
    # The default precision of a GPU's products (tf32) is too coarse for what cancels here.
    return jnp.matmul(a, b, precision="highest")


def _direction(state: State, grad: Any, canvas: Canvas) -> Any:
    """Compute -H g from H0 = gamma P, as products with all pairs at once, s . y = 1.

        R p = S^T g        r = gamma P (g - Y p)        R^T u = p - Y^T r        H g = r + S u

    R is the upper triangle of S^T Y in the order of time. The two loops of Nocedal and Wright (2006), algorithm 7.4,
    in the compact form of Byrd, Nocedal and Schnabel (1994): the first loop solves R p = S^T g, the second
    R^T u = p - Y^T r. Four passes over the pairs in place of the loops' dependent steps.
    """
    places = len(state.s)
    order = (state.count + jnp.arange(places)) % places  # the free place, then the pairs, oldest first
    back = jnp.argsort(order)
    there = jnp.arange(places) >= places - jnp.minimum(state.count, places - 1)
    triangle = jnp.where(there[None] & there[:, None], state.sy[jnp.ix_(order, order)], 0)

    def solved(right: jax.Array, trans: int) -> jax.Array:
        right = jnp.where(there, right[order], 0)
        return solve_triangular(triangle, right, trans=trans, unit_diagonal=True)[back]

    p = solved(_times(state.s, _flat(grad)), 0)
    left = canvas.metric(jax.tree.map(jnp.subtract, grad, _like(_times(p, state.y), grad)))
    r = jax.tree.map(lambda x: state.gamma * x, left)
    u = solved(p - _times(state.y, _flat(r)), 1)
    steepest = canvas.longest / _size(left)  # gradients may be 1e10
    way = _like(_times(u, state.s), grad)
    return jax.tree.map(lambda r, w, x: -jnp.where(state.count > 0, r + w, x * steepest), r, way, left)


def _size(x: Any) -> Scalar:
    """Give the root mean square of all numbers."""
    count = sum(leaf.size for leaf in jax.tree.leaves(x))
    return jnp.maximum(jnp.sqrt(_dot(x, x) / count), jnp.finfo(jnp.float32).tiny)


def _length(state: State, direction: Any, canvas: Canvas) -> Scalar:
    """Give the factor of the step: 1, at most the canvas' longest, and a quarter for each rejection."""
    return jnp.minimum(1, canvas.longest / _size(direction)) * SHRINK ** state.rejections.astype(jnp.float32)
