"""Narrow Inception V3s and GoogLeNets in everybody's formats."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import inception_judge
import numpy as np
from torch_files import tensor, torch_save

from nst_jax.networks import INCEPTION_V3, Branched
from nst_jax.weights.spelled import TORCHVISION_NAMES

Raw = dict[str, dict[str, np.ndarray]]
"""By convolution: kernel (rows, columns, c_in, c_out), and gamma, beta, mean and variance of what stands behind."""


def narrow(network: Branched) -> Branched:
    """Give a network with 2 to 4 outputs of each convolution."""
    return network.widened([2 + k % 3 for k in range(len(network.convs))])


def draw(network: Branched, gamma: bool = False, seed: int = 0) -> Raw:
    """Draw kernels and normalizations."""
    rng = np.random.default_rng(seed)
    found: Raw = {}
    for name, shapes in network.param_shapes().items():
        size = shapes["bias"]
        kernel = rng.normal(size=shapes["kernel"]) * np.sqrt(2 / np.prod(shapes["kernel"][:-1]))
        arrays = {"kernel": kernel, "beta": rng.normal(0, 0.3, size), "mean": rng.normal(0, 0.3, size)}
        arrays["variance"] = rng.uniform(0.3, 2, size)
        if gamma:
            arrays["gamma"] = rng.uniform(0.5, 2, size)
        found[name] = {role: array.astype(np.float32) for role, array in arrays.items()}
    return found


def judged(raw: Raw, judge: Any, x: np.ndarray, last: str, epsilon: float = 1e-3) -> dict[str, np.ndarray]:
    """Compute every block with normalizations where they stand, not folded."""
    left: Iterator[dict[str, np.ndarray]] = iter(
        [{role: np.asarray(a, float) for role, a in each.items()} for each in raw.values()]
    )

    def conv(x: np.ndarray, stride: int = 1, valid: bool = False) -> np.ndarray:
        p = next(left)
        y = inception_judge.correlate(x, p["kernel"], stride, valid)
        y = (y - p["mean"]) / np.sqrt(p["variance"] + epsilon) * p.get("gamma", 1.0) + p["beta"]
        return np.maximum(y, 0)

    return judge(conv, np.asarray(x, float), last=last)


KERAS_ROLES = {"gamma": "gamma", "beta": "beta", "mean": "moving_mean", "variance": "moving_variance"}


def numbered(raw: Raw, first: int = 1) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """List Keras' layers as it stores them, not in the order of their numbers: by turns from the end."""
    pairs = list(enumerate(raw.values(), first))
    for k, arrays in pairs[1::2] + pairs[::2]:
        suffix = f"_{k}" if k else ""
        yield f"conv2d{suffix}", {"kernel": arrays["kernel"]}
        yield f"batch_normalization{suffix}", {KERAS_ROLES[r]: a for r, a in arrays.items() if r in KERAS_ROLES}


def configs(raw: Raw, network: Branched, first: int = 1) -> list[dict[str, Any]]:
    """List Keras' settings of the convolutions and normalizations."""
    found = []
    table = [conv for block in network.blocks for _, conv in block.numbered()]
    for k, (conv, _) in enumerate(zip(table, raw, strict=True), first):
        suffix = f"_{k}" if k else ""
        settings = {"strides": [conv.stride] * 2, "padding": "valid" if conv.valid else "same", "dilation_rate": [1, 1]}
        found.append({"class_name": "Conv2D", "config": {"name": f"conv2d{suffix}", **settings}})
        norm = {"name": f"batch_normalization{suffix}", "epsilon": 0.001}
        found.append({"class_name": "BatchNormalization", "config": norm})
    return found


def keras(path: Path, raw: Raw, *, inside: str = "", top: bool = False, first: int = 1) -> None:
    """Write Keras' .h5: published weights, or a whole model (`inside` model_weights) with its settings and its top."""
    with h5py.File(path, "w") as file:
        root = file.create_group(inside) if inside else file
        layers = ["input_1"]
        root.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for layer, arrays in numbered(raw, first):
            group = root.create_group(layer)
            for role, array in arrays.items():
                group[f"{layer}/{role}:0"] = array
            group.attrs["weight_names"] = np.array([f"{layer}/{role}:0" for role in arrays], "S64")
            layers.append(layer)
        if top:
            group = root.create_group("predictions")
            group["predictions/kernel:0"], group["predictions/bias:0"] = np.ones((4, 10)), np.ones(10)
            group.attrs["weight_names"] = np.array(["predictions/kernel:0", "predictions/bias:0"], "S64")
            layers.append("predictions")
        root.attrs["layer_names"] = np.array(layers, "S64")
        root.attrs["backend"] = b"tensorflow"
        if inside:
            config = {"class_name": "Model", "config": {"layers": configs(raw, INCEPTION_V3, first)}}
            file.attrs["model_config"] = json.dumps(config)


def keras_3(path: Path, raw: Raw) -> None:
    """Write Keras 3's .weights.h5, whose numbers are places in the model."""
    with h5py.File(path, "w") as file:
        for k, arrays in enumerate(raw.values()):
            suffix = f"_{k}" if k else ""
            file[f"layers/conv2d{suffix}/vars/0"] = arrays["kernel"]
            for i, role in enumerate(("beta", "mean", "variance")):
                file[f"layers/batch_normalization{suffix}/vars/{i}"] = arrays[role]


TORCH_ROLES = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}


def torch(path: Path, raw: Raw, network: Branched, prefix: str = "", *, shuffled: bool = False) -> None:
    """Write torchvision's state dict, with auxiliary classifiers and a top."""
    _, names = TORCHVISION_NAMES[network.name]
    state: dict[str, np.ndarray] = {}
    for name, arrays in zip(names, raw.values(), strict=False):
        state[f"{name}.conv.weight"] = arrays["kernel"].transpose(3, 2, 0, 1)
        state |= {f"{name}.bn.{TORCH_ROLES[r]}": a for r, a in arrays.items() if r in TORCH_ROLES}
        state[f"{name}.bn.num_batches_tracked"] = np.array(7, np.int64)
    aux = "AuxLogits.conv0" if network.name == "inception_v3" else "aux1.conv"
    state[f"{aux}.conv.weight"] = np.ones((4, 3, 1, 1), np.float32)
    state["fc.weight"] = np.ones((5, 4), np.float32)
    keys = sorted(state) if shuffled else list(state)
    torch_save(path, {f"{prefix}{key}": tensor(np.ascontiguousarray(state[key])) for key in keys})


def quantised(array: np.ndarray, dtype: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Put an array into whole numbers as TensorFlow.js' converter does."""
    levels = {"uint8": 255, "uint16": 65535}[dtype]
    low = float(array.min())
    scale = (float(array.max()) - low) / levels or 1.0
    return np.round((array - low) / scale).astype(dtype), {"min": low, "scale": scale, "dtype": dtype}


def tfjs(folder: Path, raw: Raw, dtype: str = "float32", shards: int = 3, network: Branched = INCEPTION_V3) -> Path:
    """Write a layers model: model.json, and its numbers cut into shards wherever a cut falls."""
    folder.mkdir(parents=True, exist_ok=True)
    weights, data = [], []
    for layer, arrays in numbered(raw):
        for role, array in arrays.items():
            entry: dict[str, Any] = {"name": f"{layer}/{role}", "shape": list(array.shape), "dtype": "float32"}
            stored = array
            if dtype in ("uint8", "uint16"):
                stored, entry["quantization"] = quantised(array, dtype)
            elif dtype == "float16":
                stored, entry["quantization"] = array.astype(np.float16), {"dtype": "float16"}
            weights.append(entry)
            data.append(np.ascontiguousarray(stored).tobytes())
    whole = b"".join(data)
    size = -(-len(whole) // shards)
    names = [f"group1-shard{k + 1}of{shards}.bin" for k in range(shards)]
    for k, name in enumerate(names):
        (folder / name).write_bytes(whole[k * size : (k + 1) * size])
    topology = {"class_name": "Model", "config": {"layers": configs(raw, network)}}
    held = {
        "format": "layers-model",
        "modelTopology": {"keras_version": "2.2.4", "model_config": topology},
        "weightsManifest": [{"paths": names, "weights": weights}],
    }
    (folder / "model.json").write_text(json.dumps(held))
    return folder / "model.json"
