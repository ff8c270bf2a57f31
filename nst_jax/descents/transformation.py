"""Any optax transformation as a descent."""

from typing import Any

import optax
from flax import struct

from nst_jax.canvases import Canvas
from nst_jax.descents.descent import Descent, Point


@struct.dataclass
class Transformation(Descent):
    """An optax transformation, which brings its own learning rate.

    Attributes:
        tx: made once: each is compiled for itself, for its functions compare by identity.
        bounded: hold every iterate within the canvas' bounds.
    """

    tx: optax.GradientTransformation = struct.field(pytree_node=False)
    bounded: bool = struct.field(pytree_node=False, default=True)

    def init(self, x: Any, canvas: Canvas) -> Any:
        """Make the transformation's state."""
        return self.tx.init(x)

    def update(self, state: Any, at: Point) -> tuple[Any, Any]:
        """Apply the transformation's updates."""
        updates, state = optax.with_extra_args_support(self.tx).update(
            at.grad, state, at.x, value=at.loss, grad=at.grad, value_fn=at.value
        )
        moved = optax.apply_updates(at.x, updates)
        return at.bounded(moved) if self.bounded else moved, state

    def evaluations(self, state: Any) -> Any:
        """Count those of a line search."""
        return optax.tree.get(state, "num_linesearch_steps", 0)


@struct.dataclass
class Zoom(Descent):
    """optax's L-BFGS with a zoom line search of several evaluations a step.

    Its iterates may leave the canvas' bounds: clipping would falsify the search. There the loss is that of a picture
    which loses by being clipped at the end.
    """

    remembers = True

    def init(self, x: Any, canvas: Canvas) -> Any:
        """Make optax's state."""
        return optax.lbfgs().init(x)

    def update(self, state: Any, at: Point) -> tuple[Any, Any]:
        """Take a step along the line that was searched."""
        return Transformation(optax.lbfgs(), bounded=False).update(state, at)

    def evaluations(self, state: Any) -> Any:
        """Count those of the line search."""
        return optax.tree.get(state, "num_linesearch_steps", 0)

    def settings(self) -> dict[str, Any]:
        """Give what a recipe calls it."""
        return {"optimizer": "lbfgs-zoom"}
