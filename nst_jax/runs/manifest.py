"""`manifest.json`: everything a run is made from; and whether a folder belongs to the same run."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nst_jax import record
from nst_jax.axis import plain
from nst_jax.errors import UserError
from nst_jax.files import quoted, write_whole
from nst_jax.recipe import DEFAULT
from nst_jax.runs.spec import Lane, Spec, all_axes, command

FORMAT = 2

DEFINING = ("config", "inputs", "weights", "axes")
"""What must be equal for a folder to be gone on with."""


def describe(
    spec: Spec, lanes: tuple[Lane, ...], inputs: Mapping[str, Any], weights: Mapping[str, str]
) -> dict[str, Any]:
    """Write down a run.

    Args:
        spec, lanes: what it makes.
        inputs: `{"contents": [{"path", "sha256"}, ...], "styles": [...]}`, and `init` where a file was given.
        weights: sha256 by name.
    """
    config = {
        "recipe": dataclasses.asdict(spec.recipe),
        "preset": spec.preset,
        "paired": spec.paired,
        "snapshots": spec.snapshots,
        "animate": spec.animate,
        "metrics": spec.metrics,
    }
    return {
        "format": FORMAT,
        "command": quoted(["nst-jax", *sys.argv[1:]]),
        "config": config,
        "inputs": dict(inputs),
        "weights": dict(weights),
        "versions": record.versions(),
        "device": record.device_name(),
        "git": git_state(),
        "axes": plain(all_axes(spec)),
        "lanes": [
            {
                "lane": lane.number,
                "name": lane.name,
                "settings": lane.settings,
                "index": lane.index,
                "image": lane.image,
                "command": command(spec, lane),
            }
            for lane in lanes
        ],
    }


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


def settle(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Write the manifest into a new folder; in that of the same run leave it, and tell what the machine changed.

    Raises:
        UserError: the folder holds another run, with the difference.
    """
    path = folder / "manifest.json"
    fresh = _plain(manifest)
    old = _existing(path)
    if old is None:
        write_whole(path, lambda file: file.write((json.dumps(fresh, indent=1) + "\n").encode()))
        return []
    if found := [line for key in DEFINING for line in differences(key, _known(old.get(key)), _known(fresh[key]))]:
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        raise UserError(
            f"'{folder}' holds another run: {'; '.join(found[:4])}{more}; "
            "give another --out, or remove the folder to start over"
        )
    return [line for key in ("versions", "device") for line in differences(key, old.get(key), fresh[key])]


def _known(value: Any) -> Any:
    """Leave out where inputs lay: a file that moved is the same input."""
    if isinstance(value, list):
        return [_known(v) for v in value]
    if isinstance(value, dict):
        return {k: _known(v) for k, v in value.items() if not (k == "path" and "sha256" in value)}
    return value


def _existing(path: Path) -> dict[str, Any] | None:
    try:
        old = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"'{path}' is not readable ({error}): give another --out") from error
    found = old.get("format") if isinstance(old, dict) else None
    if found != FORMAT:
        older = "nst_jax 0.1 wrote it, " if found == 1 else ""
        raise UserError(
            f"'{path}' has format {found}: {older}this version goes on with format {FORMAT}; give another --out"
        )
    return _completed(old)


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
