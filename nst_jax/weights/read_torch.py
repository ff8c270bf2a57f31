"""Read what torch.save and pickle.dump write, without torch: state dicts, checkpoints and modules around them."""

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.weights.found import FLOATS, Found, Tensor, from_bytes
from nst_jax.weights.pickles import Named, read_pickle

Order = Literal["<", ">"]
Fetch = Callable[[str, int], bytes]
"""Read a storage: from its key, and the bytes it must have."""

MAGIC = 0x1950A86A20F9469CFC6C
"""What torch.save before 1.6 begins with."""

DEEPEST, MOST = 24, 100_000
"""Mappings inside one another, and values in all of them, that are looked into."""

_UNSAID = ("", "_modules", "_parameters", "_buffers")  # where a module keeps what state_dict() lists without them
_DTYPES = {"Half": "float16", "BFloat16": "bfloat16", "Float": "float32", "Double": "float64"}
_SIZES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}


@contextmanager
def read_pth(path: Path) -> Iterator[Found]:
    """Read a .pth since PyTorch 1.6: a zip archive of one pickle, and of the numbers of each storage.

    torchvision's weights (RGB, [0, 1]) and those converted from Caffe (BGR, 0 to 255) look the same: the
    convention cannot be told.

    Raises:
        UserError: sparse tensors and the like in the place of weights.
    """
    with zipfile.ZipFile(path) as archive:
        (pickle,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
        root = pickle.removesuffix("data.pkl")
        order: Order = (
            ">" if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") == b"big" else "<"
        )

        def fetch(key: str, size: int) -> bytes:
            with archive.open(f"{root}data/{key}") as file:
                return _exactly(file, size)

        with archive.open(pickle) as file:
            held = read_pickle(file)  # type: ignore[arg-type]
        yield Found(list(tensors_of(held, path, fetch, order)), "PyTorch state dict")


@contextmanager
def read_bare_pickle(path: Path) -> Iterator[Found]:
    """Read a .pth before PyTorch 1.6, or a pickle of NumPy arrays.

    Raises:
        UserError: as `read_pth` does.
    """
    with path.open("rb") as file:
        held = read_pickle(file)
        if held != MAGIC:
            yield Found(list(tensors_of(held, path, no_storage)), "pickle")
            return
        # the version, the sizes of C's types, what was saved, and the keys of its storages
        _, _, held, keys = (read_pickle(file) for _ in range(4))
        places = _places(file, held, keys)

        def fetch(key: str, size: int) -> bytes:
            file.seek(places[key])
            return _exactly(file, size)

        yield Found(list(tensors_of(held, path, fetch)), "PyTorch state dict")


def _places(file: BinaryIO, held: Any, keys: list[str]) -> dict[str, int]:
    """Find the storages behind the pickles: of each its number of elements, 8 bytes, and they."""
    sizes = {n.args[0][2]: _SIZES.get(_dtype(n.args[0][1]), 1) for n in _inside(held) if n.name == "" and n.args}
    places = {}
    for key in keys:
        length = int.from_bytes(_exactly(file, 8), "little")
        places[key] = file.tell()
        file.seek(length * sizes[key], 1)
    return places


def _inside(held: Any) -> Iterator[Named]:
    """Go through everything named in a pickle that can hold storages."""
    left, seen = [held], set()
    for value in left:
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Named):
            yield value
            left += [value.args, value.state, *value.entries.values(), *value.items]
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value


def _exactly(file: Any, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError("a storage ends too early")
    return data


def no_storage(key: str, size: int) -> bytes:
    raise ValueError("numbers outside of the pickle")


def tensors_of(held: Any, path: Path, fetch: Fetch, order: Order = "<") -> Iterator[Tensor]:
    """List every array in mappings, lists and modules inside one another, with names such as `net.features.0.weight`.

    Raises:
        UserError: a tensor without numbers of its own in the place of weights.
    """
    steps = count()

    def walk(value: Any, names: tuple[str, ...]) -> Iterator[Tensor]:
        if next(steps) > MOST or len(names) > DEEPEST:
            return
        name = ".".join(names)
        tensor = _tensor(value, name, path, fetch, order)
        if tensor is not None:
            yield tensor
            return
        for key, inner in _entries(value):
            yield from walk(inner, names if key in _UNSAID else (*names, key))

    yield from walk(held, ())


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Give what is inside a mapping, a list or an object; of a pair of kernel and bias, which is which."""
    if isinstance(value, Named):
        yield from _entries(value.entries)
        yield from _entries(value.items)
        if isinstance(value.state, dict):
            yield from _entries(value.state)
        elif isinstance(value.state, tuple) and isinstance(value.state[-1], list):  # NumPy's array of objects
            yield from (("", inner) for inner in value.state[-1])
    elif isinstance(value, dict):
        yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, list | tuple):
        names = ("weight", "bias") if len(value) == 2 else map(str, count())
        yield from zip(names, value, strict=False)


def _tensor(value: Any, name: str, path: Path, fetch: Fetch, order: Order) -> Tensor | None:
    """Understand what rebuilds a tensor of PyTorch or an array of NumPy; None for anything else."""
    if not isinstance(value, Named) or not isinstance(value.args, tuple):
        return None
    function = value.name.rpartition(".")[2]
    if function.startswith("_rebuild_parameter"):
        return _tensor(value.args[0], name, path, fetch, order)
    if function in ("_rebuild_tensor", "_rebuild_tensor_v2"):
        return _strided(value, name, fetch, order)
    if function in ("_reconstruct", "_frombuffer"):
        return _numpy(value, name, function)
    if value.name.startswith("torch._utils._rebuild"):
        kind = function.removeprefix("_rebuild_").removesuffix("_no_storage").replace("_", " ")
        kind = "tensor of a rare type" if function == "_rebuild_tensor_v3" else kind
        where = f"{shown(path)}: {shown(name)} is a {shown(kind)}"
        raise UserError(f"{where}, expected plain numbers: save the state dict of dense tensors on the CPU")
    return None


def _dtype(storage: Named) -> str:
    kind = storage.name.rpartition(".")[2].removesuffix("Storage")
    return _DTYPES.get(kind, kind.lower())


def _strided(value: Named, name: str, fetch: Fetch, order: Order) -> Tensor:
    storage, offset, shape, strides, *_ = value.args
    _, kind, key, _, numel, *_ = storage.args[0]
    dtype = _dtype(kind)
    shape, strides = tuple(map(int, shape)), tuple(map(int, strides))
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if offset < 0 or min((*shape, 0)) < 0 or min((*strides, 0)) < 0 or (last >= numel and math.prod(shape)):
        raise ValueError(f"{name} lies outside of its storage")

    def load() -> np.ndarray:
        itemsize = _SIZES[dtype]
        whole = from_bytes(fetch(str(key), numel * itemsize), dtype, (numel,), order)
        return np.lib.stride_tricks.as_strided(whole[offset:], shape, [step * whole.itemsize for step in strides])

    return Tensor(name, shape, dtype, load)


def _numpy(value: Named, name: str, function: str) -> Tensor | None:
    """Read NumPy's two ways to pickle an array: made empty and filled, or from a buffer."""
    fortran = False
    if function == "_frombuffer":
        data, kind, shape, fortran = value.args[0], value.args[1], value.args[2], value.args[3] == "F"
    elif isinstance(value.state, tuple) and len(value.state) == 5:
        _, shape, kind, fortran, data = value.state
    else:
        return None
    if isinstance(data, list):  # of objects, which are looked into
        return None
    if isinstance(data, Named) and data.name == "_codecs.encode":  # Python 3 writing for Python 2
        data = data.args[0]
    if isinstance(data, str):  # or Python 2 itself
        data = data.encode("latin-1")
    numbers = bytes(data)  # type: ignore[arg-type]
    code = kind.args[0] if isinstance(kind, Named) and kind.args else ""
    dtype = next((d for d, c in FLOATS.items() if c == str(code) and d != "bfloat16"), str(code))
    order = kind.state[1] if isinstance(kind.state, tuple) else "<"
    shape = tuple(map(int, shape))

    def load() -> np.ndarray:
        flat = from_bytes(numbers, dtype, (math.prod(shape),), ">" if order == ">" else "<")
        return flat.reshape(shape, order="F" if fortran else "C")

    return Tensor(name, shape, dtype, load)
