"""What the readers find in a file: named arrays, none of them read before its shape is known to be a network's."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import Preprocessing

FLOATS = {"float16": "f2", "float32": "f4", "float64": "f8", "bfloat16": "u2"}
"""The types that weights come in, and how NumPy reads their bytes."""


@dataclass(frozen=True)
class Tensor:
    """One array of a file: its name there, shape and type (NumPy's name for it), and how to read it.

    Attributes:
        quantised: (scale, offset) of an array kept as whole numbers; `read` gives `scale stored + offset`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], np.ndarray]
    quantised: tuple[float, float] | None = None

    def read(self) -> np.ndarray:
        """Read the array as float64.

        Raises:
            UserError: a type that weights do not come in, or other numbers than the shape asks for.
        """
        if self.dtype not in FLOATS and self.quantised is None:
            wanted = ", ".join(FLOATS)
            raise UserError(
                f"{shown(self.name)} holds {shown(self.dtype)}, expected {wanted}: convert it to one of them"
            )
        array = self.stored().astype(np.float64)
        scale, offset = self.quantised or (1.0, 0.0)
        return array if self.quantised is None else array * scale + offset

    def stored(self) -> np.ndarray:
        """Read the array as it is stored.

        Raises:
            UserError: other numbers than the shape asks for.
        """
        array = self.load()
        if array.shape != self.shape:
            raise UserError(
                f"{shown(self.name)} holds {array.shape}, though it says {shown(str(self.shape))}: download it again"
            )
        return array

    def __str__(self) -> str:
        return f"{shown(self.name)} {shown(str(self.shape))}"


def from_bytes(data: bytes, dtype: str, shape: tuple[int, ...], order: Literal["<", ">"] = "<") -> np.ndarray:
    """Turn raw bytes of one of `FLOATS` into an array; bfloat16 is the upper half of a float32."""
    array = np.frombuffer(data, np.dtype(FLOATS[dtype]).newbyteorder(order), count=math.prod(shape)).reshape(shape)
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else array


@dataclass(frozen=True)
class Found:
    """The arrays of a file, in its order.

    Attributes:
        tensors: every array; layers are put together by their names.
        layout: what kind of file it was, in words.
        order: how its kernels lie, most likely first: out of H, W, I (inputs) and O (outputs).
        preprocessing: what the file says about its pictures; None where it cannot be told.
        sequence: the file's order is that of the network; otherwise names tell.
        mirrored: kernels laid out as OIHW are those of a true convolution, as Theano's.
        epsilon: of batch normalization, by layer; "" is that of all others.
        files: other files that hold its numbers.
        config: what the file says of a layer, by its name: Keras' own words.
    """

    tensors: Iterable[Tensor]
    layout: str
    order: tuple[str, ...] = ("OIHW", "HWIO", "OHWI")
    preprocessing: Preprocessing | None = None
    sequence: bool = False
    mirrored: bool = False
    epsilon: dict[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
