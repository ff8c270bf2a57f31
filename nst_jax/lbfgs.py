"""L-BFGS for a picture in [0, 1]: one evaluation a step, and a bad step costs only the lane that took it."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.scipy.linalg import solve_triangular

from nst_jax.types import Image, Scalar

MEMORY = 10
FIRST = 0.01
"""Mean |update| of a step without memory, in units of the image's range: gradients may be 1e10."""
LONGEST = 0.1
"""Largest root mean square of a step's update."""
SHRINK = 0.25
"""Factor of the step after a rejected one."""
FORGET = 3
"""Rejections in a row after which the memory is dropped."""
GIVE_UP = 10
"""Rejections in a row after which the float32 loss cannot be lowered along the steepest descent either."""


@struct.dataclass
class State:
    """What is known of the objective around the last accepted point.

    Attributes:
        point, grad, loss: the last accepted iterate (h, w, 3), its gradient and its loss; infinite before the first.
        s, y: the last MEMORY differences of points and of gradients (MEMORY, h, w, 3), each pair divided by
            sqrt(s . y), so that s . y = 1; zeros where there is none yet.
        count: pairs kept so far; pair k lies at k % MEMORY.
        rejections: how many evaluations in a row were no better than `loss`.
    """

    point: Image
    grad: Image
    loss: Scalar
    s: jax.Array
    y: jax.Array
    count: jax.Array
    rejections: jax.Array


def guarded() -> optax.GradientTransformationExtraArgs:
    """Make a projected L-BFGS without a line search, for images in [0, 1].

        x+ = clip(x - t H g)       t = 1, or 1/4 of the last after a rejection

    H is the L-BFGS matrix, acting on the pixels that are free to move: those at a bound whose gradient points outwards
    stay (two-metric projection: Bertsekas 1982). A step that does not lower the loss, or leads to a loss or gradient
    that is not finite, is rejected: the next update leads back to the last accepted point and goes a quarter as far;
    after FORGET rejections in a row the memory is dropped and the way is the steepest descent. Each update takes
    exactly one evaluation, so lanes under `vmap` never wait for one another; GIVE_UP tells when to stop a lane.
    """

    def init(params: Any) -> State:
        pairs = jnp.zeros((MEMORY, *params.shape))
        nothing = jnp.zeros_like(params)
        return State(params, nothing, jnp.float32(jnp.inf), pairs, pairs, jnp.int32(0), jnp.int32(0))

    def update(updates: Any, state: State, params: Any = None, *, value: Scalar, **_: Any) -> tuple[Any, State]:
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(updates))
        state = _judge(state, params, value, updates, finite & (value < state.loss))
        free = ((state.point > 0) | (state.grad < 0)) & ((state.point < 1) | (state.grad > 0))
        direction = jnp.where(free, _direction(state, jnp.where(free, state.grad, 0)), 0)
        step = direction * _length(state, direction)
        return (state.point + step).clip(0, 1) - params, state

    return optax.GradientTransformationExtraArgs(init, update)  # type: ignore[arg-type]


def _judge(state: State, image: Image, loss: Scalar, grad: Image, accepted: jax.Array) -> State:
    """Move to the evaluated image and remember the pair, or count a rejection."""
    s, y = image - state.point, grad - state.grad
    curvature = jnp.sum(s * y)
    # A pair of no or negative curvature would make H indefinite; below float32's rounding it is noise.
    sound = curvature > 1e-7 * jnp.linalg.norm(s) * jnp.linalg.norm(y)
    kept = accepted & jnp.isfinite(state.loss) & sound
    scale = jax.lax.rsqrt(jnp.where(kept, curvature, 1))
    place = state.count % MEMORY
    rejections = jnp.where(accepted, 0, state.rejections + 1)
    forget = rejections >= FORGET

    def remember(pairs: jax.Array, new: Image) -> jax.Array:
        return jnp.where(forget, 0, pairs.at[place].set(jnp.where(kept, new * scale, pairs[place])))

    return State(
        point=jnp.where(accepted, image, state.point),
        grad=jnp.where(accepted, grad, state.grad),
        loss=jnp.where(accepted, loss, state.loss),
        s=remember(state.s, s),
        y=remember(state.y, y),
        count=jnp.where(forget, 0, state.count + kept),
        rejections=rejections,
    )


def _direction(state: State, grad: Image) -> Image:
    """Compute -H g, by the compact form (Byrd, Nocedal and Schnabel 1994, eq. 3.1) for pairs with s . y = 1.

        R p = S^T g        R^T u = p + gamma (Y^T Y p - Y^T g)        H g = gamma (g - Y p) + S u

    R is the upper triangle of S^T Y in the order of time and gamma = 1 / (y . y) of the newest pair. A handful of
    matrix products in place of the two loops' 2 x MEMORY dependent passes over the image.
    """
    order = (state.count + jnp.arange(MEMORY)) % MEMORY  # oldest first; empty places are zeros, which change nothing
    s, y, g = state.s.reshape(MEMORY, -1), state.y.reshape(MEMORY, -1), grad.reshape(-1)
    # The default precision of a GPU's products (tf32) is too coarse for what cancels here.
    yy, sy = (jnp.matmul(a, y.T, precision="highest")[jnp.ix_(order, order)] for a in (y, s))
    sg, yg = (jnp.matmul(a, g, precision="highest")[order] for a in (s, y))
    p = solve_triangular(sy, sg, unit_diagonal=True)
    gamma = 1 / jnp.where(state.count > 0, yy[-1, -1], 1)
    u = solve_triangular(sy, p + gamma * (yy @ p - yg), trans=1, unit_diagonal=True)
    back = jnp.argsort(order)
    hg = gamma * (g - jnp.matmul(p[back], y, precision="highest")) + jnp.matmul(u[back], s, precision="highest")
    steepest = grad * (FIRST / jnp.maximum(jnp.mean(jnp.abs(grad)), jnp.finfo(jnp.float32).tiny))
    return -jnp.where(state.count > 0, hg.reshape(grad.shape), steepest)


def _length(state: State, direction: Image) -> Scalar:
    """Give the factor of the step: 1, at most LONGEST, and a quarter for each rejection."""
    size = jnp.sqrt(jnp.mean(direction**2))
    longest = jnp.minimum(1, LONGEST / jnp.maximum(size, jnp.finfo(jnp.float32).tiny))
    return longest * SHRINK ** state.rejections.astype(jnp.float32)
