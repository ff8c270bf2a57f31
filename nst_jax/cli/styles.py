"""The style of a command line: STYLE, or `--style a.jpg:0.3 b.jpg:0.7` for several that are mixed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.recipe import Recipe

WORDS = "Several styles, mixed by shares after a colon: a.jpg:0.3 b.jpg:0.7; equal without."


@dataclass(frozen=True)
class Styles:
    """Style pictures, and the share of each where shares were given."""

    paths: tuple[Path, ...]
    shares: tuple[float, ...] = ()

    @property
    def mixed(self) -> bool:
        """Tell whether there are several."""
        return len(self.paths) > 1

    def within(self, recipe: Recipe) -> Recipe:
        """Put the shares into a recipe.

        Raises:
            UserError: it has shares already.
        """
        if self.shares and recipe.style_shares:
            raise UserError("shares are given twice: after the colons of --style or by --style-shares, not both")
        return replace(recipe, style_shares=self.shares) if self.shares else recipe


ContentMask = Annotated[
    tuple[Path, ...],
    tyro.conf.arg(metavar="MASK...", help="Picture whose colours are regions of CONTENT.", help_behavior_hint=""),
]
StyleMask = Annotated[
    tuple[Path, ...],
    tyro.conf.arg(metavar="MASK...", help="Picture over STYLE, or over each of several.", help_behavior_hint=""),
]
"""Options that name one picture of labels, or several soft masks."""


def read(style: Path | None, words: Sequence[str], positional: str = "STYLE") -> Styles:
    """Take the one style, or the several that `--style` names.

    Raises:
        UserError: none, both, a share that is no number of at least 0, shares for some alone, or none above 0.
    """
    if style is not None and words:
        raise UserError(f"both {positional} '{shown(style)}' and --style are given: name every style after --style")
    if style is not None:
        return Styles((style,))
    if not words:
        raise UserError(f"there is no style: give {positional}, or several by --style a.jpg:0.3 b.jpg:0.7")
    found = [_split(word) for word in words]
    shares = tuple(share for _, share in found if share is not None)
    if shares and len(shares) < len(found):
        bare = next(path for path, share in found if share is None)
        raise UserError(f"--style gives '{shown(bare)}' no share and others one: give each its share, or none")
    if shares and not sum(shares) > 0:
        raise UserError("the shares of --style are all 0: give at least one style a share above 0")
    return Styles(tuple(path for path, _ in found), shares if len(found) > 1 else ())


def _split(word: str) -> tuple[Path, float | None]:
    """Split PATH:SHARE; a file that is called so has no share."""
    name, colon, text = word.rpartition(":")
    try:
        share = float(text)
    except ValueError:
        return Path(word), None
    if not colon or not name or Path(word).exists():
        return Path(word), None
    if not (math.isfinite(share) and share >= 0):
        raise UserError(f"--style gives '{shown(name)}' the share {shown(text)}: expected a number of at least 0")
    return Path(name), share
