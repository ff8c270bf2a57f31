"""Maximum mean discrepancy with a Gaussian kernel, by random Fourier features."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax import ops
from nst_jax.errors import UserError
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.ops import Statistic
from nst_jax.types import Features, Mask, Scalar

PAIRS = 4096
"""Pairs of positions that the bandwidth is the median distance of."""


def _waves(features: Features, given: Any) -> jax.Array:
    frequencies, phases = given
    turned = jnp.einsum("hwc,cd->hwd", features.astype(jnp.float32), frequencies, precision="highest")
    return jnp.sqrt(2 / phases.size) * jnp.cos(turned + phases[None, None])


def _sums(features: Features, mask: Mask | None, given: Any):
    return ops.count(features, mask), ops.total(_waves(features, given), mask)


def _finish(sums: Any) -> jax.Array:
    m, first = sums
    return first / m


WAVES = Statistic(_sums, _finish)
"""Mean over positions of sqrt(2/D) cos(W^T F + b) for given W (c, D) and b (D,). -> (D,)"""


@dataclass(frozen=True)
class MMDGauss(Loss):
    """MMD^2 with the kernel k(x, y) = exp(-|x - y|^2 / (2 s^2)), by D = `waves` N random Fourier features.

        |mean_p phi(F(p)) - mean_p phi(F_s(p))|^2        phi(x) = sqrt(2/D) cos(W^T x + b)

    W ~ N(0, 1/s^2), b uniform in [0, 2 pi). All moments count, the near ones most. The bandwidth s is the median
    distance of two of the style's positions, fixed for the run. It lies between 0 and 2, and has little slope far from
    the target. The draws are those of `seed`, and the same for every picture.

    Source: Li, Wang, Liu and Hou (2017), Demystifying neural style transfer, eq. 7; Rahimi and Recht (2007), Random
    features for large-scale kernel machines. In the former's code the bandwidth follows the picture at each step.

    Attributes:
        waves: random features a channel.
        seed: of the draws.
    """

    waves: int = 4
    seed: int = 0

    statistic = WAVES
    blends = True

    def __post_init__(self) -> None:
        if self.waves < 1:
            raise UserError(f"waves is {self.waves}: expected at least 1 random feature a channel")

    def given(self, features: Features) -> tuple[jax.Array, jax.Array]:
        """Give frequencies (c, D) and phases (D,)."""
        c = features.shape[-1]
        key_w, key_b, key_pairs = jax.random.split(jax.random.key(self.seed), 3)
        rows = features.reshape(-1, c).astype(jnp.float32)
        pairs = rows[jax.random.randint(key_pairs, (2, PAIRS), 0, len(rows))]
        width = jnp.median(jnp.linalg.norm(pairs[0] - pairs[1], axis=-1))
        # a flat style: any width will do that is one of its length
        width = jnp.where(width > 0, width, jnp.maximum(jnp.linalg.norm(rows[0]), 1.0))
        shape = (c, self.waves * c)
        phases = jax.random.uniform(key_b, shape[1:], maxval=2 * jnp.pi)
        return jax.random.normal(key_w, shape) / width, phases

    def distance(self, found: jax.Array, target: jax.Array, at: Place) -> Scalar:
        """Sum up the squared differences of the mean waves (D,)."""
        return squares(found, target)
