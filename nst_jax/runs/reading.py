"""Read `manifest.json`: what lanes a folder has, and where their pictures lie. Imports no jax."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from nst_jax.errors import UserError
from nst_jax.files import one_line, regular, shown
from nst_jax.plain import parsed, validated

FORMAT = 2

Count = Annotated[int, msgspec.Meta(ge=0, lt=10**9, description="a whole number of at least 0")]


class LaneEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One lane, as a manifest holds it: see `nst_jax.runs.spec.Lane`."""

    lane: Count
    name: str
    settings: dict[str, Any]
    index: list[Count]
    image: str
    command: str = ""
    pictures: list[Count] = []


class PictureEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One picture that lanes were made from, as a manifest holds it; lanes name it by its place in the list."""

    role: str
    name: str
    image: str


class AxisEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One axis, as a manifest holds it."""

    name: str
    values: list[Any]


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """What manifests hold; those of `nst_jax.report` have no command, config, inputs and weights."""

    format: int
    axes: list[AxisEntry]
    lanes: list[LaneEntry]
    versions: dict[str, str]
    device: str
    git: dict[str, Any] | None = None
    command: str = ""
    config: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    weights: dict[str, str] = {}
    pictures: list[PictureEntry] = []


def read(path: Path) -> dict[str, Any]:
    """Read a manifest, all of it checked; the pictures that it names lie in its folder.

    Raises:
        UserError: none that this version wrote.
    """
    what = shown(path)
    try:
        held = parsed(regular(path, "the manifest of a run").read_bytes(), what)
        found = held.get("format") if isinstance(held, dict) else None
        if found != FORMAT:
            older = "nst_jax 0.1 wrote it, " if found == 1 else ""
            named = found if found is None or isinstance(found, int) else "no number"
            raise UserError(f"{what} has format {named}: {older}this version reads format {FORMAT}")
        manifest = validated(held, Manifest, what)
        for entry in (*manifest.lanes, *manifest.pictures):
            within(path.parent, entry.image)
    except OSError as error:
        raise UserError(f"{what} cannot be read ({one_line(error)}): give another folder") from error
    except UserError as error:
        raise UserError(f"{error}; give another folder, or run its command again") from None
    return held


def within(folder: Path, name: str) -> Path:
    """Give the path of a file that a manifest names, which lies in its folder, links followed.

    Raises:
        UserError: an absolute name, one that leads out of the folder, or none that a file can have.
    """
    try:
        inside = not Path(name).is_absolute() and (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a NUL, or a link to itself
        inside = False
    if not inside:
        raise UserError(f"the manifest of '{shown(folder)}' names '{shown(name)}': expected a picture in that folder")
    return folder / name
