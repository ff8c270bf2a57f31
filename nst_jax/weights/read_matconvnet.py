"""Read MatConvNet's .mat files: imagenet-vgg-verydeep-19.mat and its kin."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import Preprocessing
from nst_jax.weights.found import Found, Tensor
from nst_jax.weights.matlab import Array, read_matlab

_PLAIN = {"conv", "relu", "pool", "dropout", "softmax", "softmaxloss", "lrn"}


@contextmanager
def read_matconvnet(path: Path) -> Iterator[Found]:
    """Read the convolutions of a simplenn network: kernels (3, 3, c_in, c_out) for RGB, 0 to 255, minus the mean.

    The mean is the file's own `meta.normalization.averageImage`, (3,) or (h, w, 3), averaged over h and w.

    Raises:
        UserError: not MatConvNet's structure, no mean, or layers that a VGG has not.
    """
    held = read_matlab(path)
    layers = held.get("layers", [])
    meta = held.get("meta", held)
    normalization = meta.get("normalization") if isinstance(meta, dict) else None
    average = normalization.get("averageImage") if isinstance(normalization, dict) else None
    if not isinstance(layers, list) or not layers or not isinstance(average, Array):
        raise UserError(f"{shown(path)} is no MatConvNet VGG: expected layers conv1_1 ... and an averageImage")
    r, g, b = average.load().astype(np.float64).reshape(-1, 3).mean(0).tolist()
    tensors = [tensor for layer in layers for tensor in _tensors(layer, path)]
    yield Found(tensors, "MatConvNet .mat", ("HWIO",), Preprocessing("RGB", 255.0, (r, g, b)), sequence=True)


def _tensors(layer: Any, path: Path) -> Iterator[Tensor]:
    if not isinstance(layer, dict):
        return
    name, kind = str(layer.get("name", "")), str(layer.get("type", "conv"))
    if kind not in _PLAIN:
        raise UserError(f"{shown(path)}: {shown(name)} is a layer of type {shown(kind)}, expected a plain VGG")
    # releases before beta 10 kept the two arrays in fields of their own
    both = layer.get("weights", [layer.get("filters"), layer.get("biases")])
    if kind != "conv" or not isinstance(both, list) or len(both) != 2:
        return
    kernel, bias = both
    if isinstance(kernel, Array) and isinstance(bias, Array):
        yield Tensor(f"{name}/kernel", kernel.shape, kernel.dtype, kernel.load)
        yield Tensor(f"{name}/bias", (bias.size,), bias.dtype, lambda: bias.load().reshape(-1))
