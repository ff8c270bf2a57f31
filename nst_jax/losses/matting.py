"""Colours that change as the photograph's do: a photograph stays one."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.losses.loss import Loss, Place
from nst_jax.networks.network import PICTURE
from nst_jax.ops import FEATURES
from nst_jax.types import Features, Image, Mask, Scalar

EPS = 1e-5
"""Levin's epsilon; his 1e-7 is below what float32 tells apart."""


@dataclass(frozen=True)
class Matting(Loss):
    """sum over colours of v^T L v, L the matting Laplacian of the content picture I, v a colour of the picture.

    v^T L v = sum over windows k of 3 x 3 pixels of min over a, b of sum_i (v_i - a . I_i - b)^2 + eps |a|^2
            = 9 sum_k (var_k(v) - c_k^T (S_k + eps/9 Id)^-1 c_k)

    with S_k the covariance of I in the window and c_k that of I and v. It is 0 where each colour is an affine function
    of the content's in every window, and no matrix is formed. It is compared on the picture itself, whatever the
    content layers; 1e4 is Luan's weight beside neural-style's others, after a first run without it.

    Source: Luan, Paris, Shechtman and Bala (2017), Deep photo style transfer, eq. 2; Levin, Lischinski and Weiss
    (2008), A closed-form solution to natural image matting, eq. 5 and 10.
    """

    statistic = FEATURES
    extensive = True

    def layers(self, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the picture itself."""
        return (PICTURE.name,)

    def least(self) -> int:
        """Give the side of a window."""
        return 3

    def target(self, features: Features, mask: Mask | None, given: Any) -> tuple[Image, jax.Array]:
        """Keep the content, and (S_k + eps/9 Id)^-1 of each window (h - 2, w - 2, 3, 3)."""
        own = features.astype(jnp.float32)
        mean = _mean(own)
        s = sum(_outer(x - mean, x - mean) for x in _shifts(own)) / 9
        return own, jnp.linalg.inv(s + EPS / 9 * jnp.eye(3)[None, None])

    def distance(self, found: Image, target: tuple[Image, jax.Array], at: Place) -> Scalar:
        """Add up what no affine function of the content's colours explains."""
        own, inverse = target
        found = found.astype(jnp.float32)
        v_mean, i_mean = _mean(found), _mean(own)
        pairs = [(v - v_mean, i - i_mean) for v, i in zip(_shifts(found), _shifts(own), strict=True)]
        variance = sum(jnp.square(v) for v, _ in pairs) / 9
        both = sum(_outer(v, i) for v, i in pairs) / 9
        explained = jnp.einsum("hwvi,hwij,hwvj->hwv", both, inverse, both, precision="highest")
        return 9 * jnp.sum(variance - explained)

    def unit(self, target: Any, at: Place) -> Scalar:
        """Give the number of pixels: a blank picture loses nothing, so the loss has no unit of its own."""
        return jnp.float32(at.pixels)


def _shifts(image: Image) -> list[jax.Array]:
    """List the nine pixels of every window: (h - 2, w - 2, 3) each."""
    h, w, _ = image.shape
    return [image[i : i + h - 2, j : j + w - 2] for i in range(3) for j in range(3)]


def _mean(image: Image) -> Any:
    return sum(_shifts(image)) / 9


def _outer(a: jax.Array, b: jax.Array) -> jax.Array:
    return a[..., :, None] * b[..., None, :]
