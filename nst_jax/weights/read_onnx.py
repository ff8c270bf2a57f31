"""Read the convolutions of an ONNX graph."""

import re
from pathlib import Path

from nst_jax.errors import UserError
from nst_jax.networks import CAFFE
from nst_jax.weights.sources import Found, damaged, need


def read_onnx(path: Path) -> Found:
    """Take the constant kernels (c_out, c_in, 3, 3) and biases of the Conv nodes, in the graph's order.

    A graph exported from Keras keeps Keras' names (`block1_conv1`) and so its convention: those nodes are
    taken and no others. In any other graph all 3x3 convolutions are, and their convention cannot be told.

    Raises:
        UserError: not ONNX, or a 3x3 convolution whose kernel or bias is not a constant of the graph.
    """
    onnx = need("onnx")
    to_array = need("onnx.numpy_helper").to_array
    decode_error = need("google.protobuf.message").DecodeError
    try:
        graph = onnx.load(str(path)).graph
    except decode_error as error:
        raise damaged(path, "an ONNX model") from error
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = [n for n in graph.node if n.op_type == "Conv" and _is_3x3(constants.get(n.input[1]))]
    keras = [n for n in nodes if re.search(r"block\d_conv\d", n.input[1])]
    convs = []
    for node in keras or nodes:
        if len(node.input) < 3 or node.input[2] not in constants:
            raise UserError(f"{path}: convolution {node.input[1]} has no constant bias: export it with one")
        kernel, bias = (to_array(constants[name]) for name in node.input[1:3])
        convs.append((kernel.transpose(2, 3, 1, 0), bias))
    return Found(convs, CAFFE if keras else None, "Keras ONNX" if keras else "ONNX")


def _is_3x3(tensor) -> bool:
    return tensor is not None and len(tensor.dims) == 4 and tuple(tensor.dims[2:]) == (3, 3)
