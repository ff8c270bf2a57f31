"""What a gradient strategy is: how the derivative of the whole objective towards x comes about."""

from collections.abc import Callable
from typing import Any

from nst_jax.types import Scalar
from nst_jax.value import Value

Objective = Callable[[Any], tuple[Scalar, dict[str, Scalar]]]
"""x -> (loss, terms)."""


class Gradient(Value):
    """A way to differentiate an objective, as a value."""

    def value_and_grad(self, objective: Objective, x: Any) -> tuple[tuple[Scalar, dict[str, Scalar]], Any]:
        """Give (loss, terms) and the gradient of the loss, as `jax.value_and_grad(objective, has_aux=True)` does."""
        raise NotImplementedError
