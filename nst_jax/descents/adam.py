"""Adam, with a schedule of its rate and an average of its iterates."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from nst_jax.canvases import Canvas
from nst_jax.descents.descent import Descent, Point
from nst_jax.recipe import DEFAULT, LrSchedule
from nst_jax.types import Scalar


@struct.dataclass
class State:
    """Adam's moments, and sum_t (1 - d) d^(n - t) x_t over the iterates evaluated so far where an average is kept."""

    moments: Any
    average: Any = None


@struct.dataclass
class Adam(Descent):
    """Adam of Kingma and Ba (2015) with b1 = 0.9 and b2 = 0.99.

    Attributes:
        lr: step in units of x.
        ema: decay d of the average of the iterates x_0 ... x_n, (1 - d) sum_t d^(n - t) x_t / (1 - d^(n + 1)), as in
            Crowson's style-transfer-pytorch. The last evaluation is that of the average, which is then the solution's
            image, whatever the losses of the iterates were; an unfinished run has the best iterate. None for none.
        schedule: `constant`, or `cosine`: lr (1 + cos(pi t / steps)) / 2 at step t.
        bounded: hold every iterate within the canvas' bounds.
    """

    lr: Any = DEFAULT.lr
    ema: Any = None
    schedule: LrSchedule = struct.field(pytree_node=False, default="constant")
    bounded: bool = struct.field(pytree_node=False, default=True)

    def init(self, x: Any, canvas: Canvas) -> State:
        """Begin with moments of zero."""
        average = None if self.ema is None else jax.tree.map(jnp.zeros_like, x)
        return State(_moments(self.lr).init(x), average)

    def update(self, state: State, at: Point) -> tuple[Any, State]:
        """Take one step; the last one leads to the average."""
        rate = self.lr
        if self.schedule == "cosine":
            rate = self.lr * 0.5 * (1 + jnp.cos(jnp.pi * (at.step / jnp.maximum(at.steps, 1))))
        updates, moments = _moments(rate).update(at.grad, state.moments, at.x)
        moved = optax.apply_updates(at.x, updates)
        moved = at.bounded(moved) if self.bounded else moved
        if self.ema is None:
            return moved, State(moments)
        average = optax.tree.update_moment(at.x, state.average, self.ema, 1)
        mean = optax.tree.bias_correction(optax.tree.update_moment(moved, average, self.ema, 1), self.ema, at.step + 2)
        last = at.step + 1 == at.steps
        return jax.tree.map(lambda m, x: jnp.where(last, m, x), mean, moved), State(moments, average)

    def takes_last(self, step: jax.Array, steps: jax.Array) -> Any:
        """Say whether this is the average."""
        return False if self.ema is None else step == steps

    def resized(self, state: State, x: Any, canvas: Canvas, size: tuple[int, int]) -> State:
        """Resample the moments, as in Crowson's style-transfer-pytorch, where the canvas can; average anew."""
        new = self.init(x, canvas)
        mu = canvas.resized(optax.tree.get(state.moments, "mu"), size)
        nu = canvas.resized(optax.tree.get(state.moments, "nu"), size, positive=True)
        if mu is None or nu is None:
            return new
        count = optax.tree.get(state.moments, "count")
        return State(optax.tree.set(new.moments, count=count, mu=mu, nu=nu), new.average)

    def settings(self) -> dict[str, Any] | None:
        """Give what a recipe calls it."""
        if not self.bounded:
            return None
        ema = 0.0 if self.ema is None else float(self.ema)
        return {"optimizer": "adam", "lr": float(self.lr), "lr_schedule": self.schedule, "ema": ema}


def _moments(lr: Scalar | float) -> optax.GradientTransformation:
    return optax.adam(lr, b1=0.9, b2=0.99)
