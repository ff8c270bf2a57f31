"""Walk an .h5 file without leaving it: no links, no storage elsewhere, nothing read before its shape is known."""

import math
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.weights.found import Tensor

MOST, DEEPEST = 10_000, 32
"""Objects in a file, and groups inside one another, that are looked at."""

LARGEST_CHUNK = 2**24
"""Elements of a chunk that are unpacked at once; the largest kernel of a VGG has 2.4 million."""

LONGEST_TEXT = 2**24


def datasets(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """List the datasets below a group by their path from there, each once.

    Raises:
        UserError: links to other places, and datasets whose numbers lie outside of the file or of themselves.
    """
    left: list[tuple[str, Any]] = [("", root)]
    seen = set()
    while left:
        path, node = left.pop()
        info = h5py.h5o.get_info(node.id)  # pyright: ignore[reportAttributeAccessIssue]
        if (info.fileno, info.addr) in seen:  # a hard link may lead back to where it is
            continue
        seen.add((info.fileno, info.addr))
        if len(seen) > MOST or path.count("/") > DEEPEST:
            raise UserError(f"holds more than {MOST} objects, or {DEEPEST} groups in one another; expected weights")
        if isinstance(node, h5py.Dataset):
            _check_storage(path, node)
            yield path, node
        elif isinstance(node, h5py.Group):
            left += [(f"{path}/{name}".lstrip("/"), _child(node, name, path)) for name in reversed(list(node))]


def _child(group: h5py.Group, name: str, path: str) -> Any:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise UserError(f"{shown(f'{path}/{name}')} is a link to elsewhere, expected arrays in the file itself")
    return group[name]


def _check_storage(path: str, dataset: h5py.Dataset) -> None:
    plan = dataset.id.get_create_plist()
    if plan.get_external_count() or plan.get_layout() == h5py.h5d.VIRTUAL:
        raise UserError(f"{shown(path)} has its numbers in other files, expected arrays in the file itself")


def tensor(path: str, dataset: h5py.Dataset) -> Tensor:
    """Describe a dataset; its numbers are read on demand."""

    def load() -> np.ndarray:
        if dataset.chunks and math.prod(dataset.chunks) > LARGEST_CHUNK:
            raise UserError(f"{shown(path)} is packed in chunks of {dataset.chunks}, expected the size of a kernel")
        return dataset[()]

    shape = dataset.shape if dataset.shape is not None else (0,)
    return Tensor(path, tuple(map(int, shape)), dataset.dtype.name, load)


def attribute(node: h5py.HLObject, name: str) -> Any:
    """Read a small attribute, texts as str; None where there is none.

    Raises:
        UserError: one larger than any text or number that describes weights.
    """
    if name not in node.attrs:
        return None
    found = node.attrs.get_id(name)
    size = math.prod(found.shape or ()) * found.dtype.itemsize
    if size > LONGEST_TEXT:
        raise UserError(f"its attribute {shown(name)} has {size} bytes, expected a text or numbers")
    value = node.attrs[name]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def texts(node: h5py.HLObject, name: str) -> list[str]:
    """Read an attribute that lists texts; empty where there is none."""
    value = attribute(node, name)
    listed = [] if value is None else np.ravel(value).tolist()
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in listed]
