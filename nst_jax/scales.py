"""Coarse to fine: solve a small picture, enlarge it, go on; large shapes are found where steps are cheap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nst_jax import images
from nst_jax.errors import UserError
from nst_jax.masks import check_fits
from nst_jax.networks import Encoder
from nst_jax.numbers import vary
from nst_jax.posing import NONE, At, Pair, Style, Values, least_side, objective, posed, settled, styles_of
from nst_jax.problem import Problem
from nst_jax.recipe import Recipe
from nst_jax.saved import SavedStyle
from nst_jax.targets import one_or_all
from nst_jax.types import ImageLike

Shape = tuple[int, int]


@dataclass(frozen=True)
class Scale:
    """One level: its place (0 is the coarsest) among how many, and the shapes (h, w) of content and style.

    Of several styles it has a tuple of shapes.
    """

    index: int
    count: int
    content: tuple[int, int]
    style: Shape | tuple[Shape, ...]

    def steps(self, recipe: Recipe) -> int:
        """Give the steps that a recipe takes at this scale."""
        return steps_at(self.index, self.count, recipe)


def steps_at(scale: int, count: int, recipe: Recipe) -> int:
    """Give the steps at a scale among so many: `steps` at the last, `first_steps` at the first of several.

    Those between take `coarse_steps`; where a number is 0, the next later one holds. With a `steps_ratio` r scale k has
    max(first_steps / r^k, steps), rounded down.
    """
    if recipe.steps_ratio > 1:
        return max(int((recipe.first_steps or recipe.steps) / recipe.steps_ratio**scale), recipe.steps)
    if scale == count - 1:
        return recipe.steps
    return (recipe.first_steps if scale == 0 else 0) or recipe.coarse_steps or recipe.steps


def plan(content: Shape, style: Shape | tuple[Shape, ...], recipe: Recipe, least: int) -> list[Scale]:
    """List the scales, coarsest first: side_k = side / ratio^k; the last has the pictures' own sizes (h, w).

    `recipe.scales` says how many, by `recipe.scale_ratio`. With "auto" the longer side of the coarsest is
    `recipe.min_scale` and the ratio is evened out, at most `recipe.scale_ratio`; a picture no larger than that has one
    scale, and scales with a side below `least`, too small for the layers, as of a thin picture, are left out. With
    `recipe.style_scaling` "tied" the style shrinks with the content, so that a brush stroke keeps its size relative to
    the picture; "fixed" shows every scale the style at its own size.

    Where there are several, they are those of the content with the margin of `recipe.bucket`, so that contents of one
    bucket have equal scales.

    Raises:
        UserError: the coarsest of a given number of scales is too small for the recipe's layers.
    """
    own, content = content, _framed(content, recipe)
    count, ratio = ladder(max(content), recipe)

    def shrunk(shape: tuple[int, int], k: int) -> tuple[int, int]:
        return round(shape[0] / ratio**k), round(shape[1] / ratio**k)

    def styles(k: int) -> Any:
        return shrunk(style, k) if isinstance(style[0], int) else tuple(shrunk(one, k) for one in style)  # type: ignore[arg-type]

    def shortest(k: int, of_style: int) -> int:
        return min(*shrunk(content, k), *np.ravel(styles(of_style)).tolist())

    while recipe.scales == "auto" and count > 1 and shortest(count - 1, count - 1) < least:
        count -= 1
    content = own if count == 1 else content  # posing adds the margin
    tied = recipe.style_scaling == "tied"
    found = [Scale(count - 1 - k, count, shrunk(content, k), styles(k * tied)) for k in reversed(range(count))]
    if shortest(count - 1, (count - 1) * tied) < least and count > 1:
        h, w = found[0].content
        raise UserError(f"the coarsest of {count} scales is {w}x{h}: its layers need {least} pixels a side; use fewer")
    return found


def ladder(side: int, recipe: Recipe) -> tuple[int, float]:
    """Give the number of scales of a picture with that longer side, and the ratio between them."""
    if recipe.scales != "auto":
        return recipe.scales, recipe.scale_ratio
    whole = max(1, side / recipe.min_scale)
    ratios = int(np.ceil(np.log(whole) / np.log(recipe.scale_ratio) - 1e-6))
    return 1 + ratios, whole ** (1 / max(1, ratios))


def pose_scales(encoder: Encoder, pair: Pair, recipe: Recipe, values: Values = NONE) -> tuple[Problem, ...]:
    """Pose a problem at every scale of the recipe, coarsest first.

    A content loss that is a sum over positions shrinks with the picture while a Gram matrix does not: at a coarse
    scale its term has a share, the ratio of positions, so that content and style are balanced as at the finest.
    With a `recipe.bucket` and several scales what is shrunk is the picture with its margin, and the margin with it.

    Args:
        encoder: the network.
        pair: the content at the size of the result; a style and a starting image of any size.
        recipe: `scales`, `scale_ratio`, `min_scale`, `style_scaling` and the three numbers of steps say how.
        values: handed in beside the recipe: see `nst_jax.pose`.

    Raises:
        UserError: what `nst_jax.pose` or `plan` refuses.
    """
    recipe = settled(recipe, encoder)
    scales = plan_for(encoder, _sides(pair.content), style_sides(pair.style), recipe, values)
    return tuple(pose_at(encoder, pair, recipe, scale, values) for scale in scales)


def plan_for(
    encoder: Encoder, content: Shape, style: Shape | tuple[Shape, ...], recipe: Recipe, values: Values
) -> list[Scale]:
    """List the scales, coarsest first, that the layers of a settled recipe and of what is handed in allow."""
    return plan(content, style, recipe, least_side(encoder.network, objective(recipe, values))[0])


def pose_at(encoder: Encoder, pair: Pair, recipe: Recipe, scale: Scale, values: Values) -> Problem:
    """Pose one of the scales of a pair; see `pose_scales`."""
    fitted, own, sides = _at_scale(pair, scale, recipe)
    (finest_h, finest_w), (h, w) = _framed(_sides(pair.content), recipe), _framed(scale.content, own)
    at = At((scale.index, scale.count), finest_h * finest_w / (h * w))
    problem = posed(encoder, fitted, replace(own, steps=scale.steps(recipe)), values, at)
    assert problem.origin is not None
    problem = replace(problem, origin=replace(problem.origin, recipe=recipe))
    return problem if sides is None else replace(problem, sides=sides)


def _at_scale(pair: Pair, scale: Scale, recipe: Recipe) -> tuple[Pair, Recipe, np.ndarray | None]:
    """Give the pair at a scale, the recipe there, and the sides within a shrunk margin."""
    content, style, init, _, masks = pair
    sides = None
    if recipe.bucket > 1 and scale.count > 1:
        (h, w), bucket = _sides(content), recipe.bucket
        if masks is not None:
            check_fits(masks.content, (h, w), "content")
            masks = masks._replace(content=masks.content.fitted((h, w)).padded(bucket))
        content, recipe = images.pad(content, bucket), replace(recipe, bucket=1)
        init = None if init is None else images.pad(_fitted(init, (h, w), recipe), bucket)
        share = scale.content[0] / content.shape[0], scale.content[1] / content.shape[1]
        sides = np.array((round(h * share[0]), round(w * share[1])), np.int32)
    start = None if init is None else _fitted(init, scale.content, recipe)
    shapes: Any = (scale.style,) if isinstance(scale.style[0], int) else scale.style
    if isinstance(style, SavedStyle):
        seen = style.at(shapes)
    else:
        seen = one_or_all(tuple(_fitted(one, at, recipe) for one, at in zip(styles_of(style), shapes, strict=True)))
    fitted = Pair(_fitted(content, scale.content, recipe), seen, start, pair.names, masks)
    return fitted, recipe, sides


def style_scales(shapes: tuple[Shape, ...], recipe: Recipe, least: int) -> list[tuple[Shape, ...]]:
    """List the shapes (h, w) of styles at every scale, the finest first, that a picture of the recipe's size has.

    Those with a side below `least` are left out: they are too small for the layers.

    Raises:
        UserError: scales that depend on the size of a content that is not known.
    """
    if recipe.style_scaling == "fixed":
        return [shapes]
    if recipe.scales == "auto" and not recipe.size:
        raise UserError("scales is auto and size is 0: give the size of the pictures that will be painted")
    count, ratio = ladder(recipe.size, recipe)
    each = [tuple((round(h / ratio**k), round(w / ratio**k)) for h, w in shapes) for k in range(count)]
    return list(dict.fromkeys([shapes, *(found for found in each[1:] if min(min(found)) >= least)]))


def _fitted(picture: ImageLike, shape: tuple[int, int], recipe: Recipe) -> ImageLike:
    # What has its size already is not fetched from a device.
    fits = np.shape(picture)[:2] == shape
    return picture if fits else images.fit(np.asarray(picture), shape, filter=recipe.resample)


def vary_scales(problems: Sequence[Problem], settings: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Replace numbers by name at every scale, coarsest first; `steps` reaches the scales whose steps follow it."""
    found = []
    for k, problem in enumerate(problems):
        own = dict(settings)
        if "steps" in own and problem.origin is not None:
            recipe = problem.origin.recipe
            own["steps"] = steps_at(k, len(problems), replace(recipe, steps=own["steps"]))
        found.append(vary(problem, **own))
    return tuple(found)


def _framed(shape: tuple[int, int], recipe: Recipe) -> tuple[int, int]:
    """Give the shape (h, w) with the margin of the recipe's bucket."""
    h, w = shape
    return h + -h % recipe.bucket, w + -w % recipe.bucket


def style_sides(style: Style) -> Shape | tuple[Shape, ...]:
    """Give the shape (h, w) of a style, or those of several."""
    found = style.shapes if isinstance(style, SavedStyle) else tuple(map(_sides, styles_of(style)))
    return one_or_all(found)


def _sides(image: ImageLike) -> tuple[int, int]:
    shape = np.shape(image)
    return shape[0], shape[1]
