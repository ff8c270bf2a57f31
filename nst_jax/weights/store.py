"""Weights on disk: one self-describing .h5 file per network, read and written here and nowhere else.

Layout: `/conv1_1/kernel` (3, 3, c_in, c_out), float16 or float32, and `/conv1_1/bias` (c_out,), float32, for
every convolution of the architecture; root attributes say the rest (see `Weights`), `channels` only where a network
is not as wide as the published one. The same weights always give the same bytes, so the sha256 of the file names them.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import escaped, shown, write_whole
from nst_jax.networks import CAFFE, VGG, VGGS, Preprocessing
from nst_jax.weights.foreign import HDF5, head_of, opening
from nst_jax.weights.hdf5 import attribute, datasets, opened_h5, read_array

FORMAT = "nst_jax-encoder"
VERSION = 1
CONVERT_FIRST = "convert it first with `nst-jax weights convert SRC DST.h5`"

Dtype = Literal["float16", "float32"]
Tree = Mapping[str, Mapping[str, np.ndarray]]
"""`{"conv1_1": {"kernel": (3, 3, c_in, c_out), "bias": (c_out,)}, ...}` as NumPy arrays."""


MOST_FAULTS = 6
"""Faults that one line names."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a weights file holds: the arrays and where they come from.

    Attributes:
        params: kernels (3, 3, c_in, c_out) and biases (c_out,).
        network: one of `VGGS`, or one of other `channels`; how it is applied belongs to a recipe, not to the file.
        preprocessing: how the weights want to see a picture.
        dtype: type of the kernels on disk; biases are always float32.
        source, source_sha256: the file these weights were converted from.
        notes: anything done to them since; empty for an exact conversion.
    """

    params: Tree
    network: VGG
    preprocessing: Preprocessing = CAFFE
    dtype: Dtype = "float32"
    source: str = ""
    source_sha256: str = ""
    licence: str = ""
    notes: str = ""


def sha256(path: str | Path) -> str:
    """Hash a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_network(network: VGG) -> None:
    """Refuse a network that no weights file can name.

    Raises:
        UserError: no VGG, another name than those of `VGGS`, other blocks, or widths that are no positive whole
            numbers.
    """
    if not isinstance(network, VGG):
        raise UserError(f"has a network that is a {type(network).__name__}, expected a VGG")
    if network.name not in VGGS:
        raise UserError(f"is a '{shown(network.name)}', expected one of {', '.join(VGGS)}")
    blocks = VGGS[network.name].blocks
    if network.blocks != blocks:
        raise UserError(f"is a {network.name} of the blocks {shown(str(network.blocks))}, expected {blocks}")
    whole = all(isinstance(width, int) and width > 0 for width in network.channels)
    if not whole or len(network.channels) != len(blocks):
        found = shown(str(network.channels))
        raise UserError(f"has the channels {found}, expected {len(blocks)} positive whole numbers, one a block")


def check_shapes(shapes: Mapping[str, Mapping[str, tuple[int, ...]]], network: VGG) -> None:
    """Compare shapes with those that the network asks for; the message begins with "is not a complete".

    Raises:
        UserError: naming in one line everything missing, extra or of the wrong shape, as far as there is room.
    """
    want = {f"{c}/{k}": s for c, leaves in network.param_shapes().items() for k, s in leaves.items()}
    have = {f"{c}/{k}": s for c, leaves in shapes.items() for k, s in leaves.items()}
    faults = []
    if missing := [name for name in want if name not in have]:
        faults.append(f"missing {', '.join(missing)}")
    if extra := [shown(name) for name in have if name not in want]:
        faults.append(f"extra {', '.join(extra[:MOST_FAULTS])}{', ...' if len(extra) > MOST_FAULTS else ''}")
    faults += [f"{n} is {shown(str(have[n]))}, expected {want[n]}" for n in want if n in have and have[n] != want[n]]
    if faults:
        more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
        raise UserError(f"is not a complete {network.name}: {'; '.join(faults[:MOST_FAULTS])}{more}")


def check_tree(params: Tree, network: VGG) -> None:
    """Compare arrays with what the network asks for, as `check_shapes` does.

    Raises:
        UserError: another tree, or numbers that are not finite.
    """
    check_shapes({c: {k: a.shape for k, a in leaves.items()} for c, leaves in params.items()}, network)
    for conv, leaves in params.items():
        for leaf, array in leaves.items():
            if not np.isfinite(array).all():
                raise UserError(f"is not a complete {network.name}: {conv}/{leaf} holds NaN or infinity")


def check_preprocessing(how: Preprocessing) -> None:
    """Refuse a preprocessing after which nothing of a picture is left.

    Raises:
        UserError: an order other than RGB and BGR, or numbers that are not finite, range and std not positive.
    """
    if how.channel_order not in ("RGB", "BGR"):
        raise UserError(f"has channel_order '{shown(how.channel_order)}', expected RGB or BGR")
    if not (math.isfinite(how.range) and how.range > 0):
        raise UserError(f"has range {how.range}, expected a positive number such as 1 or 255")
    if not all(map(math.isfinite, how.mean)):
        raise UserError(f"has mean {how.mean}, expected three finite numbers")
    if not all(math.isfinite(std) and std > 0 for std in how.std):
        raise UserError(f"has std {how.std}, expected three positive numbers")


def save_weights(path: str | Path, weights: Weights) -> None:
    """Write a weights file; it appears whole or not at all.

    Raises:
        UserError: arrays that do not fit the network or `dtype`, or a path that cannot be written.
    """
    where = shown(weights.source) if weights.source else "this network"
    try:
        check_network(weights.network)
        check_tree(weights.params, weights.network)
        check_preprocessing(weights.preprocessing)
    except UserError as error:
        raise UserError(f"{where} {error}") from error
    if weights.dtype not in get_args(Dtype):
        raise UserError(f"dtype '{shown(weights.dtype)}' is not one of {', '.join(get_args(Dtype))}")
    for name, leaves in weights.params.items():
        if np.abs(leaves["kernel"]).max() > np.finfo(weights.dtype).max:
            raise UserError(f"{name}/kernel exceeds what {weights.dtype} can hold: save it as float32")
    data = _image(weights)
    write_whole(path, lambda file: file.write(data))


def _image(weights: Weights) -> bytes:
    """Make the bytes of a weights file in memory."""
    import h5py  # only who writes needs it

    with h5py.File("weights.h5", "w", driver="core", backing_store=False) as file:
        for name in weights.network.convs:
            leaves = weights.params[name]
            for leaf, dtype in (("kernel", weights.dtype), ("bias", "float32")):
                # without track_times=False the file would carry the time of writing
                data = np.ascontiguousarray(leaves[leaf], dtype)
                file.create_dataset(f"{name}/{leaf}", data=data, track_times=False)
        how = weights.preprocessing
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = VERSION
        file.attrs["architecture"] = weights.network.name
        if weights.network.channels != VGGS[weights.network.name].channels:
            file.attrs["channels"] = np.array(weights.network.channels, np.int64)
        file.attrs["channel_order"] = how.channel_order
        file.attrs["range"] = how.range
        file.attrs["mean"] = np.array(how.mean, np.float64)
        file.attrs["std"] = np.array(how.std, np.float64)
        for field in ("dtype", "source", "source_sha256", "licence", "notes"):
            file.attrs[field] = escaped(getattr(weights, field))  # as HDF5 can hold and read it
        file.flush()
        return file.id.get_file_image()


def read_weights(path: str | Path) -> Weights:
    """Read a weights file, kernels as float32; shapes and attributes are checked before any array is read.

    Raises:
        UserError: no such file, another format, a file cut short or damaged, a tree that is not its network's,
            or attributes that no network has.
    """
    path = Path(path)
    if not head_of(path).startswith(HDF5):
        raise UserError(f"{shown(path)} is not an .h5 file: {CONVERT_FIRST}")
    try:
        with opening(path, "an nst_jax weights file"), opened_h5(path) as file:
            return _read(file)
    except UserError as error:
        raise error if shown(path) in str(error) else UserError(f"{shown(path)} {error}") from error


def read_facts(path: Path) -> tuple[VGG, str]:
    """Read the network and the type of the kernels alone.

    Raises:
        UserError: as `read_weights` does.
    """
    head_of(path)
    with opening(path, "an nst_jax weights file"), opened_h5(path) as file:
        return _network(file), _text(file, "dtype")


def _read(file: Any) -> Weights:
    network, dtype, how = _network(file), _text(file, "dtype"), _preprocessing(file)
    if dtype not in get_args(Dtype):
        raise UserError(f"has dtype '{shown(dtype)}', expected {' or '.join(get_args(Dtype))}")
    held: dict[str, dict[str, Any]] = {}
    for name, dataset in datasets(file):
        conv, _, leaf = name.partition("/")
        held.setdefault(conv, {})[leaf] = dataset
    check_shapes({c: {k: tuple(d.shape or ()) for k, d in leaves.items()} for c, leaves in held.items()}, network)
    for leaves in held.values():
        _check_stored(leaves["kernel"], dtype)
        _check_stored(leaves["bias"], "float32")
    params = {
        c: {k: read_array(leaves[k]).astype(np.float32) for k in ("kernel", "bias")} for c, leaves in held.items()
    }
    check_tree(params, network)
    text = {key: _text(file, key) for key in ("source", "source_sha256", "licence", "notes")}
    return Weights(params, network, how, "float16" if dtype == "float16" else "float32", **text)


def _check_stored(dataset: Any, dtype: str) -> None:
    """Refuse numbers of another type than the file says."""
    if np.dtype(dataset.dtype) != np.dtype(dtype):
        raise UserError(
            f"{shown(str(dataset.name))} holds {shown(str(dataset.dtype))}, expected {dtype}: convert it again"
        )


def _network(file: Any) -> VGG:
    if attribute(file, "format") != FORMAT:
        raise UserError(f"is not an nst_jax weights file: {CONVERT_FIRST}")
    version = attribute(file, "format_version")
    if version != VERSION:
        raise UserError(f"has format {shown(str(version))}, this nst_jax reads {VERSION}: convert it again")
    name = _text(file, "architecture")
    network = VGGS.get(name, VGG(name, ()))
    channels = attribute(file, "channels")
    if channels is not None:
        network = dataclasses.replace(network, channels=_widths(channels))
    check_network(network)
    return network


def _widths(value: Any) -> tuple[int, ...]:
    if not (isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iu"):
        raise UserError("is damaged, its attribute channels is not whole numbers: copy, convert or fetch it again")
    return tuple(map(int, value))


def _text(file: Any, name: str) -> str:
    value = attribute(file, name)
    if not isinstance(value, str):
        raise UserError(f"is damaged, its attribute {name} is no text: copy, convert or fetch it again")
    return value


def _preprocessing(file: Any) -> Preprocessing:
    numbers = {name: _numbers(file, name, size) for name, size in (("range", 1), ("mean", 3), ("std", 3))}
    order = _text(file, "channel_order")
    (span,), (m0, m1, m2), (s0, s1, s2) = numbers.values()
    check_preprocessing(dataclasses.replace(CAFFE, range=span, mean=(m0, m1, m2), std=(s0, s1, s2)))
    if order not in ("RGB", "BGR"):
        raise UserError(f"has channel_order '{shown(order)}', expected RGB or BGR")
    return Preprocessing(order, span, (m0, m1, m2), (s0, s1, s2))


def _numbers(file: Any, name: str, size: int) -> list[float]:
    value: Any = np.ravel(attribute(file, name))
    if value.size != size or value.dtype.kind not in "fiu":
        raise UserError(f"is damaged, its attribute {name} is not {size} numbers: copy, convert or fetch it again")
    return value.astype(float).tolist()
