"""Read Keras' .h5 files: the published weights, whole models, and Keras 3's `.weights.h5`."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nst_jax.errors import UserError
from nst_jax.networks import CAFFE
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
            root: Any = file.get("model_weights", file)
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
    for layer in _texts(root, "layer_names"):
        for name, after in pairwise(_texts(root[layer], "weight_names")):
            conv = _conv(root, f"{layer}/{name}", f"{layer}/{after}")
            if conv is not None:
                yield (name if "block" in name else layer), *conv


def _keras3(root: h5py.Group) -> list[Conv]:
    """Keras 3, and 2 from 2.13: `.../<layer>/vars/0` is a kernel and `vars/1` its bias.

    Names start anew in a nested model, so of several models the one with the most convolutions is taken.
    """
    models: dict[str, list[Conv]] = {"": []}
    paths: list[str] = []
    root.visit(paths.append)
    for path in paths:
        layer, _, leaf = path.rpartition("/vars/")
        if leaf == "0" and f"{layer}/vars/1" in root:
            conv = _conv(root, path, f"{layer}/vars/1")
            if conv is not None:
                model, _, name = layer.rpartition("/")
                models.setdefault(model, []).append((name, *conv))
    return max(models.values(), key=len)


def _conv(root: h5py.Group, kernel: str, bias: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Read a 3x3 kernel and its bias; anything else, such as the 400 MB of the classifier, is not read."""
    k, b = root[kernel], root[bias]
    if not (isinstance(k, h5py.Dataset) and isinstance(b, h5py.Dataset)):
        return None
    if k.ndim != 4 or k.shape[:2] != (3, 3) or b.ndim != 1:
        return None
    return k[()], b[()]


def _texts(node: Any, attribute: str) -> list[str]:
    return [v.decode() if isinstance(v, bytes) else str(v) for v in np.ravel(node.attrs[attribute])]
