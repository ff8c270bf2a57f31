"""Read safetensors: a header in JSON, and the numbers behind it."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nst_jax.weights.found import FLOATS, Found, Tensor, from_bytes

DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}


@contextmanager
def read_safetensors(path: Path) -> Iterator[Found]:
    """Read every array's name, shape and place; torchvision's convention and Caffe's look the same.

    Format: 8 bytes of length, a JSON object {name: {dtype, shape, data_offsets}}, the numbers, little-endian.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        start, end = 8 + length, path.stat().st_size
        header.pop("__metadata__", None)
        yield Found([_tensor(file, name, about, start, end) for name, about in header.items()], "safetensors")


def _tensor(file: BinaryIO, name: str, about: dict, start: int, end: int) -> Tensor:
    first, last = about["data_offsets"]
    shape = tuple(map(int, about["shape"]))
    dtype = DTYPES.get(about["dtype"], str(about["dtype"]))
    if not 0 <= first <= last <= end - start:
        raise ValueError(f"{name} lies outside of the file")
    if dtype in FLOATS and math.prod(shape) * np.dtype(FLOATS[dtype]).itemsize != last - first:
        raise ValueError(f"{name} has another number of bytes than its shape asks for")
    return Tensor(name, shape, dtype, partial(_load, file, start + first, last - first, dtype, shape))


def _load(file: BinaryIO, at: int, size: int, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    file.seek(at)
    return from_bytes(file.read(size), dtype, shape)
