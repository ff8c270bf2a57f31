"""Content fidelity, global effects and local patterns: how much of two pictures is in a third, as cosines in [0, 1].

Source: Wang, Zhao, Zhang, Zuo and Chen (2021), Evaluate and improve the quality of neural style transfer, sections 3.1
to 3.3. Theirs are of a VGG19 with average pooling; here bins of colours span [0, 1] and not each picture's own range,
and a style keeps its shape instead of being stretched to the content's.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.arithmetic import in_float32
from nst_jax.metrics.distance import flat
from nst_jax.metrics.layers import levels
from nst_jax.networks import Network
from nst_jax.types import Features, Image, Scalar

BINS = 128
PATCH = 3
BLOCK = 2**23
"""Products of positions that are held at once: 32 MiB."""

_TINY = 1e-12


def content_layers(network: Network) -> tuple[str, ...]:
    """Name the layers of `content_fidelity`: of a VGG relu4_1 and relu5_1, the last two levels of any network."""
    return levels(network)[-2:]


def global_layers(network: Network) -> tuple[str, ...]:
    """Name the layers of `global_effects`: of a VGG relu2_1 to relu5_1, all levels but the first."""
    return levels(network)[1:] or levels(network)


def local_layers(network: Network) -> tuple[str, ...]:
    """Name the layers of `local_patterns`: of a VGG relu3_1 and relu4_1, the last two levels before the deepest."""
    return levels(network)[-3:-1] or levels(network)


def _cosine(x: jax.Array, y: jax.Array) -> Scalar:
    x, y = x.reshape(-1), y.reshape(-1)
    # Each by its own norm first: the product of two sums of squares may not fit into a float32.
    return jnp.sum(x / (jnp.linalg.norm(x) + _TINY) * (y / (jnp.linalg.norm(y) + _TINY)))


@in_float32()
def content_fidelity(found: Mapping[str, Features], content: Mapping[str, Features]) -> Scalar:
    """Measure how much of a content is in its result, each by its features (h, w, c) at some layers: 1 is all.

    CF = mean over layers of <F, P> / (|F| |P|), F and P being whole maps as one vector.
    """
    return jnp.stack([_cosine(flat(found[name]), flat(content[name])) for name in found]).mean()


class Whole(NamedTuple):
    """A picture as `global_effects` sees it: Gram matrices (c, c) by layer, and shares of colours (3, 128)."""

    grams: dict[str, jax.Array]
    colours: jax.Array


@in_float32()
def whole_of(image: Image, features: Mapping[str, Features]) -> Whole:
    """Summarise a picture (h, w, 3) and its features (h, w, c) for `global_effects`."""
    grams = {}
    for name, found in features.items():
        x = flat(found)
        grams[name] = jnp.matmul(x.T, x, precision="highest") / x.shape[0]
    cells = jnp.clip((image * BINS).astype(jnp.int32), 0, BINS - 1).reshape(-1, 3) + BINS * np.arange(3)[None]
    counts = jnp.zeros(3 * BINS).at[cells.reshape(-1)].add(1.0)
    # A cast of NaN to an integer is some colour or other.
    return Whole(grams, jnp.where(jnp.isfinite(image).all(), counts.reshape(3, BINS) / cells.shape[0], jnp.nan))


@in_float32()
def global_effects(found: Whole, style: Whole) -> Scalar:
    """Measure how alike a result and its style are as wholes, each by its `whole_of`: 1 is alike.

    GE = 1/2 mean over layers of <G, G_s> / (|G| |G_s|) + 1/2 mean over R, G and B of the cosine of histograms of 128
    bins.
    """
    textures = jnp.stack([_cosine(found.grams[name], style.grams[name]) for name in found.grams]).mean()
    colours = jnp.stack([_cosine(found.colours[c], style.colours[c]) for c in range(3)]).mean()
    return (textures + colours) / 2


class Patches(NamedTuple):
    """A style as `local_patterns` sees one layer: its features (h, w, c), and how many different patches it has."""

    features: jax.Array
    different: Scalar


@in_float32()
def patches_of(features: Features) -> Patches:
    """Count the different 3x3 patches of a style's features (h, w, c): those that match themselves best, or others."""
    _, taken = _matches(features, features)
    return Patches(features, taken.sum())


@in_float32()
def local_patterns(found: Mapping[str, Features], style: Mapping[str, Patches]) -> Scalar:
    """Measure how well a result is made of its style's patches, and of how many of them; 1 is alike.

    LP = 1/2 mean over layers of mean_p max_q cos(F(p), S(q)) + 1/2 mean over layers of n / m, F(p) and S(q) being 3x3
    patches of the features (h, w, c) of result and style; n counts the q that are the best of some p, m those that
    would be if the result were the style, or as many as the result has patches, if these are fewer. Maps that are
    smaller than a patch cannot be compared.

    Needs some 100 MiB, whatever the size.
    """
    parts = []
    for name in found:
        best, taken = _matches(found[name], style[name].features)
        parts.append(best.mean() / 2 + taken.sum() / jnp.minimum(style[name].different, best.size) / 2)
    return jnp.stack(parts).mean()


def _matches(found: Features, style: Features) -> tuple[jax.Array, jax.Array]:
    """Match each 3x3 patch of (h, w, c) with the style's (k, m, c): its best cosine (h - 2, w - 2), and whom it took.

    Taken is 1 for a patch of the style (k - 2, m - 2) that some patch chose, else 0.
    """
    (h, w, _), (k, m, _) = found.shape, style.shape
    most = max(1, math.isqrt(BLOCK // (k * m)) - 2)
    rows, columns = min(h - 2, most), min(w - 2, most)
    # Tiles of one size; the last begin earlier, so that some patches are matched twice.
    tops, lefts = (np.minimum(np.arange(0, n, t), n - t) for n, t in ((h - 2, rows), (w - 2, columns)))
    corners = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
    best, whom = jax.lax.map(partial(_tile, found, style, rows, columns), jnp.asarray(corners))
    taken = jnp.zeros((k - 2) * (m - 2)).at[whom.reshape(-1)].set(1.0)
    down = corners[:, 0, None, None] + np.arange(rows)[None, :, None]
    right = corners[:, 1, None, None] + np.arange(columns)[None, None]
    return jnp.zeros((h - 2, w - 2)).at[down, right].set(best), taken.reshape(k - 2, m - 2)


def _tile(found: Any, style: Any, rows: int, columns: int, corner: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Match so many rows and columns of patches: cosines, and the places of the best among the style's.

    The product of patches is a sum over nine shifts, the same on both sides, of products of positions: one product of
    matrices and sums of three, instead of nine times the arithmetic.
    """
    (k, m, c), size = style.shape, (rows + 2, columns + 2)
    part = jax.lax.dynamic_slice(found, (corner[0], corner[1], 0), (*size, c)).astype(jnp.float32)
    products = jnp.matmul(flat(part), flat(style).T, precision="highest").reshape(*size, k, m)
    down = sum((products[i : rows + i, :, i : k - 2 + i] for i in (1, 2)), products[:rows, :, : k - 2])
    both = sum((down[:, i : columns + i, :, i : m - 2 + i] for i in (1, 2)), down[:, :columns, :, : m - 2])
    alike = (both / (_norms(style) + _TINY)[None, None]).reshape(rows, columns, -1)
    whom = jnp.argmax(alike, axis=-1)
    best = jnp.take_along_axis(alike, whom[..., None], axis=-1)[..., 0]
    return best / (_norms(part) + _TINY), whom


def _norms(features: Features) -> jax.Array:
    """Give the norm of each 3x3 patch of (h, w, c): (h - 2, w - 2)."""
    h, w, _ = features.shape
    squares = jnp.sum(features.astype(jnp.float32) ** 2, axis=-1)
    down = squares[: h - 2] + squares[1 : h - 1] + squares[2:]
    return jnp.sqrt(down[:, : w - 2] + down[:, 1 : w - 1] + down[:, 2:])
