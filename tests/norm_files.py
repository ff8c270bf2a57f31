"""VGGs with batch normalization, in everybody's formats, and an independent forward of them."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from people_files import keras_layers, oihw
from torch_files import tensor, torch_save
from weights_files import Params, keras_name

KERAS_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
TORCH_NORM = ("weight", "bias", "running_mean", "running_var")


def norms_of(params: Params, seed: int = 5) -> dict[str, dict[str, np.ndarray]]:
    """Draw gamma, beta, mean and variance of every convolution."""
    rng = np.random.default_rng(seed)
    found = {}
    for conv, leaves in params.items():
        size = leaves["bias"].shape
        draws = (rng.uniform(0.5, 2, size), rng.normal(0, 1, size), rng.normal(0, 2, size), rng.uniform(0.2, 3, size))
        found[conv] = {name: a.astype(np.float32) for name, a in zip(KERAS_NORM, draws, strict=True)}
    return found


def state(params: Params, skip: bool = False) -> dict[str, np.ndarray]:
    """Name arrays as torchvision's vgg*_bn: convolution, normalization, ReLU; `skip` puts the ReLU in between."""
    found: dict[str, np.ndarray] = {}
    index, block = 0, "1"
    for conv, norm in norms_of(params).items():
        index += conv[4] != block
        block = conv[4]
        found |= {f"features.{index}.{name}": array for name, array in _torch(params[conv]).items()}
        at = index + 1 + skip
        found |= {f"features.{at}.{ours}": norm[k] for ours, k in zip(TORCH_NORM, KERAS_NORM, strict=True)}
        found[f"features.{at}.num_batches_tracked"] = np.array(7, np.int64)
        index += 3
    return found


def pth(path: Path, params: Params) -> None:
    torch_save(path, {name: tensor(array) for name, array in state(params).items()})


def safetensors(path: Path, params: Params, **how: bool) -> None:
    from safetensors.numpy import save_file

    save_file(state(params, **how), path)


def named(path: Path, params: Params) -> None:
    """Name the two layers apart, in a place of their own each."""
    from safetensors.numpy import save_file

    norms = norms_of(params)
    convs = {f"convs.{i}.{k}": a for i, p in enumerate(params.values()) for k, a in _torch(p).items()}
    names = list(zip(TORCH_NORM, KERAS_NORM, strict=True))
    bns = {f"bns.{i}.{ours}": norm[k] for i, norm in enumerate(norms.values()) for ours, k in names}
    save_file({**convs, **bns}, path)


def _torch(leaves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"weight": oihw(leaves["kernel"]), "bias": leaves["bias"]}


def keras2(path: Path, params: Params, *, config: bool = False, first: str = "linear", between: bool = False) -> None:
    """Write Keras 2: convolution, normalization, activation; or other orders, which do not fold."""
    layers, described = {}, []
    for conv, norm in norms_of(params).items():
        name = keras_name(conv)
        layers[name] = dict(params[conv])
        layers |= {f"{name}_relu": {}} if between else {}
        layers[f"{name}_bn"] = norm
        layers |= {f"{name}_activation": {}}
        described.append({"class_name": "Conv2D", "config": {"name": name, "activation": first}})
        described.append({"class_name": "BatchNormalization", "config": {"name": f"{name}_bn", "epsilon": 0.01}})
    text = json.dumps({"class_name": "Sequential", "config": {"name": "vgg", "layers": described}})
    keras_layers(path, layers, backend="tensorflow", **({"model_config": text} if config else {}))


def keras3(path: Path, params: Params) -> None:
    with h5py.File(path, "w") as file:
        for i, (conv, norm) in enumerate(norms_of(params).items()):
            number = f"_{i}" if i else ""
            for at, leaf in enumerate(("kernel", "bias")):
                file[f"layers/conv2d{number}/vars/{at}"] = params[conv][leaf]
            for at, leaf in enumerate(KERAS_NORM):
                file[f"layers/batch_normalization{number}/vars/{at}"] = norm[leaf]


def onnx(path: Path, params: Params, epsilon: float = 1e-3, biases: bool = True) -> None:
    import onnx as library
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, x = [], [], "input"
    for conv, norm in norms_of(params).items():
        arrays = {f"{conv}.w": oihw(params[conv]["kernel"]), f"{conv}.b": params[conv]["bias"]}
        arrays |= {f"{conv}.{k}": a for k, a in norm.items()}
        constants += [numpy_helper.from_array(a, name) for name, a in arrays.items()]
        nodes.append(helper.make_node("Conv", [x, f"{conv}.w", f"{conv}.b"][: 2 + biases], [conv], pads=[1, 1, 1, 1]))
        inputs = [conv, *(f"{conv}.{k}" for k in KERAS_NORM)]
        nodes.append(helper.make_node("BatchNormalization", inputs, [f"{conv}_n"], epsilon=epsilon))
        nodes.append(helper.make_node("Relu", [f"{conv}_n"], [f"{conv}_r"]))
        x = f"{conv}_r"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("input", x)]
    library.save(helper.make_model(helper.make_graph(nodes, "vgg", ends[:1], ends[1:], constants)), path)


FILES: dict[str, tuple[Callable[[Path, Params], None], float]] = {
    "pth": (pth, 1e-5),
    "safetensors": (safetensors, 1e-5),
    "named apart": (named, 1e-5),
    "Keras 2": (keras2, 1e-3),
    "Keras 2 with its epsilon": (partial(keras2, config=True), 1e-2),
    "Keras 3": (keras3, 1e-3),
    "ONNX": (onnx, 1e-3),
    "ONNX with another epsilon": (partial(onnx, epsilon=0.1), 0.1),
}
"""How to write each file, and the epsilon that it means."""
