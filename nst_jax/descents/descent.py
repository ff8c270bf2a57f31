"""What a descent is: how x moves, given the loss and its gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from nst_jax.canvases import Canvas
from nst_jax.types import Scalar

RUNNING, NON_FINITE, STALLED = 0, 1, 2
"""How a lane stands."""


@dataclass(frozen=True)
class Point:
    """What the loop knows when it asks for the next x.

    Attributes:
        x: the iterate, a pytree.
        loss, grad: there.
        step: evaluations before this one.
        steps: of the whole run, at this scale.
        value: gives the loss of another x.
        canvas: bounds, longest step and metric of x.
    """

    x: Any
    loss: Scalar
    grad: Any
    step: jax.Array
    steps: jax.Array
    value: Callable[[Any], Scalar]
    canvas: Canvas

    def bounded(self, x: Any) -> Any:
        """Hold x within the canvas' bounds."""
        return jax.tree.map(lambda leaf: jnp.clip(leaf, self.canvas.low, self.canvas.high), x)


@struct.dataclass
class Descent:
    """An optimizer as a value whose numbers are leaves, so that each can be swept.

    To bring your own, extend this class as a `flax.struct.dataclass`: `init` and `update`.

    Attributes:
        remembers: its steps are made of gradients at earlier points, which are those of one function.
        hosted: some of its state lies in the memory of the device's host: then a device has one lane at a time.
    """

    remembers = False
    hosted = False

    def prepared(self, precision: str, platform: str) -> "Descent":
        """Give the descent in the form for a platform (cpu, gpu, tpu) and a network in float32, tf32 or bfloat16.

        By default as it is.
        """
        return self

    def within(self, steps: int) -> "Descent":
        """Give the descent without what so many steps do not need; by default as it is."""
        return self

    def init(self, x: Any, canvas: Canvas) -> Any:
        """Make the state, a pytree of arrays, before the first evaluation."""
        raise NotImplementedError

    def update(self, state: Any, at: Point) -> tuple[Any, Any]:
        """Give the next x and the next state."""
        raise NotImplementedError

    def held(self, new: Any, old: Any, moving: jax.Array) -> Any:
        """Give the new state where the lane moves, else the old one."""
        return jax.tree.map(partial(jnp.where, moving), new, old)

    def ended(self, state: Any, finite: jax.Array) -> jax.Array:
        """Say RUNNING, NON_FINITE or STALLED; `finite` tells whether loss and gradient are."""
        return jnp.where(finite, RUNNING, NON_FINITE)

    def takes_last(self, step: jax.Array, steps: jax.Array) -> Any:
        """Say whether the iterate of this step is the picture, whatever the loss of others; by default the best is."""
        return False

    def evaluations(self, state: Any) -> Any:
        """Count the evaluations of the last update beside the loop's own."""
        return 0

    def resized(self, state: Any, x: Any, canvas: Canvas, size: tuple[int, int]) -> Any:
        """Begin at the next scale with `x`, which draws a picture of `size` (h, w): anew by default."""
        return self.init(x, canvas)

    def forget(self, state: Any, x: Any, canvas: Canvas) -> Any:
        """Give the state for an objective that is another one from here on; one that `remembers` begins anew."""
        return self.init(x, canvas) if self.remembers else state

    def settings(self) -> dict[str, Any] | None:
        """Give what a recipe calls this descent; none for a descent that it has no name for."""
        return None
