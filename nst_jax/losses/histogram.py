"""Histograms of each channel, by its sorted values."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.samples import phases, spread_rows, strides
from nst_jax.losses.sliced import STYLE_SAMPLES, check_samples
from nst_jax.ops import FEATURES
from nst_jax.ops.ordered import ordered_squares, quantiles
from nst_jax.types import Features, Mask, Scalar


@dataclass(frozen=True)
class Histogram(Loss):
    """mean over channels and ranks k of (sort(F_c)_k - sort(F_s,c)_k)^2: `sliced` with the channels as directions.

    A fine layer is divided into lattices of at most `samples` positions, each of which has the style's histogram.

    Source: Risser, Wilmot and Barnes (2017), Stable and controllable neural texture synthesis and style transfer using
    histogram losses, eq. 6, where histograms have 256 bins: sorting is exact, and spreads equal values at random.

    Attributes:
        samples: positions that are sorted together.
    """

    samples: int = 4096

    statistic = FEATURES
    scattered = True

    def __post_init__(self) -> None:
        check_samples(self.samples)

    def target(self, features: Features, mask: Mask | None, given: Any) -> jax.Array:
        """Sort each channel of the style: (c, positions)."""
        return jnp.sort(spread_rows(features, STYLE_SAMPLES * self.samples).T, -1)

    def distance(self, found: Features, target: jax.Array, at: Place) -> Scalar:
        """Average the squared differences of sorted channels."""
        parts = phases(found, strides((found.shape[0], found.shape[1]), self.samples)).swapaxes(1, 2)
        goal = quantiles(target, parts.shape[-1])
        return ordered_squares(parts, jnp.broadcast_to(goal[None], parts.shape)) / parts.size

    def unit(self, target: jax.Array, at: Place) -> Scalar:
        """Give what blank features would lose."""
        return jnp.mean(jnp.square(target))
