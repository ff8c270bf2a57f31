"""Other people's weights files: tell their format by their content, and one shape for what a reader finds."""

import importlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np

from nst_jax.errors import UserError
from nst_jax.networks import Preprocessing
from nst_jax.weights.store import SIGNATURE, check_file

Format = Literal["hdf5", "torch", "safetensors", "onnx", "matlab"]


@dataclass(frozen=True)
class Found:
    """The 3x3 convolutions of a file, in order of depth.

    Attributes:
        convs: (kernel (3, 3, c_in, c_out), bias (c_out,)) of each.
        preprocessing: what the file says or implies about its pictures; None where it cannot be told.
        layout: what kind of file it was, in words.
    """

    convs: list[tuple[np.ndarray, np.ndarray]]
    preprocessing: Preprocessing | None
    layout: str


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


def damaged(path: Path, layout: str) -> UserError:
    """Word the refusal of a file that starts like `layout` and goes on otherwise."""
    return UserError(f"{path} is cut short or not {layout}: copy or download it again")


def detect(path: Path) -> Format:
    """Tell a file's format by its first bytes; its name is not looked at.

    Raises:
        UserError: no such file, an empty one, or one of no known format.
    """
    check_file(path)
    with open(path, "rb") as file:
        head = file.read(128)
    if head.startswith(SIGNATURE):
        return "hdf5"
    if head.startswith(b"PK\x03\x04"):
        return _inside_zip(path)
    if head.startswith(b"MATLAB 5.0 MAT-file"):
        return "matlab"
    if head.startswith(b"MATLAB 7.3 MAT-file"):
        raise UserError(f"{path} is a MATLAB 7.3 file, expected version 5: save it again with -v7")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    if head[0] == 0x80:  # PROTO opcode of a bare pickle: torch.save before PyTorch 1.6
        return "torch"
    if head[0] == 0x08:  # protobuf, field 1 as a number: ModelProto.ir_version, which every writer puts first
        return "onnx"
    raise UserError(f"{path} is of no known format, expected Keras .h5, PyTorch .pth, safetensors, ONNX or a .mat")


def _inside_zip(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise damaged(path, "a PyTorch file") from error
    if "model.weights.h5" in names:
        raise UserError(f"{path} is a .keras archive: unzip it and convert the model.weights.h5 inside")
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    raise UserError(f"{path} is a zip archive without a PyTorch file: unzip it and convert what is inside")
