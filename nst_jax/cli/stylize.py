"""`nst-jax stylize`: one content picture, one style picture, one result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.cli.single import SINGLE, Single
from nst_jax.recipe import DEFAULT, Recipe


@dataclass(frozen=True, kw_only=True)
class Stylize:
    """Paint CONTENT with the texture of STYLE.

    A larger --beta gives more style, a larger --alpha more content, --tv smooths, and --init noise forgets the
    content picture's own texture. --preset NAME starts from a named recipe, in the units of its source (`nst-jax
    units` lists them). The result keeps its full recipe: `nst-jax rerun OUT.png` makes it again. Ctrl-C keeps the
    best picture so far, and the same command goes on.
    """

    content: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CONTENT")]
    """Picture whose layout to keep: PNG, JPEG, WebP, TIFF, BMP or GIF."""
    style: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="STYLE")]
    """Picture whose texture to take; it may have another size."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """Where to write the result: .png, .jpg, .webp or .tif."""
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = DEFAULT
    single: tyro.conf.OmitArgPrefixes[Single] = SINGLE

    def run(self) -> int:
        """Make the picture; return the exit code."""
        return self.single.report(*self.single.paint(self.content, self.style, self.output, self.recipe))
