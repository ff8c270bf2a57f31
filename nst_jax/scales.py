"""Coarse to fine: solve a small picture, enlarge it, go on; large shapes are found where steps are cheap."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nst_jax import images, optimize, problem, vgg
from nst_jax.errors import UserError
from nst_jax.optimize import Solution, State
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, Optimizer, Recipe
from nst_jax.types import Image, ImageLike
from nst_jax.vgg import Encoder

COARSEST = 128
"""Longer side, in pixels, that automatic scales do not go below: deep layers would see a few positions only."""


@dataclass(frozen=True)
class Scale:
    """One level: its place (0 is the coarsest) among how many, and the shapes (h, w) of content and style."""

    index: int
    count: int
    content: tuple[int, int]
    style: tuple[int, int]


def plan(content: tuple[int, int], style: tuple[int, int], recipe: Recipe = DEFAULT) -> list[Scale]:
    """List the scales, coarsest first: side_k = side / scale_ratio^k; the last has the pictures' own sizes.

    `recipe.scales` says how many; 0 means as many as leave a longer side of COARSEST pixels. With
    `recipe.style_scaling` "tied" the style shrinks with the content, so that a brush stroke keeps its size relative to
    the picture; "fixed" shows every scale the style at its own size.

    Raises:
        UserError: the coarsest scale is too small for the recipe's layers.
    """
    ratio = recipe.scale_ratio
    auto = 1 + int(np.log(max(1, max(content) / COARSEST)) / np.log(ratio) + 1e-6)
    count = recipe.scales or auto
    least = vgg.smallest_side((*recipe.content_layers, *recipe.style_layers))

    def shrunk(shape: tuple[int, int], k: int) -> tuple[int, int]:
        return round(shape[0] / ratio**k), round(shape[1] / ratio**k)

    while not recipe.scales and count > 1 and min(shrunk(content, count - 1) + shrunk(style, count - 1)) < least:
        count -= 1
    tied = recipe.style_scaling == "tied"
    found = [Scale(count - 1 - k, count, shrunk(content, k), shrunk(style, k * tied)) for k in reversed(range(count))]
    if min(found[0].content + found[0].style) < least and count > 1:
        h, w = found[0].content
        raise UserError(f"the coarsest of {count} scales is {w}x{h}: its layers need {least} pixels a side; use fewer")
    return found


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
    c, s = images.fit(content, scale.content), images.fit(style, scale.style)
    start = None if init is None else images.fit(np.asarray(init), scale.content)
    posed = problem.pose(encoder, c, s, recipe=recipe, init=start)
    if recipe.content_loss == "mean":
        return posed
    h, w = _sides(content)
    return replace(posed, alpha=posed.alpha * np.float32(h * w / (scale.content[0] * scale.content[1])))


def enlarge(state: State, problem: Problem, optimizer: Optimizer | optax.GradientTransformation) -> State:
    """Begin at the next scale, from its problem, with what Adam has learnt at the last one.

    Adam's moments are resampled, as in Crowson's style-transfer-pytorch; L-BFGS begins with an empty memory, since its
    pairs are differences of pictures that no longer exist.
    """
    new = optimize.begin(problem, optimizer)
    if optimizer != "adam":
        return new

    def resized(name: str, method: str) -> Image:
        return jax.image.resize(optax.tree.get(state.opt, name), new.image.shape, method)

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

    Each scale takes `recipe.steps` steps. The history and the losses are those of the scale, in its own units.
    """
    previous: tuple[State, Solution] | None = None
    for scale in plan(_sides(content), _sides(style), recipe):
        start = init if previous is None else _upsampled(previous[1].image, scale.content)
        posed = pose(encoder, content, style, scale, recipe=recipe, init=start)
        if previous is None:
            state = optimize.begin(posed, recipe.optimizer)
        else:
            state = enlarge(previous[0], posed, recipe.optimizer)
        for previous in optimize.go_on(
            encoder, posed, state, steps=recipe.steps, optimizer=recipe.optimizer, precision=recipe.precision
        ):
            yield scale, previous[1]


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
        recipe: `scales`, `scale_ratio` and `style_scaling` say how; `steps` are taken at each scale.
        init: starting image of any size, for the coarsest scale.

    Raises:
        UserError: what `problem.pose` or `plan` refuses.
    """
    *_, (_, solution) = iterate_scales(encoder, content, style, recipe=recipe, init=init)
    return solution


def _upsampled(image: Image, shape: tuple[int, int]) -> Image:
    return jax.image.resize(jnp.asarray(image), (*shape, 3), "cubic").clip(0, 1)


def _sides(image: ImageLike) -> tuple[int, int]:
    shape = np.shape(image)
    return shape[0], shape[1]
