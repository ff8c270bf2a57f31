"""Coarse to fine: solve a small picture, enlarge it, go on; large shapes are found where steps are cheap."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nst_jax import images, optimize, problem, vgg
from nst_jax.errors import UserError
from nst_jax.optimize import Optimizer, Solution, State
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, Recipe
from nst_jax.types import Image, ImageLike
from nst_jax.vgg import Encoder


@dataclass(frozen=True)
class Scale:
    """One level: its place (0 is the coarsest) among how many, and the shapes (h, w) of content and style."""

    index: int
    count: int
    content: tuple[int, int]
    style: tuple[int, int]

    def steps(self, recipe: Recipe) -> int:
        """Give the steps that a recipe takes at this scale."""
        return steps_at(self.index, self.count, recipe.steps, recipe.coarse_steps, recipe.first_steps)


def steps_at(scale: int, count: int, steps: int, coarse_steps: int, first_steps: int) -> int:
    """Give the steps at a scale among so many: `steps` at the last, `first_steps` at the first of several.

    Those between take `coarse_steps`; where a number is 0, the next later one holds.
    """
    if scale == count - 1:
        return steps
    return (first_steps if scale == 0 else 0) or coarse_steps or steps


def plan(content: tuple[int, int], style: tuple[int, int], recipe: Recipe = DEFAULT) -> list[Scale]:
    """List the scales, coarsest first: side_k = side / ratio^k; the last has the pictures' own sizes.

    `recipe.scales` says how many, by `recipe.scale_ratio`. With "auto" the longer side of the coarsest is
    `recipe.min_scale` and the ratio is evened out, at most `recipe.scale_ratio`; a picture no larger than that has one
    scale, and scales too small for the recipe's layers, as of a thin picture, are left out. With
    `recipe.style_scaling` "tied" the style shrinks with the content, so that a brush stroke keeps its size relative to
    the picture; "fixed" shows every scale the style at its own size.

    Where there are several, they are those of the content with the margin of `recipe.bucket`, so that contents of one
    bucket have equal scales.

    Raises:
        UserError: the coarsest of a given number of scales is too small for the recipe's layers.
    """
    own, content = content, _framed(content, recipe)
    count, ratio = _ladder(max(content), recipe)
    least = vgg.smallest_side((*recipe.content_layers, *recipe.style_layers))

    def shrunk(shape: tuple[int, int], k: int) -> tuple[int, int]:
        return round(shape[0] / ratio**k), round(shape[1] / ratio**k)

    while recipe.scales == "auto" and count > 1 and min(shrunk(content, count - 1) + shrunk(style, count - 1)) < least:
        count -= 1
    content = own if count == 1 else content  # problem.pose adds the margin
    tied = recipe.style_scaling == "tied"
    found = [Scale(count - 1 - k, count, shrunk(content, k), shrunk(style, k * tied)) for k in reversed(range(count))]
    if min(found[0].content + found[0].style) < least and count > 1:
        h, w = found[0].content
        raise UserError(f"the coarsest of {count} scales is {w}x{h}: its layers need {least} pixels a side; use fewer")
    return found


def _ladder(side: int, recipe: Recipe) -> tuple[int, float]:
    """Give the number of scales of a picture with that longer side, and the ratio between them."""
    if recipe.scales != "auto":
        return recipe.scales, recipe.scale_ratio
    whole = max(1, side / recipe.min_scale)
    ratios = int(np.ceil(np.log(whole) / np.log(recipe.scale_ratio) - 1e-6))
    return 1 + ratios, whole ** (1 / max(1, ratios))


def pose(
    encoder: Encoder,
    content: ImageLike,
    style: ImageLike,
    scale: Scale,
    *,
    recipe: Recipe = DEFAULT,
    init: ImageLike | None = None,
) -> Problem:
    """Pose a problem at one scale; arguments are those of `problem.pose`, with pictures of any size.

    A content loss that is a sum over positions shrinks with the picture while a Gram matrix does not: at a coarse
    scale alpha is multiplied by the ratio of positions, so that content and style are balanced as at the finest.
    """
    posed = pose_unbalanced(encoder, content, style, scale, recipe=recipe, init=init)
    return balance(posed, _framed(_sides(content), recipe))


def pose_unbalanced(
    encoder: Encoder,
    content: ImageLike,
    style: ImageLike,
    scale: Scale,
    *,
    recipe: Recipe = DEFAULT,
    init: ImageLike | None = None,
) -> Problem:
    """Pose a problem at one scale with the recipe's own alpha; arguments are those of `pose`.

    With a `recipe.bucket` and several scales what is shrunk is the picture with its margin, and the margin with it.
    """
    sides = None
    if recipe.bucket > 1 and scale.count > 1:
        (h, w), bucket = _sides(content), recipe.bucket
        content, recipe = images.pad(content, bucket), replace(recipe, bucket=1)
        init = None if init is None else images.pad(_fitted(init, (h, w)), bucket)
        share = scale.content[0] / content.shape[0], scale.content[1] / content.shape[1]
        sides = np.array((round(h * share[0]), round(w * share[1])), np.int32)
    start = None if init is None else _fitted(init, scale.content)
    c, s = _fitted(content, scale.content), _fitted(style, scale.style)
    posed = problem.pose(encoder, c, s, recipe=recipe, init=start)
    return posed if sides is None else replace(posed, sides=sides)


def _fitted(picture: ImageLike, shape: tuple[int, int]) -> ImageLike:
    # What has its size already is not fetched from a device.
    return picture if np.shape(picture)[:2] == shape else images.fit(np.asarray(picture), shape)


def balance(posed: Problem, finest: tuple[int, int]) -> Problem:
    """Multiply alpha by how many times more positions the `finest` scale (h, w) has, if the content loss is a sum."""
    h, w, _ = posed.init.shape
    if posed.content_loss == "mean" or (h, w) == finest:
        return posed
    return replace(posed, alpha=posed.alpha * np.float32(finest[0] * finest[1] / (h * w)))


def enlarge(state: State, posed: Problem, optimizer: Optimizer | optax.GradientTransformation) -> State:
    """Begin at the next scale, a problem of which all but the starting image counts: that is the last scale's best.

    Adam's moments are resampled with it, as in Crowson's style-transfer-pytorch; L-BFGS begins with an empty memory,
    since its pairs are differences of pictures that no longer exist.
    """
    image = jax.image.resize(state.best.clip(0, 1), posed.init.shape, "cubic").clip(0, 1)
    new = optimize.begin(replace(posed, init=image, noise=jnp.float32(0)), optimizer)
    if not optimize.is_adam(optimizer):
        return new

    def resized(name: str, method: str) -> Image:
        return jax.image.resize(optax.tree.get(state.opt, name), image.shape, method)

    # Linear for the second moment: a cubic would make it negative.
    moments = {"mu": resized("mu", "cubic"), "nu": resized("nu", "linear")}
    return new.replace(opt=optax.tree.set(new.opt, count=optax.tree.get(state.opt, "count"), **moments))


def iterate_scales(
    encoder: Encoder,
    content: ImageLike,
    style: ImageLike,
    *,
    recipe: Recipe = DEFAULT,
    init: ImageLike | None = None,
) -> Iterator[tuple[Scale, Solution]]:
    """Yield the scale and its solution so far after each chunk of steps; the last one is what `solve_scales` returns.

    Each scale takes `Scale.steps(recipe)` steps. The history and the losses are those of the scale, in its own units.
    """
    how: dict[str, Any] = {"optimizer": optimize.chosen(recipe), "precision": recipe.precision}
    state: State | None = None
    for scale in plan(_sides(content), _sides(style), recipe):
        posed = pose(encoder, content, style, scale, recipe=recipe, init=init)
        begun = optimize.begin(posed, how["optimizer"]) if state is None else enlarge(state, posed, how["optimizer"])
        for at in optimize.go_on(encoder, posed, begun, steps=scale.steps(recipe), **how):
            state, solution = at
            yield scale, solution


def solve_scales(
    encoder: Encoder,
    content: ImageLike,
    style: ImageLike,
    *,
    recipe: Recipe = DEFAULT,
    init: ImageLike | None = None,
) -> Solution:
    """Solve from coarse to fine and return the solution of the finest scale.

    Args:
        encoder: the network.
        content: (h, w, 3), RGB in [0, 1], at the size of the result.
        style: (h', w', 3), RGB in [0, 1].
        recipe: `scales`, `scale_ratio`, `min_scale`, `style_scaling` and the three numbers of steps say how.
        init: starting image of any size, for the coarsest scale.

    Raises:
        UserError: what `problem.pose` or `plan` refuses.
    """
    *_, (_, solution) = iterate_scales(encoder, content, style, recipe=recipe, init=init)
    return solution


def _framed(shape: tuple[int, int], recipe: Recipe) -> tuple[int, int]:
    """Give the shape (h, w) with the margin of the recipe's bucket."""
    h, w = shape
    return h + -h % recipe.bucket, w + -w % recipe.bucket


def _sides(image: ImageLike) -> tuple[int, int]:
    shape = np.shape(image)
    return shape[0], shape[1]
