"""Read NumPy's .npz of arrays, and .npy of a dict of arrays as tensorflow-vgg's vgg19.npy."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nst_jax.weights.found import Found, Tensor
from nst_jax.weights.pickles import read_pickle
from nst_jax.weights.read_torch import no_storage, tensors_of

Open = Callable[[], BinaryIO]
ORDER = ("HWIO", "OIHW", "OHWI")


@contextmanager
def read_npz(path: Path) -> Iterator[Found]:
    """Read the arrays of an .npz, by their names in the archive; which pictures they want cannot be told."""
    with zipfile.ZipFile(path) as archive:
        tensors: list[Tensor] = []
        for name in archive.namelist():
            tensors += _arrays(partial(archive.open, name), name.removesuffix(".npy"), path)  # type: ignore[arg-type]
        yield Found(tensors, "NumPy .npz", ORDER)


@contextmanager
def read_npy(path: Path) -> Iterator[Found]:
    """Read the arrays inside a .npy, whose one element is a dict; which pictures they want cannot be told."""
    yield Found(list(_arrays(partial(path.open, "rb"), "", path)), "NumPy .npy", ORDER)


def _arrays(opened: Open, name: str, path: Path) -> Iterator[Tensor]:
    """Look at the header of an array; one of objects is a pickle, which is read as data and never run."""
    with opened() as file:
        shape, fortran, dtype = _header(file)
        if dtype.hasobject:
            for tensor in tensors_of(read_pickle(file), path, no_storage):
                yield replace(tensor, name=".".join(filter(None, (name, tensor.name))))
            return
        places = file.tell()

    def load() -> np.ndarray:
        with opened() as file:
            file.seek(places)
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            flat = np.frombuffer(file.read(size), dtype)
            return flat.reshape(shape, order="F" if fortran else "C")

    yield Tensor(name, shape, dtype.name, load)


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    reading = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return reading(file)
