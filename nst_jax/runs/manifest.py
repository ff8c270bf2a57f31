"""`manifest.json`: everything a run is made from; and whether a folder belongs to the same run."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nst_jax import record
from nst_jax.axis import plain
from nst_jax.batch.seals import Verdict
from nst_jax.batch.store import Store
from nst_jax.errors import UserError
from nst_jax.files import quoted, shown
from nst_jax.recipe import DEFAULT
from nst_jax.runs import pictures
from nst_jax.runs.inputs import Inputs
from nst_jax.runs.pictures import Shown
from nst_jax.runs.reading import FORMAT, read
from nst_jax.runs.spec import Lane, Spec, all_axes, command

DEFINING = ("config", "inputs", "weights", "axes")
"""What must be equal for a folder to be gone on with."""


def describe(
    spec: Spec, lanes: tuple[Lane, ...], inputs: Inputs, weights: Mapping[str, str], copies: Mapping[str, Shown]
) -> dict[str, Any]:
    """Write down a run.

    Args:
        spec, lanes: what it makes.
        inputs: what it makes them from.
        weights: sha256 by name.
        copies: those of the inputs that lie in the folder, by name.
    """
    config = {
        "recipe": dataclasses.asdict(spec.recipe),
        "preset": spec.preset,
        "paired": spec.paired,
        "snapshots": spec.snapshots,
        "animate": spec.animate,
        "metrics": spec.metrics,
        **({"mixed": True} if spec.mixed else {}),
        **({"output": written} if (written := _written(spec)) else {}),
    }
    return {
        "format": FORMAT,
        "command": quoted(["nst-jax", *sys.argv[1:]]),
        "config": config,
        "inputs": inputs.described(),
        "weights": dict(weights),
        "versions": record.versions(),
        "device": record.device_name(),
        "git": git_state(),
        "axes": plain(all_axes(spec)),
        "pictures": pictures.described(copies),
        "lanes": [
            {
                "lane": lane.number,
                "name": lane.name,
                "settings": lane.settings,
                "index": lane.index,
                "image": lane.image,
                "command": command(spec, lane),
                "pictures": [i for i, key in enumerate(copies) if key in pictures.of_lane(inputs, lane)],
            }
            for lane in lanes
        ],
    }


def _written(spec: Spec) -> dict[str, Any]:
    """Say how pictures are written, where it is not as by default."""
    return {**({"format": spec.format} if spec.format != Spec.format else {}), **spec.how.options()}


def git_state() -> dict[str, Any] | None:
    """Name the commit of the working directory, and whether tracked files differ from it; none outside of git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, check=True, timeout=10)
    return done.stdout.decode(errors="replace").strip()


def settle(folder: Path, manifest: dict[str, Any], store: Store) -> list[str]:
    """Write the manifest into a new folder; in that of the same run leave it, and tell what the machine changed.

    The state holds the digest of the manifest, and one of what defines the run, so that a damaged manifest is written
    again if it was that of this run.

    Raises:
        UserError: the folder holds another run, with the difference.
    """
    path, fresh, changed = folder / "manifest.json", _plain(manifest), []
    defining = json.dumps({key: _known(fresh[key]) for key in DEFINING}, sort_keys=True)
    same = hashlib.sha256(defining.encode()).hexdigest()
    verdict, known = store.seals.verdict(path), store.holds(same)
    if path.exists() and not (known and verdict == Verdict.DAMAGED):
        changed = _compared(folder, read(path), fresh)
    elif known is False:
        raise UserError(f"'{shown(folder)}' holds another run, without its manifest: {_ANOTHER}")
    if verdict in (Verdict.GONE, Verdict.DAMAGED):
        store.say(f"{shown(path)} is {verdict.value}: written again")
    if verdict != Verdict.INTACT:
        store.seals.write(path, lambda file: file.write((json.dumps(fresh, indent=1) + "\n").encode()))
    if not known:
        store.claim(same)
    return changed


_ANOTHER = "give another --out, or remove the folder to start over"


def _compared(folder: Path, old: dict[str, Any], fresh: dict[str, Any]) -> list[str]:
    old = _completed(old)
    if found := [line for key in DEFINING for line in differences(key, _known(old.get(key)), _known(fresh[key]))]:
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        raise UserError(f"'{shown(folder)}' holds another run: {'; '.join(found[:4])}{more}; {_ANOTHER}")
    return [line for key in ("versions", "device") for line in differences(key, old.get(key), fresh[key])]


def _known(value: Any) -> Any:
    """Leave out where inputs lay: a file that moved is the same input."""
    if isinstance(value, list):
        return [_known(v) for v in value]
    if isinstance(value, dict):
        return {k: _known(v) for k, v in value.items() if not (k == "path" and "sha256" in value)}
    return value


def _completed(old: dict[str, Any]) -> dict[str, Any]:
    """Put settings that an older version did not have at their defaults: what it did then."""
    try:
        config = old["config"]
        return {**old, "config": {**config, "recipe": {**_plain(dataclasses.asdict(DEFAULT)), **config["recipe"]}}}
    except (KeyError, TypeError):
        return old  # no manifest of a run: the comparison says so


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(value, allow_nan=False))


def differences(name: str, old: Any, new: Any) -> list[str]:
    """List where two JSON values differ: `config.recipe.beta 1000.0 -> 10.0`."""
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys((*old, *new))
        return [line for key in keys for line in differences(f"{name}.{key}", old.get(key), new.get(key))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and any(map(_nested, old)):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for i, (a, b) in pairs for line in differences(f"{name}[{i}]", a, b)]
    return [f"{name} {_brief(old)} -> {_brief(new)}"]


def _nested(value: Any) -> bool:
    return isinstance(value, dict)


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."
