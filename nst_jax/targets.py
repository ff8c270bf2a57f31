"""What the picture is to match: targets, and what is given beside them, from pictures whole or window by window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.compiler import late_jit
from nst_jax.errors import UserError
from nst_jax.gradients import Window, windows
from nst_jax.guides import Guide
from nst_jax.losses import Loss, Place
from nst_jax.networks import Encoder, Network, features, summarise
from nst_jax.networks.network import PICTURE
from nst_jax.ops import NOTHING, Statistic, Summary
from nst_jax.problem import place, read
from nst_jax.types import Features, Image

Asked = tuple[tuple[str, Loss, tuple[str, ...]], ...]
"""Terms that are compared with the same pictures: name, loss, layers."""
Made = dict[str, tuple[dict[str, Any], dict[str, Any]]]
"""By term: {layer: target} and {layer: what is given}."""

NO_GUIDES: Mapping[str, Guide] = {}


def one_or_all(found: tuple[Any, ...]) -> Any:
    """Give what stands for one style where there is one, else the tuple."""
    return found[0] if len(found) == 1 else found


@dataclass(frozen=True)
class _Here:
    """One term at one of its layers, which are by depth."""

    name: str
    layer: str
    loss: Loss
    layers: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return self.loss.reads(self.layer, self.layers)

    @property
    def by_windows(self) -> bool:
        """Say whether sums over windows will do."""
        return self.loss.by_sums and self.layer != PICTURE.name and self.reads == (self.layer,)


def _listed(network: Network, asked: Asked) -> list[_Here]:
    by_depth = ((name, loss, network.by_depth(layers)) for name, loss, layers in asked)
    return [_Here(name, layer, loss.at(layer), layers) for name, loss, layers in by_depth for layer in layers]


@late_jit(once=True, static_argnums=(2, 3))
def whole(
    encoder: Encoder,
    pictures: tuple[Image, ...],
    asked: Asked,
    size: tuple[int, int] = (0, 0),
    guided: Mapping[str, Guide] = NO_GUIDES,
) -> Made:
    """Compute targets in float32 from pictures (h, w, 3) at once.

    A loss with several targets gets the features of all pictures, one in regions these with their guides, others those
    of the one there is. `size` (h, w) is the content's, where there are guides.

    Raises:
        UserError: features that are not those of the network's table, or a distance that is no number.
    """
    listed = _listed(encoder.network, asked)
    _check(encoder, pictures, listed, size, guided)
    found = [_features(encoder, image, listed) for image in pictures]
    return _made(asked, {(at.name, at.layer): _from_features(at, found, guided.get(at.layer)) for at in listed})


@late_jit(once=True, static_argnums=2, static_argnames="side")
def by_windows(encoder: Encoder, pictures: tuple[Image, ...], asked: Asked, *, side: int) -> Made:
    """Compute the same in tiles of `side` pixels, in a memory that does not grow with the pictures.

    What is made of sums over positions is summed up window by window, first what is given, then the targets; features
    that are a target themselves, as those of the content, are put together from the windows'.

    Raises:
        UserError: as `whole` does.
    """
    listed = _listed(encoder.network, asked)
    _check(encoder, pictures, listed)
    summed = [at for at in listed if at.by_windows]
    kept = tuple(dict.fromkeys(name for at in listed if not at.by_windows for name in at.reads))

    def looked(image: Image, wanted: Sequence[tuple[_Here, Statistic, Any]], layers: tuple[str, ...] = ()) -> Any:
        return _by_windows(encoder, image, wanted, layers, side)

    bases = [(at, at.loss.basis, ()) for at in summed if at.loss.basis != NOTHING]
    found = [looked(image, bases)[0] for image in pictures]
    given = {
        (at.name, at.layer): at.loss.brought(one_or_all(tuple(one.get((at.name, at.layer), ()) for one in found)))
        for at in summed
    }
    statistics = [(at, at.loss.statistic, given[at.name, at.layer]) for at in summed]
    both = [looked(image, statistics, kept) for image in pictures]
    made = {}
    for at in listed:
        key = at.name, at.layer
        if key in given:
            made[key] = at.loss.aimed(one_or_all(tuple(sums[key] for sums, _ in both)), given[key]), given[key]
        else:
            made[key] = _from_features(at, [own for _, own in both])
    return _made(asked, made)


def _check(
    encoder: Encoder,
    pictures: tuple[Image, ...],
    listed: Sequence[_Here],
    size: tuple[int, int] = (0, 0),
    guided: Mapping[str, Guide] = NO_GUIDES,
) -> None:
    """Try network and losses, which may be somebody's own, on the shapes of these pictures; nothing is computed."""
    found = []
    for image in pictures:
        own = jax.eval_shape(lambda x: _features(encoder, x, listed), jax.ShapeDtypeStruct(image.shape, jnp.float32))
        for layer, x in own.items():
            _check_table(encoder.network, layer, x, image)
        found.append(own)
    for one in listed:
        guide = guided.get(one.layer)
        count = len(guide.style) if guide else len(pictures)
        at = place(encoder.network, one.layer, pictures[0])._replace(numbers=one.loss.numbers)
        at = at._replace(styles={str(i + 1): 1.0 for i in range(count)})
        x = read(one.loss, one.layer, one.layers, _shapes(encoder.network, one.layers, size) if guide else found[0])
        _check_distance(one, x, found, at, guide)


def _shapes(network: Network, layers: tuple[str, ...], size: tuple[int, int]) -> dict[str, Any]:
    found = (network.layer(name) for name in layers)
    return {x.name: jax.ShapeDtypeStruct((*x.positions(size), x.channels), jnp.float32) for x in found}


def _features(encoder: Encoder, image: Image, listed: Sequence[_Here]) -> dict[str, Features]:
    return features(encoder, image, tuple(dict.fromkeys(name for at in listed for name in at.reads)))


def _from_features(at: _Here, found: Sequence[Mapping[str, Features]], guide: Guide | None = None) -> tuple[Any, Any]:
    """Make target and given of the features of each picture."""
    each = tuple(read(at.loss, at.layer, at.layers, one) for one in found)
    own = guide.features(each) if guide else one_or_all(each)
    given = at.loss.given(own)
    return at.loss.target(own, None, given), given


def _made(asked: Asked, found: Mapping[tuple[str, str], tuple[Any, Any]]) -> Made:
    made: Made = {name: ({}, {}) for name, _, _ in asked}
    for (name, layer), (target, given) in found.items():
        made[name][0][layer], made[name][1][layer] = target, given
    return made


def _by_windows(
    encoder: Encoder, image: Image, wanted: Sequence[tuple[_Here, Statistic, Any]], layers: tuple[str, ...], side: int
) -> tuple[dict[tuple[str, str], Any], dict[str, Features]]:
    """Give statistics of a picture by term and layer, and whole layers; `wanted` has what each is given."""
    network, (h, w, _) = encoder.network, image.shape
    deep = tuple(name for name in layers if name != PICTURE.name)
    own = {PICTURE.name: image} if PICTURE.name in layers else {}
    names = (*deep, *(at.layer for at, _, _ in wanted))
    if not names:
        return {}, own
    covering = windows.groups([network.layer(name) for name in dict.fromkeys(names)], (h, w), side)
    shapes = {name: (*network.layer(name).positions((h, w)), network.layer(name).channels) for name in deep}
    look = partial(_seen, encoder, wanted, deep)
    (shape, first), *_ = covering
    like, _ = jax.eval_shape(look, jax.ShapeDtypeStruct((*shape, 3), image.dtype), jax.tree.map(lambda x: x[0], first))
    sums = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), like)
    put = {name: jnp.zeros(shape, jnp.float32) for name, shape in shapes.items()}

    def step(before: tuple[Any, Any], pixels: Image, window: Window) -> tuple[Any, Any]:
        more, parts = look(pixels, window)
        put = {name: _put(network, name, before[1][name], x, window, pixels) for name, x in parts.items()}
        return jax.tree.map(jnp.add, before[0], more), put

    sums, put = windows.walked(image, covering, (sums, put), step)
    found = {(at.name, at.layer): statistic.finish(one) for (at, statistic, _), one in zip(wanted, sums, strict=True)}
    return found, own | put


def _seen(
    encoder: Encoder,
    wanted: Sequence[tuple[_Here, Statistic, Any]],
    layers: tuple[str, ...],
    pixels: Image,
    window: Window,
) -> tuple[list[Any], dict[str, Features]]:
    """Sum up what a window owns, in the order of `wanted`, and compute its features."""
    asked: dict[str, tuple[Summary, ...]] = {}
    for at, statistic, given in wanted:
        mine = windows.owned(encoder.network.layer(at.layer), pixels, window)
        asked[at.layer] = (*asked.get(at.layer, ()), Summary(statistic._replace(finish=_as_they_are), mine, given))
    parts, made = summarise(encoder, pixels, layers, asked)
    left = {layer: list(summaries) for layer, summaries in made.items()}
    return [left[at.layer].pop(0) for at, _, _ in wanted], parts


def _as_they_are(sums: Any) -> Any:
    return sums


def _put(network: Network, name: str, before: Features, x: Features, window: Window, pixels: Image) -> Features:
    """Put the positions that a window owns at their places in a whole layer."""
    layer = network.layer(name)
    at = (window.top // layer.stride, window.left // layer.stride, 0)
    here = jax.lax.dynamic_slice(before, at, x.shape)
    mine = windows.owned(layer, pixels, window)[..., None] > 0
    return jax.lax.dynamic_update_slice(before, jnp.where(mine, x.astype(jnp.float32), here), at)


def _check_table(network: Network, layer: str, x: Any, image: Image) -> None:
    at = network.layer(layer)
    expected = (*at.positions(image.shape), at.channels)
    if jnp.shape(x) != expected:
        h, w, _ = image.shape
        raise UserError(
            f"the network {network.name} computes {layer} of shape {jnp.shape(x)} for a picture of {w}x{h}: expected "
            f"{expected} by its own table"
        )


def _check_distance(
    one: _Here, x: Any, found: Sequence[Mapping[str, Any]], at: Place, guide: Guide | None = None
) -> None:
    def once(x: Any, found: Sequence[Mapping[str, Features]]) -> Any:
        target, given = _from_features(one, found, guide)
        mask = guide.mask if guide else None
        return one.loss.distance(one.loss.statistic(x, mask, given), target, at._replace(given=given))

    shape = jax.eval_shape(once, x, found)
    if getattr(shape, "shape", None) != ():
        kind = getattr(shape, "shape", type(shape).__name__)
        raise UserError(
            f"the loss of the term '{one.name}', {type(one.loss).__name__}, gives {kind}: expected one number"
        )
