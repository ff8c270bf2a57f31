"""Small weights files in everybody's formats, for the tests of the readers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from torch_files import tensor, torch_save

from nst_jax.networks import VGG, VGGS
from nst_jax.weights.store import Tree

Params = dict[str, dict[str, np.ndarray]]

TINY = (2, 3, 4, 5, 5)
"""Widths of the blocks of a small network: the published ones make files of 60 MB."""


def narrow(name: str, channels: tuple[int, ...] = TINY) -> VGG:
    """Give a published VGG with other widths, as pruned ones have."""
    return replace(VGGS[name], channels=channels)


def params_of(name: str, seed: int = 0, channels: tuple[int, ...] = TINY) -> Params:
    """Draw kernels and biases of every convolution of a narrow VGG, float32."""
    rng = np.random.default_rng(seed)
    return {
        conv: {leaf: rng.normal(0, 0.5, shape).astype(np.float32) for leaf, shape in leaves.items()}
        for conv, leaves in narrow(name, channels).param_shapes().items()
    }


def same(got: Tree, want: Tree) -> bool:
    """Compare two trees bit for bit."""
    return list(got) == list(want) and all(
        np.array_equal(got[c][k], want[c][k]) for c in want for k in ("kernel", "bias")
    )


def flat(params: Params) -> dict[str, np.ndarray]:
    """Name the arrays as the VGG of the TensorFlow examples does: `conv1_1_W` (3, 3, c_in, c_out) and `conv1_1_b`."""
    return {f"{conv}_{leaf[0].replace('k', 'W')}": a for conv, leaves in params.items() for leaf, a in leaves.items()}


def keras_name(conv: str) -> str:
    """conv1_2 -> block1_conv2."""
    return f"block{conv[4]}_conv{conv[6]}"


def keras_published(path: Path, params: Params, top: bool = False) -> None:
    """Write Keras' own *_notop.h5 layout: attributes layer_names and weight_names, as bytes; `top` adds fc1."""
    with h5py.File(path, "w") as file:
        _layers(file, params, top)


def keras_model(path: Path, params: Params) -> None:
    """Write a whole model by model.save: the network nested as one layer, between others."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights")
        nested = root.create_group("vgg16")
        head = root.create_group("conv2d")
        root.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        names = []
        for conv, leaves in params.items():
            for leaf in ("kernel", "bias"):
                names.append(f"{keras_name(conv)}/{leaf}")
                nested[names[-1]] = leaves[leaf]
        nested.attrs["weight_names"] = names
        head["conv2d/kernel"], head["conv2d/bias"] = np.ones((3, 3, 5, 7)), np.ones(7)
        head.attrs["weight_names"] = ["conv2d/kernel", "conv2d/bias"]
        root.attrs["layer_names"] = ["input_1", "vgg16", "conv2d"]


def _layers(file: h5py.File, params: Params, top: bool) -> None:
    layers = []
    for conv, leaves in params.items():
        name = keras_name(conv)
        group = file.create_group(name)
        names = [f"{name}_W_1:0", f"{name}_b_1:0"]
        group[names[0]], group[names[1]] = leaves["kernel"], leaves["bias"]
        group.attrs["weight_names"] = np.array(names, "S32")
        layers += [name, f"{name}_relu"]
        file.create_group(f"{name}_relu").attrs["weight_names"] = np.array([], "S1")
    if top:
        group = file.create_group("fc1")
        group["fc1_W_1:0"], group["fc1_b_1:0"] = np.ones((20, 4)), np.ones(4)
        group.attrs["weight_names"] = np.array(["fc1_W_1:0", "fc1_b_1:0"], "S32")
        layers.append("fc1")
    file.attrs["layer_names"] = np.array(layers, "S32")


def keras3(path: Path, params: Params, named: bool = False, inside: str = "") -> None:
    """Write Keras 3's .weights.h5: layers/conv2d, layers/conv2d_1, ..., or by the layers' own names."""
    with h5py.File(path, "w") as file:
        for i, (conv, leaves) in enumerate(params.items()):
            name = keras_name(conv) if named else "conv2d" + (f"_{i}" if i else "")
            file[f"{inside}layers/{name}/vars/0"] = leaves["kernel"]
            file[f"{inside}layers/{name}/vars/1"] = leaves["bias"]
        file["layers/dense/vars/0"], file["layers/dense/vars/1"] = np.ones((20, 4)), np.ones(4)
        if inside:
            file["layers/conv2d/vars/0"], file["layers/conv2d/vars/1"] = np.ones((3, 3, 5, 7)), np.ones(7)


def torch_names(params: Params) -> Iterator[tuple[str, str]]:
    """Pair each convolution with torchvision's name of its module: each ReLU and pooling counts as one."""
    index, block = 0, "1"
    for conv in params:
        index += conv[4] != block
        block = conv[4]
        yield conv, f"features.{index}"
        index += 2


def torch_state(params: Params) -> dict[str, np.ndarray]:
    """Name the arrays as torchvision does, kernels (c_out, c_in, 3, 3), with a classifier."""
    state = {"classifier.0.weight": np.ones((4, 20), np.float32), "classifier.0.bias": np.ones(4, np.float32)}
    for conv, name in torch_names(params):
        state[f"{name}.weight"] = np.ascontiguousarray(params[conv]["kernel"].transpose(3, 2, 0, 1))
        state[f"{name}.bias"] = params[conv]["bias"]
    return state


def pth(path: Path, params: Params, legacy: bool = False) -> None:
    """Write a state dict as torch.save does."""
    torch_save(path, {name: tensor(array) for name, array in torch_state(params).items()}, legacy)


def safetensors(path: Path, params: Params) -> None:
    """Write timm's layout."""
    from safetensors.numpy import save_file

    save_file(torch_state(params), path, {"format": "pt"})


def onnx(path: Path, params: Params, keras: bool = False, biases: bool = True) -> None:
    """Write a graph as tf2onnx names it, or as PyTorch does; with a convolution of another network behind."""
    import onnx as library
    from onnx import TensorProto, helper, numpy_helper

    modules = dict(torch_names(params))
    nodes, constants, x = [], [], "input"
    for conv, leaves in params.items():
        kernel, bias = f"{modules[conv]}.weight", f"{modules[conv]}.bias"
        if keras:
            kernel = f"functional_1/{keras_name(conv)}_1/convolution/ReadVariableOp:0"
            bias = f"functional_1/{keras_name(conv)}_1/Squeeze:0"
        constants.append(numpy_helper.from_array(leaves["kernel"].transpose(3, 2, 0, 1).copy(), kernel))
        constants.append(numpy_helper.from_array(leaves["bias"], bias))
        nodes.append(helper.make_node("Conv", [x, kernel, bias][: 2 + biases], [conv], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [conv], [f"{conv}_relu"]))
        x = f"{conv}_relu"
    shape = (7, 5, 3, 3) if keras else (7, 5, 1, 1)
    constants.append(numpy_helper.from_array(np.ones(shape, np.float32), "head"))
    nodes.append(helper.make_node("Conv", [x, "head"], ["output"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("input", "output")]
    library.save(helper.make_model(helper.make_graph(nodes, "vgg", ends[:1], ends[1:], constants)), path)


def mat(path: Path, params: Params, average: np.ndarray, old: bool = False) -> None:
    """Write MatConvNet's structure: a cell of layers and meta.normalization.averageImage; `old` as before beta 10."""
    from scipy.io import savemat

    layers = []
    for conv, leaves in params.items():
        kernel, bias = leaves["kernel"], leaves["bias"][None]
        cell = np.empty((1, 2), object)
        cell[0, 0], cell[0, 1] = kernel, bias
        weights = {"filters": kernel, "biases": bias} if old else {"weights": cell}
        layers.append({"name": conv, "type": "conv", **weights})
        layers.append({"name": conv.replace("conv", "relu"), "type": "relu"})
    layers.append({"name": "fc6", "type": "conv", "weights": np.ones((7, 7, 5, 4))})
    cells = np.empty((1, len(layers)), object)
    cells[0, :] = layers
    normalization = {"averageImage": average}
    meta = {"normalization": normalization} if old else {"meta": {"normalization": normalization}}
    savemat(path, {"layers": cells, **meta})
