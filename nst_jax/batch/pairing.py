"""Contents and styles as lanes: each with each, or one by one. Targets are computed and held once a picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from nst_jax import blend, masks
from nst_jax.axis import PICTURES, Axis
from nst_jax.batch.sweep import Sweep, of_scales
from nst_jax.errors import UserError
from nst_jax.masks import MaskLike, Masks
from nst_jax.networks import Encoder
from nst_jax.numbers import PARTS, absent
from nst_jax.posing import NONE, Pair, Style, Values, arrays, called_styles, named, objective, settled, styles_of
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, Recipe, check_shares, input_name
from nst_jax.scales import Scale, plan_for, pose_at, style_sides, vary_scales
from nst_jax.settings import DYNAMIC
from nst_jax.types import ImageLike

Names = tuple[Sequence[str], Sequence[str]]


def product(
    encoder: Encoder,
    contents: Sequence[ImageLike],
    styles: Sequence[Style],
    *,
    recipe: Recipe = DEFAULT,
    names: Names | None = None,
    paired: bool = False,
    content_masks: Sequence[MaskLike | None] = (),
    style_masks: Sequence[MaskLike | None] = (),
    **values: Unpack[Values],
) -> Sweep:
    """Pose every content (h, w, 3) with every style: axes `content_image` and `style_image`, the second fastest.

    The pictures may have any sizes and nothing is cropped: contents of one shape share a compiled program, and with
    `recipe.bucket` those of nearly one shape do.

    Args:
        encoder: the network.
        contents, styles: RGB in [0, 1], at their own sizes; a list of styles among the styles is painted as one, mixed.
        recipe: for all of them, its scales included; the sizes in it do not count, as for `pose`.
        names: of the contents and of the styles; by default their numbers.
        paired: the first content with the first style, the second with the second, and so on: one axis.
        content_masks, style_masks: regions of each content, and of each style: see `nst_jax.pose`; none for none.
        **values: handed in by value, as to `pose`.

    Raises:
        UserError: no pictures, pairs with not as many styles as contents, or masks that are not one for each picture.
    """
    if paired and len(contents) != len(styles):
        raise UserError(f"{len(contents)} contents for {len(styles)} styles: pairs need as many of both")
    pairs = [(i, i) for i in range(len(contents))] if paired else list(np.ndindex(len(contents), len(styles)))
    posed = _poser(
        encoder, contents, styles, recipe, values, _masks(contents, styles, pairs, content_masks, style_masks)
    )
    called = names or (range(len(contents)), range(len(styles)))
    if paired:
        axis = Axis(PICTURES, tuple(zip(*called, strict=True)))
        return of_scales(
            [posed(i, i) for i in range(len(contents))], (axis,), tuple((i,) for i in range(len(contents)))
        )
    index = tuple((i, j) for i in range(len(contents)) for j in range(len(styles)))
    axes = tuple(Axis((what,), tuple((n,) for n in ns)) for what, ns in zip(PICTURES, called, strict=True))
    return of_scales([posed(i, j) for i, j in index], axes, index)


def _masks(
    contents: Sequence[ImageLike],
    styles: Sequence[Style],
    pairs: Sequence[tuple[int, int]],
    of_contents: Sequence[MaskLike | None],
    of_styles: Sequence[MaskLike | None],
) -> Mapping[tuple[int, int], Masks | None] | None:
    """Fit the masks of each content to those of each style; none where there are none at all."""
    for what, found, pictures in (("content", of_contents, contents), ("style", of_styles, styles)):
        if len(found) not in (0, len(pictures)):
            raise UserError(f"{what}_masks has {len(found)} for {len(pictures)} pictures: give one for each, or None")
    own, others = of_contents or (None,) * len(contents), of_styles or (None,) * len(styles)
    found = {(i, j): masks.of_arrays(own[i], others[j], len(styles_of(styles[j]))) for i, j in pairs}
    return found if any(found.values()) else None


def _poser(
    encoder: Encoder,
    contents: Sequence[ImageLike],
    styles: Sequence[Style],
    recipe: Recipe,
    values: Values,
    regions: Mapping[tuple[int, int], Masks | None] | None,
) -> Callable[[int, int], tuple[Problem, ...]]:
    if not contents or not styles:
        raise UserError(f"{len(contents)} contents and {len(styles)} styles: give at least one of each")
    named_contents = [named(picture=x)["picture"] for x in contents]
    named_styles = [tuple(named(**called_styles(x)).values()) for x in styles]
    pictures = Pictures(tuple(contents), tuple(styles), named_contents, named_styles, masks=regions)
    return poser(encoder, pictures, replace(recipe, size=0, style_size=0, style_sizes=()), values)


@dataclass(frozen=True)
class Pictures:
    """Contents and styles (h, w, 3), what a record calls each, and starting images by content, where there are any.

    A style can be several, mixed: a tuple of pictures; its name is a tuple of each picture's. With masks, of every pair
    or of each by the numbers of its content and its style, it is painted region by region.
    """

    contents: Sequence[ImageLike]
    styles: Sequence[Style]
    content_names: Sequence[Mapping[str, Any] | None] = ()
    style_names: Sequence[Sequence[Mapping[str, Any]]] = ()
    inits: Sequence[ImageLike] | None = None
    masks: Masks | Mapping[tuple[int, int], Masks | None] | None = None

    def regions(self, i: int, j: int) -> Masks | None:
        """Give the masks of a content and a style."""
        return self.masks[i, j] if isinstance(self.masks, Mapping) else self.masks

    def named(self, i: int, j: int) -> dict[str, Mapping[str, Any]]:
        """Give what a record calls a content and a style; nothing where they have no names."""
        if not self.content_names:
            return {}
        styles = {input_name("style", k): name for k, name in enumerate(self.style_names[j])}
        content = self.content_names[i]
        return {"content": content, **styles} if content else styles


def poser(
    encoder: Encoder, pictures: Pictures, recipe: Recipe, values: Values
) -> Callable[[int, int], tuple[Problem, ...]]:
    """Give a function of (content, style) numbers that poses at every scale; equal targets are the same arrays."""
    recipe = settled(recipe, encoder)
    compared = objective(recipe, values)
    of_style = {name for name, compare in compared.items() if compare.picture == "style"}
    by_content: dict[tuple[int, tuple[int, int]], Problem] = {}
    by_style: dict[tuple[Any, ...], Problem] = {}

    def posed(i: int, j: int) -> tuple[Problem, ...]:
        (h, w, _), style = np.shape(pictures.contents[i]), style_sides(pictures.styles[j])
        return tuple(at(i, j, scale) for scale in plan_for(encoder, (h, w), style, recipe, values))

    def at(i: int, j: int, scale: Scale) -> Problem:
        inputs = pictures.named(i, j)
        # the style's colours, too, can depend on both pictures, as where regions lie does
        of_pair = i if recipe.colour != "none" or pictures.masks else -1
        kept, first = by_content.get((i, scale.content)), by_style.get((j, scale.style, of_pair))
        if kept and first and recipe.init != "style":
            return _joined(kept, first, kept, of_style, inputs)
        start = pictures.inits[i] if pictures.inits else None
        pair = Pair(pictures.contents[i], pictures.styles[j], start, masks=pictures.regions(i, j))
        new = pose_at(encoder, pair, recipe, scale, values)
        first = by_style.setdefault((j, scale.style, of_pair), new)
        kept = by_content.setdefault((i, scale.content), new)
        # Only the starting image can depend on both pictures.
        return _joined(kept, first, new if recipe.init == "style" else kept, of_style, inputs)

    return posed


def pose_lanes(
    encoders: Mapping[str, Encoder],
    pictures: Callable[[Recipe], Pictures],
    lanes: Sequence[tuple[Recipe, int, int]],
    values: Values = NONE,
) -> list[tuple[Problem, ...]]:
    """Pose lanes of a recipe, a content and a style (their numbers) each, at every scale.

    Lanes that differ in numbers alone share targets and everything else that is an array.

    Args:
        encoders: by the recipes' `weights`.
        pictures: the pictures at the sizes that a recipe asks for.
        lanes: what to pose.
        values: handed in by value, as to `pose`.
    """
    posers: dict[Recipe, Callable[[int, int], tuple[Problem, ...]]] = {}
    found = []
    for recipe, i, j in lanes:
        # What the program does not depend on is put in below, so that equal lanes are posed once.
        plain = replace(recipe, **{name: getattr(DEFAULT, name) for name in _numbers(recipe)})
        plain = replace(plain, **{name: blend.levelled(getattr(plain, name)) for name in PARTS})
        if plain not in posers:
            posers[plain] = poser(encoders[recipe.weights], pictures(plain), plain, values)
        problems = posers[plain](i, j)
        masked = problems[-1].held is not None
        check_shares(max(1, len(problems[-1].style_shares)), recipe, "regions" if masked else "style pictures")
        numbers = {name: getattr(recipe, name) for name in _numbers(recipe)}
        for name in PARTS:
            numbers |= {f"{name}.{part}": w for part, w in blend.split(getattr(recipe, name))}
        numbers = {name: x for name, x in numbers.items() if x != () and not absent(problems[-1], name)}
        found.append(tuple(_of(recipe, problem) for problem in vary_scales(problems, numbers)))
    return found


def _of(recipe: Recipe, problem: Problem) -> Problem:
    assert problem.origin is not None
    return replace(problem, origin=replace(problem.origin, recipe=recipe))


def _numbers(recipe: Recipe) -> tuple[str, ...]:
    """Name the settings that lanes of one program can differ in; a weight of 0 lets a recipe have no layers."""
    fixed = [n for n, layers in (("alpha", recipe.content_layers), ("beta", recipe.style_layers)) if not layers]
    return tuple(name for name in DYNAMIC if name not in fixed)


def _joined(content: Problem, style: Problem, begun: Problem, of_style: set[str], inputs: Mapping[str, Any]) -> Problem:
    """Take the terms that are compared with the style from one problem, the rest from another, the start of a third."""
    terms = {name: (style if name in of_style else content).terms[name] for name in content.terms}
    problem = replace(content, terms=terms, init=begun.init, style_shares=style.style_shares)
    assert content.origin is not None
    return replace(problem, origin=replace(content.origin, inputs=inputs, arrays=arrays(problem)))
