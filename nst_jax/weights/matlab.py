"""Read MATLAB 5 files as far as networks need it: structures, cells, texts and real arrays, none of them made up.

Format: MathWorks, MAT-File Format (R2024a), chapter 1. Each element is a type and a number of bytes, 4 bytes each, and
so many bytes, padded to 8; up to 4 bytes share the first 8. What an array declares is compared with what there is.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

Order = Literal["<", ">"]

Elements = Iterator[tuple[int, memoryview]]

LARGEST = 2**30
"""Bytes of one variable once unpacked; the largest VGG has 600 million."""

DEEPEST = 12

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_WIDE_TEXT = (4, 17)  # 2 bytes a character, which MATLAB writes as UTF-16
_MATRIX, _PACKED = 14, 15
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE = 1, 2, 3, 4, 5
_CLASSES = {6: "float64", 7: "float32", 8: "int8", 9: "uint8", 10: "int16", 11: "uint16", 12: "int32", 13: "uint32"}


@dataclass(frozen=True)
class Array:
    """A real array whose numbers lie in the file as `kind`, which may be smaller than its type."""

    shape: tuple[int, ...]
    dtype: str
    kind: str
    data: memoryview

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def load(self) -> np.ndarray:
        """Give the numbers; MATLAB runs through the first index first."""
        return np.frombuffer(self.data, self.kind).astype(self.dtype).reshape(self.shape, order="F")


def read_matlab(path: Path) -> dict[str, Any]:
    """Read every variable: arrays as `Array`, cells as lists, structures as dicts (many: lists of them), texts as str.

    Raises:
        ValueError: damaged, or more declared than there is.
    """
    with path.open("rb") as file:
        whole = memoryview(file.read())
    order: Order = "<" if bytes(whole[126:128]) == b"IM" else ">"
    found = {}
    for kind, body in _elements(whole[128:], order):
        if kind == _PACKED:
            unpacking = zlib.decompressobj()
            unpacked = unpacking.decompress(body, LARGEST)
            if not unpacking.eof:
                raise ValueError(f"a variable is cut short, or larger than {LARGEST} bytes")
            ((kind, body),) = _elements(memoryview(unpacked), order)
        if kind == _MATRIX:
            name, value = _matrix(body, order, 0)
            found[name] = value
    return found


def _elements(data: memoryview, order: Order) -> Elements:
    """Split bytes into elements of type and body."""
    at = 0
    while at + 8 <= len(data):
        (first,) = struct.unpack_from(f"{order}I", data, at)
        kind, length = first & 0xFFFF, first >> 16
        start = at + 4
        if not length:
            (length,) = struct.unpack_from(f"{order}I", data, at + 4)
            start = at + 8
        if start + length > len(data):
            raise ValueError("an element is cut short")
        yield kind, data[start : start + length]
        # an element of up to 4 bytes fills 8; packed ones are not padded
        at = at + 8 if start == at + 4 else start + length + (0 if kind == _PACKED else -length % 8)


def _matrix(data: memoryview, order: Order, depth: int) -> tuple[str, Any]:
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} structures in one another")
    parts = _elements(data, order)
    try:
        (_, flags), (_, dims), (_, name) = next(parts), next(parts), next(parts)
    except StopIteration:
        return "", None  # an empty element stands for an empty array
    kind = struct.unpack_from(f"{order}I", flags)[0]
    shape = tuple(np.frombuffer(dims, f"{order}i4").tolist())
    return bytes(name).decode("latin-1"), _value(kind, shape, parts, order, depth)


def _value(
    flags: int, shape: tuple[int, ...], parts: Iterator[tuple[int, memoryview]], order: Order, depth: int
) -> Any:
    kind, size = flags & 0xFF, math.prod(shape)
    if kind == _CELL:
        cells = [_matrix(body, order, depth + 1)[1] for _, body in parts]
        return _all(cells, size)
    if kind in (_STRUCT, _OBJECT):
        if kind == _OBJECT:
            next(parts)
        (_, width), (_, names) = next(parts), next(parts)
        step = struct.unpack_from(f"{order}i", width)[0]
        if step < 1:
            raise ValueError("names of no length")
        fields = [bytes(names[i : i + step]).split(b"\0")[0].decode("latin-1") for i in range(0, len(names), step)]
        values = _all([_matrix(body, order, depth + 1)[1] for _, body in parts], size * len(fields))
        each = [
            dict(zip(fields, values[i : i + len(fields)], strict=True)) for i in range(0, len(values), len(fields) or 1)
        ]
        return each[0] if len(each) == 1 else each
    number, body = next(parts, (0, memoryview(b"")))
    if kind == _CHAR:
        return bytes(body).decode("utf-16-le" if number in _WIDE_TEXT else "utf-8", "replace")
    dtype = _CLASSES.get(kind)
    if dtype is None or number not in _NUMBERS or flags & 0x0800:  # sparse, of functions, or complex
        return None
    read = np.dtype(_NUMBERS[number]).newbyteorder(order)
    if len(body) != size * read.itemsize:
        raise ValueError(f"an array of {shape} has {len(body)} bytes")
    return Array(shape, dtype, read.str, body)


def _all(values: list[Any], size: int) -> list[Any]:
    if len(values) != size:
        raise ValueError(f"{len(values)} elements where {size} are declared")
    return values
