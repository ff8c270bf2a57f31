"""Fold what stands around convolutions into them, or into how the network wants to see its pictures."""

from collections.abc import Mapping

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import Preprocessing
from nst_jax.weights.layers import Layer

TORCH_EPSILON = 1e-5
"""PyTorch's own of batch normalization; its files do not say."""

INCEPTION_EPSILON = 1e-3
"""That of every implementation of Inception V3 and GoogLeNet, as of the originals."""

ROLES = ("gamma", "beta", "mean", "variance")

Conv = tuple[np.ndarray, np.ndarray]
"""Kernel (h, w, c_in, c_out) and bias (c_out,)."""


def fold_norm(conv: Conv, norm: Layer, epsilon: float) -> Conv:
    """Read a batch normalization and fold it into the convolution before it: see `fold_arrays`."""
    read = {role: tensor.read() for role, tensor in norm.arrays.items() if role in ROLES}
    return fold_arrays(conv, read, epsilon, norm.name)


def fold_arrays(conv: Conv, norm: Mapping[str, np.ndarray], epsilon: float, name: str) -> Conv:
    """Fold batch normalization into the convolution before it: a = gamma / sqrt(variance + epsilon), per channel.

    kernel a, (bias - mean) a + beta. Source: Ioffe and Szegedy, Batch Normalization (2015), algorithm 2.

    Raises:
        UserError: another number of channels, or a variance that is none.
    """
    kernel, bias = conv
    ones, zeros = np.ones_like(bias), np.zeros_like(bias)
    for role, array in norm.items():
        if array.shape != bias.shape:
            raise UserError(f"{shown(name)} has a {role} of {array.shape}, expected {bias.shape}")
    if not (np.isfinite(norm["variance"]).all() and (norm["variance"] + epsilon > 0).all()):
        raise UserError(f"{shown(name)} has a variance that is not positive: download it again")
    a = norm.get("gamma", ones) / np.sqrt(norm["variance"] + epsilon)
    return kernel * a, (bias - norm["mean"]) * a + norm.get("beta", zeros)


def check_norms(convs: list[Layer], norms: list[Layer]) -> None:
    """Refuse batch normalization that does not fold into the convolutions, one into each, in order.

    Raises:
        UserError: not one a convolution, or one that does not stand right behind its convolution.
    """
    if len(norms) != len(convs):
        found = f"{len(convs)} convolutions and {len(norms)} batch normalizations"
        raise UserError(f"holds {found}, expected one behind each convolution, or none")
    for conv, norm in zip(convs, norms, strict=True):
        container, _, number = conv.name.rpartition(".")
        behind, _, place = norm.name.rpartition(".")
        if container == behind and number.isdigit() and place.isdigit() and int(place) != int(number) + 1:
            raise UserError(f"{shown(norm.name)} does not stand right behind {shown(conv.name)}: it cannot be folded")


def epsilon_of(norm: Layer, epsilon: dict[str, float]) -> float:
    """Find the epsilon of a layer: its own, its file's, or that of PyTorch."""
    parts = (norm.name, *norm.name.split("/"))
    return next((epsilon[part] for part in parts if part in epsilon), epsilon.get("", TORCH_EPSILON))


def as_preprocessing(kernel: np.ndarray, bias: np.ndarray) -> Preprocessing:
    """Read a 1x1 convolution (3, 3) from RGB in [0, 1], `y = kernel^T x + bias`, as a preprocessing.

    Raises:
        UserError: a convolution that mixes channels, as no preprocessing does.
    """
    for order, straight in (("RGB", kernel), ("BGR", kernel[::-1])):
        scales = np.diag(straight)
        if (straight == np.diag(scales)).all() and (scales > 0).all():
            # (x range - mean) / std = scale x + bias
            span = float(scales[0]) if (scales == scales[0]).all() else 1.0
            std = span / scales
            r, g, b = (-bias * std).tolist()
            s0, s1, s2 = std.tolist()
            return Preprocessing(order, span, (r, g, b), (s0, s1, s2))
    raise UserError("its first convolution, 1x1, mixes the channels, expected one that scales and orders them")
