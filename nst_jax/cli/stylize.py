"""`nst-jax stylize`: one content picture, one style picture or several, one result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.cli.planned import PLANNED, Planned
from nst_jax.cli.styles import WORDS, ContentMask, StyleMask, read
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
    """Picture whose texture to take; it may have another size."""
    styles: Annotated[tuple[str, ...], tyro.conf.arg(name="style", metavar="STYLE[:SHARE]...", help=WORDS)] = ()
    content_mask: ContentMask = ()
    style_mask: StyleMask = ()
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """Where to write the result: .png, .jpg, .webp or .tif."""
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = DEFAULT
    single: tyro.conf.OmitArgPrefixes[Planned] = PLANNED

    def run(self) -> int:
        """Make the picture; return the exit code."""
        chosen = read(self.style, self.styles)
        recipe = chosen.within(self.recipe)
        masks = MaskFiles(self.content_mask, self.style_mask)
        return self.single.make(self.content, chosen.paths, self.output, recipe, masks=masks)
