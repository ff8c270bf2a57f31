"""Weights as their source quantised them: 8-bit values with a scale and an offset, batch normalization beside them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nst_jax.weights.fold import ROLES, fold_arrays


class Packed(NamedTuple):
    """An array in 8 bits: `scale stored + offset`."""

    stored: np.ndarray
    scale: float
    offset: float

    def unpack(self) -> np.ndarray:
        """Give the numbers, in float64."""
        return self.stored.astype(np.float64) * self.scale + self.offset


PackedLayer = Mapping[str, Packed]
"""`kernel`, and `bias`, or what folds into it: `mean`, `variance` and, where there are any, `gamma`, `beta`, `bias`."""


def unpacked(layers: Mapping[str, PackedLayer], epsilon: float) -> dict[str, dict[str, np.ndarray]]:
    """Give kernels (rows, columns, c_in, c_out) and biases (c_out,) in float32, batch normalization folded in.

    Raises:
        UserError: a variance that is none.
    """
    found = {}
    for name, packed in layers.items():
        read = {role: array.unpack() for role, array in packed.items()}
        kernel = read["kernel"]
        conv = kernel, read.get("bias", np.zeros(kernel.shape[-1]))
        norm = {role: read[role] for role in ROLES if role in read}
        if norm:
            conv = fold_arrays(conv, norm, epsilon, name)
        kernel, bias = (array.astype(np.float32) for array in conv)
        found[name] = {"kernel": kernel, "bias": bias}
    return found
