"""`nst-jax stylize`: one content picture, one style picture or several, one result."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.cli.planned import PLANNED, Planned
from nst_jax.cli.strokes import beside, is_made, texture_of
from nst_jax.cli.styles import WORDS, ContentMask, StyleMask, Styles, read
from nst_jax.files import shown
from nst_jax.printing import tell
from nst_jax.recipe import DEFAULT, Recipe
from nst_jax.runs.spec import MaskFiles


@dataclass(frozen=True, kw_only=True)
class Stylize:
    """Paint CONTENT with the texture of STYLE, or of several styles at once.

    A larger --beta gives more style, a larger --alpha more content, --tv smooths, and --init noise forgets the
    content picture's own texture. --preset NAME starts from a named recipe, in the units of its source (`nst-jax
    units` lists them). The result keeps its full recipe: `nst-jax rerun OUT.png` makes it again. Ctrl-C keeps the
    best picture so far, and the same command goes on. Several styles are mixed by their shares:

        nst-jax stylize photo.jpg --style wave.jpg:0.3 night.jpg:0.7 -o out.png

    Each region of a mask, from its darkest colour to its lightest, has one of them; one of share 0 stays as it is:

        nst-jax stylize photo.jpg --style wave.jpg night.jpg --content-mask regions.png -o out.png
    """

    content: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CONTENT")]
    """Picture whose layout to keep: PNG, JPEG, WebP, TIFF, BMP or GIF."""
    style: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="STYLE")] = None
    """Picture whose texture to take, of any size, or its `nst-jax style`."""
    styles: Annotated[tuple[str, ...], tyro.conf.arg(name="style", metavar="STYLE[:SHARE]...", help=WORDS)] = ()
    coarse: Path | None = None
    """Paint with this picture's shapes in STYLE's strokes: OUT-style.png."""
    content_mask: ContentMask = ()
    style_mask: StyleMask = ()
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """Where to write the result: .png, .jpg, .webp or .tif."""
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = DEFAULT
    single: tyro.conf.OmitArgPrefixes[Planned] = PLANNED

    def run(self) -> int:
        """Make the picture; return the exit code."""
        chosen = read(self.style, self.styles)
        masks = MaskFiles(self.content_mask, self.style_mask)
        if self.coarse:
            return self._in_two_stages(chosen, self.coarse, masks)
        recipe = chosen.within(self.recipe)
        return self.single.make(self.content, chosen.paths, self.output, recipe, masks=masks)

    def _in_two_stages(self, fine: Styles, coarse: Path, masks: MaskFiles) -> int:
        """Make a style of the coarse one's shapes in the fine one's strokes, unless it is there, and paint with it."""
        recipe, inputs = self.recipe, [self.content, *fine.paths, coarse, *masks.content, *masks.style]
        if fine.mixed and not masks.content and not fine.shares:  # shares without masks are those of the strokes
            fine, recipe = replace(fine, shares=recipe.style_shares), replace(recipe, style_shares=())
        first = texture_of(recipe, fine, coarse)
        made = beside(self.output, inputs)
        self.single.check(self.content, [coarse], self.output, recipe, masks)
        if self.single.dry_run:
            self.single.make(None, fine.paths, made, first)
            return self.single.make(self.content, [coarse], self.output, recipe, masks=masks)
        if is_made(made, first, fine.paths, coarse):
            tell(f"{shown(made)} is the style of these files already")
        elif code := self.single.make(None, fine.paths, made, first, kept=inputs):
            return code
        return self.single.make(self.content, [made], self.output, recipe, masks=masks, kept=inputs)
