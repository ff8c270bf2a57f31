"""The exact recipe behind a picture: settings, inputs, weights, versions and device, as plain JSON."""

import dataclasses
import json
import os
import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

import nst_jax
from nst_jax import images
from nst_jax.errors import UserError
from nst_jax.files import said, shown
from nst_jax.plain import Digest, parsed, validated
from nst_jax.recipe import LONGEST_SIDE, MOST_STEPS, Recipe, check, input_name

if TYPE_CHECKING:
    from nst_jax.optimize import Solution

FORMAT = 2
KEY = "nst_jax"
"""Name of the metadata entry that holds the record."""

_Steps = Annotated[int, msgspec.Meta(ge=0, le=MOST_STEPS, description=f"a whole number from 0 to {MOST_STEPS}")]
_Length = Annotated[int, msgspec.Meta(ge=1, le=LONGEST_SIDE, description=f"pixels from 1 to {LONGEST_SIDE}")]
_Place = Annotated[int, msgspec.Meta(ge=0, le=100, description="a whole number from 0 to 100")]


_LATER = f"(_({'|'.join(str(i) for i in range(2, 33))}))?"
_Name = Annotated[str, msgspec.Meta(pattern=f"^(content|init|(style|content_mask|style_mask){_LATER})$")]
"""What a record calls an input; of several styles the second is style_2, of several masks content_mask_2."""


class Input(msgspec.Struct, forbid_unknown_fields=True):
    """One picture: a file and its sha256, or what a program held, the sha256 of the pixels and their height, width.

    A file that holds the targets of a style has `targets`, the number of its pictures.
    """

    path: str | None = None
    sha256: Digest | None = None
    pixels: Digest | None = None
    shape: tuple[_Length, _Length] | None = None
    targets: Annotated[int, msgspec.Meta(ge=1, le=32, description="from 1 to 32 pictures")] | None = None

    def __post_init__(self) -> None:
        """Refuse what names nothing, and what names it by halves."""
        if (self.path is None) != (self.sha256 is None) or (self.pixels is None) != (self.shape is None):
            raise ValueError("expected path and sha256, or pixels and shape")
        if self.path is None and (self.pixels is None or self.targets is not None):
            raise ValueError("expected path and sha256, or pixels and shape")


class Weights(msgspec.Struct, forbid_unknown_fields=True):
    """A network, and the sha256 of its file; of none where a program held it."""

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$", description="a sha256 of 64 hexadecimal digits")]


class Ending(msgspec.Struct, forbid_unknown_fields=True):
    """How a run ended: see `ending`."""

    stopped: str
    steps: _Steps
    best_step: _Steps
    terms: dict[str, float | None]
    scale: _Place | None = None
    scales: _Place | None = None


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """What a picture holds; its `recipe` is checked against `Recipe` itself."""

    format: int
    recipe: dict[str, Any]
    inputs: dict[_Name, Input]
    weights: Weights
    own: dict[str, str]
    versions: dict[str, str]
    device: str
    command: list[str]
    result: Ending


def versions() -> dict[str, str]:
    """List the versions that a result depends on."""
    return dict(_versions())


@cache  # a thousand lanes ask
def _versions() -> dict[str, str]:
    names = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow", "h5py")
    return {
        "python": platform.python_version(),
        "nst_jax": nst_jax.__version__,
        **{name: version(name) for name in names},
    }


def cpu_name() -> str:
    """Name this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def device_name() -> str:
    """Name the device jax computes on, such as `cpu: AMD EPYC` or `gpu: NVIDIA H100 80GB HBM3`."""
    import jax

    device = jax.local_devices()[0]
    return f"{device.platform}: {cpu_name() if device.platform == 'cpu' else device.device_kind}"


def source(path: Path, sha256: str) -> dict[str, str]:
    """Name one input file and what was in it; see `files.said`."""
    return {"path": said(path), "sha256": sha256}


def describe(
    recipe: Recipe, inputs: Mapping[str, Mapping[str, Any]], digest: str, own: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Write down what one picture is made from; how the run ended is added under `result`.

    Args:
        recipe: every setting.
        inputs: `{"content": source(...), "style": source(...)}`, and `init` where there was one.
        digest: sha256 of the weights.
        own: what no recipe can say, such as a loss that was handed in, by where it stands.
    """
    held = dataclasses.replace(recipe, init=said(recipe.init), weights=said(recipe.weights))
    return {
        "format": FORMAT,
        "recipe": dataclasses.asdict(held),
        "inputs": {name: dict(entry) for name, entry in inputs.items()},
        "weights": {"name": held.weights, "sha256": digest},
        "own": dict(own or {}),
        "versions": versions(),
        "device": device_name(),
        "command": [_said(word) for word in sys.argv[1:]],
    }


def _said(word: str) -> str:
    """Name the file in a word of the command, if there is one: PATH, or --option=PATH."""
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return f"{option}{equals}{said(value)}"


def ending(solution: "Solution", place: tuple[int, int] | None = None) -> dict[str, Any]:
    """Say how a run ended: why, after how many steps (at which of how many scales), its terms at the best step."""
    final = {name: float(values[solution.best_step]) for name, values in solution.history.items()}
    return {
        "stopped": solution.stopped,
        "steps": len(solution.history["total"]) - 1,
        **({"scale": place[0], "scales": place[1]} if place else {}),
        "best_step": solution.best_step,
        "terms": {name: value if np.isfinite(value) else None for name, value in final.items()},
    }


def row(settings: Mapping[str, Any], solution: "Solution", metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Put what a lane was given, reached and measures into one row; the three share no name."""
    end = ending(solution)
    parts = (settings, end["terms"], {"stopped": end["stopped"], "best_step": end["best_step"]}, metrics)
    found: dict[str, Any] = {}
    for part in parts:
        assert not found.keys() & part.keys(), f"{found.keys() & part.keys()} would be two columns of one name"
        found |= part
    return found


def save(path: str | Path, solution: "Solution") -> None:
    """Write a solution's picture with what it was made from inside, for `nst-jax rerun`.

    Raises:
        UserError: a name of no known format, a path that cannot be written, or that of the weights.
    """
    images.check_writable(path, files(solution.record))
    images.save(Path(path), np.asarray(solution.image), metadata=metadata(solution))


def files(record: Mapping[str, Any] | None) -> list[Path]:
    """List the files that a record says a picture was made from, as far as they are known: pictures and weights."""
    if not record:
        return []
    names = [entry["path"] for entry in record["inputs"].values() if "path" in entry]
    return [Path(name) for name in (*names, record["weights"]["name"]) if os.path.isfile(name)]


def metadata(solution: "Solution", place: tuple[int, int] | None = None) -> dict[str, str]:
    """Give a solution's record as a picture's metadata; none if it has none."""
    if not solution.record:
        return {}
    return as_metadata({**solution.record, "result": ending(solution, place)})


def as_metadata(record: Mapping[str, Any]) -> dict[str, str]:
    """Pack a record for a picture's metadata."""
    return {KEY: json.dumps(record, sort_keys=True, allow_nan=False)}


def from_metadata(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Unpack the record of a picture, all of it checked.

    Raises:
        UserError: no record, one of another format, or anything in it that no record of ours can have.
    """
    if KEY not in metadata:
        raise UserError(f"{shown(path)} holds no nst_jax recipe: expected a picture that nst-jax wrote")
    record = parsed(metadata[KEY], f"the record in {shown(path)}")
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        older = "nst_jax 0.1 wrote it: " if found == 1 else ""
        named = found if isinstance(found, int) else "no number"
        raise UserError(f"{shown(path)} holds a recipe of format {named}: {older}this version reads format {FORMAT}")
    checked = validated(record, Record, f"the record in {shown(path)}")
    # regions may share a style, and targets of several pictures are one file
    one = "content_mask" in checked.inputs or ("style" in checked.inputs and checked.inputs["style"].targets)
    if not checked.own and (missing := _needed(recipe_of(record), one=bool(one)) - checked.inputs.keys()):
        raise UserError(f"the record in {shown(path)}: inputs has no '{min(missing)}'")
    return record


def _needed(recipe: Recipe, *, one: bool) -> set[str]:
    """Name the inputs that a picture must have: a texture has no content, an inversion no style.

    A style for each share, unless `one` may have several.
    """
    styles = {"style"} if one else {input_name("style", i) for i in range(max(1, len(recipe.style_shares)))}
    alone = recipe.beta == 0 and not recipe.style_layers
    return ({"content"} if not recipe.frame else set()) | (set() if alone else styles)


def recipe_of(record: Mapping[str, Any]) -> Recipe:
    """Rebuild the settings of a record; one that its version did not have yet is at its default, as it was then.

    Raises:
        UserError: settings that this version does not know, or values that no recipe can hold.
    """
    if own := record.get("own"):
        named = "; ".join(f"{shown(name)} is {shown(what)}" for name, what in own.items())
        raise UserError(
            f"the picture was made with values that no recipe holds ({shown(named)}): run the program that made it"
        )
    recipe = validated(record["recipe"], Recipe, "the recipe of the picture")
    try:
        check(recipe)
    except UserError as error:
        raise UserError(f"the recipe of the picture: {error}") from None
    return recipe


def interrupted_at(record: Mapping[str, Any]) -> tuple[int, int] | None:
    """Give the scale and its steps at which the run was interrupted; none if it came to its end.

    Raises:
        UserError: a record that does not tell which of several scales it was.
    """
    result = record["result"]
    if result["stopped"] != "interrupted":
        return None
    if "scale" not in result and record["recipe"].get("scales", 1) != 1:
        raise UserError("the picture was interrupted at a scale that its record does not name: paint it anew")
    return result.get("scale", 0), result["steps"]
