"""Compute the targets of a style and write them into a file of their own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import nst_jax
from nst_jax import images, saved, targets
from nst_jax.arithmetic import in_float32
from nst_jax.errors import UserError
from nst_jax.losses import Loss
from nst_jax.networks import Encoder, fingerprint
from nst_jax.posing import Style, bordered, check_picture, least_side, mixed, objective, settled, shared, styles_of
from nst_jax.recipe import DEFAULT, Recipe, check_shares, check_sizes
from nst_jax.scales import style_scales
from nst_jax.types import ImageLike


def save_style(
    path: str | Path,
    encoder: Encoder,
    style: Style,
    recipe: Recipe = DEFAULT,
    *,
    shares: Sequence[float] = (),
    style_loss: Loss | None = None,
) -> None:
    """Write the targets of a style picture (h, w, 3), or of a list of several, to paint with: see `load_style`.

    Args:
        path: the .h5 file, which appears whole or not at all.
        encoder: the network; the recipe's `weights` need not name it.
        style: RGB in [0, 1], of any size; scaled as `stylize` does.
        recipe: its loss, layers, sizes, scales, pooling and padding count; the rest belongs to the painting.
        shares: of several styles; a recipe that has none paints with these.
        style_loss: what is compared, in place of the recipe's.

    Raises:
        UserError: a recipe value out of range, an unknown layer, a picture that is too small, or a path that cannot be
            written.
    """
    if isinstance(style, saved.SavedStyle):
        raise UserError(f"{style!r} holds targets already: give the pictures of the style")
    recipe, pictures = shared(recipe, shares), styles_of(style)
    named = [saved.Picture(pixels=images.pixels_digest(one)) for one in pictures]
    check_sizes(len(pictures), recipe)
    sized = [images.resize(one, images.style_sizing(recipe, i)) for i, one in enumerate(pictures)]
    write(path, encoder, sized, named, recipe, style_loss)


@in_float32()
def write(
    path: str | Path,
    encoder: Encoder,
    pictures: Sequence[ImageLike],
    named: Sequence[saved.Picture],
    recipe: Recipe,
    style_loss: Loss | None = None,
) -> None:
    """Write the targets of pictures (h, w, 3) that have their sizes already."""
    recipe = settled(recipe, encoder)
    check_shares(len(pictures), recipe)
    network = encoder.network.configured(pooling=recipe.pooling, padding=recipe.padding, remat=recipe.remat)
    encoder = bordered(replace(encoder, network=network, plans={}))
    found = mixed(objective(recipe, {"style_loss": style_loss} if style_loss else {}), len(pictures))
    of_style = {saved.TERM: found[saved.TERM]}
    least = least_side(network, of_style)
    for picture in pictures:
        check_picture("style", picture, *least)
    loss, layers = of_style[saved.TERM].loss, tuple(of_style[saved.TERM].layers)
    if not layers:
        raise UserError("style_layers is empty: name at least one layer whose targets to save")
    shapes = tuple((np.shape(one)[0], np.shape(one)[1]) for one in pictures)
    sizes = style_scales(shapes, recipe, least[0])
    arrays: dict[str, Any] = {}
    for k, scale in enumerate(sizes):
        fitted = [_fitted(one, at, recipe) for one, at in zip(pictures, scale, strict=True)]
        seen, asked = tuple(jnp.asarray(x, jnp.float32) for x in fitted), ((saved.TERM, loss, layers),)
        made = (
            targets.by_windows(encoder, seen, asked, side=recipe.tile)
            if recipe.tile
            else targets.whole(encoder, seen, asked)
        )
        arrays |= saved.arrays_of(made, k) | saved.roughness_of(seen, k)
    about = saved.About(
        network=network.name,
        weights=fingerprint(encoder),
        pooling=getattr(encoder.network, "pooling", ""),
        padding=getattr(encoder.network, "padding", ""),
        loss=saved.described(loss),
        settings={name: getattr(recipe, name) for name in saved.SETTINGS},
        layers=list(network.by_depth(layers)),
        shares=recipe.style_shares,
        pictures=list(named),
        sizes=[list(each) for each in sizes],
        version=nst_jax.__version__,
    )
    saved.write(path, about, arrays)


def _fitted(picture: ImageLike, shape: tuple[int, int], recipe: Recipe) -> ImageLike:
    return picture if np.shape(picture)[:2] == shape else images.fit(picture, shape, filter=recipe.resample)
