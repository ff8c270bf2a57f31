"""Gram matrices: the style loss of Gatys, Ecker and Bethge (2015), in the scales of the programs that use it."""

from dataclasses import dataclass
from typing import Literal

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.types import Gram, Scalar

Scale = Literal["gram", "gram-mean", "gram-johnson", "gram-keras"]


@dataclass(frozen=True)
class GramMatrix(Loss):
    """1/(4 N^2) sum_ij (Gram_S / M_S - Gram_G / M_G)_ij^2 of N channels: Gatys et al. (2015), eq. 4.

    The paper writes 1/(4 N^2 M^2) sum (Gram_S - Gram_G)^2. Here each Gram is already divided by its own number of
    positions M, so that the pictures may differ in size; for equal sizes it is the same number.
    """

    scale: Scale = "gram"

    statistic = ops.GRAM
    blends = True

    def factor(self, at: Place) -> float:
        """Give what multiplies sum (Gram_S / M_S - Gram_G / M_G)^2, with N channels and M positions.

        gram          1/(4 N^2)             Gatys et al. (2015), eq. 4
        gram-mean     1/N^2                 m, the mean over the entries: Gatys' own code with weights per layer
        gram-johnson  1/N^4                 the Gram divided by N M, then the mean over the entries: neural-style
        gram-keras    M^2/(4 3^2 pixels^2)  the Gram divided by nothing; channels and size are the IMAGE's
        """
        n = at.channels
        return {
            "gram": 1 / (4 * n**2),
            "gram-mean": 1 / n**2,
            "gram-johnson": 1 / n**4,
            "gram-keras": (at.positions / at.pixels) ** 2 / 36,
        }[self.scale]

    def distance(self, found: Gram, target: Gram, at: Place) -> Scalar:
        """Sum up the squared differences of two Gram matrices (c, c), each divided by its own number of positions."""
        return self.factor(at) * squares(found, target)
