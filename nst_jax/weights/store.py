"""Weights on disk: one self-describing .h5 file per network, read and written here and nowhere else.

Layout: `/conv1_1/kernel` (rows, columns, c_in, c_out), float16 or float32, and `/conv1_1/bias` (c_out,), float32, for
every convolution of the architecture; root attributes say the rest (see `Weights`), `channels` only where a network
is not as wide as the published one, `last` only where it is not as deep. The same weights always give the same bytes,
so the sha256 of the file names them.

Of dtype uint8 an array means `scale stored + offset`, both its own attributes, as the source had quantised it. Beside
a kernel then lie `mean`, `variance` and, where the source has them, `gamma`, `beta` and `bias`: batch normalization,
folded with the root's `epsilon` as the file is read.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import HDF5, escaped, shown, write_whole
from nst_jax.networks import CAFFE, NETWORKS, VGG, Branched, Network, Preprocessing, Table
from nst_jax.weights.fold import ROLES
from nst_jax.weights.foreign import head_of, opening
from nst_jax.weights.hdf5 import attribute, datasets, opened_h5, read_array
from nst_jax.weights.packed import Packed, PackedLayer, unpacked

FORMAT = "nst_jax-encoder"
VERSION = 1
CONVERT_FIRST = "convert it first with `nst-jax weights convert SRC DST.h5`"

Dtype = Literal["float16", "float32", "uint8"]
Tree = Mapping[str, Mapping[str, np.ndarray]]
"""`{"conv1_1": {"kernel": (rows, columns, c_in, c_out), "bias": (c_out,)}, ...}` as NumPy arrays."""


QUANTISATION = (
    "each array means scale * stored + offset, its own attributes; mean, variance, gamma and beta are batch "
    "normalization, folded with epsilon into kernel and bias as the file is read"
)

MOST_FAULTS = 6
"""Faults that one line names."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a weights file holds: the arrays and where they come from.

    Attributes:
        params: kernels (rows, columns, c_in, c_out) and biases (c_out,).
        network: one of `NETWORKS`, or one of other widths, or cut; how it is applied belongs to a recipe, not here.
        preprocessing: how the weights want to see a picture.
        dtype: type of the kernels on disk; uint8 keeps `packed`, otherwise biases are float32.
        source, source_sha256: the file these weights were converted from.
        notes: anything done to them since; empty for an exact conversion.
        packed: by convolution, the arrays as their source quantised them, of which `params` are made; or nothing.
        epsilon: of the batch normalization among them.
    """

    params: Tree
    network: Table
    preprocessing: Preprocessing = CAFFE
    dtype: Dtype = "float32"
    source: str = ""
    source_sha256: str = ""
    licence: str = ""
    notes: str = ""
    packed: Mapping[str, PackedLayer] = dataclasses.field(default_factory=dict)
    epsilon: float = 0.0


def sha256(path: str | Path) -> str:
    """Hash a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_network(network: Network) -> None:
    """Refuse a network that no weights file can name.

    Raises:
        UserError: another name than those of `NETWORKS`, other blocks, or widths that are no positive whole numbers.
    """
    if not isinstance(network, VGG | Branched):
        raise UserError(f"has a network that is a {type(network).__name__}, expected a VGG or a Branched")
    if network.name not in NETWORKS:
        raise UserError(f"is a '{shown(network.name)}', expected one of {', '.join(NETWORKS)}")
    published = NETWORKS[network.name]
    if isinstance(network, VGG) and network.blocks != published.blocks:
        raise UserError(f"is a {network.name} of the blocks {shown(str(network.blocks))}, expected {published.blocks}")
    count = len(published.channels) if isinstance(network, VGG) else len(network.channels)
    whole = all(isinstance(width, int) and width > 0 for width in network.channels)
    if not whole or len(network.channels) != count:
        raise UserError(f"has the channels {shown(str(network.channels))}, expected {count} positive whole numbers")
    last = network.last if isinstance(network, Branched) else None
    if network.blocks != named(network.name, network.channels, last).blocks:
        raise UserError(f"is a {network.name} of other blocks than the published one's")


def named(name: str, channels: Sequence[int] | None, last: str | None) -> Table:
    """Give the network of a name, of these widths and cut behind its layer `last`; None for the published.

    Raises:
        UserError: no such network or layer, or another number of widths.
    """
    if name not in NETWORKS:
        raise UserError(f"is a '{shown(name)}', expected one of {', '.join(NETWORKS)}")
    network = NETWORKS[name]
    if isinstance(network, VGG):
        return network if channels is None else dataclasses.replace(network, channels=tuple(channels))
    network = network if last is None else network.cut(last)
    if channels is None:
        return network
    if len(channels) != len(network.channels):
        raise UserError(f"has {len(channels)} channels, expected {len(network.channels)}: convert it again")
    return network.widened(channels)


def check_shapes(shapes: Mapping[str, Mapping[str, tuple[int, ...]]], network: Table) -> None:
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


def check_tree(params: Tree, network: Table) -> None:
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
    if weights.dtype == "uint8":
        _check_packed(weights, where)
    for name, leaves in weights.params.items():
        if weights.dtype != "uint8" and np.abs(leaves["kernel"]).max() > np.finfo(weights.dtype).max:
            raise UserError(f"{name}/kernel exceeds what {weights.dtype} can hold: save it as float32")
    data = _image(weights)
    write_whole(path, lambda file: file.write(data))


def _check_packed(weights: Weights, where: str) -> None:
    """Refuse 8 bits that are not those of the arrays."""
    if not weights.packed:
        raise UserError(f"{where} has no 8-bit values of a source to keep: save it as float16 or float32")
    made = unpacked(weights.packed, weights.epsilon)
    same = made.keys() == weights.params.keys() and all(
        np.array_equal(made[c][k], weights.params[c][k]) for c in made for k in made[c]
    )
    if not same:
        raise UserError(f"{where} was changed since it was quantised: save it as float16 or float32")


def _image(weights: Weights) -> bytes:
    """Make the bytes of a weights file in memory."""
    import h5py  # only who writes needs it

    with h5py.File("weights.h5", "w", driver="core", backing_store=False) as file:
        for name in weights.network.convs:
            if weights.dtype == "uint8":
                for leaf, packed in sorted(weights.packed[name].items()):
                    made = _put(file, f"{name}/{leaf}", packed.stored, "uint8")
                    made.attrs["scale"], made.attrs["offset"] = packed.scale, packed.offset
                continue
            for leaf, dtype in (("kernel", weights.dtype), ("bias", "float32")):
                _put(file, f"{name}/{leaf}", weights.params[name][leaf], dtype)
        how = weights.preprocessing
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = VERSION
        file.attrs["architecture"] = weights.network.name
        network, published = weights.network, NETWORKS[weights.network.name]
        if isinstance(network, Branched) and isinstance(published, Branched) and network.last != published.last:
            file.attrs["last"], published = network.last, published.cut(network.last)
        if network.channels != published.channels:
            file.attrs["channels"] = np.array(network.channels, np.int64)
        if weights.dtype == "uint8":
            file.attrs["epsilon"] = weights.epsilon
            file.attrs["quantisation"] = QUANTISATION
        file.attrs["channel_order"] = how.channel_order
        file.attrs["range"] = how.range
        file.attrs["mean"] = np.array(how.mean, np.float64)
        file.attrs["std"] = np.array(how.std, np.float64)
        for field in ("dtype", "source", "source_sha256", "licence", "notes"):
            file.attrs[field] = escaped(getattr(weights, field))  # as HDF5 can hold and read it
        file.flush()
        return file.id.get_file_image()


def _put(file: Any, name: str, array: np.ndarray, dtype: str) -> Any:
    # without track_times=False the file would carry the time of writing
    return file.create_dataset(name, data=np.ascontiguousarray(array, dtype), track_times=False)


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


def read_facts(path: Path) -> tuple[Table, str]:
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
    text: dict[str, Any] = {key: _text(file, key) for key in ("source", "source_sha256", "licence", "notes")}
    if dtype == "uint8":
        (epsilon,) = _numbers(file, "epsilon", 1)
        packed = _packed(held, network)
        params = unpacked(packed, epsilon)
        check_tree(params, network)
        made = Weights(params, network, how, "uint8", **text)
        return dataclasses.replace(made, packed=packed, epsilon=epsilon)
    check_shapes({c: {k: tuple(d.shape or ()) for k, d in leaves.items()} for c, leaves in held.items()}, network)
    for leaves in held.values():
        _check_stored(leaves["kernel"], dtype)
        _check_stored(leaves["bias"], "float32")
    params = {
        c: {k: read_array(leaves[k]).astype(np.float32) for k in ("kernel", "bias")} for c, leaves in held.items()
    }
    check_tree(params, network)
    return Weights(params, network, how, "float16" if dtype == "float16" else "float32", **text)


def _packed(held: Mapping[str, Mapping[str, Any]], network: Table) -> dict[str, dict[str, Packed]]:
    """Read arrays of 8 bits, after their shapes are known to be the network's."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for conv, leaves in held.items():
        # what becomes the bias stands for it; whatever has another shape is named
        found = {leaf: tuple(dataset.shape or ()) for leaf, dataset in leaves.items()}
        size = found.get("kernel", ())[-1:]
        normal = "mean" in found and "variance" in found
        folded = {leaf for leaf in found if leaf in ROLES and found[leaf] == size and normal}
        shapes[conv] = {leaf: shape for leaf, shape in found.items() if leaf not in folded}
        if folded:
            shapes[conv].setdefault("bias", size)
    check_shapes(shapes, network)
    packed: dict[str, dict[str, Packed]] = {}
    for conv in network.convs:
        packed[conv] = {}
        for leaf, dataset in held[conv].items():
            _check_stored(dataset, "uint8")
            (scale,), (offset,) = _numbers(dataset, "scale", 1), _numbers(dataset, "offset", 1)
            packed[conv][leaf] = Packed(read_array(dataset), scale, offset)
    return packed


def _check_stored(dataset: Any, dtype: str) -> None:
    """Refuse numbers of another type than the file says."""
    if np.dtype(dataset.dtype) != np.dtype(dtype):
        raise UserError(
            f"{shown(str(dataset.name))} holds {shown(str(dataset.dtype))}, expected {dtype}: convert it again"
        )


def _network(file: Any) -> Table:
    if attribute(file, "format") != FORMAT:
        raise UserError(f"is not an nst_jax weights file: {CONVERT_FIRST}")
    version = attribute(file, "format_version")
    if version != VERSION:
        raise UserError(f"has format {shown(str(version))}, this nst_jax reads {VERSION}: convert it again")
    channels, last = attribute(file, "channels"), attribute(file, "last")
    if last is not None:
        last = _text(file, "last")
    network = named(_text(file, "architecture"), None if channels is None else _widths(channels), last)
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
