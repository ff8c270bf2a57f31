"""Open a file that somebody else made: plain, in a format told by its content, every library's error in one line."""

import contextlib
import importlib
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Literal

from nst_jax.errors import UserError
from nst_jax.files import HDF5, one_line, regular, shown

Format = Literal["hdf5", "torch", "pickle", "safetensors", "onnx", "matlab", "npz", "npy", "tfjs"]

_EXPECTED = (
    "expected Keras .h5, PyTorch .pth, safetensors, ONNX, MatConvNet .mat, .npz, .npy or TensorFlow.js' model.json"
)


def need(module: str) -> ModuleType:
    """Import an optional dependency, only when a file asks for it.

    Raises:
        UserError: saying how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise UserError(f"this file needs {name}: pip install 'nst-jax[convert]'") from error


@contextlib.contextmanager
def opening(path: Path, layout: str) -> Iterator[None]:
    """Run what opens and reads a foreign file: whatever a library raises or warns of becomes one line.

    Raises:
        UserError: those of the readers as they are, anything else as a file that is not what it seems.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UserError:
        raise
    except Exception as error:  # a damaged file makes a parser raise nearly anything
        reason = f"{shown(path)}: is cut short or damaged, or not {layout} ({one_line(error)})"
        raise UserError(f"{reason}; copy or download it again") from error


def head_of(path: Path, size: int = 128) -> bytes:
    """Read the first bytes of a plain file.

    Raises:
        UserError: no such file, a directory, pipe or device, one that may not be read, or an empty one.
    """
    try:
        with regular(path, "a weights file").open("rb") as file:
            head = file.read(size)
    except OSError as error:
        raise UserError(f"{shown(path)}: cannot be read ({one_line(error)}); check its permissions") from error
    if not head:
        raise UserError(f"{shown(path)}: is empty; expected a weights file: copy or fetch it again")
    return head


def detect(path: Path) -> Format:
    """Tell a file's format by its first bytes; its name is not looked at.

    Raises:
        UserError: no plain file, an empty one, or one of no known format.
    """
    head = head_of(path)
    if head.startswith(HDF5):
        return "hdf5"
    if head.startswith(b"PK\x03\x04"):
        return _inside_zip(path)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"MATLAB 5.0 MAT-file"):
        return "matlab"
    if head.startswith(b"MATLAB 7.3 MAT-file"):
        raise UserError(f"{shown(path)} is a MATLAB 7.3 file, expected version 5: save it again with -v7")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return "tfjs"
    if head[0] == 0x80:  # PROTO opcode of a bare pickle: torch.save before PyTorch 1.6, or anybody's
        return "pickle"
    if head[0] == 0x08:  # protobuf, field 1 as a number: ModelProto.ir_version, which every writer puts first
        return "onnx"
    raise UserError(f"{shown(path)} is of no known format, {_EXPECTED}")


def _inside_zip(path: Path) -> Format:
    with opening(path, "a PyTorch file"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "model.weights.h5" in names:
        raise UserError(f"{shown(path)} is a .keras archive: unzip it and convert the model.weights.h5 inside")
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        what = "is a TorchScript program, expected a state dict of tensors"
        raise UserError(f"{shown(path)} {what}: torch.save(torch.jit.load(FILE).state_dict(), NEW) and convert that")
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    raise UserError(f"{shown(path)} is a zip archive without weights: unzip it and convert what is inside")
