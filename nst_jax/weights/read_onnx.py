"""Read the convolutions of an ONNX graph, with the batch normalization behind them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import regular, shown
from nst_jax.networks import CAFFE
from nst_jax.weights.foreign import need
from nst_jax.weights.found import Found, Tensor

_NORM = ("gamma", "beta", "mean", "variance")
_PLAIN = {"Relu", "MaxPool", "AveragePool", "Identity", "Dropout", "Transpose", "Pad", "Cast", "Constant"}


@contextmanager
def read_onnx(path: Path) -> Iterator[Found]:
    """Take the constant kernels (c_out, c_in, 3, 3) and biases of the Conv nodes, in the graph's order.

    A graph exported from Keras keeps Keras' names (`block1_conv1`) and so its convention: those nodes are
    taken and no others. In any other graph all 3x3 convolutions are, and their convention cannot be told.

    Raises:
        UserError: a convolution whose kernel or bias is not a constant, a layer between them that is none of a VGG,
            or numbers in another file that is not there.
    """
    graph = need("onnx").load(str(path), load_external_data=False).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant" and n.attribute}
    convs = [n for n in graph.node if n.op_type == "Conv" and _is_3x3(constants.get(n.input[1]))]
    keras = [n for n in convs if re.search(r"block\d_conv\d", n.input[1])]
    _check_between(graph.node, keras or convs, path)
    tensors: list[Tensor] = []
    epsilon = {}
    for node in keras or convs:
        norm = next((n for n in graph.node if n.op_type == "BatchNormalization" and n.input[0] == node.output[0]), None)
        if (len(node.input) < 3 and norm is None) or any(name not in constants for name in node.input[1:3]):
            raise UserError(
                f"{shown(path)}: convolution {shown(node.input[1])} has no constant bias: export it with one"
            )
        layer = re.sub(r"[./]?weight$", "", node.input[1])
        roles = [(f"{layer}/kernel", node.input[1])] + [(f"{layer}/bias", name) for name in node.input[2:3]]
        if norm is not None:
            roles += [(f"{layer}/{role}", name) for role, name in zip(_NORM, norm.input[1:], strict=True)]
            epsilon[layer] = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
        tensors += [_tensor(name, constants[key], path) for name, key in roles]
    layout = "Keras ONNX" if keras else "ONNX"
    files = {path.parent / e.value for held in constants.values() for e in held.external_data if e.key == "location"}
    how = CAFFE if keras else None
    yield Found(tensors, layout, ("OIHW",), how, sequence=True, epsilon=epsilon, files=tuple(files))


def _is_3x3(tensor: Any) -> bool:
    return tensor is not None and len(tensor.dims) == 4 and tuple(tensor.dims[2:]) == (3, 3)


def _check_between(nodes: Any, convs: list[Any], path: Path) -> None:
    """Refuse what stands between the convolutions and is not carried over."""
    if not convs:
        return
    order = [n.name or n.output[0] for n in nodes]
    ends = [order.index(n.name or n.output[0]) for n in (convs[0], convs[-1])]
    kernels = {n.output[0] for n in convs}
    for node in list(nodes)[ends[0] : ends[1]]:
        folded = node.op_type == "BatchNormalization" and node.input[0] in kernels
        if node.op_type not in _PLAIN and node.op_type != "Conv" and not folded:
            raise UserError(f"{shown(path)} has a {shown(node.op_type)} between its convolutions, expected a plain VGG")


def _tensor(name: str, held: Any, path: Path) -> Tensor:
    onnx = need("onnx")
    shape = tuple(held.dims)
    kind = str(onnx.TensorProto.DataType.Name(held.data_type)).lower()
    dtype = {"float": "float32", "double": "float64"}.get(kind) or kind
    if held.data_location == onnx.TensorProto.EXTERNAL:
        return Tensor(name, shape, dtype, partial(_external, held, dtype, path))
    return Tensor(name, shape, dtype, partial(need("onnx.numpy_helper").to_array, held))


def _external(held: Any, dtype: str, path: Path) -> np.ndarray:
    """Read numbers that lie in another file of the model's own folder."""
    about = {entry.key: entry.value for entry in held.external_data}
    location = about.get("location", "")
    other = path.parent / location
    if Path(location).name != location or other.is_symlink():
        raise UserError(
            f"{shown(path)} has its numbers in {shown(location)}, expected a file beside it: export it again"
        )
    regular(other, f"the numbers of {shown(path)} beside it")
    kind = np.dtype(dtype).newbyteorder("<")
    shape = tuple(held.dims)
    count = int(np.prod(shape, dtype=object))
    return np.fromfile(other, kind, count, offset=int(about.get("offset", 0))).reshape(shape)
