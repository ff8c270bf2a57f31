"""Every measure of a picture at once, under stable names, against one content and one style."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.arithmetic import in_float32
from nst_jax.compiler import late_jit
from nst_jax.errors import UserError
from nst_jax.meanings import MEANINGS
from nst_jax.metrics import divergence, resemblance
from nst_jax.metrics.chroma import chroma_speckle, colour_w2, colours_of
from nst_jax.metrics.edges import edge_f1, edges_of
from nst_jax.metrics.filters import WAVES, filters_distance, responses
from nst_jax.metrics.holdout import StyleSide, compared, sides_of
from nst_jax.metrics.layers import features_of, held_out_layers, least_side, levels
from nst_jax.metrics.spectrum import LEAST, checkerboard, spectrum_slope
from nst_jax.networks import Encoder, Network
from nst_jax.pixels import check_comparable
from nst_jax.types import Features, Image, ImageLike


class Known(NamedTuple):
    """What the network sees of a style, once for all results."""

    sides: dict[str, StyleSide]
    whole: resemblance.Whole
    patches: dict[str, resemblance.Patches]


class Judge:
    """Measure results against one content and one style: `judge = Judge(encoder, content, style)`, `judge(image)`.

    What depends on content and style alone is computed once. One picture of 256 px takes about a second and a half of
    one CPU core, most of it for the network, the patches and `style_bures`.

    Attributes:
        style: the style's own `spectrum_slope`, `checkerboard` and `chroma_speckle`, to compare a result's with.
    """

    style: dict[str, float]

    def __init__(
        self, encoder: Encoder, content: ImageLike, style: ImageLike, *, photographs: Sequence[ImageLike] = ()
    ) -> None:
        """Look at a content (h, w, 3) and a style of any size, RGB in [0, 1].

        `photographs` are what the components of `effect` are found from; without, those that travel with the package.

        Raises:
            UserError: a picture that is too small for the measures.
        """
        for picture, what in ((content, "content"), (style, "style")):
            _check(picture, what, encoder.network)
        self._encoder, self._basis = encoder, divergence.basis_of(encoder, photographs)
        network, (self._content, kept) = encoder.network, self._seen(content)
        at = (held_out_layers(network)[0], *resemblance.content_layers(network))
        self._original = self._content, {name: kept[name] for name in at}
        self._known, moments = _look(network, *self._seen(style))
        self._gaussians = divergence.projected(jax.device_get(moments), self._basis)
        self._edges, self._responses, self._colours = edges_of(content), responses(style), colours_of(style)
        self.style = {
            "spectrum_slope": spectrum_slope(style),
            "checkerboard": checkerboard(style),
            "chroma_speckle": chroma_speckle(style),
        }

    def __call__(self, image: ImageLike) -> dict[str, float]:
        """Give every measure of a result (h, w, 3), as large as its content: those of `MEANINGS`, in that order.

        A non-finite picture has no finite measure.

        Raises:
            UserError: a result of another size than its content.
        """
        check_comparable(image, self._content)
        image = np.asarray(image, np.float32)
        if not np.isfinite(image).all():
            return dict.fromkeys(MEANINGS, float("nan"))
        seen, moments = jax.device_get(_see(self._encoder.network, self._seen(image), self._original, self._known))
        found = {
            **{name: float(value) for name, value in seen.items()},
            "effect": divergence.effect(divergence.projected(moments, self._basis), self._gaussians),
            "edge_f1": edge_f1(edges_of(image), self._edges),
            "filters_distance": filters_distance(responses(image), self._responses),
            "colour_w2": colour_w2(image, self._colours),
            "spectrum_slope": spectrum_slope(image),
            "checkerboard": checkerboard(image),
            "chroma_speckle": chroma_speckle(image),
        }
        found["spectrum_gap"] = abs(found["spectrum_slope"] - self.style["spectrum_slope"])
        # A grey style has none; of less than half a level nothing is seen.
        found["chroma_speckle_ratio"] = found["chroma_speckle"] / max(self.style["chroma_speckle"], 0.5)
        return {name: found[name] for name in MEANINGS}

    def _seen(self, image: ImageLike) -> tuple[Image, dict[str, Features]]:
        picture = jnp.asarray(image, jnp.float32)
        return picture, _features(self._encoder, picture, _layers(self._encoder.network))


def measures(encoder: Encoder, image: ImageLike, content: ImageLike, style: ImageLike) -> dict[str, float]:
    """Give every measure of one result: those of `MEANINGS`. For several of one content and style, use a `Judge`."""
    return Judge(encoder, content, style)(image)


def least_judged(network: Network) -> int:
    """Give the side in pixels below which a `Judge` has nothing to look at."""
    patches = [network.layer(name) for name in resemblance.local_layers(network)]
    side = max(layer.lost + resemblance.PATCH * layer.stride for layer in patches)
    return max(LEAST, *WAVES, side, least_side(network), network.least_side(levels(network)))


def _check(picture: ImageLike, what: str, network: Network) -> None:
    h, w = picture.shape[:2]
    least = least_judged(network)
    if min(h, w) < least:
        raise UserError(f"the {what} is {w}x{h}: all measures of {network.name} need at least {least}x{least} pixels")


def _layers(network: Network) -> tuple[str, ...]:
    """Name every layer that some measure looks at."""
    content, style = held_out_layers(network)
    return tuple(dict.fromkeys((content, *style, *levels(network))))


@late_jit(once=True, static_argnums=2)
@in_float32()
def _features(encoder: Encoder, image: Image, layers: tuple[str, ...]) -> dict[str, Features]:
    # A program of its own, so that pictures of one size share it, the content's and the style's among them.
    return features_of(encoder, image, layers, None)


@partial(jax.jit, static_argnums=0)
@in_float32()
def _look(network: Network, style: Image, found: dict[str, Features]) -> tuple[Known, Any]:
    """Keep of a style what results are compared with, and the moments of its features."""
    whole = resemblance.whole_of(style, _at(found, resemblance.global_layers(network)))
    patches = {name: resemblance.patches_of(found[name]) for name in resemblance.local_layers(network)}
    return Known(sides_of(network, found), whole, patches), _moments(network, found)


@partial(jax.jit, static_argnums=0)
@in_float32()
def _see(
    network: Network,
    made: tuple[Image, dict[str, Features]],
    original: tuple[Image, dict[str, Features]],
    style: Known,
) -> tuple[dict[str, jax.Array], Any]:
    """See a result beside its content: its measures by the network, and the moments of its features."""
    image, found = made
    whole = resemblance.whole_of(image, _at(found, resemblance.global_layers(network)))
    measured = {
        **compared(network, made, original, style.sides),
        "content_fidelity": resemblance.content_fidelity(_at(found, resemblance.content_layers(network)), original[1]),
        "global_effects": resemblance.global_effects(whole, style.whole),
        "local_patterns": resemblance.local_patterns(_at(found, resemblance.local_layers(network)), style.patches),
    }
    return measured, _moments(network, found)


def _at(found: dict[str, Features], layers: tuple[str, ...]) -> dict[str, Features]:
    return {name: found[name] for name in layers}


def _moments(network: Network, found: dict[str, Features]) -> dict[str, tuple[jax.Array, jax.Array]]:
    return {name: divergence.moments(found[name]) for name in divergence.effect_layers(network)}
