"""Carry weights from one preset's formulas to another's, so that the gradient stays the same."""

import math
from dataclasses import replace

from nst_jax import losses
from nst_jax.errors import UserError
from nst_jax.losses import GramMatrix, Place
from nst_jax.networks import VGGS, Network
from nst_jax.recipe import Recipe, TvLoss, check

SQUARES: tuple[TvLoss, ...] = ("squares", "johnson", "mean-squares", "nine-point")
"""Total variations that are one sum of squared differences but for a factor and the treatment of the border."""


def convert(recipe: Recipe, to: Recipe, size: tuple[int, int], network: Network = VGGS["vgg19"]) -> Recipe:
    """Express the objective of `recipe` in the formulas of `to`, for an image of `size` (h, w) pixels.

    Layers are those of `network`; channels and positions of a layer are alike in every VGG.

    alpha' = alpha a / a' and beta' w'_l = beta w_l s_l / s'_l, with a, s_l the factors that each formula puts before
    sum (C - G)^2 and before sum (Gram_S / M_S - Gram_G / M_G)^2; the w'_l add up to what they do in `to`. Content
    and style are exact. The total variation is exact but for the border (of order 1 / size) between formulas that
    square differences, and keeps the formula of `recipe` where there is no equal. Layers and all else stay.

    Raises:
        UserError: formulas without an equal (w2 has none but itself), or content layers that would need different
            weights.
    """
    check(recipe)
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


def _place(layer: str, size: tuple[int, int], network: Network) -> Place:
    at = network.layer(layer)
    rows, columns = at.positions(size)
    return Place(rows * columns, at.channels, size[0] * size[1])


def _content(recipe: Recipe, to: Recipe, places: list[Place]) -> float:
    before, after = losses.CONTENT[recipe.content_loss], losses.CONTENT[to.content_loss]
    ratios = [before.factor(at) / after.factor(at) for at in places]
    if ratios and not math.isclose(min(ratios), max(ratios)):
        raise UserError(
            f"{', '.join(recipe.content_layers)} would need different weights from {recipe.content_loss} to "
            f"{to.content_loss}: convert with one content layer"
        )
    return recipe.alpha * (ratios[0] if ratios else 1.0)


def _style(recipe: Recipe, to: Recipe, places: list[Place]) -> tuple[tuple[float, ...], float]:
    """Give the layer weights and beta in the formula of `to`."""
    count = len(recipe.style_layers)
    old = recipe.layer_weights or (1 / count,) * count
    before, after = losses.STYLE[recipe.style_loss], losses.STYLE[to.style_loss]
    if before == after:
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
    if recipe.tv_loss not in SQUARES or to.tv_loss not in SQUARES:
        return recipe.tv, recipe.tv_loss
    values = 3 * size[0] * size[1]
    # nine-point equals the mean of squares where the picture is smooth: its diagonals see both differences at once
    factors = {"squares": 1, "johnson": 255**2 / 2, "mean-squares": 255**2 / values, "nine-point": 1 / values}
    return recipe.tv * factors[recipe.tv_loss] / factors[to.tv_loss], to.tv_loss
