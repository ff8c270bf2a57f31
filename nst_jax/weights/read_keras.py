"""Read .h5 files: Keras' published weights, whole models, Keras 3's `.weights.h5`, and arrays anybody put into one."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import CAFFE
from nst_jax.weights.found import Found, Tensor
from nst_jax.weights.hdf5 import attribute, datasets, opened_h5, tensor, texts

EPSILON = 1e-3
"""Keras' own of batch normalization, where the file does not say."""

KERAS_3 = "Keras .weights.h5"
"""What `Found.layout` calls files whose layers are numbered by where they stand in the model."""

KERAS, PLAIN = ("HWIO", "OIHW"), ("HWIO", "OIHW", "OHWI")
_ROLES_OF_NORM = {
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
    3: ("beta", "moving_mean", "moving_variance"),  # scale=False, as in Inception; center=False is rare
    2: ("moving_mean", "moving_variance"),
}
_BETWEEN = re.compile(r"activation|re_?lu|elu", re.IGNORECASE)


@contextmanager
def read_h5(path: Path) -> Iterator[Found]:
    """Read the arrays of an .h5 file, in the order of Keras' layers where it lists them.

    Raises:
        UserError: one already converted, or one whose batch normalization cannot be folded.
    """
    with opened_h5(path) as file:
        if attribute(file, "format") == "nst_jax-encoder":
            raise UserError(f"{shown(path)} is already in nst_jax's format: use it as it is")
        try:
            held = {name: tensor(name, dataset) for name, dataset in datasets(file)}
            yield _found(file, held)
        except UserError as error:
            raise error if shown(path) in str(error) else UserError(f"{shown(path)}: {error}") from error


def _found(file: Any, held: dict[str, Tensor]) -> Found:
    root: Any = file.get("model_weights", file)
    if "layer_names" in root.attrs or "nb_layers" in root.attrs:
        below = f"{root.name.strip('/')}/"
        held = {name.removeprefix(below): replace(t, name=name.removeprefix(below)) for name, t in held.items()}
        text = attribute(file, "model_config")
        config = layer_configs(json.loads(text) if isinstance(text, str) else None)
        return _keras(list(_old(root, held, config)), config, str(attribute(file, "backend") or "theano"))
    if any("/vars/" in name for name in held):
        return replace(_keras(list(_keras3(held)), {}, "tensorflow"), layout=KERAS_3)
    return Found(held.values(), ".h5", PLAIN)


def _keras(tensors: list[Tensor], config: dict[str, dict], backend: str) -> Found:
    """Tell Keras' convention: that of its published weights, none of which has batch normalization."""
    norms = any(re.search(r"moving_mean", t.name) for t in tensors)
    epsilon = {name: float(c["epsilon"]) for name, c in config.items() if isinstance(c.get("epsilon"), int | float)}
    return Found(
        tensors,
        "Keras .h5",
        KERAS,
        None if norms else CAFFE,
        mirrored=backend == "theano",
        epsilon={"": EPSILON, **epsilon},
        config=config,
    )


def _old(root: Any, held: dict[str, Tensor], config: dict[str, dict]) -> Iterator[Tensor]:
    """Keras 1 and 2: the layers in their order, and of each the weights that it lists."""
    since: list[str] = []  # the layers since the last convolution
    for layer in texts(root, "layer_names") or sorted(root, key=_numbers):
        if layer not in root:
            raise KeyError(f"the layer {layer} is listed and not there")
        below = [name.removeprefix(f"{layer}/") for name in held if name.startswith(f"{layer}/")]
        names = texts(root[layer], "weight_names") or sorted(below, key=_numbers)
        here = [held[f"{layer}/{name}"] for name in names]
        if any("moving_mean" in name for name in names):
            _check_order(layer, since)
        if any(len(t.shape) == 4 for t in here):
            active = config.get(layer, {}).get("activation", "linear") != "linear"
            since = [f"the activation of {layer}"] if active else []
        else:
            since.append(layer)
        yield from here


def _check_order(norm: str, since: list[str]) -> None:
    """Refuse batch normalization of what a ReLU has cut: it does not fold into the convolution before it."""
    if between := [name for name in since if _BETWEEN.search(name)]:
        found = f"{shown(between[0])} stands between its convolution and {shown(norm)}"
        raise UserError(f"{found}: batch normalization folds only right behind a convolution")


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def layer_configs(topology: Any) -> dict[str, dict]:
    """Collect the settings of every layer by name from the architecture that a whole model carries."""
    found: dict[str, dict] = {}
    left = [topology]
    for value in left:
        if isinstance(value, dict):
            config = value.get("config")
            if "class_name" in value and isinstance(config, dict) and isinstance(config.get("name"), str):
                found[config["name"]] = config
            left += value.values()
        elif isinstance(value, list):
            left += value
    return found


def _keras3(held: dict[str, Tensor]) -> Iterator[Tensor]:
    """Keras 3, and 2 from 2.13: `.../<layer>/vars/0` is a kernel and `vars/1` its bias; normalization has four."""
    layers: dict[str, list[Tensor]] = {}
    for name, each in held.items():
        layer, _, leaf = name.rpartition("/vars/")
        if leaf.isdigit():
            layers.setdefault(layer, []).append(each)
    for layer, each in layers.items():
        flat = all(len(t.shape) == 1 for t in each)
        roles = _ROLES_OF_NORM.get(len(each), ()) if flat else ("kernel", "bias")
        for role, t in zip(roles or map(str, range(len(each))), each, strict=False):
            yield replace(t, name=f"{layer}/{role}")
