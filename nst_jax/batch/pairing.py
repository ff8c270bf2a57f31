"""Contents and styles as lanes: each with each, or one by one. Targets are computed and held once a picture."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nst_jax.axis import PICTURES, Axis
from nst_jax.batch.sweep import Sweep, of_scales
from nst_jax.errors import UserError
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, Recipe
from nst_jax.scales import Scale, plan, pose_unbalanced
from nst_jax.types import ImageLike
from nst_jax.vgg import Encoder


def product(
    encoder: Encoder,
    contents: Sequence[ImageLike],
    styles: Sequence[ImageLike],
    *,
    recipe: Recipe = DEFAULT,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Sweep:
    """Pose every content (h, w, 3) with every style: axes `content_image` and `style_image`, the second fastest.

    The pictures may have any sizes and nothing is cropped: contents of one shape share a compiled program, and with
    `recipe.bucket` those of nearly one shape do.

    Args:
        encoder: the network.
        contents, styles: RGB in [0, 1].
        recipe: for all of them, its scales included.
        names: of the contents and of the styles; by default their numbers.
    """
    _some(contents, styles)
    posed = poser(encoder, contents, styles, recipe)
    index = tuple((i, j) for i in range(len(contents)) for j in range(len(styles)))
    called = names or (range(len(contents)), range(len(styles)))
    axes = tuple(Axis((what,), tuple((n,) for n in ns)) for what, ns in zip(PICTURES, called, strict=True))
    return of_scales([posed(i, j) for i, j in index], axes, index)


def pairs(
    encoder: Encoder,
    contents: Sequence[ImageLike],
    styles: Sequence[ImageLike],
    *,
    recipe: Recipe = DEFAULT,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Sweep:
    """Pose the first content with the first style, the second with the second, and so on: one axis.

    Arguments are those of `product`.

    Raises:
        UserError: not as many styles as contents.
    """
    _some(contents, styles)
    if len(contents) != len(styles):
        raise UserError(f"{len(contents)} contents for {len(styles)} styles: pairs need as many of both")
    posed = poser(encoder, contents, styles, recipe)
    called = names or (range(len(contents)), range(len(styles)))
    axis = Axis(PICTURES, tuple(zip(*called, strict=True)))
    numbers = range(len(contents))
    return of_scales([posed(i, i) for i in numbers], (axis,), tuple((i,) for i in numbers))


def poser(
    encoder: Encoder,
    contents: Sequence[ImageLike],
    styles: Sequence[ImageLike],
    recipe: Recipe,
    inits: Sequence[ImageLike] | None = None,
) -> Callable[[int, int], tuple[Problem, ...]]:
    """Give a function of (content, style) numbers that poses at every scale; equal targets are the same arrays.

    `inits` are by content. The weights of a coarse scale are the recipe's; they are balanced when it is solved.
    """
    by_content: dict[tuple[int, tuple[int, int]], Problem] = {}
    by_style: dict[tuple[int, tuple[int, int]], Problem] = {}

    def posed(i: int, j: int) -> tuple[Problem, ...]:
        (h, w, _), (style_h, style_w, _) = np.shape(contents[i]), np.shape(styles[j])
        return tuple(at(i, j, scale) for scale in plan((h, w), (style_h, style_w), recipe))

    def at(i: int, j: int, scale: Scale) -> Problem:
        kept, first = by_content.get((i, scale.content)), by_style.get((j, scale.style))
        if kept and first and recipe.init != "style":
            return replace(kept, style=first.style)
        init = inits[i] if inits else None
        new = pose_unbalanced(encoder, contents[i], styles[j], scale, recipe=recipe, init=init)
        first = by_style.setdefault((j, scale.style), new)
        kept = by_content.setdefault((i, scale.content), new)
        # Only the starting image can depend on both pictures.
        return replace(kept, init=kept.init if recipe.init != "style" else new.init, style=first.style)

    return posed


def _some(contents: Sequence[ImageLike], styles: Sequence[ImageLike]) -> None:
    if not contents or not styles:
        raise UserError(f"{len(contents)} contents and {len(styles)} styles: give at least one of each")
