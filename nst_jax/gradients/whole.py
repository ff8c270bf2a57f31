"""The picture at once."""

from dataclasses import dataclass
from typing import Any

import jax

from nst_jax.gradients.gradient import Gradient, Objective, Terms
from nst_jax.types import Scalar


@dataclass(frozen=True)
class Whole(Gradient):
    """Differentiate the whole picture in one pass: fastest, while the memory holds its activations."""

    def value_and_grad(self, objective: Objective, x: Any) -> tuple[tuple[Scalar, Terms], Any]:
        """Differentiate in reverse mode."""
        return jax.value_and_grad(lambda x: objective.total(objective.draw(x)), has_aux=True)(x)

    def value(self, objective: Objective, x: Any) -> Scalar:
        """Give the loss alone."""
        return objective.total(objective.draw(x))[0]
