"""Find the network in a file: a VGG by the shapes of its kernels, whatever they are called, others by their names."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import NETWORKS, VGGS, Branched, Preprocessing, Table
from nst_jax.weights.fold import ROLES, Conv, as_preprocessing, check_norms, epsilon_of, fold_norm
from nst_jax.weights.found import Found, Tensor
from nst_jax.weights.layers import Layer, layers_of
from nst_jax.weights.located import Located, as_wide, straight
from nst_jax.weights.packed import Packed, unpacked
from nst_jax.weights.spelled import find_spelled
from nst_jax.weights.store import check_shapes, check_tree

SHOWN = 4
"""Arrays that a refusal lists."""

BY_COUNT = {len(vgg.convs): vgg for vgg in VGGS.values()}
"""The VGGs by their number of convolutions."""


@dataclass(frozen=True)
class Recognised:
    """A network, read: arrays by our names, what it says of its pictures, and what was done to it.

    Attributes:
        own_preprocessing: the preprocessing was a layer of the network.
        packed, epsilon: the arrays as the file quantised them, if that was asked for, and what folds them.
    """

    network: Table
    params: dict[str, dict[str, np.ndarray]]
    preprocessing: Preprocessing | None
    own_preprocessing: bool
    notes: str
    packed: dict[str, dict[str, Packed]] = field(default_factory=dict)
    epsilon: float = 0.0


def recognise(found: Found, prefix: str | None = None, last: str | None = None, *, pack: bool = False) -> Recognised:
    """Find the one network, and read it.

    Args:
        found: the arrays of a file.
        prefix: chooses by the beginning of their names, where there are several networks.
        last: deepest layer to read, of a network that can be cut.
        pack: keep the 8 bits of a file that is quantised.

    Raises:
        UserError: none, several, layers that the network has not, or arrays of another type or with NaN.
    """
    located = find(found, prefix, last)
    notes = [f"cut behind {last}"] if last else []
    preprocessing = found.preprocessing or located.preprocessing
    if located.first is not None:
        notes.insert(0, "preprocessing taken from a first convolution of 1x1")
        kernel, bias = _read(located.first, located, found)
        preprocessing = as_preprocessing(kernel[0, 0], bias)
    own = located.first is not None
    if pack:
        packed, epsilon = _pack(located)
        notes.append("8-bit values of the source with their scales and offsets")
        if located.norms:
            notes.append("batch normalization beside its kernels, folded into them as they are read")
        params = unpacked(packed, epsilon)
        check_tree(params, located.network)
        return Recognised(located.network, params, preprocessing, own, "; ".join(notes), packed, epsilon)
    if located.norms:
        notes.append("batch normalization folded into kernels and biases")
    params = {}
    norms = located.norms or repeat(None, len(located.convs))
    for name, layer, norm in zip(located.network.convs, located.convs, norms, strict=True):
        conv = _read(layer, located, found)  # one at a time in float64
        if norm is not None:
            conv = fold_norm(conv, norm, epsilon_of(norm, located.epsilon))
        kernel, bias = (array.astype(np.float32) for array in conv)
        params[name] = {"kernel": kernel, "bias": bias}
    check_tree(params, located.network)
    return Recognised(located.network, params, preprocessing, own, "; ".join(notes))


def _read(layer: Layer, located: Located, found: Found) -> Conv:
    """Read a kernel as (rows, columns, c_in, c_out), and its bias; none is 0."""
    kernel = layer.arrays["kernel"].read()
    if located.order == "OIHW" and found.mirrored:
        kernel = kernel[:, :, ::-1, ::-1]
    kernel = kernel.transpose([located.order.index(axis) for axis in "HWIO"])
    bias = layer.arrays.get("bias")
    return kernel, np.zeros(kernel.shape[-1]) if bias is None else bias.read()


def _pack(located: Located) -> tuple[dict[str, dict[str, Packed]], float]:
    """Keep the stored values of kernels, biases and batch normalization; its epsilon has to be one for all."""
    epsilons = {epsilon_of(norm, located.epsilon) for norm in located.norms} or {0.0}
    if len(epsilons) > 1:
        raise UserError(f"has {len(epsilons)} epsilons of batch normalization, expected one: use --dtype float32")
    packed = {}
    norms = located.norms or repeat(None, len(located.convs))
    for name, layer, norm in zip(located.network.convs, located.convs, norms, strict=True):
        arrays = dict(layer.arrays) | (norm.arrays if norm else {})
        kept = {role: tensor for role, tensor in arrays.items() if role in ("kernel", "bias", *ROLES)}
        packed[name] = {role: _stored(tensor) for role, tensor in kept.items()}
        kernel = packed[name]["kernel"]
        turned = kernel.stored.transpose([located.order.index(axis) for axis in "HWIO"])
        packed[name]["kernel"] = kernel._replace(stored=turned)
    return packed, epsilons.pop()


def _stored(tensor: Tensor) -> Packed:
    if tensor.quantised is None or tensor.dtype != "uint8":
        raise UserError(
            f"{shown(tensor.name)} holds {shown(tensor.dtype)}: dtype uint8 is for files that are quantised to it; use "
            "float16 or float32"
        )
    return Packed(tensor.stored(), *tensor.quantised)


def find(found: Found, prefix: str | None = None, last: str | None = None) -> Located:
    """Find the network among the arrays, by names and shapes alone; nothing is read.

    Raises:
        UserError: none, several, or layers among the convolutions that it has not.
    """
    layers = layers_of(found.tensors)
    if prefix is not None:
        layers = _chosen(layers, prefix)
    spelled = find_spelled(layers, found, last)
    located = spelled or replace(_find_vgg(layers, found), epsilon=found.epsilon)
    if last is not None and not isinstance(located.network, Branched):
        raise UserError(f"is a {located.network.name}, which has no layer to cut behind: leave last out")
    return located


def _find_vgg(layers: list[Layer], found: Found) -> Located:
    """Find the VGG by the shapes of its kernels, whatever its layers are called."""
    families: dict[str, list[Layer]] = {}
    for layer in layers:
        families.setdefault(layer.prefix, []).append(layer)
    if not found.sequence:
        families = {name: sorted(family, key=lambda layer: layer.place) for name, family in families.items()}
    fitting = {name: _match(family, found.order) for name, family in families.items()}
    fitting = {name: match for name, match in fitting.items() if match}
    if len(fitting) > 1:
        names = " and ".join(f"'{shown(name)}'" for name in list(fitting)[:SHOWN])
        raise UserError(f"holds {len(fitting)} VGGs, with the prefixes {names}: choose one with --prefix")
    if fitting:
        ((name, match),) = fitting.items()
        return _locate(families[name], layers, *match)
    match = _match(layers, found.order)  # else all, in the order of the file
    if match:
        return _locate(layers, layers, *match)
    raise _refusal(found, max(families.values(), key=_count, default=[]), layers)


def _chosen(layers: list[Layer], prefix: str) -> list[Layer]:
    exact = [layer for layer in layers if layer.prefix.rstrip("./") == prefix.rstrip("./")]
    chosen = exact or [layer for layer in layers if layer.name.startswith(prefix)]
    if not any(layer.is_conv for layer in chosen):
        there = ", ".join(sorted({f"'{shown(layer.prefix)}'" for layer in layers if layer.is_conv})[:SHOWN])
        raise UserError(f"holds no convolutions with the prefix '{shown(prefix)}'; expected one of {there or 'none'}")
    return chosen


def _count(layers: Sequence[Layer]) -> int:
    return sum(layer.is_conv for layer in layers)


def _match(layers: Sequence[Layer], orders: Sequence[str]) -> tuple[Table, str] | None:
    """Give the VGG and the layout of kernels in which the convolutions of 3x3 are its own, if there are such.

    Raises:
        UserError: several layouts, as where every convolution has three inputs and three outputs.
    """
    shapes = [layer.arrays["kernel"].shape for layer in layers if layer.is_conv]
    published = BY_COUNT.get(len(shapes))
    if published is None:
        return None
    fitting = [
        (network, order)
        for order in orders
        if (network := as_wide(published, [straight(shape, order) for shape in shapes])) is not None
    ]
    if len(fitting) > 1:
        raise UserError(
            f"holds a {fitting[0][0].name} whose kernels, all {shapes[0]}, could lie in several orders: export it as "
            "ONNX, which has one"
        )
    return fitting[0] if fitting else None


def _locate(family: list[Layer], layers: list[Layer], network: Table, order: str) -> Located:
    convs = [layer for layer in family if layer.is_conv]
    norms = [layer for layer in family if layer.is_norm and layer not in convs]
    norms += [layer for layer in convs if layer.is_norm]  # a graph's convolution, with its normalization beside
    if not norms:
        norms = _homeless(layers)
    if norms:
        check_norms(convs, norms)
    first = next((layer for layer in family[: family.index(convs[0])] if layer.is_pointwise), None)
    for layer in family[family.index(convs[0]) : family.index(convs[-1])]:
        if layer.is_scale or (layer.kernel is not None and not layer.is_conv):
            held = ", ".join(map(str, list(layer.arrays.values())[:SHOWN]))
            raise UserError(f"holds {held} between its convolutions, expected a plain VGG")
    shapes = {}
    for name, layer in zip(network.convs, convs, strict=True):
        if "bias" not in layer.arrays and not norms:
            raise UserError(f"{shown(layer.name)} has no bias, expected one: export it with one")
        bias = layer.arrays.get("bias")
        kernel = straight(layer.arrays["kernel"].shape, order)
        shapes[name] = {"kernel": kernel, "bias": bias.shape if bias else kernel[-1:]}
    check_shapes(shapes, network)
    return Located(network, order, convs, norms, first)


def _homeless(layers: list[Layer]) -> list[Layer]:
    """Find batch normalization that is named apart from every convolution: it must not be lost."""
    owned = {layer.prefix for layer in layers if layer.kernel is not None}
    return [layer for layer in layers if layer.is_norm and layer.prefix not in owned]


def _refusal(found: Found, family: list[Layer], layers: list[Layer]) -> UserError:
    """Say what was found in the place of a VGG: another number of convolutions, or other shapes."""
    convs = [layer for layer in family if layer.is_conv]
    if published := BY_COUNT.get(len(convs)):
        order = next((o for o in found.order if straight(convs[0].arrays["kernel"].shape, o)[:3] == (3, 3, 3)), "HWIO")
        shapes = {
            name: {leaf: t.shape for leaf, t in layer.arrays.items() if leaf in ("kernel", "bias")}
            for name, layer in zip(published.convs, convs, strict=True)
        }
        for leaves in shapes.values():
            leaves["kernel"] = straight(leaves["kernel"], order)
        try:
            check_shapes(shapes, published)
        except UserError as error:
            return error
    expected = ", ".join(f"{len(network.convs)} ({network.name})" for network in NETWORKS.values())
    arrays = [tensor for layer in layers for tensor in layer.arrays.values()]
    listed = ", ".join(map(str, arrays[:SHOWN])) + (", ..." if len(arrays) > SHOWN else "")
    return UserError(f"holds {len(convs)} convolutions, expected {expected}; found {listed or 'no arrays'}")
