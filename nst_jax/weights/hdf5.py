"""Walk an .h5 file without leaving it: no links, no storage elsewhere, nothing read before its shape is known.

Read by pyfive, in Python: the HDF5 library follows a damaged or hostile file out of its memory, and to other files.
"""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyfive

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.weights.found import Tensor

MOST, DEEPEST = 10_000, 32
"""Objects in a file, and groups inside one another, that are looked at."""

LARGEST_CHUNK = 2**24
"""Elements of a chunk that are unpacked at once; the largest kernel of a VGG has 2.4 million."""

_EXTERNAL = 0x0007  # the header message that lists other files
_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_NOWHERE = 2**64 - 1


@contextlib.contextmanager
def opened_h5(path: Path) -> Iterator[pyfive.File]:
    """Open an .h5 file for reading."""
    with path.open("rb") as file:
        yield pyfive.File(file)


def datasets(root: Any) -> Iterator[tuple[str, Any]]:
    """List the datasets below a group by their path from there, each once, in the order of their names.

    Raises:
        UserError: links to other places, and datasets whose numbers lie outside of the file or of themselves.
    """
    left: list[tuple[str, Any, int]] = [("", root, -1)]
    seen = set()
    while left:
        path, group, address = left.pop()
        if address in seen:  # a hard link may lead back to where it is
            continue
        seen.add(address)
        if len(seen) > MOST or path.count("/") > DEEPEST:
            raise UserError(f"holds more than {MOST} objects, or {DEEPEST} groups in one another; expected weights")
        node = group if path == "" else group[path.rpartition("/")[2]]
        if isinstance(node, pyfive.Dataset):
            _check_storage(path, node, address)
            yield path, node
        elif isinstance(node, pyfive.Group):
            below = {name: _hard(node, name, path) for name in sorted(node, reverse=True)}
            left += [(f"{path}/{name}".lstrip("/"), node, address) for name, address in below.items()]


def _hard(group: Any, name: str, path: str) -> int:
    """Give the address that a link leads to, inside the file; a soft link would be a name."""
    address = group._links[name]
    if not isinstance(address, int):
        raise UserError(f"{shown(f'{path}/{name}')} is a link to elsewhere, expected arrays in the file itself")
    return address


def _check_storage(path: str, dataset: Any, address: int) -> None:
    elsewhere = dataset.file._get_dataobjects(address).find_msg_type(_EXTERNAL)
    if elsewhere or dataset.id.layout_class not in (_COMPACT, _CONTIGUOUS, _CHUNKED):
        raise UserError(f"{shown(path)} has its numbers in other files, expected arrays in the file itself")


def read_array(dataset: Any) -> np.ndarray:
    """Read the numbers of a dataset that lie in the file; what was declared and never written is not made up.

    Raises:
        UserError: no numbers, or chunks larger than any kernel.
    """
    name, where = shown(str(dataset.name)), dataset.id
    if where.layout_class == _CONTIGUOUS:
        if where.data_offset == _NOWHERE:
            raise UserError(f"{name} is declared and holds no numbers: copy or convert it again")
        file = dataset.file._fh
        file.seek(where.data_offset)
        data = file.read(math.prod(dataset.shape) * dataset.dtype.itemsize)
        return np.frombuffer(data, dataset.dtype).reshape(dataset.shape)
    if where.layout_class == _CHUNKED:
        if math.prod(dataset.chunks) > LARGEST_CHUNK:
            raise UserError(f"{name} is packed in chunks of {dataset.chunks}, expected the size of a kernel")
        if not where.get_num_chunks():
            raise UserError(f"{name} is declared and holds no numbers: copy or convert it again")
    return np.asarray(dataset[()])


def tensor(path: str, dataset: Any) -> Tensor:
    """Describe a dataset; its numbers are read on demand."""
    shape = tuple(map(int, dataset.shape or ()))
    return Tensor(path, shape, np.dtype(dataset.dtype).name, lambda: read_array(dataset))


def attribute(node: Any, name: str) -> Any:
    """Read an attribute, texts as str; None where there is none."""
    value = node.attrs.get(name)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def texts(node: Any, name: str) -> list[str]:
    """Read an attribute that lists texts; empty where there is none."""
    value = attribute(node, name)
    listed = [] if value is None else np.ravel(value).tolist()
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in listed]
