"""Find Inception V3 or GoogLeNet in a file by the names that Keras and torchvision give to their layers."""

import re
from collections.abc import Mapping, Sequence

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import GOOGLENET, INCEPTION, INCEPTION_V3, Branched
from nst_jax.weights.fold import INCEPTION_EPSILON
from nst_jax.weights.found import Found
from nst_jax.weights.layers import Layer
from nst_jax.weights.located import Located, as_wide, straight
from nst_jax.weights.read_keras import KERAS_3
from nst_jax.weights.store import check_shapes

_NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_v\d)?(?:_(\d+))?")
"""How Keras calls layers that nobody named: by their kind, counted as they are created."""


def _named(block: str, *convs: str) -> list[str]:
    return [f"{block}.{conv}" for conv in convs]


def _inception_of_torchvision() -> list[str]:
    names = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
    threes = ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
    for block in ("5b", "5c", "5d"):
        names += _named(f"Mixed_{block}", "branch1x1", "branch5x5_1", "branch5x5_2", *threes, "branch_pool")
    names += _named("Mixed_6a", "branch3x3", *threes)
    sevens = [f"branch7x7_{i}" for i in range(1, 4)] + [f"branch7x7dbl_{i}" for i in range(1, 6)]
    for block in ("6b", "6c", "6d", "6e"):
        names += _named(f"Mixed_{block}", "branch1x1", *sevens, "branch_pool")
    names += _named("Mixed_7a", "branch3x3_1", "branch3x3_2", *(f"branch7x7x3_{i}" for i in range(1, 5)))
    forked = ("branch3x3_1", "branch3x3_2a", "branch3x3_2b", *threes[:2], f"{threes[2]}a", f"{threes[2]}b")
    for block in ("7b", "7c"):
        names += _named(f"Mixed_{block}", "branch1x1", *forked, "branch_pool")
    return names


def _googlenet_of_torchvision() -> list[str]:
    branches = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
    blocks = [block.name.removeprefix("mixed") for block in GOOGLENET.blocks[3:]]
    return ["conv1", "conv2", "conv3", *(name for block in blocks for name in _named(f"inception{block}", *branches))]


TORCHVISION_NAMES = {
    INCEPTION_V3.name: (INCEPTION_V3, _inception_of_torchvision()),
    GOOGLENET.name: (GOOGLENET, _googlenet_of_torchvision()),
}
"""torchvision's name of every convolution, each a module of `conv` and `bn`, in the order of `convs`."""


def find_spelled(layers: Sequence[Layer], found: Found, last: str | None) -> Located | None:
    """Find the network whose layers are so called; None where there is none.

    Args:
        last: deepest layer of it that is wanted; by default its own.

    Raises:
        UserError: one that is not complete, or has other shapes; several.
    """
    by_name = {layer.name: layer for layer in layers}
    for network, names in TORCHVISION_NAMES.values():
        anchor = f"{names[-1] if last is None else names[0]}.conv"
        anchors = {f"{name}.conv" for name in names[: len(names) // 2] if name.startswith(("Mixed", "inception"))}
        prefixes = sorted({n[: -len(a)] for n in by_name for a in (anchor, *anchors) if n.endswith(a)})
        prefixes = [prefix for prefix in prefixes if not prefix or prefix[-1] in "./"]
        if prefixes:
            return _by_torchvision(_cut(network, last), names, by_name, _only(prefixes, network), found)
    families = _numbered(layers)
    least = len(_cut(INCEPTION_V3, last).convs) if last in _blocks(INCEPTION_V3) else len(INCEPTION_V3.convs) // 2
    fitting = [prefix for prefix, (convs, _) in families.items() if len(convs) >= least]
    if not fitting:
        return None
    return _by_keras(_cut(INCEPTION_V3, last), *families[_only(fitting, INCEPTION_V3)], found)


def _blocks(network: Branched) -> list[str]:
    return [block.name for block in network.blocks]


def _cut(network: Branched, last: str | None) -> Branched:
    return network if last is None else network.cut(last)


def _only(prefixes: Sequence[str], network: Branched) -> str:
    if len(prefixes) > 1:
        names = " and ".join(f"'{shown(prefix)}'" for prefix in prefixes[:4])
        raise UserError(f"holds {len(prefixes)} of {network.name}, with the prefixes {names}: choose one with --prefix")
    return prefixes[0]


def _by_torchvision(
    network: Branched, names: Sequence[str], by_name: Mapping[str, Layer], prefix: str, found: Found
) -> Located:
    convs = {ours: by_name.get(f"{prefix}{name}.conv") for ours, name in zip(network.convs, names, strict=False)}
    norms = [by_name.get(f"{prefix}{name}.bn") for name in names[: len(convs)]]
    orders = tuple(order for order in found.order if order != "OHWI") if "OIHW" in found.order else found.order
    return _located(network, convs, norms, orders, found)


def _numbered(layers: Sequence[Layer]) -> dict[str, tuple[list[Layer], list[Layer]]]:
    """Group Keras' unnamed convolutions and normalizations by what stands before, each in order of creation."""
    groups: dict[str, tuple[dict[int, Layer], dict[int, Layer]]] = {}
    for layer in layers:
        parts = layer.name.split("/")
        match = _NUMBERED.fullmatch(parts[-1])
        if match is None or (match[1] == "conv2d") != (layer.kernel is not None):
            continue
        while len(parts) > 1 and parts[-2] == parts[-1]:  # Keras repeats the layer's name
            parts.pop()
        convs, norms = groups.setdefault("/".join(parts[:-1]), ({}, {}))
        (convs if match[1] == "conv2d" else norms)[int(match[2] or 0)] = layer
    return {
        prefix: tuple([numbers[n] for n in sorted(numbers)] for numbers in both)  # type: ignore[misc]
        for prefix, both in groups.items()
    }


def _by_keras(network: Branched, convs: list[Layer], norms: list[Layer], found: Found) -> Located:
    if found.layout == KERAS_3:
        raise UserError(
            f"holds {network.name} as Keras 3 numbers its layers, which is not their order in the network: save the "
            "whole model as .h5 (model.save('model.h5')) and convert that"
        )
    own = dict(zip(network.convs, convs, strict=False))
    located = _located(network, own, [*norms[: len(network.convs)]], found.order, found)
    _check_config(network, located.convs, found)
    return located


def _located(
    network: Branched,
    convs: Mapping[str, Layer | None],
    norms: Sequence[Layer | None],
    orders: Sequence[str],
    found: Found,
) -> Located:
    """Check that all layers are there and have the shapes of the network, as wide as they are."""
    there = {name: layer for name, layer in convs.items() if layer is not None}
    kernels = [layer.arrays["kernel"].shape for layer in there.values()]
    fitting = [(w, order) for order in orders if (w := as_wide(network, [straight(k, order) for k in kernels]))]
    if len(fitting) > 1:
        raise UserError(f"holds {network.name} with kernels that could lie in several orders: export it as Keras .h5")
    if not fitting:
        first = next(iter(there.values())).arrays["kernel"].shape
        order = next((o for o in orders if straight(first, o)[:3] == (*first_window(network), 3)), orders[0])
        check_shapes({n: _shapes(layer, order) for n, layer in there.items()}, network)
        raise AssertionError("shapes that fit were refused")
    wide, order = fitting[0]
    assert isinstance(wide, Branched)
    normal = [norm for norm in norms if norm is not None and norm.is_norm]
    if len(normal) != len(there) and (normal or any("bias" not in layer.arrays for layer in there.values())):
        raise UserError(
            f"holds {len(there)} convolutions of {network.name} and {len(normal)} batch normalizations, expected one "
            "behind each"
        )
    preprocessing = INCEPTION if found.layout.startswith("Keras") else None
    epsilon = found.epsilon or {"": INCEPTION_EPSILON}
    return Located(wide, order, list(there.values()), normal, None, preprocessing, epsilon)


def first_window(network: Branched) -> tuple[int, int]:
    """Give rows and columns of the first kernel."""
    rows, columns, *_ = next(iter(network.param_shapes().values()))["kernel"]
    return rows, columns


def _shapes(layer: Layer, order: str) -> dict[str, tuple[int, ...]]:
    kernel = straight(layer.arrays["kernel"].shape, order)
    bias = layer.arrays.get("bias")
    return {"kernel": kernel, "bias": bias.shape if bias else kernel[-1:]}


def _check_config(network: Branched, layers: Sequence[Layer], found: Found) -> None:
    """Compare strides and borders, where the file says them, with those of the table."""
    table = [conv for block in network.blocks for _, conv in block.numbered()]
    for layer, conv in zip(layers, table, strict=True):
        name = layer.name.split("/")[-1]
        config = found.config.get(name, {})
        wanted = {"strides": [conv.stride] * 2, "dilation_rate": [1, 1]}
        if (conv.rows, conv.columns) != (1, 1):
            wanted["padding"] = "valid" if conv.valid else "same"  # type: ignore[assignment]
        for key, want in wanted.items():
            have = config.get(key, want)
            have = list(have) if isinstance(have, list | tuple) else have
            if have != want:
                raise UserError(f"holds no {network.name}: {shown(name)} has {key} {shown(str(have))}, expected {want}")
