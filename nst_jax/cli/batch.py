"""`nst-jax batch`: many contents with many styles, as one program a shape."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.cli.running import Running
from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT, Recipe
from nst_jax.runs.spec import Spec

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Paint every CONTENT with the texture of every STYLE, or pair by pair.

    Pictures are files, folders (the pictures in them), or patterns in quotes:

        nst-jax batch photos/ --styles paintings/ -o runs/all
        nst-jax batch 'photos/*.jpg' --styles wave.jpg -o runs/wave --beta 1e4

    Contents of one shape are one compiled program; nothing is cropped. A killed run goes on with the same command.
    """

    content: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="CONTENT...")]
    """Pictures whose layout to keep."""
    styles: Annotated[tuple[str, ...], tyro.conf.arg(metavar="STYLE...")]
    """Pictures whose texture to take."""
    running: tyro.conf.OmitArgPrefixes[Running]
    pairs: bool = False
    """The first content with the first style, the second with the second, and so on."""
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = DEFAULT

    def run(self) -> int:
        """Make the batch; return the exit code."""
        options = self.running
        spec = Spec(
            found(self.content),
            found(self.styles),
            self.recipe,
            paired=self.pairs,
            snapshots=options.snapshots,
            animate=options.animate,
            metrics=options.metrics,
        )
        return options.run(spec)


def found(names: Sequence[str]) -> tuple[Path, ...]:
    """Turn files, folders and patterns into the paths of pictures, sorted within each.

    Raises:
        UserError: a folder without pictures, or a pattern that fits nothing.
    """
    paths: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith("."))
            if not inside:
                raise UserError(f"'{name}' has no pictures in it: expected files such as .png or .jpg")
            paths += inside
        elif not path.exists() and glob.has_magic(name):
            fitting = sorted(Path(p) for p in glob.glob(name, recursive=True))
            if not fitting:
                raise UserError(f"'{name}' fits no file: check the pattern")
            paths += fitting
        else:
            paths.append(path)
    return tuple(paths)
