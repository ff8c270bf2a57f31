"""A style transfer as one pytree: the starting image, what to match, and every number that weighs it."""

import re
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from nst_jax import images, losses, ops, vgg
from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT, ContentLoss, Padding, Pooling, Recipe, StyleLoss, TvLoss, check
from nst_jax.types import Features, Gram, Image, ImageLike, Scalar
from nst_jax.vgg import Encoder

Terms = dict[str, Scalar]
"""Unweighted losses by name: `content/relu4_2`, `style/relu1_1`, ..., `tv`."""


@struct.dataclass
class Problem:
    """Everything `solve` needs beside the network. Each number is an array leaf, so each can be swept.

    Attributes:
        init: starting image (h, w, 3) in [0, 1], before noise.
        noise: fraction of uniform noise blended over `init`, in [0, 1].
        seed: of that noise.
        content: target features (h_l, w_l, c_l) by layer.
        style: target Gram matrices (c_l, c_l), each divided by its own number of positions, by layer; for the style
            loss `w2`, `losses.Moments`.
        alpha, beta, tv: weights of the content loss, the style loss and the total variation.
        layer_weights: w_l by style layer.
        lr: learning rate in units of the image's range.
        sides: (height, width) of the picture, which the recipe's `bucket` made `init` larger than; none without one.
    """

    init: Image
    noise: Scalar
    seed: jax.Array
    content: dict[str, Features]
    style: dict[str, Gram | losses.Moments]
    alpha: Scalar
    beta: Scalar
    tv: Scalar
    layer_weights: dict[str, Scalar]
    lr: Scalar
    sides: np.ndarray | None = None
    pooling: Pooling = struct.field(pytree_node=False, default="max")
    padding: Padding = struct.field(pytree_node=False, default="zero")
    content_loss: ContentLoss = struct.field(pytree_node=False, default="half-sum")
    style_loss: StyleLoss = struct.field(pytree_node=False, default="gatys")
    tv_loss: TvLoss = struct.field(pytree_node=False, default="squares")
    remat: bool = struct.field(pytree_node=False, default=False)


def pose(
    encoder: Encoder,
    content: ImageLike,
    style: ImageLike,
    *,
    recipe: Recipe = DEFAULT,
    init: ImageLike | None = None,
) -> Problem:
    """Compute the targets of `recipe` for a content image (h, w, 3) and a style image (h', w', 3), RGB in [0, 1].

    Args:
        encoder: the network.
        content: picture whose layout to keep.
        style: picture whose texture to take, of any size.
        recipe: layers, weights and the kind of starting image.
        init: starting image (h, w, 3), needed when `recipe.init` names a file, and used in place of it.

    Raises:
        UserError: a recipe value out of range, an unknown layer, an image of the wrong shape, range or size.
    """
    check(recipe)
    names = (*recipe.content_layers, *recipe.style_layers)
    vgg.check_layers(names, encoder.architecture)
    for what, image in (("content", content), ("style", style)):
        _check_image(what, image, names)
    content, style = jnp.asarray(content, jnp.float32), jnp.asarray(style, jnp.float32)
    base, noise = _starting_point(recipe.init, content, style, init)
    sides = None
    if recipe.bucket > 1:  # also where there is nothing to pad: the lanes of a bucket have one structure
        sides = np.array(content.shape[:2], np.int32)
        content, base = (jnp.asarray(images.pad(image, recipe.bucket)) for image in (content, base))
    layers = recipe.content_layers, recipe.style_layers
    content_targets, style_targets = targets(
        encoder, content, style, *layers, recipe.pooling, recipe.padding, recipe.style_loss
    )
    w = recipe.layer_weights or (1.0 / len(recipe.style_layers),) * len(recipe.style_layers)
    return Problem(
        init=base,
        noise=jnp.float32(noise),
        seed=jnp.uint32(recipe.seed),
        content=content_targets,
        style=style_targets,
        alpha=jnp.float32(recipe.alpha),
        beta=jnp.float32(recipe.beta),
        tv=jnp.float32(recipe.tv),
        layer_weights={name: jnp.float32(x) for name, x in zip(recipe.style_layers, w, strict=True)},
        lr=jnp.float32(recipe.lr),
        sides=sides,
        pooling=recipe.pooling,
        padding=recipe.padding,
        content_loss=recipe.content_loss,
        style_loss=recipe.style_loss,
        tv_loss=recipe.tv_loss,
        remat=recipe.remat,
    )


def _check_image(what: str, image: ImageLike, layers: tuple[str, ...]) -> None:
    shape = np.shape(image)
    if len(shape) != 3 or shape[-1] != 3:
        raise UserError(f"the {what} image has shape {shape}: expected (height, width, 3), RGB in [0, 1]")
    least = vgg.smallest_side(layers)
    if min(shape[:2]) < least:
        raise UserError(
            f"the {what} image is {shape[1]}x{shape[0]}: the deepest of {', '.join(layers)} needs at least "
            f"{least} pixels a side; use a larger picture or size, or shallower layers"
        )
    low, high = float(np.min(image)), float(np.max(image))
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise UserError(f"the {what} image has values from {low:g} to {high:g}: expected floats in [0, 1]")


def blend_fraction(kind: str) -> float:
    """Give the noise of a starting image: 1 for `noise`, 0.3 for `blend:0.3`, else 0."""
    if kind == "noise":
        return 1.0
    match = re.fullmatch(r"blend:(\S+)", kind)
    return float(match[1]) if match else 0.0


def _starting_point(kind: str, content: Image, style: Image, given: ImageLike | None) -> tuple[Image, float]:
    """Give the image below the noise and the noise's fraction."""
    if given is not None:
        if np.shape(given) != content.shape:
            raise UserError(f"the starting image has shape {np.shape(given)}: expected the content's {content.shape}")
        return jnp.asarray(given, jnp.float32), 0.0
    if kind == "style":
        return jax.image.resize(style, content.shape, "cubic").clip(0, 1), 0.0
    if kind in ("grey", "noise"):
        return jnp.asarray(np.full(content.shape, 0.5, np.float32)), blend_fraction(kind)
    if kind == "content" or kind.startswith("blend:"):
        return content, blend_fraction(kind)
    raise UserError(f"the starting image is a file, '{kind}': read it and hand it to pose(..., init=image)")


def _targets(encoder, content, style, content_layers, style_layers, pooling, padding, style_loss="gatys"):
    c = vgg.features(encoder, content, content_layers, pooling=pooling, padding=padding)
    s = vgg.features(encoder, style, style_layers, pooling=pooling, padding=padding)
    return c, {name: losses.moments(f) if style_loss == "w2" else ops.gram(f) for name, f in s.items()}


targets = jax.jit(_targets, static_argnums=(3, 4, 5, 6, 7))
"""Compute ({layer: content features}, {layer: style Gram or Moments}) in float32."""


def start(problem: Problem) -> Image:
    """Blend the starting image with its noise: (1 - noise) init + noise u, u uniform in [0, 1]."""
    u = jax.random.uniform(jax.random.key(problem.seed), problem.init.shape)
    return (1 - problem.noise) * problem.init + problem.noise * u


def shown(problem: Problem, image: Image | np.ndarray) -> Any:
    """Cut the margin that the recipe's `bucket` added off an image (H, W, 3): (h, w, 3)."""
    if problem.sides is None:
        return image
    height, width = np.asarray(problem.sides)
    return image[:height, :width]


def strong(problem: Problem) -> Problem:
    """Turn every number that a caller may have put in (`problem.replace(alpha=2)`) into a strongly typed array.

    Without this, a jitted function would be traced once more for a Python number than for an array.
    """
    arrays = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), replace(problem, seed=0, sides=None))
    return replace(arrays, seed=jnp.asarray(problem.seed, jnp.uint32), sides=problem.sides)


def terms(encoder: Encoder, problem: Problem, image: Image) -> Terms:
    """Compute every unweighted loss of an image (h, w, 3), by the formulas the problem names."""
    summary = losses.MEAN_COVARIANCE if problem.style_loss == "w2" else ops.GRAM
    found, made = vgg.features_and(
        encoder,
        image,
        tuple(problem.content),
        dict.fromkeys(problem.style, summary),
        pooling=problem.pooling,
        padding=problem.padding,
        remat=problem.remat,
    )
    content = {
        f"content/{name}": losses.content(found[name], target, problem.content_loss)
        for name, target in problem.content.items()
    }
    h, w, _ = image.shape
    style = {f"style/{name}": _style(name, made[name], problem, (h, w)) for name in problem.style}
    return {**content, **style, "tv": losses.total_variation(image, problem.tv_loss)}


def _style(name: str, found, problem: Problem, size: tuple[int, int]) -> Scalar:
    target = problem.style[name]
    if isinstance(target, losses.Moments):
        return losses.bures(found, target)
    (h, w), pixels = vgg.positions(name, size), size[0] * size[1]
    return losses.style(found, target, problem.style_loss, positions=h * w, pixels=pixels)


def total(encoder: Encoder, problem: Problem, image: Image) -> tuple[Scalar, Terms]:
    """Compute alpha L_content + beta L_style + tv L_tv (Gatys et al. 2015, eq. 7) and the terms it is made of."""
    found = terms(encoder, problem, image)
    content = sum((found[f"content/{name}"] for name in problem.content), jnp.float32(0))
    style = sum((w * found[f"style/{name}"] for name, w in problem.layer_weights.items()), jnp.float32(0))
    loss = problem.alpha * content + problem.beta * style + problem.tv * found["tv"]
    return loss, {"total": loss, "content": content, "style": style, **found}
