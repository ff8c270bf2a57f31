"""Find the input files of a picture's record: where they were, beside the picture, or by what is in them."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_jax import images, packaged
from nst_jax.errors import UserError
from nst_jax.files import shown

MOST = 1000
"""Files beside a picture that are looked into."""
_PARENTS = 4


@dataclass(frozen=True)
class Seek:
    """Where to look: the picture that holds the record, and who is told which files are read."""

    picture: Path
    say: Callable[[str], object]

    def image(self, name: str, entry: Mapping[str, Any], given: Path | None, resample: str) -> images.Picture:
        """Read the input called `name`, and check that it is the one of the record.

        Raises:
            UserError: not found, another picture, or a record that does not say which it was.
        """
        if "pixels" in entry:
            if given is None:
                raise UserError(
                    f"the picture was made by a program, from a {name} in memory: give its file with {option(name)}"
                )
            self.say(f"reads {shown(given)} ({name})")
            return _of_pixels(name, entry, images.read(given), resample)
        path = self.file(name, entry, given)
        self.say(f"reads {shown(path)} ({name})")
        picture = images.read(path)
        _check_digest(name, path, picture.sha256, entry["sha256"])
        return picture

    def targets(self, name: str, entry: Mapping[str, Any], given: Path | None) -> Path:
        """Give the path of the file of targets called `name`, and check that it is the one of the record.

        Raises:
            UserError: not found, or another file.
        """
        path = self.file(name, entry, given)
        self.say(f"reads {shown(path)} ({name})")
        _check_digest(name, path, sha256(path), entry["sha256"])
        return path

    def file(self, name: str, entry: Mapping[str, Any], given: Path | None) -> Path:
        """Give the path of an input: the one given, else the first of those it may have that holds what it held.

        If none does, the first that is there, for the message that it changed.

        Raises:
            UserError: no such file anywhere.
        """
        if given is not None:
            return given
        there = [path for path in self._named(Path(str(entry.get("path", "")))) if _readable(path)]
        for path in there:
            if sha256(path) == entry["sha256"]:
                return path
        for path in self._beside():
            if sha256(path) == entry["sha256"]:
                return path
        if there:
            return there[0]
        raise UserError(
            f"the {name} '{shown(entry.get('path', ''))}' is neither where it was nor beside {shown(self.picture)}: "
            f"say where it is with {option(name)}"
        )

    def _named(self, path: Path) -> Iterator[Path]:
        """List where a file of that name may be. What a stranger's record calls absolute counts by its name alone."""
        if path.name:
            if not path.is_absolute():
                yield path
                yield from (folder / path for folder in self.picture.resolve().parents[:_PARENTS])
            yield self.picture.parent / path.name
            yield packaged.find(f"images/{path.name}", f"examples/images/{path.name}")

    def _beside(self) -> list[Path]:
        found = (path for path in sorted(self.picture.absolute().parent.iterdir()) if _readable(path))
        return [path for path, _ in zip(found, range(MOST), strict=False)]


def _check_digest(name: str, path: Path, found: str, wanted: str) -> None:
    if found != wanted:
        raise UserError(
            f"the {name} '{shown(path)}' is not the one of the recipe: its sha256 is {found[:12]}..., expected "
            f"{wanted[:12]}...; restore the file, or say where it is with {option(name)}"
        )


def option(name: str) -> str:
    """Give the option that names the file of an input: --style for style_2, --content-mask for content_mask_3."""
    return f"--{name.rstrip('_0123456789').replace('_', '-')}"


def _readable(path: Path) -> bool:
    """Tell whether a path is a plain file of a size that a picture or weights may have."""
    try:
        return path.is_file() and path.stat().st_size <= images.MAX_BYTES
    except (OSError, ValueError):
        return False


def sha256(path: Path) -> str:
    """Hash a file; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _of_pixels(name: str, entry: Mapping[str, Any], picture: images.Picture, resample: Any) -> images.Picture:
    """Give a picture as the program had it, at its own size or resampled to that of the record."""
    height, width = entry["shape"]
    for shape in (picture.rgb.shape[:2], (height, width)):
        rgb = images.fit(picture.rgb, shape, filter=resample)
        if images.pixels_digest(rgb) == entry["pixels"]:
            return images.Picture(rgb, None, picture.sha256, picture.path)
    raise UserError(
        f"the {name} '{shown(picture.path)}' is not the one of the recipe: neither as it is nor at {width}x{height} "
        f"are its pixels those that were used (sha256 {entry['pixels'][:12]}...)"
    )
