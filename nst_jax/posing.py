"""From pictures and a recipe to a problem: targets, starting image, and the values that a researcher brings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypedDict, Unpack, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax import colour, descents, gradients, images, losses, masks, targets, value
from nst_jax.arithmetic import in_float32
from nst_jax.axis import COLUMNS, PICTURES
from nst_jax.canvases import CANVASES, Canvas
from nst_jax.descents import LBFGS, Descent, Point, Zoom
from nst_jax.errors import UserError
from nst_jax.gradients import Gradient, Tiles
from nst_jax.guides import Guide, Guiding
from nst_jax.losses import Loss, Mixture, by_regions
from nst_jax.masks import MaskLike, Masks
from nst_jax.networks import Encoder, Network, fingerprint
from nst_jax.networks.network import PICTURE
from nst_jax.numbers import ALIASES, leaf
from nst_jax.objective import Objective
from nst_jax.ops import Statistic
from nst_jax.problem import Origin, Problem, Term, Views
from nst_jax.recipe import (
    DEFAULT,
    Precision,
    Recipe,
    check,
    check_content,
    check_guides,
    check_shares,
    input_name,
    noise,
    precisions,
)
from nst_jax.saved import SavedStyle
from nst_jax.types import Image, ImageLike


@dataclass(frozen=True)
class Compare:
    """One term of an objective, before it is posed.

    Attributes:
        loss: what is compared.
        layers: where; `image` is the picture itself.
        picture: with which picture: `content` or `style`.
        weight: of the term.
        layer_weights: w_l of each layer, in their order; nothing means 1 / (number of layers) each.
        numbers: values of the loss's `numbers`, by name, in place of its own.
    """

    loss: Loss
    layers: tuple[str, ...]
    picture: str = "content"
    weight: float = 1.0
    layer_weights: tuple[float, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


class Changes(TypedDict, total=False):
    """What can be handed in by value to `solve` in place of what was posed."""

    steps: int
    descent: Descent
    canvas: Canvas
    gradient: Gradient
    precision: Precision


class Values(TypedDict, total=False):
    """What can be handed in by value to `pose` in place of what the recipe says.

    Attributes:
        content_loss, style_loss: what is compared at the recipe's layers.
        terms: more terms by name, or others in place of `content`, `style` and `variation`; None leaves one out.
        descent, canvas, gradient: how the picture moves, what moves, and how the derivative comes about.
    """

    content_loss: Loss
    style_loss: Loss
    terms: Mapping[str, Compare | None]
    descent: Descent
    canvas: Canvas
    gradient: Gradient


Style = ImageLike | Sequence[ImageLike] | SavedStyle
"""One picture (h, w, 3), several that are mixed, or the targets that were saved of either."""


def styles_of(style: Style | None) -> tuple[ImageLike, ...]:
    """List the pictures of a style: it, or those of a list or a tuple of pictures; none of none, and of targets."""
    if style is None or isinstance(style, SavedStyle):
        return ()
    several = isinstance(style, list | tuple) and all(np.ndim(one) == 3 for one in style)
    return tuple(style) if several else (style,)  # type: ignore[return-value]


class Pair(NamedTuple):
    """Two pictures (h, w, 3), a starting image where there is one, and what a record calls them.

    In place of the style there can be several, a tuple. With `masks`, each of their regions has a style of its own, or
    its region of the one there is.
    """

    content: ImageLike
    style: Style
    init: ImageLike | None = None
    names: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    masks: Masks | None = None


class At(NamedTuple):
    """The scale that a problem is posed at: its place among how many, and the positions of the finest over its own."""

    place: tuple[int, int] = (0, 1)
    share: float = 1.0


FINEST = At()
NONE: Values = {}


@in_float32()
def pose(
    encoder: Encoder,
    content: ImageLike,
    style: Style,
    *,
    recipe: Recipe = DEFAULT,
    init: ImageLike | None = None,
    shares: Sequence[float] = (),
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | None = None,
    **values: Unpack[Values],
) -> Problem:
    """Compute the targets of `recipe` for a content image (h, w, 3) and a style image (h', w', 3), RGB in [0, 1].

    The images keep their own sizes: `size`, `style_size` and `style_sizes`, which scale files, are the settings that do
    not count here. Everything else of the recipe is obeyed or refused; several scales are for `stylize`.

    Args:
        encoder: the network; the recipe's `weights` need not name it.
        content: picture whose layout to keep.
        style: picture whose texture to take, of any size; or a list of several, to paint between them; or what
            `nst_jax.load_style` gives.
        recipe: layers, weights, kind of starting image, optimizer, steps.
        init: starting image (h, w, 3), needed when `recipe.init` names a file, and used in place of it.
        shares: how much each of several styles, or of the regions of `content_mask`, counts, of their sum; the same as
            the recipe's `style_shares`.
        content_mask: regions of the content, each with a style of its own: labels (h, w) of whole numbers, or a soft
            mask in [0, 1] for each, (h, w, regions). Of any size, with the content's aspect.
        style_mask: the same regions of the one style; of several styles a soft mask (h, w) for each, where its region's
            texture is taken from. Without it each region has a whole style.
        **values: losses, terms, descent, canvas or gradient of your own: see `Values`.

    Raises:
        UserError: a recipe value out of range, an unknown layer, an image of the wrong shape, range or size, a value
            of the wrong kind.
    """
    if recipe.scales != 1:
        raise UserError(f"scales is {recipe.scales}: pose makes one scale; use nst_jax.stylize for several")
    check_content(recipe, there_is=True)
    recipe = shared(recipe, shares)
    given = masks.of_arrays(content_mask, style_mask, len(styles_of(style)))
    pair = Pair(content, style, init, named(content=content, **called_styles(style), init=init), given)
    return posed(encoder, pair, replace(recipe, size=0, style_size=0, style_sizes=()), values)


def shared(recipe: Recipe, shares: Sequence[float]) -> Recipe:
    """Put the shares of several styles into a recipe; none given leave it alone."""
    return replace(recipe, style_shares=tuple(map(float, shares))) if len(shares) else recipe


def called_styles(style: Style | None) -> dict[str, ImageLike | SavedStyle]:
    """Give the pictures of a style by what a record calls them: style, style_2, style_3 ..."""
    if isinstance(style, SavedStyle):
        return {input_name("style", 0): style}
    return {input_name("style", i): one for i, one in enumerate(styles_of(style))}


def named(**pictures: ImageLike | SavedStyle | None) -> dict[str, dict[str, Any]]:
    """Name pictures (h, w, 3) that came as arrays by the sha256 of their pixels in float32; targets by their file."""

    def one(picture: ImageLike | SavedStyle) -> dict[str, Any]:
        if isinstance(picture, SavedStyle):
            return dict(picture.source)
        return {"pixels": images.pixels_digest(picture), "shape": list(np.shape(picture)[:2])}

    return {name: one(picture) for name, picture in pictures.items() if picture is not None}


@in_float32()
def posed(encoder: Encoder, pair: Pair, recipe: Recipe, values: Values, at: At = FINEST) -> Problem:
    """Pose a problem at one scale: see `pose`."""
    content, style, init, called, regions = pair
    refuse_unknown(values, Values)
    recipe = settled(recipe, encoder)
    network = encoder.network.configured(pooling=recipe.pooling, padding=recipe.padding, remat=recipe.remat)
    encoder = replace(encoder, network=network, plans={})
    styles, saved = styles_of(style), style if isinstance(style, SavedStyle) else None
    recipe = saved.within(recipe) if saved else recipe
    count = saved.count if saved else len(styles)
    compared = mixed(objective(recipe, values), count, regions)
    for what, image in (("content", content), *(("style", one) for one in styles)):
        check_picture(what, image, *least_side(network, compared))
    _check_circle(recipe, network, compared, np.shape(content))
    guiding = _guiding(pair, recipe, compared, count)
    _check_views(recipe, compared)
    coloured = [colour.prepared(content, one, recipe.colour) for one in styles or (content,)]
    content, _, chroma = coloured[0]
    init = init if init is None or chroma is None else colour.luminance(init)
    content, *styles = (jnp.asarray(x, jnp.float32) for x in (content, *(one for _, one, _ in coloured)))
    base, fraction = _starting_point(recipe.init, content, styles[0], init)
    sides = None
    if recipe.bucket > 1:  # also where there is nothing to pad: the lanes of a bucket have one structure
        sides = np.array(content.shape[:2], np.int32)
        content, base = (jnp.asarray(images.pad(image, recipe.bucket)) for image in (content, base))
        chroma = None if chroma is None else images.pad(chroma, recipe.bucket)
        guiding = guiding and guiding.padded(recipe.bucket)
    canvas = values.get("canvas", CANVASES[recipe.canvas])
    descent = _typed(values.get("descent", descents.chosen(recipe)))
    gradient = values.get("gradient", gradients.chosen(recipe))
    problem = Problem(
        init=base,
        noise=leaf(fraction),
        seed=leaf(recipe.seed, "uint32"),
        steps=leaf(recipe.steps, "int32"),
        terms=_terms(encoder, compared, (content,), saved or tuple(styles), at.share, guiding, gradient),
        descent=descent,
        sides=sides,
        chroma=None if chroma is None else np.asarray(chroma, np.float32),
        style_shares=_shares(len(guiding.names) if guiding else count, recipe, alone=guiding is not None),
        canvas=canvas,
        gradient=gradient,
        network=network,
        fingerprint=fingerprint(encoder),
        precision=recipe.precision,
        views=_views(recipe, content, compared),
        held=guiding and guiding.held(content),
    )
    _check_moving(problem, values)
    return replace(problem, origin=Origin(recipe, called, arrays(problem), at.place))


def _guiding(pair: Pair, recipe: Recipe, compared: Mapping[str, Compare], count: int) -> Guiding | None:
    """Fit masks to their pictures, where there are any; check that shares are of regions, or of styles."""
    styles, regions = styles_of(pair.style), pair.masks
    check_guides(recipe, regions is not None)
    if regions is None:
        _check_styles(count, recipe, count, "style pictures")
        return None
    if isinstance(pair.style, SavedStyle):
        raise UserError(f"there are masks and {pair.style!r} holds targets of whole pictures: give the pictures")
    if not any(compare.picture == "style" and compare.layers for compare in compared.values()):
        raise UserError("there are masks and nothing is compared with a style: leave the masks out")
    content, *each = ((np.shape(one)[0], np.shape(one)[1]) for one in (pair.content, *styles))
    _check_styles(len(styles), recipe, len(regions.content.names), "regions")
    return Guiding.of(regions, content, each, recipe)


def _views(recipe: Recipe, content: Image, compared: Mapping[str, Compare]) -> Views | None:
    if not recipe.transforms:
        return None
    of_content = (name for name, c in compared.items() if c.picture == "content" and set(c.layers) != {PICTURE.name})
    return Views(content, tuple(of_content))


def objective(recipe: Recipe, values: Values) -> dict[str, Compare]:
    """Give the terms that a checked recipe, and what is handed in beside it, compares.

    Where nothing is compared with a content, as for a texture, the variation's unit is the style's.
    """
    (content, of_content), (style, of_style) = losses.content_of(recipe), losses.style_of(recipe)
    smoothed = partial(losses.smooth, kind=recipe.smoothing, temperature=recipe.temperature)
    content = (smoothed(values["content_loss"]), {}) if "content_loss" in values else (content, of_content)
    style = (smoothed(values["style_loss"]), {}) if "style_loss" in values else (style, of_style)
    each = 1.0 if recipe.units == "paper" else 1 / max(1, len(recipe.content_layers))
    w = tuple(each for _ in recipe.content_layers)
    rough = "content" if recipe.content_layers or not recipe.style_layers else "style"
    compared: dict[str, Compare | None] = {
        "content": Compare(content[0], recipe.content_layers, "content", recipe.alpha, w, content[1]),
        "style": Compare(style[0], recipe.style_layers, "style", recipe.beta, recipe.layer_weights, style[1]),
        "variation": Compare(losses.variation_of(recipe), (PICTURE.name,), rough, recipe.tv),
        **values.get("terms", {}),
    }
    found = {name: compare for name, compare in compared.items() if compare is not None}
    for name, compare in found.items():
        _check_compare(name, compare)
    for name in values.get("terms", {}):
        if name in found and not found[name].layers:
            raise UserError(f"the term '{name}' names no layers: expected at least one")
    return {name: _placed(compare) for name, compare in found.items()}


def _placed(compare: Compare) -> Compare:
    """Put a term at the layers of its loss, where these are not those asked for: such as the picture itself."""
    layers = compare.loss.layers(compare.layers)
    if layers == compare.layers:
        return compare
    w = compare.layer_weights or tuple(1 / len(compare.layers) for _ in compare.layers)
    known = dict(zip(compare.layers, w, strict=True))
    return replace(compare, layers=layers, layer_weights=tuple(known.get(layer, 1.0) for layer in layers))


def _check_views(recipe: Recipe, compared: Mapping[str, Compare]) -> None:
    for name, compare in compared.items():
        if recipe.transforms and any(compare.loss.at(layer).renews for layer in compare.layers):
            raise UserError(
                f"transforms is on and the loss of '{name}', {compare.loss!r}, keeps what it made of the picture for "
                "some steps, while each step sees it from another side: leave transforms out, or use another loss"
            )


def mixed(compared: Mapping[str, Compare], styles: int, regions: Masks | None = None) -> dict[str, Compare]:
    """Let what is compared with the style be compared with several, or region by region, where there are several.

    Regions are those of a content, so there variation has the content's unit.
    """

    def one(name: str, compare: Compare) -> Compare:
        if regions is not None and losses.variation_within(compare.loss):
            return replace(compare, picture="content")
        if compare.picture != "style" or (styles < 2 and regions is None):
            return compare
        return replace(compare, loss=by_regions(compare.loss, name) if regions else Mixture(compare.loss))

    return {name: one(name, compare) for name, compare in compared.items()}


def _shares(count: int, recipe: Recipe, *, alone: bool) -> dict[str, Any]:
    """Give the share of each style, or region, by its number from 1: of one that is `alone`, too.

    Where the recipe names none they are equal.
    """
    shares = recipe.style_shares or (1 / count,) * count
    return {str(i + 1): leaf(float(share)) for i, share in enumerate(shares)} if count > 1 or alone else {}


def _check_styles(styles: int, recipe: Recipe, count: int, what: str) -> None:
    check_shares(count, recipe, what)
    if styles > 1 and recipe.init == "style":
        raise UserError(f"init is style and there are {styles} styles: hand in the starting image, or use another init")


def arrays(problem: Problem) -> tuple[Any, ...]:
    """List the leaves of a problem that are no numbers."""
    held = problem.init, problem.terms, problem.sides, problem.chroma, problem.views, problem.held
    return tuple(x for x in jax.tree.leaves(held) if np.ndim(x))


def changed(problem: Problem, changes: Changes) -> Problem:
    """Put steps, descent, canvas, gradient or precision in the place of a problem's own.

    Raises:
        UserError: a name or a value of the wrong kind.
    """
    refuse_unknown(changes, Changes)
    given: dict[str, Any] = {name: x for name, x in changes.items() if x is not None}
    if "steps" in given:
        given["steps"] = leaf(_whole("steps", given["steps"]), "int32")
    if "precision" in given and given["precision"] not in precisions():
        raise UserError(f"precision is '{given['precision']}': expected one of {', '.join(precisions())}")
    if "descent" in given:
        given["descent"] = _typed(given["descent"])
    problem = replace(problem, **given)
    _check_moving(problem, given)
    return problem


def _typed(descent: Descent) -> Descent:
    """Turn a descent's Python numbers into leaves that problems share."""
    return jax.tree.map(lambda x: leaf(float(x)) if isinstance(x, int | float) else x, descent)


def refuse_unknown(given: Mapping[str, Any], kind: type) -> None:
    """Refuse a keyword that no value can be handed in by.

    Raises:
        UserError: with those there are.
    """
    known = tuple(get_type_hints(kind))
    if unknown := sorted(set(given) - set(known)):
        raise UserError(f"'{unknown[0]}' is nothing that can be handed in here: use {', '.join(known)}")


def _whole(name: str, number: Any) -> int:
    if isinstance(number, bool) or int(number) != number or not 0 <= number < 2**31 - 1:
        raise UserError(f"{name} is {number}: expected a whole number of at least 0")
    return int(number)


def settled(recipe: Recipe, encoder: Encoder) -> Recipe:
    """Check a recipe and give it with what the network that there is has, where it names none but the defaults.

    These are its layers, and its pooling and borders if it has no choice.

    Raises:
        UserError: a value out of range, or weights that are not the encoder's.
    """
    network = encoder.network
    known = {layer.name for layer in network.layers}
    own = {}
    for setting, kind in (("style_layers", "style"), ("content_layers", "content")):
        names = getattr(recipe, setting)
        if names == getattr(DEFAULT, setting) and not set(names) <= known:
            own[setting] = network.chosen(kind)
    for setting, only in (("pooling", "max"), ("padding", "zero")):
        if getattr(recipe, setting) == getattr(DEFAULT, setting) and not _takes(network, setting, recipe):
            own[setting] = only
    if recipe.weights != DEFAULT.weights and encoder.source and recipe.weights != encoder.source:
        raise UserError(
            f"the recipe's weights are '{recipe.weights}' and the encoder is '{encoder.source}': hand in the encoder "
            "of the recipe, or leave weights out"
        )
    recipe = replace(recipe, **own)
    check(recipe)
    return recipe


def _takes(network: Network, setting: str, recipe: Recipe) -> bool:
    how: dict[str, Any] = {"pooling": "max", "padding": "zero", "remat": False}
    try:
        network.configured(**{**how, setting: getattr(recipe, setting)})
    except UserError:
        return False
    return True


def _check_compare(name: str, compare: Compare) -> None:
    what = f"the loss of the term '{name}'"
    taken = {*Recipe.__dataclass_fields__, *ALIASES, *COLUMNS, *PICTURES}
    if name in taken or not re.fullmatch(r"[A-Za-z]\w*", name):
        raise UserError(
            f"a term is called '{name}': expected a word that is no setting and no column of a table, such as "
            f"'{name}_loss'"
        )
    if not isinstance(compare, Compare):
        raise UserError(f"the term '{name}' is a {type(compare).__name__}: expected a nst_jax.Compare, or None")
    value.check(compare.loss, Loss, what, ("distance",))
    if not isinstance(getattr(compare.loss, "statistic", None), Statistic):
        raise UserError(f"{what}, {type(compare.loss).__name__}, has no statistic: expected a nst_jax.Statistic")
    if compare.picture not in ("content", "style"):
        raise UserError(f"the term '{name}' is compared with '{compare.picture}': expected content or style")
    if unknown := set(compare.numbers) - set(compare.loss.numbers):
        known = ", ".join(compare.loss.numbers) or "it has none"
        raise UserError(f"{what}, {type(compare.loss).__name__}, has no number '{min(unknown)}': {known}")
    if compare.layer_weights and len(compare.layer_weights) != len(compare.layers):
        raise UserError(
            f"the term '{name}' has {len(compare.layer_weights)} layer weights for {len(compare.layers)} layers: "
            "give one for each, or none for equal weights"
        )


def least_side(network: Network, compared: Mapping[str, Compare]) -> tuple[int, str]:
    """Give the smallest side of a picture, in pixels, that all terms can be compared at, and what asks for it."""
    layers = tuple(dict.fromkeys(layer for compare in compared.values() for layer in compare.layers))
    deep = ", ".join(layer for layer in layers if layer != PICTURE.name)
    least, why = network.least_side(layers), f"the deepest of {deep}"
    for compare in compared.values():
        for layer in compare.layers:
            loss, at = compare.loss.at(layer), network.layer(layer)
            side = at.lost + loss.least() * at.stride
            if loss.least() > 1 and side > least:
                least, why = side, f"{loss!r} at {layer}"
    return least, why


def _check_circle(recipe: Recipe, network: Network, compared: Mapping[str, Compare], shape: tuple[int, ...]) -> None:
    """Refuse sides whose last positions would not lie beside the first."""
    stride = max((network.layer(layer).stride for c in compared.values() for layer in c.layers), default=1)
    if recipe.padding == "circular" and any(side % stride for side in shape[:2]):
        h, w = (max(1, round(side / stride)) * stride for side in shape[:2])
        raise UserError(
            f"padding is circular and the picture {shape[1]}x{shape[0]}: expected multiples of {stride}, "
            f"the deepest layer's stride, such as {w}x{h}"
        )


def check_picture(what: str, image: ImageLike, least: int, why: str) -> None:
    shape = np.shape(image)
    if len(shape) != 3 or shape[-1] != 3:
        raise UserError(f"the {what} image has shape {shape}: expected (height, width, 3), RGB in [0, 1]")
    if min(shape[:2]) < least:
        raise UserError(
            f"the {what} image is {shape[1]}x{shape[0]}: {why} needs at least {least} pixels a side; use a larger "
            "picture or size, or shallower layers"
        )
    check_range(f"the {what} image", image)


def check_range(what: str, image: ImageLike) -> None:
    """Refuse a picture that is not float RGB in [0, 1].

    Raises:
        UserError: with its values.
    """
    kind = getattr(image, "dtype", None) or np.asarray(image).dtype
    if not jnp.issubdtype(kind, jnp.floating):
        raise UserError(f"{what} has values of type {kind}: expected floats in [0, 1]; divide levels by 255")
    low, high = float(np.min(image)), float(np.max(image))
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise UserError(f"{what} has values from {low:g} to {high:g}: expected floats in [0, 1]")


def _check_moving(problem: Problem, values: Mapping[str, Any]) -> None:
    """Try what was handed in of canvas, descent and gradient on the starting image."""
    canvas, descent = problem.canvas, problem.descent
    if "canvas" in values:
        value.check(canvas, Canvas, "the canvas", ("encode", "draw"))
        _check_canvas(canvas, problem.init)
    if problem.precision not in ("auto", "float32") and type(problem.network).prepare is Network.prepare:
        raise UserError(
            f"precision is {problem.precision}: the network {problem.network.name} prepares no kernels and runs in "
            "float32; leave precision out"
        )
    if "gradient" in values:
        value.check(problem.gradient, Gradient, "the gradient", ("value_and_grad",))
    problem.gradient.check(Objective(Encoder({}, network=problem.network), problem))
    if problem.views is not None and isinstance(descent, LBFGS | Zoom):
        raise UserError(
            f"the problem has transforms and the descent is {type(descent).__name__}: it compares losses, which are "
            "then of another objective at each step; use nst_jax.Adam()"
        )
    if "descent" in values:
        _check_descent(descent, canvas, problem.init)


def _check_canvas(canvas: Canvas, image: Image) -> None:
    name = type(canvas).__name__
    x, (h, w, _) = canvas.encode(image), image.shape
    if not jax.tree.leaves(x) or any(getattr(leaf, "dtype", None) != jnp.float32 for leaf in jax.tree.leaves(x)):
        found = jax.tree.map(lambda leaf: str(getattr(leaf, "dtype", type(leaf).__name__)), x)
        raise UserError(f"the canvas {name} encodes a picture as {found}: expected a pytree of float32 arrays")
    drawn = canvas.draw(x, (h, w))
    if jnp.shape(drawn) != image.shape:
        raise UserError(f"the canvas {name} draws shape {jnp.shape(drawn)}: expected the picture's, {image.shape}")
    check_range(f"what the canvas {name} draws", drawn)


def _check_descent(descent: Descent, canvas: Canvas, image: Image) -> None:
    if isinstance(descent, type) or not isinstance(descent, Descent):
        called = descent.__name__ if isinstance(descent, type) else type(descent).__name__
        raise UserError(
            f"the descent is {called}: expected a value such as nst_jax.Adam(), nst_jax.LBFGS(), or "
            "nst_jax.Transformation(...) around an optax transformation"
        )

    kind = type(descent).__name__
    if any(leaf is descent for leaf in jax.tree.leaves(descent)):
        raise UserError(f"the descent {kind} is no pytree: expected a flax.struct.dataclass that extends Descent")
    for method in ("init", "update"):
        if getattr(type(descent), method) is getattr(Descent, method):
            raise UserError(f"the descent {kind} has no {method}: expected what nst_jax.Descent describes")

    def once(descent: Descent, image: Image) -> Any:
        x = canvas.encode(image)
        state = descent.init(x, canvas)
        one = jnp.float32(1)
        at = Point(x, one, x, jnp.int32(0), jnp.int32(1), lambda x: one, canvas)
        return (x, state), descent.update(state, at)

    before, after = jax.eval_shape(once, descent, image)
    if jax.tree.map(_shape, before) != jax.tree.map(_shape, after):
        raise UserError(
            f"the descent {kind} changes the structure of x or of its state in a step: expected "
            "update(state, at) -> (x, state) of the same shapes and types"
        )


def _shape(x: Any) -> tuple[Any, ...]:
    return x.shape, x.dtype


def _starting_point(kind: str, content: Image, style: Image, given: ImageLike | None) -> tuple[Image, float]:
    """Give the image below the noise and the noise's fraction."""
    if given is not None:
        if np.shape(given) != content.shape:
            raise UserError(f"the starting image has shape {np.shape(given)}: expected the content's {content.shape}")
        check_range("the starting image", given)
        return jnp.asarray(given, jnp.float32), 0.0
    if kind == "style":
        return jax.image.resize(style, content.shape, "cubic").clip(0, 1), 0.0
    if kind in ("grey", "noise"):
        return jnp.asarray(np.full(content.shape, 0.5, np.float32)), noise(kind)
    if kind == "content" or kind.startswith("blend:"):
        return content, noise(kind)
    raise UserError(f"the starting image is a file, '{kind}': read it and hand it to pose(..., init=image)")


def _terms(
    encoder: Encoder,
    compared: Mapping[str, Compare],
    content: tuple[Image, ...],
    style: "tuple[Image, ...] | SavedStyle",
    share: float,
    guiding: Guiding | None,
    gradient: Gradient,
) -> dict[str, Term]:
    """Pose every term; the features of each picture are computed once, in the windows that the gradient has."""
    made: targets.Made = {}
    guided = guiding.at(encoder.network, _patches_of_style(compared)) if guiding else {}
    for picture, those in (("content", content), ("style", style)):
        asked = tuple((name, c.loss, tuple(c.layers)) for name, c in compared.items() if c.picture == picture)
        # a style does not go on at its other side
        seen = encoder if picture == "content" else bordered(encoder)
        here, size = (guided, content[0].shape[:2]) if guided and picture == "style" else ({}, (0, 0))
        if isinstance(those, SavedStyle):
            made |= those.made(seen, asked) if asked else {}
        elif asked and isinstance(gradient, Tiles) and not here:
            made |= targets.by_windows(seen, those, asked, side=gradient.side)
        elif asked:
            made |= targets.whole(seen, those, asked, size, here)
    found = {}
    for name, compare in compared.items():
        aims, given = made[name]
        # A recipe whose alpha or beta is 0 may name no layers.
        w = compare.layer_weights or tuple(1.0 / len(compare.layers) for _ in compare.layers)
        found[name] = Term(
            weight=leaf(float(compare.weight)),
            share=leaf(float(share) if compare.loss.extensive else 1.0),
            layer_weights={layer: leaf(float(x)) for layer, x in zip(compare.layers, w, strict=True)},
            targets=aims,
            given=given,
            masks={layer: guided[layer].mask for layer in compare.layers if _masked(compare, layer, guided)},
            numbers={name: leaf(float(x)) for name, x in {**compare.loss.numbers, **compare.numbers}.items()},
            loss=compare.loss,
        )
    return found


def bordered(encoder: Encoder) -> Encoder:
    """Give the encoder for a picture that ends at its border, which it mirrors where the result's would go around."""
    network: Any = encoder.network
    if getattr(network, "padding", "") != "circular":
        return encoder
    mirrored = network.configured(pooling=network.pooling, padding="reflect", remat=network.remat)
    return replace(encoder, network=mirrored)


def _patches_of_style(compared: Mapping[str, Compare]) -> dict[str, set[int]]:
    """Give by layer the positions a side of everything that is compared one by one with a style's."""
    found: dict[str, set[int]] = {}
    for compare in compared.values():
        for layer in compare.layers if compare.picture == "style" else ():
            found.setdefault(layer, set()).update(losses.patches(compare.loss.at(layer)))
    return found


def _masked(compare: Compare, layer: str, guided: Mapping[str, Guide]) -> bool:
    """Say whether the sums of a term are weighed at a layer; losses of positions as they come have lists of these."""
    return compare.picture == "style" and layer in guided and not compare.loss.at(layer).statistic.by_position
