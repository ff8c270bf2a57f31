"""From a recipe's words to the losses that they mean, and back."""

from collections.abc import Mapping
from typing import Any, get_args

from nst_jax import blend
from nst_jax.losses.around import Around
from nst_jax.losses.blend import Blend
from nst_jax.losses.content import Content, Kind
from nst_jax.losses.contextual import Contextual
from nst_jax.losses.covariance import Covariance
from nst_jax.losses.cross_layer import CrossLayer
from nst_jax.losses.gram import GramMatrix, Scale
from nst_jax.losses.gram_mean_std import GramMeanStd
from nst_jax.losses.histogram import Histogram
from nst_jax.losses.laplacian import Laplacian
from nst_jax.losses.long_range import LongRange
from nst_jax.losses.loss import Loss
from nst_jax.losses.matting import Matting
from nst_jax.losses.mean_std import MeanStd
from nst_jax.losses.mmd_gauss import MMDGauss
from nst_jax.losses.mmd_poly import MMDPoly
from nst_jax.losses.nearest import Nearest
from nst_jax.losses.relative import Relative
from nst_jax.losses.remd import REMD
from nst_jax.losses.self_similarity import SelfSimilarity
from nst_jax.losses.shifted import Shifted
from nst_jax.losses.sliced import Sliced
from nst_jax.losses.smoothed import Smoothed, smooth
from nst_jax.losses.variation import Variation
from nst_jax.losses.w2 import W2
from nst_jax.recipe import CONTENT_LOSSES, STYLE_LOSSES, Recipe, TvLoss

CONTENT: dict[str, Loss] = {
    **{kind: Content(kind) for kind in get_args(Kind)},
    "laplacian": Laplacian(),
    "self-similarity": SelfSimilarity(),
    "matting": Matting(),
}
STYLE: dict[str, Loss] = {
    **{scale: GramMatrix(scale) for scale in get_args(Scale)},
    "covariance": Covariance(),
    "mean-std": MeanStd(),
    "gram-mean-std": GramMeanStd(),
    "w2": W2(),
    "mmd-poly": MMDPoly(),
    "mmd-gauss": MMDGauss(),
    "shifted": Shifted(),
    "cross-layer": CrossLayer(),
    "long-range": LongRange(),
    "sliced": Sliced(),
    "histogram": Histogram(),
    "nearest": Nearest(),
    "contextual": Contextual(),
    "remd": REMD(),
}
VARIATION: dict[str, Loss] = {kind: Variation(kind) for kind in get_args(TvLoss)}
"""What a recipe's names mean."""

Chosen = tuple[Loss, dict[str, float]]
"""A loss, and the values of its numbers."""


def content_of(recipe: Recipe) -> Chosen:
    """Give the content loss of a recipe."""
    return _blended("content_loss", CONTENT_LOSSES, CONTENT, recipe, shares=False)


def style_of(recipe: Recipe) -> Chosen:
    """Give the style loss of a recipe."""
    table = {
        **STYLE,
        "sliced": Sliced(projections=recipe.projections),
        "nearest": Nearest(patch=recipe.patch),
    }
    found, numbers = _blended("style_loss", STYLE_LOSSES, table, recipe, shares=True)
    return found, {**numbers, **({"c": recipe.mmd_c} if "c" in found.numbers else {})}


def variation_of(recipe: Recipe) -> Loss:
    """Give the total variation of a recipe."""
    return _in_units(Variation(recipe.tv_loss, around=recipe.padding == "circular"), recipe)


def variation_within(loss: Loss) -> Variation | None:
    """Give the total variation that a loss is, in whatever units and for however many pictures; none of another."""
    while isinstance(loss, Around):
        loss = loss.loss
    return loss if isinstance(loss, Variation) else None


def _blended(
    setting: str, known: tuple[str, ...], table: Mapping[str, Loss], recipe: Recipe, *, shares: bool
) -> Chosen:
    parts = blend.parsed(setting, getattr(recipe, setting), known)
    if len(parts) == 1 and parts[0][1] == 1:
        return _seen(table[parts[0][0]], recipe, shares=shares), {}
    found = Blend(tuple((name, _seen(table[name], recipe)) for name, _ in parts), shares and _relative(recipe))
    return found, dict(parts)


def _relative(recipe: Recipe) -> bool:
    return recipe.units == "relative"


def _seen(loss: Loss, recipe: Recipe, *, shares: bool = False) -> Loss:
    """Give a loss of features, smoothed as the recipe has it, in its units."""
    return _in_units(smooth(loss, recipe.smoothing, recipe.temperature), recipe, shares=shares)


def _in_units(loss: Loss, recipe: Recipe, *, shares: bool = False) -> Loss:
    return Relative(loss, shares) if _relative(recipe) else loss


def named(kind: str, loss: Loss, numbers: Mapping[str, float]) -> dict[str, Any] | None:
    """Give the settings of a recipe that mean a loss with these numbers; none where no recipe can say it.

    Args:
        kind: `content`, `style` or `variation`.
        loss: of that term.
        numbers: the values of its `numbers`.
    """
    setting = {"content": "content_loss", "style": "style_loss", "variation": "tv_loss"}[kind]
    choose = {"content": content_of, "style": style_of, "variation": lambda recipe: (variation_of(recipe), {})}[kind]
    words = {"content": CONTENT, "style": STYLE, "variation": VARIATION}[kind]
    parts = [name for name, _ in loss.parts] if isinstance(loss, Blend) else None
    seen = {} if kind == "variation" else _smoothing(loss)
    for units in ("paper", "relative"):
        for word in [blend.written(tuple((name, numbers[name]) for name in parts))] if parts else words:
            settings: dict[str, Any] = {setting: word, "units": units, **seen, **_structure(loss)}
            if choose(Recipe(**settings))[0] == loss:
                return {**settings, **({"mmd_c": numbers["c"]} if "c" in numbers else {})}
    return None


def _smoothing(loss: Loss) -> dict[str, Any]:
    """Give the settings that say how the features of a loss are smoothed."""
    if isinstance(loss, Smoothed):
        return {"smoothing": loss.kind, "temperature": loss.temperature}
    inner = [part for _, part in loss.parts] if isinstance(loss, Blend) else [getattr(loss, "loss", None)]
    return _smoothing(inner[0]) if isinstance(inner[0], Loss) else {"smoothing": "none", "temperature": 1.0}


def _structure(loss: Loss) -> dict[str, Any]:
    """Give the settings that are attributes of a loss."""
    if isinstance(loss, Relative | Smoothed):
        return _structure(loss.loss)
    if isinstance(loss, Blend):
        return {name: x for _, part in loss.parts for name, x in _structure(part).items()}
    if isinstance(loss, Variation):
        return {"padding": "circular"} if loss.around else {}
    if isinstance(loss, Sliced):
        return {"projections": loss.projections}
    return {"patch": loss.patch} if isinstance(loss, Nearest) else {}
