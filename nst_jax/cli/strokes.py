"""The shapes of a coarse style with the fine strokes of another: the texture of the fine one, begun from the coarse.

Source: Gatys, Ecker, Bethge, Hertzmann and Shechtman (2017), Controlling perceptual factors in neural style transfer,
section 6: first the texture of the fine style's strokes on the coarse style's picture, then the transfer with it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nst_jax import images, record
from nst_jax.cli.styles import Styles
from nst_jax.errors import UserError
from nst_jax.files import said, shown
from nst_jax.recipe import TEXTURE, Recipe, check, init_file, input_name, tidied
from nst_jax.runs.seek import sha256

STROKES = ("relu1_1", "relu2_1")
"""Layers that see strokes and no shapes: those of Gatys et al. (2017) at 512 pixels."""
OF_TRANSFER = (
    "alpha", "content_loss", "content_layers", "style_layers", "layer_weights", "style_shares", "tv", "tv_loss",
    "init", "style_size", "style_sizes", "colour", "guides", "bucket", "scales", "scale_ratio", "min_scale",
    "style_scaling", "coarse_steps", "first_steps", "steps_ratio",
)  # fmt: skip
"""Settings of a transfer that the texture before it does not share."""


def start(coarse: Path) -> str:
    """Name a picture as the start of a recipe, also one that is called noise."""
    return str(coarse) if init_file(str(coarse)) else f"./{coarse}"


def texture_of(recipe: Recipe, fine: Styles, coarse: Path) -> Recipe:
    """Give the recipe of the texture that a transfer by `recipe` paints with, of the size its style is seen at.

    Raises:
        UserError: a size for each of several styles, or what no texture can have.
    """
    if recipe.style_sizes:
        raise UserError("--style-sizes are those of several styles and --coarse makes one of them: give --style-size")
    own = {name: getattr(TEXTURE, name) for name in OF_TRANSFER}
    own |= {"padding": TEXTURE.padding} if recipe.padding == "circular" else {}
    h, w = images.resized(images.shape_of(coarse), images.style_sizing(recipe))
    sized = {"frame": f"{w}x{h}", "size": max(h, w), "init": start(coarse), "style_layers": STROKES}
    found = tidied(replace(recipe, **{**own, **sized, "style_shares": fine.shares}))
    check(found)
    return found


def beside(output: Path, inputs: Sequence[Path]) -> Path:
    """Name the picture that a transfer paints with: OUT-style.png beside OUT.

    Raises:
        UserError: a file of that name that nst-jax did not write.
    """
    path = output.with_name(f"{output.stem}-style.png")
    images.check_writable(path, inputs)
    if path.exists() and not _record_of(path):
        raise UserError(f"{shown(path)} is there and no picture of nst-jax: give the result another name")
    return path


def is_made(path: Path, recipe: Recipe, fine: Sequence[Path], coarse: Path) -> bool:
    """Tell whether a picture is the whole texture of this recipe and these files already, by its record."""
    old = _record_of(path) if path.exists() else {}
    if not old or old["result"]["stopped"] == "interrupted":
        return False
    files = {input_name("style", i): style for i, style in enumerate(fine)} | {"init": coarse}
    wanted = asdict(replace(recipe, init=said(recipe.init), weights=said(recipe.weights)))
    same = {name: entry.get("sha256") for name, entry in old["inputs"].items()} == {
        name: sha256(each) for name, each in files.items()
    }
    weights = Path(recipe.weights)
    return (
        same
        and old["recipe"] == json.loads(json.dumps(wanted))
        and (not weights.is_file() or sha256(weights) == old["weights"]["sha256"])
    )


def _record_of(path: Path) -> dict[str, Any]:
    try:
        return record.from_metadata(images.read_metadata(path), path)
    except UserError:
        return {}
