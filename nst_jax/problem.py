"""A style transfer as one pytree: the starting image, what to match, every number that weighs it, and how it moves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from nst_jax.arithmetic import in_float32
from nst_jax.canvases import Canvas, Pixels, Transforms
from nst_jax.colour import with_chroma
from nst_jax.descents import Descent
from nst_jax.errors import UserError
from nst_jax.gradients import Gradient, Terms, Whole
from nst_jax.losses import Loss, Place
from nst_jax.networks import PICTURE, Encoder, Network, resolve_precision, summarise
from nst_jax.ops import FEATURES, Summaries, Summary
from nst_jax.recipe import Precision, Recipe
from nst_jax.types import Features, Image, Mask, Scalar


@struct.dataclass
class Term:
    """One part of the objective: weight share sum_l w_l distance(statistic of layer l, target_l).

    Where the loss `shares`, the w_l are divided by their sum.

    Attributes:
        weight: of the whole term; `alpha`, `beta` and `tv` are names of these.
        share: what a coarse scale multiplies it by, so that sums over positions weigh there what they do at the finest.
        layer_weights: w_l by layer.
        targets: by layer, what `loss.target` made.
        given: by layer, what `loss.given` made.
        masks: (h_l, w_l) by layer, how much each position of the picture counts; none for a layer without. Of a loss
            in regions (h_l, w_l, regions).
        numbers: those of the loss's formula, by name.
        renewed: by layer, what `loss.renewed` made last; it is part of a run's state.
        loss: what is compared.
    """

    weight: Scalar
    share: Scalar
    layer_weights: dict[str, Scalar]
    targets: dict[str, Any]
    given: dict[str, Any]
    masks: dict[str, Mask] = struct.field(default_factory=dict)
    numbers: dict[str, Scalar] = struct.field(default_factory=dict)
    renewed: dict[str, Any] = struct.field(default_factory=dict)
    loss: Loss = struct.field(pytree_node=False, kw_only=True)


@struct.dataclass
class Views:
    """How the picture is looked at: at each step from another side, and the content from the same.

    Attributes:
        content: the picture (h, w, 3) whose features the terms `of_content` are compared with.
        of_content: terms whose targets are made anew at each step.
        transforms: what is drawn, from the problem's seed and the step.
    """

    content: Image
    of_content: tuple[str, ...] = struct.field(pytree_node=False)
    transforms: Transforms = struct.field(pytree_node=False, default=Transforms())

    def key(self, seed: jax.Array, step: jax.Array) -> jax.Array:
        """Give the key of a step."""
        return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 1), step)


@struct.dataclass
class Held:
    """Which pixels stay the content's: those of regions whose share is 0, and of no other region.

    Attributes:
        content: the picture (h, w, 3).
        members: (h, w) of uint32; bit r tells whether a pixel belongs to region r + 1, if only in part.
    """

    content: Any
    members: Any

    def drawn(self, image: Image, shares: Mapping[str, Any]) -> Image:
        """Put the content in its places of a picture (h, w, 3)."""
        bits = [jnp.where(jnp.asarray(share) > 0, 0, jnp.uint32(1 << r)) for r, share in enumerate(shares.values())]
        idle = sum(bits, jnp.uint32(0))
        held = ((self.members & idle) != 0) & ((self.members & ~idle) == 0)
        return jnp.where(held[..., None], self.content, image)


@dataclass(frozen=True, eq=False)
class Origin:
    """What a problem was posed from, for the record inside its picture. All are equal: it changes no program.

    Attributes:
        recipe: of the problem; numbers that vary since are read from its leaves.
        inputs: `{"content": {"pixels": sha256, "shape": [h, w]}, "style": ...}`, or files with their sha256.
        arrays: the leaves as they were posed.
        scale: its place among how many scales, coarsest first.
    """

    recipe: Recipe
    inputs: Mapping[str, Mapping[str, Any]]
    arrays: tuple[Any, ...] = field(default=(), repr=False)
    scale: tuple[int, int] = (0, 1)

    def __eq__(self, other: object) -> bool:
        """Count as equal to any other origin."""
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        """Hash all alike."""
        return hash(Origin)


@struct.dataclass
class Problem:
    """Everything `solve` needs beside the network's arrays. Each number is an array leaf, so each can be swept.

    Attributes:
        init: starting image (h, w, 3) in [0, 1], before noise.
        noise: fraction of uniform noise blended over `init`, in [0, 1].
        seed: of that noise.
        steps: updates of the image.
        style_shares: how much each of several styles, or of the regions of masks, counts, by its number from 1; they
            are divided by their sum.
        terms: the objective, by name.
        descent: the optimizer; its numbers are leaves.
        sides: (height, width) of the picture, which the recipe's `bucket` made `init` larger than; none without one.
        chroma: picture (h, w, 3) whose colours the result takes, where the recipe's `colour` paints luminance alone.
        canvas: what moves.
        gradient: how the derivative comes about.
        network: the table of layers, with the pooling and padding of this problem.
        fingerprint: of the encoder that made the targets; `solve` refuses another.
        precision: arithmetic of the convolutions.
        origin: what it was posed from.
        views: transforms that the picture is looked at through; none for the picture as it is.
        held: the pixels of regions whose share is 0, where there are masks.
    """

    init: Image
    noise: Scalar
    seed: jax.Array
    steps: jax.Array
    terms: dict[str, Term]
    descent: Descent
    sides: np.ndarray | None = None
    chroma: np.ndarray | None = None
    style_shares: dict[str, Scalar] = struct.field(default_factory=dict)
    canvas: Canvas = struct.field(pytree_node=False, default=Pixels())
    gradient: Gradient = struct.field(pytree_node=False, default=Whole())
    network: Network = struct.field(pytree_node=False, kw_only=True)
    fingerprint: str = struct.field(pytree_node=False, default="")
    precision: Precision = struct.field(pytree_node=False, default="auto")
    origin: Origin | None = struct.field(pytree_node=False, default=None)
    views: Views | None = None
    held: Held | None = None

    def __repr__(self) -> str:
        """Name what it is made of, without its arrays."""
        h, w = self.init.shape[:2]
        terms = ", ".join(f"{name}: {term.loss} at {', '.join(term.targets)}" for name, term in self.terms.items())
        return f"Problem({w}x{h}, {self.network.name}, {terms}, {type(self.descent).__name__}, {self.steps} steps)"


@in_float32()
def start(problem: Problem) -> Image:
    """Blend the starting image with its noise: (1 - noise) init + noise u, u uniform in [0, 1]."""
    u = jax.random.uniform(jax.random.key(problem.seed), problem.init.shape, jnp.float32)
    return (1 - problem.noise) * problem.init + problem.noise * u


def drawn(problem: Problem, x: Any) -> Image:
    """Draw the picture (h, w, 3) that the problem's canvas shows at x, with the pixels that are held."""
    h, w, _ = problem.init.shape
    image = problem.canvas.draw(x, (h, w))
    return image if problem.held is None else problem.held.drawn(image, problem.style_shares)


def shown(problem: Problem, image: Image | np.ndarray) -> Any:
    """Make of an image (H, W, 3) that was painted the picture (h, w, 3) that is shown.

    The margin that the recipe's `bucket` added is cut off; where luminance alone was painted, chroma is put back.
    """

    def cut(picture: Any) -> Any:
        return picture if problem.sides is None else picture[: int(problem.sides[0]), : int(problem.sides[1])]

    return (
        cut(image) if problem.chroma is None else with_chroma(np.asarray(cut(image)), np.asarray(cut(problem.chroma)))
    )


def prepared(problem: Problem, platform: str) -> Problem:
    """Give a problem with its descent and its canvas in the form for a platform (cpu, gpu, tpu)."""
    precision = resolve_precision(problem.precision, platform, problem.network.accelerated)
    descent, canvas = problem.descent.prepared(precision, platform), problem.canvas.prepared(platform)
    return replace(problem, descent=descent, canvas=canvas)


def strong(problem: Problem) -> Problem:
    """Turn every number that a caller may have put in (`problem.replace(steps=2)`) into a strongly typed array.

    Without this, a jitted function would be traced once more for a Python number than for an array.
    """

    def typed(x: Any) -> Any:
        if isinstance(x, jax.Array) and x.weak_type:  # of `jnp.asarray(4.0)`
            return jnp.asarray(x, jnp.float32)
        return x if isinstance(x, jax.Array | np.ndarray | np.generic) else np.float32(x)

    seed, steps = np.uint32(problem.seed), np.int32(problem.steps)
    rest = jax.tree.map(typed, replace(problem, seed=seed, steps=steps, sides=None))
    return replace(rest, sides=problem.sides)


def viewed(encoder: Encoder, problem: Problem, key: jax.Array) -> Problem:
    """Give the problem with the targets of the content as it is seen at this key."""
    views = problem.views
    assert views is not None
    compared = [one for one in _compared(problem) if one[0] in views.of_content and one[2] != PICTURE.name]
    asked = dict.fromkeys(name for _, _, layer, loss, layers in compared for name in loss.reads(layer, layers))
    encoder = replace(encoder, network=problem.network)
    found, _ = summarise(encoder, views.transforms(views.content, key), tuple(asked), {})
    features = {name: x.astype(jnp.float32) for name, x in found.items()}
    terms = dict(problem.terms)
    for name, term, layer, loss, layers in compared:
        target = loss.target(read(loss, layer, layers, features), None, term.given[layer])
        terms[name] = replace(terms[name], targets={**terms[name].targets, layer: target})
    return replace(problem, terms=terms)


@in_float32()
def terms(encoder: Encoder, problem: Problem, image: Image, seen: Image | None = None) -> Terms:
    """Compute every unweighted loss of an image (h, w, 3), layer by layer: `content/relu4_2`, `style/relu1_1`, ...

    Args:
        encoder, problem: what it is measured by.
        image: the picture.
        seen: what the network looks at in place of it.
    """
    whole: dict[str, None] = {}
    asked: dict[str, Summaries] = {}
    places: dict[tuple[str, str], int] = {}
    for name, term, layer, loss, layers in _compared(problem):
        reads = loss.reads(layer, layers)
        if loss.statistic.by_position and layer in term.masks:
            raise UserError(f"the term '{name}' has a mask at {layer}: {term.loss!r} has no masked form")
        if loss.statistic == FEATURES or reads != (layer,):
            whole |= dict.fromkeys(reads)
            continue
        before = asked.get(layer, ())
        places[name, layer] = len(before)
        asked[layer] = (*before, Summary(loss.statistic, term.masks.get(layer), term.given[layer]))
    encoder = replace(encoder, network=problem.network)
    features, made = _summarised(encoder, image, image if seen is None else seen, tuple(whole), asked)

    distances = {}
    for name, term, layer, loss, layers in _compared(problem):
        if (name, layer) in places:
            found = made[layer][places[name, layer]]
        else:
            found = loss.statistic(read(loss, layer, layers, features), term.masks.get(layer), term.given[layer])
        at = at_place(problem, term, layer, image if seen is None or layer == PICTURE.name else seen)
        distances[f"{name}/{layer}"] = loss.distance(found, term.targets[layer], at)
    return distances


def _summarised(
    encoder: Encoder, image: Image, seen: Image, layers: tuple[str, ...], wanted: Mapping[str, Summaries]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compute the layers of what is seen; the layer `image` is the picture itself."""
    if seen is image:
        return summarise(encoder, image, layers, wanted)
    features, made = {}, {}
    for shown, own in ((image, {PICTURE.name}), (seen, {*layers, *wanted} - {PICTURE.name})):
        there = [n for n in layers if n in own], {n: s for n, s in wanted.items() if n in own}
        more_features, more_made = summarise(encoder, shown, *there)
        features, made = features | more_features, made | more_made
    return features, made


def _compared(problem: Problem) -> Iterator[tuple[str, Term, str, Loss, tuple[str, ...]]]:
    """List every term at every layer, with its loss there and the term's layers by depth."""
    for name, term in problem.terms.items():
        for layer in term.targets:
            yield name, term, layer, term.loss.at(layer), problem.network.by_depth(term.targets)


def read(loss: Loss, layer: str, layers: tuple[str, ...], features: Mapping[str, Features]) -> Any:
    """Give what a loss sums up at one of its term's layers: features (h, w, c), or a tuple of several layers'."""
    reads = loss.reads(layer, layers)
    return features[layer] if reads == (layer,) else tuple(features[name] for name in reads)


def place(network: Network, layer: str, image: Image) -> Place:
    """Say where a layer's features of an image (h, w, 3) lie."""
    at, (h, w, _) = network.layer(layer), image.shape
    rows, columns = at.positions((h, w))
    return Place(rows * columns, at.channels, h * w, size=(rows, columns))


def at_place(problem: Problem, term: Term, layer: str, image: Image) -> Place:
    """Say where a layer's features of an image (h, w, 3) lie, and what a term brought along there."""
    own = {"given": term.given[layer], "numbers": term.numbers, "share": term.share, "styles": problem.style_shares}
    return place(problem.network, layer, image)._replace(**own, renewed=term.renewed.get(layer, ()))


@in_float32()
def total(encoder: Encoder, problem: Problem, image: Image, seen: Image | None = None) -> tuple[Scalar, Terms]:
    """Compute sum_t weight_t sum_l w_l distance_l, and what it is made of.

    Of the recipe's own terms this is alpha L_content + beta L_style + tv L_tv (Gatys et al. 2015, eq. 7). Beside the
    unweighted losses of each layer there are `total` and, by the name of the term, sum_l w_l distance_l.
    """
    return added(problem, terms(encoder, problem, image, seen))


def added(problem: Problem, found: Terms) -> tuple[Scalar, Terms]:
    """Weigh and add up the losses of terms and layers."""
    loss, sums = jnp.float32(0), {}
    for name, term in problem.terms.items():
        layers = (w * found[f"{name}/{layer}"] for layer, w in term.layer_weights.items())
        sums[name] = sum(layers, jnp.float32(0))
        if term.loss.shares:
            all_weights = sum(term.layer_weights.values(), jnp.float32(0))
            sums[name] /= jnp.where(all_weights > 0, all_weights, 1)
        loss += term.weight * term.share * sums[name]
    return loss, {"total": loss, **sums, **found}
