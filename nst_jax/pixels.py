"""Compare pictures by their pixels: structure, colours, roughness; each a pure function of arrays.

With `sides` (rows, columns), traced or not, only the upper left part of so many pixels counts, so that pictures of many
sizes share a compiled program.
"""

import jax
import jax.numpy as jnp

from nst_jax import ops
from nst_jax.arithmetic import in_float32
from nst_jax.errors import UserError
from nst_jax.types import Image, ImageLike, Scalar, Sides

LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as in Wang et al.'s own grey pictures."""

SSIM_WINDOW = 11
"""Side of SSIM's window in pixels; a smaller picture has no SSIM."""


@in_float32()
def ssim(image: Image, other: Image, *, sides: Sides | None = None) -> Scalar:
    """Measure the structural similarity of two pictures (h, w, 3) in [0, 1]; 1 means equal, range [-1, 1].

    mean of (2 m n + c1) (2 cov + c2) / ((m^2 + n^2 + c1) (var_m + var_n + c2)), on luminance, over the places
    where the 11x11 Gaussian window of sigma 1.5 fits; c1 = 0.01^2, c2 = 0.03^2.

    Raises:
        UserError: pictures of different sizes, or smaller than the window.

    Source: Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment, eqs. 13 to 17.
    """
    check_comparable(image, other)
    x, y = _luminance(image), _luminance(other)
    m, n, xx, yy, xy = _blur(jnp.stack([x, y, x * x, y * y, x * y]))
    c1, c2 = 0.01**2, 0.03**2
    means = (2 * m * n + c1) / (m * m + n * n + c1)
    contrasts = (2 * (xy - m * n) + c2) / (xx - m * m + yy - n * n + c2)
    rows, columns = sides or image.shape[:2]
    lost = SSIM_WINDOW - 1
    return jnp.sum(_within(means * contrasts, sides, (lost, lost))) / ((rows - lost) * (columns - lost))


def _within(x: jax.Array, sides: Sides | None, less: tuple[int, int] = (0, 0)) -> jax.Array:
    """Set to 0 what is beyond `sides`, each by so many `less`, of (h, w) or (h, w, c)."""
    if sides is None:
        return x
    kept = ops.inside(x.shape, (sides[0] - less[0], sides[1] - less[1]))
    return jnp.where(kept.reshape(*kept.shape, *[1] * (x.ndim - 2)), x, 0)


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


@in_float32()
def colour_distance(image: Image, other: Image, *, bins: int = 8, sides: Sides | None = None) -> Scalar:
    """Compare the joint RGB histograms (bins^3 cells) of two pictures (h, w, 3) in [0, 1]; range [0, 1].

    chi^2 = 1/2 sum (p - q)^2 / (p + q): 0 for equal histograms, 1 for no shared colour. Sizes may differ.

    Source: Pele and Werman (2010), The quadratic-chi histogram distance family; joint colour histograms after
    Swain and Ballard (1991), Color indexing.
    """
    p, q = _histogram(image, bins, sides), _histogram(other, bins, sides)
    both = p + q
    return 0.5 * jnp.sum((p - q) ** 2 / jnp.where(both == 0, 1, both))


def _histogram(image: Image, bins: int, sides: Sides | None) -> jax.Array:
    """Count the pixels of (h, w, 3) in (bins^3,) colour cells, as shares of the picture."""
    level = jnp.clip((image * bins).astype(jnp.int32), 0, bins - 1)
    cell = (level[..., 0] * bins + level[..., 1]) * bins + level[..., 2]
    rows, columns = sides or image.shape[:2]
    counts = jnp.zeros(bins**3).at[cell.reshape(-1)].add(_within(jnp.ones(cell.shape), sides).reshape(-1))
    # A cast of NaN to an integer is some colour or other: a broken lane must not look like a picture.
    return jnp.where(jnp.isfinite(_within(image, sides)).all(), counts / (rows * columns), jnp.nan)


@in_float32()
def total_variation(image: Image, *, sides: Sides | None = None) -> Scalar:
    """Sum the squared differences of neighbouring pixels of (h, w, 3), over channels, as a mean per pixel.

    sum_ij |x_i+1,j - x_ij|^2 + |x_i,j+1 - x_ij|^2, divided by h w.

    Source: Mahendran and Vedaldi (2015), Understanding deep image representations by inverting them, with
    beta = 2.
    """
    rows, columns = sides or image.shape[:2]
    down = _within(image[1:] - image[:-1], sides, (1, 0))
    right = _within(image[:, 1:] - image[:, :-1], sides, (0, 1))
    return (jnp.sum(down**2) + jnp.sum(right**2)) / (rows * columns)


def _size(image: ImageLike) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def check_comparable(image: ImageLike, other: ImageLike) -> None:
    """Refuse pictures that cannot be compared place by place.

    Raises:
        UserError: they differ in size, or are smaller than SSIM's window.
    """
    if image.shape != other.shape:
        raise UserError(f"pictures of {_size(image)} and {_size(other)} cannot be compared place by place: resize one")
    if min(image.shape[:2]) < SSIM_WINDOW:
        raise UserError(f"SSIM needs a picture of at least 11x11 pixels, got {_size(image)}: use a larger size")
