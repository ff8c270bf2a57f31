"""Features position by position: the content loss of Gatys, Ecker and Bethge (2015)."""

from dataclasses import dataclass
from typing import Literal

from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.ops import FEATURES
from nst_jax.types import Features, Scalar

Kind = Literal["half-sum", "sum", "mean"]


@dataclass(frozen=True)
class Content(Loss):
    """1/2 sum_ij (C_ij - G_ij)^2 of two activations (h, w, c): Gatys et al. (2015), eq. 1.

    The kinds `sum` and `mean` are those of keras.io's example and of every PyTorch program (MSELoss).
    """

    kind: Kind = "half-sum"

    statistic = FEATURES
    positional = True

    @property
    def extensive(self) -> bool:  # type: ignore[override]
        """Say whether it is a sum over positions."""
        return self.kind != "mean"

    def factor(self, at: Place) -> float:
        """Give what multiplies sum (C - G)^2: 1/2 (half-sum), 1 (sum), or 1 / (M N) (mean)."""
        return {"half-sum": 0.5, "sum": 1.0, "mean": 1 / (at.positions * at.channels)}[self.kind]

    def distance(self, found: Features, target: Features, at: Place) -> Scalar:
        """Sum up the squared differences."""
        return self.factor(at) * squares(found, target)
