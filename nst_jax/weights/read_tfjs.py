"""Read TensorFlow.js layers models: a model.json, and shards of binary numbers beside it, quantised or not."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.weights.found import Found, Tensor
from nst_jax.weights.read_keras import EPSILON, KERAS, layer_configs

_STORED = {"uint8": "u1", "uint16": "<u2", "float16": "<f2", "float32": "<f4", "int32": "<i4", "bool": "u1"}
LARGEST = 2**28
"""Bytes of a model.json that are read at once; Inception's has 0.2 million."""


class _Place(NamedTuple):
    """Where the numbers of an array lie: in which shards, from which byte of them all."""

    shards: list[tuple[Path, int]]
    start: int
    size: int


@contextmanager
def read_tfjs(path: Path) -> Iterator[Found]:
    """Read the arrays of a layers model; which pictures it wants is not said.

    Raises:
        UserError: a graph model, or shards that are missing, too short or elsewhere.
    """
    if path.stat().st_size > LARGEST:
        raise UserError(
            f"{shown(path)} has {path.stat().st_size} bytes: expected a model.json of a few million at most"
        )
    held = json.loads(path.read_text("utf-8-sig"))
    if not isinstance(held, dict) or not isinstance(held.get("weightsManifest"), list):
        raise UserError(
            f"{shown(path)} has no weightsManifest: expected the model.json of a TensorFlow.js layers model"
        )
    topology = held.get("modelTopology")
    if held.get("format") == "graph-model" or (isinstance(topology, dict) and "node" in topology):
        raise UserError(
            f"{shown(path)} is a TensorFlow.js graph model, expected a layers model: convert from the original"
        )
    config = layer_configs(topology)
    epsilon = {name: float(c["epsilon"]) for name, c in config.items() if isinstance(c.get("epsilon"), int | float)}
    tensors = [tensor for group in held["weightsManifest"] for tensor in _group(group, path)]
    files = tuple(path.parent / name for group in held["weightsManifest"] for name in group["paths"])
    epsilon = {"": EPSILON, **epsilon}
    yield Found(tensors, "TensorFlow.js layers model", KERAS, epsilon=epsilon, config=config, files=files)


def _group(group: Any, path: Path) -> Iterator[Tensor]:
    """List the arrays of one group of shards, whose bytes follow one another."""
    shards, at = _shards(group["paths"], path), 0
    described = [_described(weight) for weight in group["weights"]]
    whole = sum(size for *_, size in described)
    there = sum(size for _, size in shards)
    if there != whole:
        names = (
            f"{shown(shards[0][0].name)} to {shown(shards[-1][0].name)} hold"
            if len(shards) > 1
            else (f"{shown(shards[0][0].name)} holds")
        )
        raise UserError(
            f"{shown(path)}: {names} {there} bytes, expected {whole}: copy or download all {len(shards)} again"
        )
    for name, shape, dtype, quantised, size in described:
        yield _tensor(name, shape, dtype, quantised, _Place(shards, at, size))
        at += size


def _shards(names: Any, path: Path) -> list[tuple[Path, int]]:
    """Find the shards beside the model.json, with their sizes."""
    found = []
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
            raise UserError(f"{shown(path)} has a shard '{shown(str(name))}': expected the name of a file beside it")
        shard = path.parent / name
        if not shard.is_file():
            raise UserError(
                f"{shown(path)}: its shard {shown(name)} is missing: put all {len(names)} into {shown(path.parent)}"
            )
        found.append((shard, shard.stat().st_size))
    if not found:
        raise UserError(f"{shown(path)} names no shards: expected at least one")
    return found


def _described(weight: Any) -> tuple[str, tuple[int, ...], str, tuple[float, float] | None, int]:
    """Give name, shape, stored type, (scale, offset) and bytes of an array."""
    name, shape = weight["name"], tuple(weight["shape"])
    if not isinstance(name, str) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError(f"an array is called {name!r} and has the shape {shape}")
    how = weight.get("quantization") or {}
    dtype = how.get("dtype", how.get("original_dtype", weight["dtype"]))
    if dtype not in _STORED:
        raise UserError(f"{shown(name)} holds {shown(str(dtype))}, expected one of {', '.join(_STORED)}")
    quantised = None
    if dtype in ("uint8", "uint16") and how:
        quantised = float(how["scale"]), float(how["min"])
        if not all(map(math.isfinite, quantised)):
            raise UserError(
                f"{shown(name)} has the scale {how['scale']} and the minimum {how['min']}: expected numbers"
            )
    return name, shape, dtype, quantised, math.prod(shape) * np.dtype(_STORED[dtype]).itemsize


def _tensor(
    name: str, shape: tuple[int, ...], dtype: str, quantised: tuple[float, float] | None, place: _Place
) -> Tensor:
    def load() -> np.ndarray:
        return np.frombuffer(_bytes(place), _STORED[dtype]).reshape(shape)

    return Tensor(name, shape, dtype, load, quantised)


def _bytes(place: _Place) -> bytes:
    """Read the bytes of an array, which may go on in the next shard."""
    parts, left, start = [], place.size, place.start
    for shard, size in place.shards:
        if start < size and left:
            with shard.open("rb") as file:
                file.seek(start)
                parts.append(file.read(min(left, size - start)))
            left -= len(parts[-1])
            start = size
        start -= size
    return b"".join(parts)
