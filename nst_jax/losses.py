"""The terms of the objective: one equation each, arrays -> scalar, computed in float32."""

import jax
import jax.numpy as jnp
from flax import struct

from nst_jax import ops
from nst_jax.ops.trace_sqrt import product, trace_sqrt
from nst_jax.recipe import ContentLoss, StyleLoss, TvLoss
from nst_jax.types import Features, Gram, Image, Scalar


def content_scale(kind: ContentLoss, positions: int, channels: int) -> float:
    """Give what multiplies sum (C - G)^2: 1/2 (half-sum), 1 (sum), or 1 / (M N) (mean)."""
    return {"half-sum": 0.5, "sum": 1.0, "mean": 1 / (positions * channels)}[kind]


def content(features: Features, target: Features, kind: ContentLoss = "half-sum") -> Scalar:
    """Compute 1/2 sum_ij (C_ij - G_ij)^2 of two activations (h, w, c): Gatys et al. (2015), eq. 1.

    The kinds `sum` and `mean` are those of keras.io's example and of every PyTorch program (MSELoss).
    """
    h, w, c = features.shape
    return content_scale(kind, h * w, c) * jnp.sum(jnp.square(features.astype(jnp.float32) - target))


def style_scale(kind: StyleLoss, channels: int, positions: int, pixels: int) -> float:
    """Give what multiplies sum (Gram_S / M_S - Gram_G / M_G)^2, with N channels and M positions.

    gatys    1/(4 N^2)            Gatys et al. (2015), eq. 4
    mean     1/N^2                m, the mean over the entries: Gatys' own code with weights per layer; gordicaleksa
    johnson  1/N^4                the Gram divided by N M, then the mean over the entries: neural-style and its ports
    keras    M^2/(4 3^2 pixels^2) the Gram divided by nothing; channels and size are the IMAGE's for every layer
    """
    n = channels
    return {
        "gatys": 1 / (4 * n**2),
        "mean": 1 / n**2,
        "johnson": 1 / n**4,
        "keras": (positions / pixels) ** 2 / 36 if pixels else 0.0,
    }[kind]


def style(gram: Gram, target: Gram, kind: StyleLoss = "gatys", *, positions: int = 0, pixels: int = 0) -> Scalar:
    """Compute 1/(4 N^2) sum_ij (Gram_S / M_S - Gram_G / M_G)_ij^2 of two normalised Grams (c, c), N = c channels.

    Gatys et al. (2015), eq. 4, writes 1/(4 N^2 M^2) sum (Gram_S - Gram_G)^2. Here each Gram is already divided by
    its own number of positions M, so that the pictures may differ in size; for equal sizes it is the same number.

    Args:
        gram: of the generated image.
        target: of the style image.
        kind: see `style_scale`.
        positions: of the generated image's layer, and
        pixels: of the generated image; only `keras` needs them.
    """
    return style_scale(kind, gram.shape[-1], positions, pixels) * jnp.sum(jnp.square(gram - target))


EPS = 1e-4
"""Added to every covariance's diagonal, as in style-transfer-pytorch."""


@struct.dataclass
class Moments:
    """Style of one layer as mean (c,), covariance (c, c) plus EPS on its diagonal, and that matrix' square root."""

    mean: jax.Array
    covariance: Gram
    root: Gram


def mean_covariance(features: Features, centre: jax.Array | None = None) -> tuple[jax.Array, Gram]:
    """Compute mean (c,) and covariance (c, c) of (h, w, c), the diagonal raised by EPS.

    The covariance is about `centre` (c,), by default the mean.
    """
    x = features.astype(jnp.float32)
    mean = jnp.mean(x, (0, 1))
    centre = mean if centre is None else centre
    # Centred before the product: the difference of a second moment and mean mean^T need not be positive in float32.
    return mean, ops.gram(x - centre[None, None]) + EPS * jnp.eye(x.shape[-1])


MEAN_COVARIANCE = ops.Summary(mean_covariance, lambda rows, made: mean_covariance(rows, made[0]))
"""`mean_covariance` and, as the derivative towards the mean that it is about is zero, that of some rows."""


def moments(features: Features) -> Moments:
    """Compute what the W2 style loss matches of a style image's features (h, w, c)."""
    mean, covariance = mean_covariance(features)
    values, vectors = jnp.linalg.eigh(covariance)
    half = vectors * jnp.sqrt(jnp.maximum(values, 0))[None]
    return Moments(mean, covariance, product(half, vectors.T))


def bures(found: tuple[jax.Array, Gram], target: Moments) -> Scalar:
    """Compute 1/N (|m - m_s|^2 + tr(S + S_s - 2 (S_s^1/2 S S_s^1/2)^1/2)) of m (c,) and S (c, c), N = c channels.

    Source: Olkin and Pukelsheim (1982), The distance between two random vectors with given dispersion matrices, as
    a style loss in crowsonkb's style-transfer-pytorch, which averages over channels.
    """
    mean, covariance = found
    middle = product(product(target.root, covariance), target.root)
    spread = jnp.trace(target.covariance) + jnp.trace(covariance) - 2 * trace_sqrt(middle)
    return (jnp.sum(jnp.square(mean - target.mean)) + spread) / mean.shape[0]


def total_variation(image: Image, kind: TvLoss = "squares") -> Scalar:
    """Compute the sum of squared differences between neighbouring pixels of an image (h, w, 3) in [0, 1].

    squares      sum dx^2 + dy^2: Mahendran and Vedaldi (2015), eq. 3 with beta = 2
    johnson      1/2 sum dx^2 + dy^2 on 0-255, last row and column as neighbours only: neural-style
    absolute     sum |dx| + |dy| on 0-255: neural-style-pt, gordicaleksa
    mean-squares mean dx^2 + mean dy^2 on 0-255: anishathalye
    nine-point   2/3 (mean dx^2 + mean dy^2) + 1/6 (mean of both diagonals' squares): style-transfer-pytorch
    keras        sum (dx^2 + dy^2)^1.25 on 0-255, last row and column as neighbours only: keras.io
    """
    if kind == "nine-point":
        return _nine_point(image)
    x = image if kind == "squares" else 255 * image
    down, right = x[1:] - x[:-1], x[:, 1:] - x[:, :-1]
    if kind == "absolute":
        return _absolute(down) + _absolute(right)
    down, right = jnp.square(down), jnp.square(right)
    if kind == "mean-squares":
        return jnp.mean(down) + jnp.mean(right)
    if kind == "squares":
        return jnp.sum(down) + jnp.sum(right)
    inner = down[:, :-1] + right[:-1]
    return jnp.sum(inner**1.25) if kind == "keras" else 0.5 * jnp.sum(inner)


def _absolute(x: jax.Array) -> Scalar:
    """Compute sum |x| whose derivative at 0 is 0, as PyTorch has it; jax's is 1, and flat areas would drift."""
    return jnp.sum(x * jax.lax.stop_gradient(jnp.sign(x)))


def _nine_point(image: Image) -> Scalar:
    x = jnp.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    middle = x[1:-1, 1:-1]
    straight = jnp.mean(jnp.square(x[1:-1, 2:] - middle)) + jnp.mean(jnp.square(x[2:, 1:-1] - middle))
    diagonal = jnp.mean(jnp.square(x[1:, 1:] - x[:-1, :-1])) + jnp.mean(jnp.square(x[1:, :-1] - x[:-1, 1:]))
    return 2 * straight / 3 + diagonal / 6
