"""Find the VGG in a file by the shapes of its kernels, whatever its layers are called."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress, repeat

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import VGG, VGGS, Preprocessing
from nst_jax.weights.fold import Conv, as_preprocessing, check_norms, epsilon_of, fold_norm
from nst_jax.weights.found import Found
from nst_jax.weights.layers import Layer, layers_of
from nst_jax.weights.store import check_shapes, check_tree

SHOWN = 4
"""Arrays that a refusal lists."""

BY_COUNT = {len(vgg.convs): vgg for vgg in VGGS.values()}
"""The VGGs by their number of convolutions."""


@dataclass(frozen=True)
class Located:
    """The layers of one VGG in a file, none of them read: its convolutions in order of depth, what is among them."""

    network: VGG
    order: str
    convs: list[Layer]
    norms: list[Layer]
    first: Layer | None


@dataclass(frozen=True)
class Recognised:
    """A VGG, read: arrays by our names, what it says of its pictures, and what was done to it.

    Attributes:
        own_preprocessing: the preprocessing was a layer of the network.
    """

    network: VGG
    params: dict[str, dict[str, np.ndarray]]
    preprocessing: Preprocessing | None
    own_preprocessing: bool
    notes: str


def recognise(found: Found, prefix: str | None = None) -> Recognised:
    """Find the one VGG, and read it. `prefix` chooses by the beginning of its names, where there are several.

    Raises:
        UserError: none, several, layers that a VGG has not, or arrays of another type or with NaN.
    """
    located = find(found, prefix)
    notes = ["batch normalization folded into kernels and biases"] if located.norms else []
    preprocessing = found.preprocessing
    if located.first is not None:
        notes.insert(0, "preprocessing taken from a first convolution of 1x1")
        kernel, bias = _read(located.first, located, found)
        preprocessing = as_preprocessing(kernel[0, 0], bias)
    params = {}
    norms = located.norms or repeat(None, len(located.convs))
    for name, layer, norm in zip(located.network.convs, located.convs, norms, strict=True):
        conv = _read(layer, located, found)  # one at a time in float64
        if norm is not None:
            conv = fold_norm(conv, norm, epsilon_of(norm, found.epsilon))
        kernel, bias = (array.astype(np.float32) for array in conv)
        params[name] = {"kernel": kernel, "bias": bias}
    check_tree(params, located.network)
    return Recognised(located.network, params, preprocessing, located.first is not None, "; ".join(notes))


def _read(layer: Layer, located: Located, found: Found) -> Conv:
    """Read a kernel as (h, w, c_in, c_out), and its bias; none is 0."""
    kernel = layer.arrays["kernel"].read()
    if located.order == "OIHW" and found.mirrored:
        kernel = kernel[:, :, ::-1, ::-1]
    kernel = kernel.transpose([located.order.index(axis) for axis in "HWIO"])
    bias = layer.arrays.get("bias")
    return kernel, np.zeros(kernel.shape[-1]) if bias is None else bias.read()


def find(found: Found, prefix: str | None = None) -> Located:
    """Find the VGG among the arrays, by names and shapes alone; nothing is read.

    Raises:
        UserError: none, several, or layers among the convolutions that a VGG has not.
    """
    layers = layers_of(found.tensors)
    if prefix is not None:
        layers = _chosen(layers, prefix)
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


def _match(layers: Sequence[Layer], orders: Sequence[str]) -> tuple[VGG, str] | None:
    """Give the VGG and the layout of kernels in which the convolutions of 3x3 are its own, if there are such.

    Raises:
        UserError: several layouts, as where every convolution has three inputs and three outputs.
    """
    shapes = [layer.arrays["kernel"].shape for layer in layers if layer.is_conv]
    fitting = [
        (network, order)
        for order in orders
        if (network := _as_wide([_straight(shape, order) for shape in shapes])) is not None
    ]
    if len(fitting) > 1:
        raise UserError(
            f"holds a {fitting[0][0].name} whose kernels, all {shapes[0]}, could lie in several orders: export it as "
            "ONNX, which has one"
        )
    return fitting[0] if fitting else None


def _as_wide(kernels: Sequence[tuple[int, ...]]) -> VGG | None:
    """Give the VGG whose kernels (3, 3, c_in, c_out) these are: their number tells its blocks, they their widths."""
    published = BY_COUNT.get(len(kernels))
    if published is None:
        return None
    firsts = [name.endswith("_1") for name in published.convs]
    network = replace(published, channels=tuple(kernel[-1] for kernel in compress(kernels, firsts)))
    wanted = [leaves["kernel"] for leaves in network.param_shapes().values()]
    return network if min(network.channels) > 0 and list(kernels) == wanted else None


def _straight(shape: tuple[int, ...], order: str) -> tuple[int, ...]:
    """Give the shape of a kernel as (h, w, c_in, c_out)."""
    return tuple(shape[order.index(axis)] for axis in "HWIO")


def _locate(family: list[Layer], layers: list[Layer], network: VGG, order: str) -> Located:
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
        kernel = _straight(layer.arrays["kernel"].shape, order)
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
        order = next((o for o in found.order if _straight(convs[0].arrays["kernel"].shape, o)[:3] == (3, 3, 3)), "HWIO")
        shapes = {
            name: {leaf: t.shape for leaf, t in layer.arrays.items() if leaf in ("kernel", "bias")}
            for name, layer in zip(published.convs, convs, strict=True)
        }
        for leaves in shapes.values():
            leaves["kernel"] = _straight(leaves["kernel"], order)
        try:
            check_shapes(shapes, published)
        except UserError as error:
            return error
    expected = ", ".join(f"{count} ({vgg.name})" for count, vgg in BY_COUNT.items())
    arrays = [tensor for layer in layers for tensor in layer.arrays.values()]
    listed = ", ".join(map(str, arrays[:SHOWN])) + (", ..." if len(arrays) > SHOWN else "")
    return UserError(f"holds {len(convs)} convolutions, expected {expected}; found {listed or 'no arrays'}")
