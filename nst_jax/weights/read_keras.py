"""Read Keras' .h5 files: the published weights, whole models, and Keras 3's `.weights.h5`."""

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from nst_jax.errors import UserError
from nst_jax.vgg import CAFFE
from nst_jax.weights.sources import Found, damaged
from nst_jax.weights.store import FORMAT

Conv = tuple[str, np.ndarray, np.ndarray]
"""Name of a layer, kernel (h, w, c_in, c_out), bias (c_out,)."""


def read_keras(path: Path) -> Found:
    """Read every convolution with a bias, ordered by name: `block1_conv1` ..., or `conv2d`, `conv2d_1` ...

    Raises:
        UserError: no Keras file, or one already converted.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") == FORMAT:
                raise UserError(f"{path} is already in nst_jax's format: use it as it is")
            root = file.get("model_weights", file)
            assert isinstance(root, h5py.Group)
            convs = list(_old(root) if "layer_names" in root.attrs else _keras3(root))
    except UserError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise damaged(path, "a Keras .h5 file") from error
    blocks = [conv for conv in convs if re.search(r"block\d_conv\d", conv[0])]
    ordered = sorted(blocks or convs, key=lambda conv: _depth(conv[0]))
    return Found([(kernel, bias) for _, kernel, bias in ordered], CAFFE, "Keras .h5")


def _depth(name: str) -> tuple[int, int]:
    """Order names: block2_conv1 by (2, 1), conv2d_7 by (0, 7), conv2d by (0, 0)."""
    if match := re.search(r"block(\d)_conv(\d)", name):
        return int(match[1]), int(match[2])
    match = re.search(r"_(\d+)$", name)
    return 0, int(match[1]) if match else 0


def _old(root: h5py.Group) -> Iterator[Conv]:
    """Keras 1 and 2: each layer's `weight_names` lists its kernel, then its bias; a nested model, all."""
    for layer in map(_text, root.attrs["layer_names"]):
        names = [_text(name) for name in root[layer].attrs["weight_names"]]
        nodes = [root[f"{layer}/{name}"] for name in names]
        for name, kernel, bias in zip(names, nodes, nodes[1:], strict=False):
            if kernel.ndim == 4 and bias.ndim == 1:
                yield (name if "block" in name else layer), kernel[()], bias[()]


def _keras3(root: h5py.Group) -> Iterator[Conv]:
    """Keras 3, and 2 from 2.13: `.../<layer>/vars/0` is a kernel and `vars/1` its bias, at any depth."""
    paths: list[str] = []
    root.visit(paths.append)
    for path in paths:
        layer, _, leaf = path.rpartition("/vars/")
        if leaf == "0" and f"{layer}/vars/1" in root:
            kernel, bias = root[path], root[f"{layer}/vars/1"]
            if kernel.ndim == 4 and bias.ndim == 1:
                yield layer.rpartition("/")[2], kernel[()], bias[()]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
