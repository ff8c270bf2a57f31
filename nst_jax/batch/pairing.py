"""Contents and styles as lanes: each with each, or one by one. Targets are computed and held once a picture."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from nst_jax.axis import PICTURES, Axis
from nst_jax.batch.sweep import Sweep
from nst_jax.errors import UserError
from nst_jax.problem import Problem, pose
from nst_jax.recipe import DEFAULT, Recipe
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

    The pictures may have any sizes: contents of one shape share a compiled program, and nothing is cropped.

    Args:
        encoder: the network.
        contents, styles: RGB in [0, 1].
        recipe: for all of them.
        names: of the contents and of the styles; by default their numbers.
    """
    _some(contents, styles)
    posed = poser(encoder, contents, styles, recipe)
    index = tuple((i, j) for i in range(len(contents)) for j in range(len(styles)))
    called = names or (range(len(contents)), range(len(styles)))
    axes = tuple(Axis((what,), tuple((n,) for n in ns)) for what, ns in zip(PICTURES, called, strict=True))
    return Sweep(tuple(posed(i, j) for i, j in index), axes, index)


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
    return Sweep(tuple(posed(i, i) for i in range(len(contents))), (axis,), tuple((i,) for i in range(len(contents))))


def poser(
    encoder: Encoder,
    contents: Sequence[ImageLike],
    styles: Sequence[ImageLike],
    recipe: Recipe,
    inits: Sequence[ImageLike] | None = None,
) -> Callable[[int, int], Problem]:
    """Give a function of (content, style) numbers that poses; equal targets are the same arrays.

    `inits` are by content.
    """
    by_content: dict[int, Problem] = {}
    by_style: dict[int, Problem] = {}

    def posed(i: int, j: int) -> Problem:
        if i in by_content and j in by_style and recipe.init != "style":
            return replace(by_content[i], style=by_style[j].style)
        new = pose(encoder, contents[i], styles[j], recipe=recipe, init=inits[i] if inits else None)
        first = by_style.setdefault(j, new)
        kept = by_content.setdefault(i, new)
        # Only the starting image can depend on both pictures.
        return replace(kept, init=kept.init if recipe.init != "style" else new.init, style=first.style)

    return posed


def _some(contents: Sequence[ImageLike], styles: Sequence[ImageLike]) -> None:
    if not contents or not styles:
        raise UserError(f"{len(contents)} contents and {len(styles)} styles: give at least one of each")
