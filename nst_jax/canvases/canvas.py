"""What a canvas is: what moves in place of pixels, and how a picture is drawn from it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.types import Image
from nst_jax.value import Value


class Canvas(Value):
    """A parametrisation of the picture as a value. To bring your own, extend this class: `encode` and `draw`.

    Attributes:
        low, high: bounds that each number of x is held in; infinite for none.
        longest: largest root mean square of a step of L-BFGS, in units of x.
    """

    low: float = -np.inf
    high: float = np.inf
    longest: float = 0.03

    def encode(self, image: Image) -> Any:
        """Give x, a pytree of float32 arrays, that draws a picture (h, w, 3) in [0, 1], as nearly as it can."""
        raise NotImplementedError

    def draw(self, x: Any, size: tuple[int, int]) -> Image:
        """Draw the picture of `size` (h, w): (h, w, 3), RGB in [0, 1] for each x within the bounds; differentiable."""
        raise NotImplementedError

    def prepared(self, platform: str) -> "Canvas":
        """Give the canvas that a platform (cpu, gpu, tpu) would rather keep: it draws the same pictures."""
        return self

    def metric(self, gradient: Any) -> Any:
        """Multiply a gradient towards x by a symmetric positive matrix, from which L-BFGS starts; by default by 1."""
        return gradient

    def norm(self, gradient: Any) -> Any:
        """Compute g . P g, P being the matrix of `metric`."""
        products = jax.tree.map(lambda a, b: jnp.sum(a * b), gradient, self.metric(gradient))
        return sum(jax.tree.leaves(products))

    def resized(self, x: Any, size: tuple[int, int], *, positive: bool = False) -> Any:
        """Carry numbers that belong to x (a moment of its gradients) over to a picture of `size` (h, w).

        None, the default, means that it cannot be done: they are forgotten. `positive` ones stay so.
        """
        return None
