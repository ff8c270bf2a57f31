"""Show what a weights file holds, and which networks there are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import NETWORKS, Branched, Table
from nst_jax.weights.load import EMBEDDED, FETCHED, cache_dir, embedded_path, find_weights
from nst_jax.weights.store import Weights, read_facts, read_weights, sha256


@dataclass(frozen=True)
class Verified:
    """What a whole weights file holds.

    Attributes:
        facts: its attributes and its sha256, by what they are called.
        arrays: shape, mean, standard deviation, minimum and maximum of every array, by its name.
        words: how many convolutions and numbers there are.
    """

    path: Path
    facts: dict[str, str]
    arrays: dict[str, dict[str, Any]]
    words: str

    def __str__(self) -> str:
        """Write it as a list and a table."""
        lines = [f"{label:14} {value}" for label, value in self.facts.items()]
        lines += ["", f"{'array':16} {'shape':>18} {'mean':>12} {'std':>12} {'min':>12} {'max':>12}"]
        for name, held in self.arrays.items():
            shape, *numbers = held.values()
            lines.append(f"{name:16} {' x '.join(map(str, shape)):>18} " + " ".join(f"{x:12.6g}" for x in numbers))
        return "\n".join([*lines, "", self.words])


def verify(weights: str | Path) -> Verified:
    """Check a weights file against its architecture and describe it.

    Raises:
        UserError: everything `read_weights` refuses.
    """
    path = find_weights(weights)
    held = read_weights(path)
    named = ((f"{conv}/{leaf}", held.params[conv][leaf]) for conv in held.params for leaf in ("kernel", "bias"))
    arrays = {name: _numbers(array) for name, array in named}
    count = sum(a.size for leaves in held.params.values() for a in leaves.values())
    words = f"ok: all {len(held.params)} convolutions of {held.network.name}, {count:,} numbers"
    return Verified(path, {label: str(value) for label, value in _facts(path, held)}, arrays, words)


def _numbers(a: Any) -> dict[str, Any]:
    mean, std = a.mean(dtype=np.float64), a.std(dtype=np.float64)
    return {"shape": a.shape, "mean": mean, "std": std, "min": a.min(), "max": a.max()}


def _facts(path: Path, held: Weights) -> list[tuple[str, object]]:
    how = held.preprocessing
    return [
        ("file", shown(path)),
        ("sha256", sha256(path)),
        ("architecture", held.network.name),
        *([("up to", held.network.last)] if isinstance(held.network, Branched) else []),
        ("channels", _channels(held.network)),
        ("kernels", held.dtype + (", with scales and offsets" if held.dtype == "uint8" else "")),
        ("pictures", f"{how.channel_order}, 0 to {how.range:g}, minus {how.mean}, divided by {how.std}"),
        ("source", shown(held.source) or "not said"),
        ("source sha256", shown(held.source_sha256) or "not said"),
        ("licence", shown(held.licence) or "not said"),
        ("notes", shown(held.notes) or "none"),
    ]


def _channels(network: Table) -> str:
    """List the widths of a network, of many convolutions only where they are not the published ones."""
    published = NETWORKS[network.name]
    if isinstance(network, Branched) and network.channels == published.channels[: len(network.channels)]:
        return "as published"
    return ", ".join(map(str, network.channels))


def available() -> list[tuple[str, str, str]]:
    """List every network by name: (name, what it is, where it is or how to get it)."""
    rows = [(name, _summary(embedded_path(name)), "in the package") for name in EMBEDDED]
    cached = sorted(cache_dir().glob("*.h5"))
    rows += [(shown(path.stem), _summary(path), shown(path)) for path in cached if path.stem not in EMBEDDED]
    here = {name for name, _, _ in rows}
    for name in FETCHED:
        if name not in here:
            command = f"nst-jax weights fetch {name.removesuffix('-float32')}"
            rows.append((name, "not on this machine", f"get it with `{command}`"))
    return rows


def _summary(path: Path) -> str:
    # attributes only: reading 29 MB of every file would make a list slow
    try:
        network, dtype = read_facts(path)
    except UserError:
        return "damaged or of another format"
    return f"{network.name}, {shown(dtype)}, {path.stat().st_size / 1e6:.0f} MB"
