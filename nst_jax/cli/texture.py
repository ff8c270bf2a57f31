"""`nst-jax texture`: a style alone, from noise, of any size."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax import images
from nst_jax.cli.planned import PLANNED, Planned
from nst_jax.cli.strokes import STROKES, start
from nst_jax.cli.styles import WORDS, read
from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.recipe import LONGEST_SIDE, TEXTURE, Recipe, frame_of


@dataclass(frozen=True, kw_only=True)
class Texture:
    """Make a picture of any size that has the texture of STYLE, and nothing else, from noise.

    One style, or several that are mixed:

        nst-jax texture wave.jpg -o texture.png --size 1024x512
        nst-jax texture --style wave.jpg night.jpg -o mixed.png --size 512 --seed 3
        nst-jax texture wave.jpg -o wallpaper.png --size 512 --tileable

    The shapes of one painting with the fine strokes of another, to paint with (Gatys et al. 2017):

        nst-jax texture strokes.jpg --coarse wave.jpg -o both.png

    Another --seed makes another texture of the same kind. --style-size says how large the style is seen: half of it
    makes strokes half as wide. --scales auto makes shapes, too, that are larger than the network sees at once. Source:
    Gatys, Ecker and Bethge (2015), Texture synthesis using convolutional neural networks.
    """

    style: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="STYLE")] = None
    """Picture whose texture to take."""
    styles: Annotated[tuple[str, ...], tyro.conf.arg(name="style", metavar="STYLE[:SHARE]...", help=WORDS)] = ()
    tileable: bool = False
    """Copies of the result side by side have no seam; the same as --padding circular. Sides are multiples of 16."""
    coarse: Path | None = None
    """Begin from this picture, of its shape, and take of STYLE the strokes of layers relu1_1 and relu2_1 alone."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """Where to write the result: .png, .jpg, .webp or .tif."""
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = TEXTURE
    single: tyro.conf.OmitArgPrefixes[Planned] = PLANNED

    def run(self) -> int:
        """Make the picture; return the exit code."""
        chosen = read(self.style, self.styles)
        recipe = chosen.within(self.recipe)
        if self.tileable and recipe.padding not in (TEXTURE.padding, "circular"):
            raise UserError(f"--tileable is --padding circular, and --padding is {recipe.padding}: give one of them")
        recipe = replace(recipe, padding="circular") if self.tileable else recipe
        recipe = _begun(recipe, self.coarse) if self.coarse else recipe
        return self.single.make(None, chosen.paths, self.output, recipe)


def _begun(recipe: Recipe, coarse: Path) -> Recipe:
    """Begin a texture from a picture of its own shape, and compare strokes alone unless layers are given."""
    if recipe.init != TEXTURE.init:
        raise UserError(f"--coarse is the start and --init is {shown(recipe.init)}: give one of them")
    h, w = images.resized(images.shape_of(coarse), images.sizing(recipe))
    asked = frame_of(recipe)
    if asked[0] != asked[1] and asked != (h, w):
        raise UserError(f"--size is {recipe.frame} and --coarse is then {w}x{h}: give --size as one number")
    layers = STROKES if recipe.style_layers == TEXTURE.style_layers else recipe.style_layers
    return replace(recipe, init=start(coarse), frame=f"{w}x{h}", style_layers=layers)


def expand_size(argv: list[str]) -> list[str]:
    """Read `texture --size 1024x512`, or one number for a square, as its frame and its longer side.

    Raises:
        UserError: no size that a picture can have, or a frame beside it.
    """
    if argv[:1] != ["texture"]:
        return argv
    found, rest, size = [], iter(argv), "512"
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag == "--frame":
            raise UserError("--frame is what --size says here: give --size WIDTHxHEIGHT")
        if flag == "--size":
            size = value if equals else next(rest, "")
        else:
            found.append(word)
    sides = [int(side) for side in size.split("x")] if re.fullmatch(r"\d{1,5}(x\d{1,5})?", size) else [0]
    if not all(0 < side <= LONGEST_SIDE for side in sides):
        raise UserError(f"--size is '{shown(size)}': expected WIDTHxHEIGHT in pixels, such as 1024x512, or one number")
    return [*found, f"--frame={sides[0]}x{sides[-1]}", f"--size={max(sides)}"]
