"""Held-out metrics: numbers to rank pictures by that no optimizer has seen, each a pure function of arrays.

Distances of features are divided by how far the target lies from nothing at all, so they carry no unit and
compare across layers: 0 is the target itself, 1 is as far from it as blank features.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.errors import UserError
from nst_jax.types import Features, Image, Scalar
from nst_jax.vgg import ARCHITECTURES, Encoder, features

CONTENT_LAYER = "relu3_2"
"""Where content is compared: not the relu4_2 that the presets optimise."""

LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as in Wang et al.'s own grey pictures."""

SSIM_WINDOW = 11
"""Side of SSIM's window in pixels; a smaller picture has no SSIM."""


def held_out_layers(architecture: str) -> tuple[str, ...]:
    """Name the deepest ReLU of blocks 1 to 4: for vgg16 relu1_2, relu2_2, relu3_3 and relu4_3.

    The presets optimise the first convolution of each block (style) and the second of block 4 (content), so
    these are held out for vgg16 and vgg19; vgg11 and vgg13 have too few layers for all four to be.
    """
    return tuple(f"relu{b}_{count}" for b, count in enumerate(ARCHITECTURES[architecture][:4], 1))


def _positions(x: Features) -> jax.Array:
    """View (h, w, c) as (positions, c) in float32, whatever precision the encoder runs in."""
    return x.reshape(-1, x.shape[-1]).astype(jnp.float32)


def content_distance(found: Features, target: Features) -> Scalar:
    """Compare two feature maps (h, w, c) position by position: sum (F - P)^2 / sum P^2, P being the target.

    Source: Gatys et al. (2015), eq. 1, divided by its value for blank features.
    """
    f, p = _positions(found), _positions(target)
    return jnp.sum((f - p) ** 2) / jnp.sum(p**2)


def bures_distance(found: Features, target: Features) -> Scalar:
    """Compare mean and covariance of two feature maps (h, w, c), which may differ in size.

    W2^2(N(m, A), N(n, B)) / (|n|^2 + tr B), with W2^2 = |m - n|^2 + tr A + tr B - 2 tr (A^1/2 B A^1/2)^1/2.

    Source: Dowson and Landau (1982), The Frechet distance between multivariate normal distributions; as a
    distance of deep features, Heusel et al. (2017), GANs trained by a two time-scale update rule, eq. 6.
    """
    mean_x, x = _centred(_positions(found))
    mean_y, y = _centred(_positions(target))
    # With A = X^T X = R^T R and B = Y^T Y = S^T S the cross term is the sum of the singular values of R S^T.
    # Never forming A or B keeps float32's digits: by their eigenvalues the error was 10 to 100 times larger.
    r, s = jnp.linalg.qr(x, mode="r"), jnp.linalg.qr(y, mode="r")
    cross = jnp.linalg.svd(jnp.matmul(r, s.T, precision="highest"), compute_uv=False).sum()
    spread = jnp.sum(x**2) + jnp.sum(y**2) - 2 * cross
    squared = jnp.sum((mean_x - mean_y) ** 2) + jnp.maximum(spread, 0)
    return squared / (jnp.sum(mean_y**2) + jnp.sum(y**2))


def _centred(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Split (positions, c) into its mean (c,) and X (positions, c) whose X^T X is the covariance."""
    mean = x.mean(0)
    return mean, (x - mean[None]) / jnp.sqrt(jnp.float32(x.shape[0]))


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
    key_v, key_draw = jax.random.split(jax.random.key(seed))
    y_all = _positions(target)
    x, y = _draw(key_draw, _positions(found), positions), _draw(key_draw, y_all, positions)
    v = jax.random.normal(key_v, (x.shape[1], projections))
    v = v / jnp.linalg.norm(v, axis=0, keepdims=True)
    levels = max(x.shape[0], y.shape[0])
    gap = _quantiles(x, v, levels) - _quantiles(y, v, levels)
    # E over directions of (v . y)^2 is |y|^2 / c: what blank features would score.
    return jnp.mean(gap**2) / jnp.mean(y_all**2)


def _draw(key: jax.Array, x: jax.Array, most: int) -> jax.Array:
    """Keep at most `most` of the positions of (positions, c)."""
    # Sorting the quarter million of relu1_2 at 512x512 takes seconds on a CPU. A random draw, because every
    # k-th position of a picture may fall into few columns.
    return x if x.shape[0] <= most else x[jax.random.choice(key, x.shape[0], (most,), replace=False)]


def _quantiles(x: jax.Array, v: jax.Array, levels: int) -> jax.Array:
    """Give the quantiles (projections, levels) at (k + 1/2) / levels along v (c, projections)."""
    ordered = jnp.sort(jnp.einsum("nc,cp->pn", x, v, precision="highest"), axis=1)
    return ordered[:, (2 * np.arange(levels) + 1) * x.shape[0] // (2 * levels)]


def style_distance(found: Mapping[str, Features], target: Mapping[str, Features]) -> dict[str, Scalar]:
    """Average `bures_distance` and `sliced_distance` over the layers of `target`."""
    pairs = [(found[name], target[name]) for name in target]
    return {
        "style_bures": jnp.stack([bures_distance(*pair) for pair in pairs]).mean(),
        "style_sliced": jnp.stack([sliced_distance(*pair) for pair in pairs]).mean(),
    }


def ssim(image: Image, other: Image) -> Scalar:
    """Measure the structural similarity of two pictures (h, w, 3) in [0, 1]; 1 means equal, range [-1, 1].

    mean of (2 m n + c1) (2 cov + c2) / ((m^2 + n^2 + c1) (var_m + var_n + c2)), on luminance, over the places
    where the 11x11 Gaussian window of sigma 1.5 fits; c1 = 0.01^2, c2 = 0.03^2.

    Raises:
        UserError: pictures of different sizes, or smaller than the window.

    Source: Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment, eqs. 13 to 17.
    """
    _same_size(image, other)
    if min(image.shape[:2]) < SSIM_WINDOW:
        raise UserError(f"SSIM needs a picture of at least 11x11 pixels, got {_size(image)}: use a larger size")
    x, y = _luminance(image), _luminance(other)
    m, n, xx, yy, xy = _blur(jnp.stack([x, y, x * x, y * y, x * y]))
    c1, c2 = 0.01**2, 0.03**2
    means = (2 * m * n + c1) / (m * m + n * n + c1)
    contrasts = (2 * (xy - m * n) + c2) / (xx - m * m + yy - n * n + c2)
    return jnp.mean(means * contrasts)


def _luminance(image: Image) -> jax.Array:
    """Weigh the channels of (h, w, 3) to (h, w)."""
    r, g, b = LUMINANCE
    return r * image[..., 0] + g * image[..., 1] + b * image[..., 2]


def _blur(maps: jax.Array) -> jax.Array:
    """Average (k, h, w) in SSIM's window: (k, h - 10, w - 10)."""
    offsets = jnp.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    window = jnp.exp(-(offsets**2) / (2 * 1.5**2))
    window = window / window.sum()
    # Shifted sums, not a convolution: a GPU would round that to TF32, and the variances are differences.
    for axis in (1, 2):
        length = maps.shape[axis] - SSIM_WINDOW + 1
        shifted = [jax.lax.slice_in_dim(maps, k, k + length, axis=axis) for k in range(SSIM_WINDOW)]
        maps = sum((window[k] * part for k, part in enumerate(shifted)), jnp.zeros_like(shifted[0]))
    return maps


def colour_distance(image: Image, other: Image, *, bins: int = 8) -> Scalar:
    """Compare the joint RGB histograms (bins^3 cells) of two pictures (h, w, 3) in [0, 1]; range [0, 1].

    chi^2 = 1/2 sum (p - q)^2 / (p + q): 0 for equal histograms, 1 for no shared colour. Sizes may differ.

    Source: Pele and Werman (2010), The quadratic-chi histogram distance family; joint colour histograms after
    Swain and Ballard (1991), Color indexing.
    """
    p, q = _histogram(image, bins), _histogram(other, bins)
    both = p + q
    return 0.5 * jnp.sum((p - q) ** 2 / jnp.where(both == 0, 1, both))


def _histogram(image: Image, bins: int) -> jax.Array:
    """Count the pixels of (h, w, 3) in (bins^3,) colour cells, as shares of the picture."""
    level = jnp.clip((image * bins).astype(jnp.int32), 0, bins - 1)
    cell = (level[..., 0] * bins + level[..., 1]) * bins + level[..., 2]
    counts = jnp.zeros(bins**3).at[cell.reshape(-1)].add(1.0)
    # A cast of NaN to an integer is some colour or other: a broken lane must not look like a picture.
    return jnp.where(jnp.isfinite(image).all(), counts / cell.size, jnp.nan)


def total_variation(image: Image) -> Scalar:
    """Sum the squared differences of neighbouring pixels of (h, w, 3), over channels, as a mean per pixel.

    sum_ij |x_i+1,j - x_ij|^2 + |x_i,j+1 - x_ij|^2, divided by h w.

    Source: Mahendran and Vedaldi (2015), Understanding deep image representations by inverting them, with
    beta = 2.
    """
    down, right = image[1:] - image[:-1], image[:, 1:] - image[:, :-1]
    return (jnp.sum(down**2) + jnp.sum(right**2)) / (image.shape[0] * image.shape[1])


@jax.jit
def held_out(encoder: Encoder, image: Image, content: Image, style: Image) -> dict[str, Scalar]:
    """Compute every metric of a result (h, w, 3) against its content (h, w, 3) and its style (any size).

    Keys: content_distance, style_bures, style_sliced (0 is equal), ssim (1 is equal), colour_distance and
    total_variation. Batch with `vmap`; what the lanes share is computed once. A non-finite picture has no
    finite metric.

    Raises:
        UserError: a result that is not as large as its content, or smaller than SSIM's window.
    """
    _same_size(image, content)
    # Always float32, max pooling and zero padding, so that numbers compare between devices and recipes.
    encoder = dataclasses.replace(encoder, plans={})
    layers = held_out_layers(encoder.architecture)
    wanted = tuple(dict.fromkeys((CONTENT_LAYER, *layers)))
    found, original = features(encoder, image, wanted), features(encoder, content, (CONTENT_LAYER,))
    return {
        "content_distance": content_distance(found[CONTENT_LAYER], original[CONTENT_LAYER]),
        **style_distance(found, features(encoder, style, layers)),
        "ssim": ssim(image, content),
        "colour_distance": colour_distance(image, content),
        "total_variation": total_variation(image),
    }


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _same_size(image: Image, other: Image) -> None:
    if image.shape != other.shape:
        raise UserError(f"pictures of {_size(image)} and {_size(other)} cannot be compared place by place: resize one")
