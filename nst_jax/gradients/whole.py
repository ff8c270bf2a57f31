"""The picture at once."""

from dataclasses import dataclass
from typing import Any

import jax

from nst_jax.gradients.gradient import Gradient, Objective
from nst_jax.types import Scalar


@dataclass(frozen=True)
class Whole(Gradient):
    """Differentiate the whole picture in one pass: fastest, while the memory holds its activations."""

    def value_and_grad(self, objective: Objective, x: Any) -> tuple[tuple[Scalar, dict[str, Scalar]], Any]:
        """Differentiate in reverse mode."""
        return jax.value_and_grad(objective, has_aux=True)(x)
