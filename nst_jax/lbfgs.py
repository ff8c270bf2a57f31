"""L-BFGS for a picture in [0, 1]: one evaluation a step, and a bad step costs only the lane that took it."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.scipy.linalg import solve_triangular

from nst_jax.types import Image, Scalar

MEMORY = 20
LONGEST = 0.03
"""Largest root mean square of a step, in units of the image's range, and that of a step without memory."""
SHRINK = 0.25
"""Factor of the step after a rejected one."""
FORGET = 3
"""Rejections in a row after which the memory is dropped."""
GIVE_UP = 10
"""Rejections in a row after which the float32 loss cannot be lowered along the steepest descent either."""
COARSEST = 1 / 256
"""Frequency in cycles a pixel below which all are equal to `smoothed`."""


@struct.dataclass
class State:
    """What is known of the objective around the last accepted point.

    Pair k lies at k % (memory + 1): the place after the newest pair is free, and whatever is written there counts only
    once `count` has moved on. So the pairs, most of the state, are never selected from but for the new one.

    Attributes:
        point, grad, loss: the last accepted iterate (h, w, 3), its gradient and its loss; infinite before the first.
        s, y: the last differences of points and of gradients (memory + 1, h w 3), flat, each pair divided
            by sqrt(s . y), so that s . y = 1.
        sy: (memory + 1, memory + 1), s_i . y_j of the pairs i no newer than j.
        gamma: 1 / (y . P y) of the newest pair, P being `smoothed`.
        count: pairs kept since the memory was last dropped.
        rejections: how many evaluations in a row were no better than `loss`.
    """

    point: Image
    grad: Image
    loss: Scalar
    s: jax.Array
    y: jax.Array
    sy: jax.Array
    gamma: Scalar
    count: jax.Array
    rejections: jax.Array

    def held(self, old: "State", moving: jax.Array) -> "State":
        """Give this state where `moving`, else the old one, whose free place may have been written to."""
        kept = jax.tree.map(lambda new, old: jnp.where(moving, new, old), self, old)
        return kept.replace(s=self.s, y=self.y)


def guarded(memory: int = MEMORY) -> optax.GradientTransformationExtraArgs:
    """Make a projected L-BFGS without a line search, for images in [0, 1].

        x+ = clip(x - t H g)       t = 1, or 1/4 of the last after a rejection

    H is the L-BFGS matrix, acting on the pixels that are free to move: those at a bound whose gradient points outwards
    stay (two-metric projection: Bertsekas 1982). A step that does not lower the loss, or leads to a loss or gradient
    that is not finite, is rejected: the next update leads back to the last accepted point and goes a quarter as far;
    after FORGET rejections in a row the memory is dropped and the way is the steepest descent. Each update takes
    exactly one evaluation, so lanes under `vmap` never wait for one another; GIVE_UP tells when to stop a lane.

    Args:
        memory: pairs that are kept, two images each.
    """

    def init(params: Any) -> State:
        pairs = jnp.zeros((memory + 1, params.size))
        products, nothing = jnp.zeros((memory + 1, memory + 1)), jnp.zeros_like(params)
        zero = jnp.int32(0)
        return State(params, nothing, jnp.float32(jnp.inf), pairs, pairs, products, jnp.float32(0), zero, zero)

    def update(updates: Any, state: State, params: Any = None, *, value: Scalar, **_: Any) -> tuple[Any, State]:
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(updates))
        state = _judge(state, params, value, updates, finite & (value < state.loss))
        free = ((state.point > 0) | (state.grad < 0)) & ((state.point < 1) | (state.grad > 0))
        direction = jnp.where(free, _direction(state, jnp.where(free, state.grad, 0)), 0)
        step = direction * _length(state, direction)
        return (state.point + step).clip(0, 1) - params, state

    return optax.GradientTransformationExtraArgs(init, update)  # type: ignore[arg-type]


def smoothed(image: Image) -> Image:
    """Multiply an image (h, w, 3) by (f^2 + COARSEST^2)^(-1/4) at each frequency f, in cycles a pixel.

    The matrix P from which L-BFGS builds H: moving a large shape changes the loss less than moving as many pixels of
    grain does. The steepest descent in such a metric is a Sobolev gradient: Neuberger (1997), Sobolev gradients and
    differential equations. Symmetric and positive.
    """
    h, w, _ = image.shape
    squares = jnp.fft.fftfreq(h)[:, None] ** 2 + jnp.fft.rfftfreq(w)[None] ** 2
    factor = (squares + COARSEST**2) ** -0.25
    return jnp.fft.irfft2(jnp.fft.rfft2(image, axes=(0, 1)) * factor[..., None], s=(h, w), axes=(0, 1))


def _judge(state: State, image: Image, loss: Scalar, grad: Image, accepted: jax.Array) -> State:
    """Move to the evaluated image and remember the pair, or count a rejection."""
    s, y = image - state.point, grad - state.grad
    curvature = jnp.sum(s * y)
    # A pair of no or negative curvature would make H indefinite; below float32's rounding it is noise.
    sound = curvature > 1e-7 * jnp.linalg.norm(s) * jnp.linalg.norm(y)
    kept = accepted & jnp.isfinite(state.loss) & sound
    scale = jax.lax.rsqrt(jnp.where(kept, curvature, 1))
    # Also a pair that is not kept is written, as zeros: what is not finite would spoil products with it.
    s, y = (jnp.where(kept, x * scale, 0) for x in (s, y))
    place = state.count % len(state.s)
    all_s, all_y = (
        jax.lax.dynamic_update_index_in_dim(pairs, x.reshape(-1), place, 0) for pairs, x in ((state.s, s), (state.y, y))
    )
    rejections = jnp.where(accepted, 0, state.rejections + 1)
    return State(
        point=jnp.where(accepted, image, state.point),
        grad=jnp.where(accepted, grad, state.grad),
        loss=jnp.where(accepted, loss, state.loss),
        s=all_s,
        y=all_y,
        sy=state.sy.at[:, place].set(_times(all_s, y.reshape(-1))),
        gamma=jnp.where(kept, 1 / jnp.sum(y * smoothed(y)), state.gamma),
        count=jnp.where(rejections >= FORGET, 0, state.count + kept),
        rejections=rejections,
    )


def _times(a: jax.Array, b: jax.Array) -> jax.Array:
    # The default precision of a GPU's products (tf32) is too coarse for what cancels here.
    return jnp.matmul(a, b, precision="highest")


def _direction(state: State, grad: Image) -> Image:
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

    p = solved(_times(state.s, grad.reshape(-1)), 0)
    left = smoothed(grad - _times(p, state.y).reshape(grad.shape))
    r = state.gamma * left
    u = solved(p - _times(state.y, r.reshape(-1)), 1)
    steepest = left * (LONGEST / _size(left))  # gradients may be 1e10
    return -jnp.where(state.count > 0, r + _times(u, state.s).reshape(grad.shape), steepest)


def _size(image: Image) -> Scalar:
    return jnp.maximum(jnp.sqrt(jnp.mean(image**2)), jnp.finfo(jnp.float32).tiny)


def _length(state: State, direction: Image) -> Scalar:
    """Give the factor of the step: 1, at most LONGEST, and a quarter for each rejection."""
    return jnp.minimum(1, LONGEST / _size(direction)) * SHRINK ** state.rejections.astype(jnp.float32)
