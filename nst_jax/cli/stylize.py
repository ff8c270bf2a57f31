"""`nst-jax stylize`: one content picture, one style picture, one result."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.cli import painting
from nst_jax.recipe import DEFAULT, Recipe


@dataclass(frozen=True, kw_only=True)
class Stylize:
    """Paint CONTENT with the texture of STYLE.

    A larger --beta gives more style, a larger --alpha more content, --tv smooths, and --init noise forgets the
    content picture's own texture. --preset NAME starts from a named recipe, in the units of its source (`nst-jax
    units` lists them). The result keeps its full recipe: `nst-jax rerun OUT.png` makes it again. Ctrl-C keeps the
    best picture so far.
    """

    content: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CONTENT")]
    """Picture whose layout to keep: PNG, JPEG, WebP, TIFF, BMP or GIF."""
    style: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="STYLE")]
    """Picture whose texture to take; it may have another size."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """Where to write the result: .png, .jpg, .webp or .tif."""
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = DEFAULT
    quiet: bool = False
    """Show no progress."""
    cache: bool = True
    """Keep compiled programs in the user's cache directory, so that the next start is quick."""

    def run(self) -> int:
        """Make the picture; return the exit code."""
        made = painting.make(self.content, self.style, self.output, self.recipe, quiet=self.quiet, cache=self.cache)
        return report(made)


def report(made: painting.Made) -> int:
    """Say where the picture is and how the run ended; return the exit code."""
    print(painting.summary(made))
    if made.solution.stopped == "interrupted":
        where = f" at scale {made.scale.index + 1} of {made.scale.count}" if made.scale.count > 1 else ""
        print(f"interrupted{where}: kept the best picture; go on with --init {made.output}", file=sys.stderr)
        return 130
    if made.solution.stopped == "stalled":
        print("converged: no step in float32 lowers the loss any more", file=sys.stderr)
    if made.solution.stopped == "non-finite":
        print("the loss became non-finite: kept the best picture before; try a smaller --lr", file=sys.stderr)
    return 0
