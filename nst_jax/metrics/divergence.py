"""Effect: how near the statistics of a result's features are to its style's, as a divergence of two Gaussians.

Source: Yeh, Tang, Bhattad and Forsyth (2020), Improving style transfer with calibrated metrics, section 3.1. Theirs is
of a VGG19 at 512 pixels; the basis here is that of three photographs, where theirs is that of their contents.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nst_jax import images, packaged
from nst_jax.arithmetic import in_float32
from nst_jax.compiler import late_jit
from nst_jax.metrics.distance import flat
from nst_jax.metrics.layers import features_of, levels
from nst_jax.networks import Encoder, Network
from nst_jax.networks.encoder import fingerprint
from nst_jax.types import Features, Image, ImageLike

DIMENSIONS = (32, 48, 128, 256, 256)
"""How many of a level's components count, the first level first."""

CALIBRATION = (0.7468, 0.2557, 2.3768)
"""How much E of the first three levels counts in the one number, fitted by its authors to what people see."""

PHOTOGRAPHS = ("astronaut", "chelsea", "temple")
"""Pictures that travel with the package."""

SIDE = 256
"""The side of a photograph's middle square, in pixels."""

NEAREST = 1e-6
"""The least divergence that counts: E is at most 13.8, where the logarithm of nothing would be infinite."""

_RIDGE = 1e-5

Matrix = NDArray[np.float64]
_KNOWN: dict[str, "Basis"] = {}


class Basis(NamedTuple):
    """What features are projected on, by layer: components (c, k), and what is added to each variance along them."""

    components: dict[str, Matrix]
    ridge: dict[str, float]


class Gaussian(NamedTuple):
    """Mean (k,) and covariance (k, k) of projected features."""

    mean: Matrix
    covariance: Matrix


def effect_layers(network: Network) -> tuple[str, ...]:
    """Name the layers of `effect`: of a VGG relu1_1, relu2_1 and relu3_1, the first three levels of any network."""
    return levels(network)[: len(CALIBRATION)]


@in_float32()
def moments(found: Features) -> tuple[jax.Array, jax.Array]:
    """Give mean (c,) and covariance (c, c) of features (h, w, c)."""
    x = flat(found)
    mean = x.mean(0)
    centred = x - mean[None]
    return mean, jnp.matmul(centred.T, centred, precision="highest") / x.shape[0]


@late_jit(once=True, static_argnums=2)
@in_float32()
def _moments(encoder: Encoder, image: Image, layers: tuple[str, ...]) -> dict[str, tuple[jax.Array, jax.Array]]:
    return {name: moments(found) for name, found in features_of(encoder, image, layers, None).items()}


def basis_of(encoder: Encoder, pictures: Sequence[ImageLike] = ()) -> Basis:
    """Find what `effects` projects on: at each level the leading components of the mean covariance of pictures.

    Without pictures, of three photographs that travel with the package, their middle square at 256 pixels: found once
    for an encoder.
    """
    if pictures:
        return _basis(encoder, pictures)
    key = fingerprint(encoder)
    if key not in _KNOWN:
        paths = [packaged.find(f"images/{name}.jpg", f"examples/images/{name}.jpg") for name in PHOTOGRAPHS]
        _KNOWN[key] = _basis(encoder, [images.fit(_middle(images.read(path).rgb), (SIDE, SIDE)) for path in paths])
    return _KNOWN[key]


def _middle(picture: ImageLike) -> ImageLike:
    """Cut the largest square from the middle, so that one program sees all photographs."""
    h, w, _ = picture.shape
    side = min(h, w)
    return picture[(h - side) // 2 :, (w - side) // 2 :][:side, :side]


def _basis(encoder: Encoder, pictures: Sequence[ImageLike]) -> Basis:
    layers = levels(encoder.network)
    found = [jax.device_get(_moments(encoder, jnp.asarray(x, jnp.float32), layers)) for x in pictures]
    components, ridge = {}, {}
    for name, most in zip(layers, DIMENSIONS, strict=False):
        mean = np.mean([np.float64(each[name][1]) for each in found], axis=0)
        components[name] = np.linalg.eigh(mean)[1][:, ::-1][:, :most]
        ridge[name] = max(_RIDGE * np.trace(mean) / len(mean), 1e-30)
    return Basis(components, ridge)


def projected(found: Mapping[str, tuple[jax.Array, jax.Array]], basis: Basis) -> dict[str, Gaussian]:
    """Project `moments` of some layers on a basis."""
    made = {}
    for name, (mean, covariance) in found.items():
        along = basis.components[name]
        spread = along.T @ np.float64(covariance) @ along + basis.ridge[name] * np.eye(along.shape[1])
        made[name] = Gaussian(np.float64(mean) @ along, spread)
    return made


def effects(found: Mapping[str, Gaussian], style: Mapping[str, Gaussian]) -> dict[str, float]:
    """Measure at each layer how near the Gaussian of a result is to that of its style: the higher, the nearer.

    E = -log KL(N(m, A) || N(n, B)), KL = 1/2 (tr(B^-1 A) + (n - m)^T B^-1 (n - m) - k + log(det B / det A)), of
    features projected on the k leading components of photographs: 32, 48, 128, 256 and 256 of relu1_1 to relu5_1. To
    each variance 1e-5 of the photographs' mean variance is added, so that dead channels are no infinity; of a KL below
    1e-6 the logarithm is that of 1e-6.
    """
    return {name: -float(np.log(max(_divergence(found[name], style[name]), NEAREST))) for name in found}


def effect(found: Mapping[str, Gaussian], style: Mapping[str, Gaussian]) -> float:
    """Combine the `effects` of the first three layers as calibrated: .7468 E1 + .2557 E2 + 2.3768 E3; more is nearer.

    Of fewer layers, those that there are.
    """
    values = effects(found, style).values()
    return sum(weight * value for weight, value in zip(CALIBRATION, values, strict=False))


def _divergence(x: Gaussian, y: Gaussian) -> float:
    if not (np.isfinite(x.covariance).all() and np.isfinite(x.mean).all()):
        return float("nan")
    root, other = np.linalg.cholesky(y.covariance), np.linalg.cholesky(x.covariance)
    whitened, gap = np.linalg.solve(root, other), np.linalg.solve(root, y.mean - x.mean)
    volume = 2 * (np.log(np.diag(root)).sum() - np.log(np.diag(other)).sum())
    return float((whitened**2).sum() + (gap**2).sum() - len(gap) + volume) / 2
