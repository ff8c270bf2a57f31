"""Weights on disk: one self-describing .h5 file per network, read and written here and nowhere else.

Layout: `/conv1_1/kernel` (3, 3, c_in, c_out), float16 or float32, and `/conv1_1/bias` (c_out,), float32, for
every convolution of the architecture; root attributes say the rest (see `Weights`). The same weights always
give the same bytes, so the sha256 of the file names them.
"""

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np

from nst_jax.errors import UserError
from nst_jax.networks import CAFFE, VGGS, Preprocessing

FORMAT = "nst_jax-encoder"
VERSION = 1
SIGNATURE = b"\x89HDF\r\n\x1a\n"

Dtype = Literal["float16", "float32"]
Tree = Mapping[str, Mapping[str, np.ndarray]]
"""`{"conv1_1": {"kernel": (3, 3, c_in, c_out), "bias": (c_out,)}, ...}` as NumPy arrays."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a weights file holds: the arrays and where they come from.

    Attributes:
        params: kernels (3, 3, c_in, c_out) and biases (c_out,).
        preprocessing: how the weights want to see a picture.
        dtype: type of the kernels on disk; biases are always float32.
        source, source_sha256: the file these weights were converted from.
        notes: anything done to them since; empty for an exact conversion.
    """

    params: Tree
    architecture: str
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


def check_tree(params: Tree, architecture: str, where: str | Path) -> None:
    """Compare arrays with what the architecture asks for.

    Raises:
        UserError: naming in one line everything missing, extra, of the wrong shape or not finite.
    """
    want = {f"{c}/{k}": s for c, leaves in VGGS[architecture].param_shapes().items() for k, s in leaves.items()}
    have = {f"{c}/{k}": a for c, leaves in params.items() for k, a in leaves.items()}
    faults = []
    if missing := [name for name in want if name not in have]:
        faults.append(f"missing {', '.join(missing)}")
    if extra := [name for name in have if name not in want]:
        faults.append(f"extra {', '.join(extra)}")
    for name in (n for n in want if n in have):
        if have[name].shape != want[name]:
            faults.append(f"{name} is {have[name].shape}, expected {want[name]}")
        elif not np.isfinite(have[name]).all():
            faults.append(f"{name} holds NaN or infinity")
    if faults:
        raise UserError(f"{where} is not a complete {architecture}: {'; '.join(faults)}")


def save_weights(path: str | Path, weights: Weights) -> None:
    """Write a weights file; it appears whole or not at all.

    Raises:
        UserError: arrays that do not fit the architecture or `dtype`, or a path that cannot be written.
    """
    path = Path(path)
    check_tree(weights.params, weights.architecture, weights.source or "this network")
    if weights.dtype not in get_args(Dtype):
        raise UserError(f"dtype '{weights.dtype}' is not one of {', '.join(get_args(Dtype))}")
    for name, leaves in weights.params.items():
        if np.abs(leaves["kernel"]).max() > np.finfo(weights.dtype).max:
            raise UserError(f"{name}/kernel exceeds what {weights.dtype} can hold: save it as float32")
    part = None
    try:
        handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        _write(part, weights)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(part, 0o666 & ~umask)  # mkstemp's 0600 would hide a shared file from its other readers
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if part is not None and os.path.exists(part):
            os.unlink(part)


def _write(path: str, weights: Weights) -> None:
    with h5py.File(path, "w") as file:
        for name in VGGS[weights.architecture].param_shapes():
            leaves = weights.params[name]
            for leaf, dtype in (("kernel", weights.dtype), ("bias", "float32")):
                # without track_times=False the file would carry the time of writing
                data = np.ascontiguousarray(leaves[leaf], dtype)
                file.create_dataset(f"{name}/{leaf}", data=data, track_times=False)
        how = weights.preprocessing
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = VERSION
        file.attrs["architecture"] = weights.architecture
        file.attrs["channel_order"] = how.channel_order
        file.attrs["range"] = how.range
        file.attrs["mean"] = np.array(how.mean, np.float64)
        file.attrs["std"] = np.array(how.std, np.float64)
        for field in ("dtype", "source", "source_sha256", "licence", "notes"):
            file.attrs[field] = getattr(weights, field)


def read_weights(path: str | Path) -> Weights:
    """Read a weights file, kernels as float32.

    Raises:
        UserError: no such file, another format, a file cut short, or a tree that is not its architecture's.
    """
    path = Path(path)
    check_file(path)
    with open(path, "rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            raise UserError(f"{path} is not an .h5 file: {CONVERT_FIRST}")
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path)
    except UserError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise UserError(f"{path} is cut short or damaged: copy, convert or fetch it again") from error


CONVERT_FIRST = "convert it first with `nst-jax weights convert SRC DST.h5`"


def check_file(path: Path) -> None:
    """Refuse what is not a readable, non-empty file.

    Raises:
        UserError: saying what it is instead.
    """
    if path.is_dir():
        raise UserError(f"{path} is a directory, expected a weights file")
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise UserError(f"{path} is empty, expected a weights file: copy or fetch it again")
    except OSError as error:
        raise UserError(f"cannot read the weights {path}: {error.strerror or error}") from error


def _read(file: h5py.File, path: Path) -> Weights:
    about: dict[str, Any] = dict(file.attrs)
    if about.get("format") != FORMAT:
        raise UserError(f"{path} is not an nst_jax weights file: {CONVERT_FIRST}")
    if about["format_version"] != VERSION:
        raise UserError(f"{path} has format {about['format_version']}, this nst_jax reads {VERSION}: convert it again")
    architecture = str(about["architecture"])
    if architecture not in VGGS:
        raise UserError(f"{path} is a '{architecture}', expected one of {', '.join(VGGS)}")
    params: dict[str, dict[str, np.ndarray]] = {}

    def collect(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset):
            conv, _, leaf = name.partition("/")
            params.setdefault(conv, {})[leaf] = node.astype(np.float32)[()]

    file.visititems(collect)
    check_tree(params, architecture, path)
    (m0, m1, m2), (s0, s1, s2) = (about[key].tolist() for key in ("mean", "std"))
    how = Preprocessing(str(about["channel_order"]), float(about["range"]), (m0, m1, m2), (s0, s1, s2))
    text = {key: str(about[key]) for key in ("source", "source_sha256", "licence", "notes")}
    return Weights(params, architecture, how, about["dtype"], **text)
