"""What a gradient strategy is: how the derivative of the whole objective towards x comes about."""

from typing import Any, NamedTuple, Protocol

from nst_jax.networks import Layer
from nst_jax.types import Image, Scalar
from nst_jax.value import Value

Terms = dict[str, Scalar]
"""Unweighted losses by name; see `problem.total`."""


class Window(NamedTuple):
    """A part of a picture and what of it counts, in pixels of the picture; numbers may be traced.

    Attributes:
        top, left: where it begins.
        rows, columns: (first, end) of what it owns: each position of each layer belongs to one window.
    """

    top: Any
    left: Any
    rows: tuple[Any, Any]
    columns: tuple[Any, Any]


class Objective(Protocol):
    """What a strategy differentiates: a function of x, as a whole and as a sum over windows of the picture."""

    def draw(self, x: Any) -> Image:
        """Draw the picture (h, w, 3) from x."""
        ...

    def total(self, image: Image) -> tuple[Scalar, Terms]:
        """Give the loss of a picture, and its terms."""
        ...

    def layers(self) -> tuple[Layer, ...]:
        """List the layers of the network whose features are compared."""
        ...

    def part(self, pixels: Image, window: Window) -> Any:
        """Give what the positions that a window owns add to the sums of all layers; `pixels` are the window's."""
        ...

    def joined(self, image: Image, sums: Any) -> tuple[Scalar, Terms]:
        """Give the loss of a picture whose windows add up to these sums, and its terms."""
        ...

    def divisible(self) -> str:
        """Say why the objective is no function of such sums; empty where it is."""
        ...


class Gradient(Value):
    """A way to differentiate an objective, as a value."""

    def value_and_grad(self, objective: Objective, x: Any) -> tuple[tuple[Scalar, Terms], Any]:
        """Give (loss, terms) at x and the gradient of the loss towards x."""
        raise NotImplementedError

    def value(self, objective: Objective, x: Any) -> Scalar:
        """Give the loss at x, for line searches."""
        return self.value_and_grad(objective, x)[0][0]

    def check(self, objective: Objective) -> None:
        """Refuse an objective that cannot be differentiated in this way; none by default."""
