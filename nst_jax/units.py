"""Carry weights from one preset's formulas to another's, so that the gradient stays the same."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nst_jax import images, losses
from nst_jax.errors import UserError
from nst_jax.losses import Content, GramMatrix, Loss, Place
from nst_jax.networks import VGGS, Encoder, Network
from nst_jax.posing import pose
from nst_jax.problem import place
from nst_jax.recipe import Recipe, TvLoss, Units, check
from nst_jax.types import ImageLike
from nst_jax.weights import load_encoder

SQUARES: tuple[TvLoss, ...] = ("squares", "johnson", "mean-squares", "nine-point")
"""Total variations that are one sum of squared differences but for a factor and the treatment of the border."""


@dataclass(frozen=True)
class Blank:
    """How far a blank picture is from each target, in the formulas of a recipe: the units of relative units.

    Attributes:
        content, tv: of the content picture.
        style: of each style layer.
    """

    content: float
    style: tuple[float, ...]
    tv: float


def convert(
    recipe: Recipe, to: Recipe, size: tuple[int, int], network: Network = VGGS["vgg19"], blank: Blank | None = None
) -> Recipe:
    """Express the objective of `recipe` in the formulas and units of `to`, for an image of `size` (h, w) pixels.

    Layers are those of `network`; channels and positions of a layer are alike in every VGG.

    alpha' = alpha a / a' and beta' w'_l = beta w_l s_l / s'_l, with a, s_l the factors that each formula puts before
    sum (C - G)^2 and before sum (Gram_S / M_S - Gram_G / M_G)^2; the w'_l add up to what they do in `to`. Content
    and style are exact. The total variation is exact but for the border (of order 1 / size) between formulas that
    square differences, and keeps the formula of `recipe` where there is no equal. Layers and all else stay.

    Args:
        recipe, to: what to express, and in whose formulas.
        size: of the image.
        network: whose layers they are.
        blank: of the formulas of the one that is in the paper's units, where the other's are relative.

    Raises:
        UserError: formulas without an equal (w2 has none but itself), content layers that would need different
            weights, or relative units without what they are.
    """
    check(recipe)
    if recipe.units != to.units:
        if blank is None:
            raise UserError("relative units are those of two pictures: give a content and a style")
        if to.units == "paper":
            return convert(scaled(recipe, blank, "paper"), replace(to, units="paper"), size, network)
        return scaled(convert(recipe, replace(to, units="paper"), size, network), blank, "relative")
    content, style = (
        [_place(layer, size, network) for layer in layers] for layers in (recipe.content_layers, recipe.style_layers)
    )
    weights, beta = _style(recipe, to, style)
    tv, tv_loss = _total_variation(recipe, to, size)
    return replace(
        recipe,
        alpha=_content(recipe, to, content),
        beta=beta,
        tv=tv,
        layer_weights=weights,
        content_loss=to.content_loss,
        style_loss=to.style_loss,
        tv_loss=tv_loss,
    )


def blanks(encoder: Encoder, content: ImageLike, style: ImageLike, *, recipe: Recipe) -> Blank:
    """Measure how far a blank picture is from the targets of a recipe, in the paper's units.

    Raises:
        UserError: several losses at once, whose units differ from layer to layer, or what `pose` refuses.
    """
    for name in ("content_loss", "style_loss"):
        if "+" in getattr(recipe, name):
            raise UserError(f"{name} is '{getattr(recipe, name)}': weights of several losses have no equal elsewhere")
    problem = pose(encoder, content, style, recipe=replace(recipe, units="paper"))

    def unit(name: str, layer: str) -> float:
        term = problem.terms[name]
        at = place(problem.network, layer, problem.init)._replace(given=term.given[layer], numbers=term.numbers)
        return float(np.asarray(term.loss.at(layer).unit(term.targets[layer], at)))

    layers = problem.terms["content"].loss.layers(recipe.content_layers)
    found = [unit("content", layer) for layer in layers]
    if found and not math.isclose(min(found), max(found)):
        raise UserError(f"{', '.join(layers)} would need different weights: convert with one content layer")
    of_style = tuple(unit("style", layer) for layer in recipe.style_layers)
    return Blank(found[0] if found else 1.0, of_style, unit("variation", "image"))


def measured(weights: str, content: Path, style: Path, recipe: Recipe, side: int) -> tuple[tuple[int, int], Blank]:
    """Read two pictures at a longer side and give the content's size (h, w) and what `blanks` measures.

    Raises:
        UserError: pictures or weights that cannot be used.
    """
    rgb = [images.resize(images.read(path).rgb, side) for path in (content, style)]
    h, w, _ = rgb[0].shape
    return (h, w), blanks(load_encoder(weights), *rgb, recipe=replace(recipe, size=0, style_size=0))


def scaled(recipe: Recipe, blank: Blank, units: Units) -> Recipe:
    """Turn a recipe's weights into other units: each is multiplied, or divided, by the unit of its term.

    In relative units all of them are divided so that alpha is 1, which changes the gradient's length alone.
    """
    sign = 1 if units == "relative" else -1
    if recipe.units == units:
        return recipe
    count = len(recipe.style_layers)
    old = recipe.layer_weights or (1 / count,) * count
    if recipe.units == "relative":
        old = tuple(w / sum(old) for w in old)
    products = [w * unit**sign for w, unit in zip(old, blank.style, strict=True)]
    total = sum(products) or 1.0
    alpha = recipe.alpha * blank.content**sign
    whole = alpha if units == "relative" and alpha else 1.0
    return replace(
        recipe,
        units=units,
        alpha=alpha / whole,
        beta=recipe.beta * total / whole,
        tv=recipe.tv * blank.tv**sign / whole if recipe.tv else 0.0,
        layer_weights=tuple(p / total for p in products),
    )


def _place(layer: str, size: tuple[int, int], network: Network) -> Place:
    at = network.layer(layer)
    rows, columns = at.positions(size)
    return Place(rows * columns, at.channels, size[0] * size[1])


def _content(recipe: Recipe, to: Recipe, places: list[Place]) -> float:
    before, after = (_alone(losses.content_of(replace(r, units="paper"))) for r in (recipe, to))
    if recipe.content_loss == to.content_loss or recipe.units == "relative":
        return recipe.alpha
    if not (isinstance(before, Content) and isinstance(after, Content)):
        raise UserError(
            f"no factor turns {recipe.content_loss} into {to.content_loss}: they compare different statistics"
        )
    ratios = [before.factor(at) / after.factor(at) for at in places]
    if ratios and not math.isclose(min(ratios), max(ratios)):
        raise UserError(
            f"{', '.join(recipe.content_layers)} would need different weights from {recipe.content_loss} to "
            f"{to.content_loss}: convert with one content layer"
        )
    return recipe.alpha * (ratios[0] if ratios else 1.0)


def _alone(chosen: losses.Chosen) -> Loss | None:
    return None if chosen[1] else chosen[0]


def _style(recipe: Recipe, to: Recipe, places: list[Place]) -> tuple[tuple[float, ...], float]:
    """Give the layer weights and beta in the formula of `to`."""
    count = len(recipe.style_layers)
    old = recipe.layer_weights or (1 / count,) * count
    before, after = (_alone(losses.style_of(replace(r, units="paper"))) for r in (recipe, to))
    both_grams = isinstance(before, GramMatrix) and isinstance(after, GramMatrix)
    if recipe.style_loss == to.style_loss or (both_grams and recipe.units == "relative"):
        products = [recipe.beta * w for w in old]
    elif isinstance(before, GramMatrix) and isinstance(after, GramMatrix):
        products = [recipe.beta * w * before.factor(at) / after.factor(at) for at, w in zip(places, old, strict=True)]
    else:
        raise UserError(f"no factor turns {recipe.style_loss} into {to.style_loss}: they compare different statistics")
    total = sum(to.layer_weights) or 1.0
    beta = sum(products) / total
    return (tuple(p / beta for p in products) if beta else old), beta


def _total_variation(recipe: Recipe, to: Recipe, size: tuple[int, int]) -> tuple[float, TvLoss]:
    if recipe.tv == 0 or recipe.tv_loss == to.tv_loss:
        return recipe.tv, to.tv_loss
    if recipe.tv_loss not in SQUARES or to.tv_loss not in SQUARES or recipe.units == "relative":
        return recipe.tv, recipe.tv_loss
    values = 3 * size[0] * size[1]
    # nine-point equals the mean of squares where the picture is smooth: its diagonals see both differences at once
    factors = {"squares": 1, "johnson": 255**2 / 2, "mean-squares": 255**2 / values, "nine-point": 1 / values}
    return recipe.tv * factors[recipe.tv_loss] / factors[to.tv_loss], to.tv_loss
