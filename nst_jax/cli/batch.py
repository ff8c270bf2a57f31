"""`nst-jax batch`: many contents with many styles, as one program a shape."""

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax import images
from nst_jax.cli.running import Running
from nst_jax.cli.styles import WORDS, ContentMask, StyleMask, Styles
from nst_jax.cli.styles import read as read_styles
from nst_jax.cli.sweep import zipped
from nst_jax.cli.values import UNSET, Read, Settings, read_settings, styles_into
from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.printing import say, tell
from nst_jax.runs.spec import MaskFiles, Spec

SHAPES = 4
"""Most shapes of contents that each get a compiled program of their own, unless asked otherwise."""
BUCKET = 64
"""Pixels that the sides of more shapes than that are padded to multiples of."""
MIXED = f"{WORDS} --styles makes a picture of each instead."


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Paint every CONTENT with the texture of every STYLE, or pair by pair.

    Pictures are files, folders (the pictures in them), or patterns in quotes:

        nst-jax batch photos/ --styles paintings/ -o runs/all
        nst-jax batch photos/ --style wave.jpg:0.3 night.jpg:0.7 -o runs/mixed
        nst-jax batch 'photos/*.jpg' --styles wave.jpg -o runs/wave --beta 1e4

    --styles a b makes a picture of each content with a and one with b; --style a b one with both, mixed.

    Contents of one shape are one compiled program. More than 4 shapes are padded to multiples of 64 pixels, and cut
    again, so that many of them share one; --bucket 1 keeps them as they are. Nothing is cropped. A killed run goes on
    with the same command.
    """

    content: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="CONTENT...")]
    """Pictures whose layout to keep."""
    running: tyro.conf.OmitArgPrefixes[Running]
    styles: Annotated[tuple[str, ...], tyro.conf.arg(metavar="STYLE...")] = ()
    """Pictures whose texture to take: each makes pictures of its own. To mix several into one, give --style."""
    style: Annotated[tuple[str, ...], tyro.conf.arg(metavar="STYLE[:SHARE]...", help=MIXED)] = ()
    content_mask: ContentMask = ()
    style_mask: StyleMask = ()
    pairs: bool = False
    """The first content with the first style, the second with the second, and so on."""
    settings: tyro.conf.OmitArgPrefixes[Settings] = UNSET  # type: ignore[valid-type]
    """Settings of every style transfer; those marked VALUES can vary."""
    zip: tuple[str, ...] = ()
    """Names of settings that move together, instead of in all combinations."""

    def run(self) -> int:
        """Make the batch; return the exit code."""
        options = self.running
        styles = self._styles()
        contents = found(self.content)
        read = bucketed(styles_into(read_settings(self.settings), styles), contents)
        spec = Spec(
            contents,
            styles.paths,
            read.recipe,
            zipped(read.axes, self.zip),
            paired=self.pairs,
            mixed=bool(self.style) and styles.mixed,
            given=read.given,
            preset=read.preset,
            snapshots=options.snapshots,
            animate=options.animate,
            metrics=options.metrics,
            masks=MaskFiles(self.content_mask, self.style_mask),
        )
        return options.run(spec)

    def _styles(self) -> Styles:
        if self.styles and self.style:
            raise UserError("both --styles and --style are given: --styles for a picture each, --style for one of all")
        if self.styles:
            return Styles(found(self.styles))
        if self.pairs and len(self.style) > 1:
            raise UserError("--pairs puts each content with a style of its own: give them by --styles")
        if not self.style:
            raise UserError("there is no style: give --styles for a picture each, or --style to mix several into one")
        return read_styles(None, self.style)


def bucketed(read: Read, contents: Sequence[Path], say: Callable[[str], object] = say) -> Read:
    """Choose the bucket, where none is given, by the shapes of the contents, and say so if there is one.

    Raises:
        UserError: a content that is no readable picture.
    """
    if "bucket" in {*read.given, *read.axes}:
        return read
    shapes = {images.resized(images.shape_of(path), images.sizing(read.recipe)) for path in contents}
    if len(shapes) <= SHAPES:
        return read
    say(f"contents of {len(shapes)} shapes: padded to multiples of {BUCKET} pixels and cut again; --bucket 1 for none")
    return replace(read, given={**read.given, "bucket": BUCKET}, recipe=replace(read.recipe, bucket=BUCKET))


def found(names: Sequence[str], say: Callable[[str], object] = tell) -> tuple[Path, ...]:
    """Turn files, folders and patterns into the paths of pictures, sorted within each.

    In a folder what opens as a picture is taken, whatever its name; what is left out is said.

    Raises:
        UserError: a folder without pictures, or a pattern that fits nothing.
    """
    paths: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            paths += _inside(path, say)
        elif not path.exists() and glob.has_magic(name):
            fitting = sorted(Path(p) for p in glob.glob(name, recursive=True))
            if not fitting:
                raise UserError(f"'{shown(name)}' fits no file: check the pattern")
            paths += fitting
        else:
            paths.append(path)
    return tuple(paths)


def _inside(folder: Path, say: Callable[[str], object]) -> list[Path]:
    every = sorted(path for path in folder.iterdir() if not path.is_dir())
    files = [path for path in every if not path.name.startswith(".")]
    pictures = [path for path in files if images.is_picture(path)]
    if not pictures:
        raise UserError(f"'{shown(folder)}' has no pictures in it: expected files such as .png or .jpg")
    taken = set(pictures)
    others = [path for path in files if path not in taken]
    hidden = [path for path in every if path.name.startswith(".") and images.is_picture(path)]
    for why, left in (("no pictures", others), ("hidden", hidden)):
        if left:
            more = f" and {len(left) - 5} more" if len(left) > 5 else ""
            say(f"left out of '{shown(folder)}', {why}: {', '.join(shown(path.name) for path in left[:5])}{more}")
    return pictures
