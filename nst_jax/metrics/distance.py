"""Distances of features: of where things are, and of their statistics; each a pure function of arrays (h, w, c).

They are divided by how far the target lies from nothing at all, so they carry no unit and compare across layers: 0 is
the target itself, 1 is as far from it as blank features.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.arithmetic import in_float32
from nst_jax.types import Features, Scalar


def flat(x: Features) -> jax.Array:
    """View (h, w, c) as (positions, c) in float32, whatever precision the encoder runs in."""
    return x.reshape(-1, x.shape[-1]).astype(jnp.float32)


@in_float32()
def content_distance(found: Features, target: Features) -> Scalar:
    """Compare two feature maps (h, w, c) position by position: sum (F - P)^2 / sum P^2, P being the target.

    Source: Gatys et al. (2015), eq. 1, divided by its value for blank features.
    """
    f, p = flat(found), flat(target)
    return jnp.sum((f - p) ** 2) / jnp.sum(p**2)


@in_float32()
def bures_distance(found: Features, target: Features) -> Scalar:
    """Compare mean and covariance of two feature maps (h, w, c), which may differ in size.

    W2^2(N(m, A), N(n, B)) / (|n|^2 + tr B), with W2^2 = |m - n|^2 + tr A + tr B - 2 tr (A^1/2 B A^1/2)^1/2.

    Source: Dowson and Landau (1982), The Frechet distance between multivariate normal distributions; as a
    distance of deep features, Heusel et al. (2017), GANs trained by a two time-scale update rule, eq. 6.
    """
    return bures(spread_of(flat(found)), spread_of(flat(target)))


class Spread(NamedTuple):
    """Mean m (c,) of features, a root R of their covariance R^T R, and its trace."""

    mean: jax.Array
    root: jax.Array
    trace: Scalar


def spread_of(x: jax.Array, inside: jax.Array | None = None) -> Spread:
    """Summarise (positions, c), or only those that are `inside` (positions,)."""
    count = count_of(x, inside)
    mean = x.sum(0, where=None if inside is None else inside[:, None]) / count
    centred = (x - mean[None]) / jnp.sqrt(jnp.float32(count))
    centred = centred if inside is None else jnp.where(inside[:, None], centred, 0)
    return Spread(mean, jnp.linalg.qr(centred, mode="r"), jnp.sum(centred**2))


def count_of(x: jax.Array, inside: jax.Array | None) -> int | jax.Array:
    """Count the positions of (positions, c), or those that are `inside`."""
    return x.shape[0] if inside is None else inside.sum()


def bures(x: Spread, y: Spread) -> Scalar:
    """Compare two summaries as `bures_distance` does."""
    # With A = R^T R and B = S^T S the cross term is the sum of the singular values of R S^T. Never forming A or B
    # keeps float32's digits: by their eigenvalues the error was 10 to 100 times larger.
    cross = jnp.linalg.svd(jnp.matmul(x.root, y.root.T, precision="highest"), compute_uv=False).sum()
    squared = jnp.sum((x.mean - y.mean) ** 2) + jnp.maximum(x.trace + y.trace - 2 * cross, 0)
    return squared / (jnp.sum(y.mean**2) + y.trace)


@in_float32()
def sliced_distance(
    found: Features, target: Features, *, projections: int = 64, positions: int = 16384, seed: int = 0
) -> Scalar:
    """Compare the whole distribution of two feature maps (h, w, c), which may differ in size.

    mean_v integral_0^1 (Q_x,v(u) - Q_y,v(u))^2 du / (E |y|^2 / c), Q_x,v being the quantile function of x's
    features along the random unit direction v. The integral is exact for equally many positions, else a
    midpoint sum over as many levels as the larger has positions. Of more than `positions`, a random draw of
    that many is used, the same places in maps of one size.

    Source: Bonneel et al. (2015), Sliced and Radon Wasserstein barycenters of measures; for textures, Heitz
    et al. (2021), A sliced Wasserstein loss for neural texture synthesis.
    """
    x, y = (slices_of(flat(f), None, projections, positions, seed) for f in (found, target))
    return sliced(x, y, jnp.mean(flat(target) ** 2))


class Slices(NamedTuple):
    """Projected features, sorted: (projections, positions), of which only the first `count` count, if it is given."""

    ordered: jax.Array
    count: jax.Array | None


def slices_of(
    x: jax.Array, inside: jax.Array | None = None, projections: int = 64, positions: int = 16384, seed: int = 0
) -> Slices:
    """Project (positions, c), or only those that are `inside` (positions,), along random unit directions."""
    key_v, key_draw = jax.random.split(jax.random.key(seed))
    v = jax.random.normal(key_v, (x.shape[1], projections))
    v = v / jnp.linalg.norm(v, axis=0, keepdims=True)
    if x.shape[0] > positions:
        # Sorting the quarter million of relu1_2 at 512x512 takes seconds on a CPU. A random draw, because every
        # k-th position of a picture may fall into few columns.
        places = _draw(key_draw, x.shape[0], inside, positions)
        x, inside = x[places], None if inside is None else inside[places]
    slices = jnp.einsum("nc,cp->pn", x, v, precision="highest")
    slices = slices if inside is None else jnp.where(inside[None], slices, jnp.inf)
    return Slices(jnp.sort(slices, axis=1), None if inside is None else inside.sum())


def _draw(key: jax.Array, size: int, inside: jax.Array | None, most: int) -> jax.Array:
    """Choose `most` of `size` places without repetition; if some are `inside` (size,), those come first.

    Which of them are chosen depends on their number and order alone, not on the places outside.
    """
    places, bits = jnp.arange(size), jax.random.bits(key, (size,))  # a longer array of bits begins with a shorter one's
    if inside is not None:
        bits = jnp.where(places < inside.sum(), bits, jnp.uint32(2**32 - 1))
        places = jnp.argsort(~inside)
    return jax.lax.sort_key_val(bits, places)[1][:most]


def sliced(x: Slices, y: Slices, energy: Scalar) -> Scalar:
    """Compare two sorted projections as `sliced_distance` does; `energy` is the target's E |y|^2 / c."""
    most = levels = max(x.ordered.shape[1], y.ordered.shape[1])
    if x.count is not None or y.count is not None:
        levels = jnp.maximum(*(s.ordered.shape[1] if s.count is None else s.count for s in (x, y)))
    gap = _quantiles(x, levels, most) - _quantiles(y, levels, most)
    squares = gap**2 if levels is most else jnp.where(np.arange(most)[None] < levels, gap**2, 0)
    # E over directions of (v . y)^2 is |y|^2 / c, the `energy`: what blank features would score.
    return jnp.sum(squares) / (gap.shape[0] * levels) / energy


def _quantiles(x: Slices, levels: int | jax.Array, most: int) -> jax.Array:
    """Give the quantiles (projections, most) at (k + 1/2) / levels; the first `levels` mean something."""
    count = x.ordered.shape[1] if x.count is None else x.count
    return x.ordered[:, (2 * np.arange(most) + 1) * count // (2 * levels)]
