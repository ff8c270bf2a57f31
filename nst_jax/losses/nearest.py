"""Patches of features beside the style's most similar ones: Markov random fields."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.errors import UserError
from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.samples import check_kept, spread_rows
from nst_jax.ops import FEATURES
from nst_jax.types import Features, Mask, Scalar

TOGETHER = 64
"""Rows that are sought together where they have fewer columns than that."""


@dataclass(frozen=True)
class Nearest(Loss):
    """mean over patches i and their entries of (Psi_i(F) - Psi_NN(i)(F_s))^2.

    Psi_i are all patches of `patch` x `patch` positions, NN(i) the style's patch of the largest normalised
    cross-correlation with Psi_i, of at most `samples` patches, one in each of equal parts of the style. NN is sought
    every `period` steps, row by row of the picture, and kept in between: then the loss is the distance from the mean of
    the patches that cover a position, plus what these differ by.

    Source: Li and Wand (2016), Combining Markov random fields and convolutional neural networks for image synthesis,
    eq. 2 and 3, a sum over patches at relu3_1 and relu4_1, with NN sought at each evaluation.

    Attributes:
        patch: positions a side.
        samples: patches of the style.
        period: steps that the assignment is kept.
    """

    patch: int = 3
    samples: int = 2048
    period: int = 12

    statistic = FEATURES
    scattered = True
    renews = True
    looks = True

    def __post_init__(self) -> None:
        if not (isinstance(self.patch, int) and self.patch >= 1):
            raise UserError(f"patch is {self.patch}: expected at least 1 position a side, such as 3")
        check_kept(self.samples, self.period)

    def least(self) -> int:
        """Give the positions that a patch has a side."""
        return self.patch

    def of_scattered(self) -> Loss:
        """Take patches for positions of more channels: the nearest of one position, and the same mean."""
        return replace(self, patch=1)

    def target(self, features: Features, mask: Mask | None, given: Any) -> jax.Array:
        """Keep the style's patches: (patches, patch^2 c)."""
        return spread_rows(_patches(features.astype(jnp.float32), self.patch), self.samples)

    def renewed(self, found: Features, target: jax.Array, key: jax.Array, at: Place) -> tuple[jax.Array, Scalar]:
        """Seek the nearest patches; give their mean at each position (h, w, c), and squares of what they differ by."""
        p, (h, w, c) = self.patch, found.shape
        lengths = jnp.linalg.norm(target, axis=-1, keepdims=True)
        directions = target / jnp.where(lengths > 0, lengths, 1)

        def along(row: jax.Array) -> jax.Array:
            strip = jax.lax.dynamic_slice_in_dim(found, row, p).astype(jnp.float32)
            scores = jnp.matmul(_patches(strip, p)[0], directions.T, precision="highest")
            return jnp.argmax(scores, -1)

        # many rows of few columns are taken together
        nearest = jax.lax.map(along, jnp.arange(h - p + 1), batch_size=None if w >= TOGETHER else TOGETHER)
        table = target.reshape(len(target), p * p, c)

        def place(which: int) -> tuple[Any, jax.Array]:
            i, j = divmod(which, p)
            return (slice(i, i + h - p + 1), slice(j, j + w - p + 1)), table[nearest, which]

        total = jnp.zeros((h, w, c))
        for which in range(p * p):
            where, values = place(which)
            total = total.at[where].add(values)
        mean = total / _covers((h, w), p)
        rest = jnp.float32(0)
        for which in range(p * p):
            where, values = place(which)
            rest += jnp.sum(jnp.square(values - mean[where]))
        return mean, rest

    def distance(self, found: Features, target: jax.Array, at: Place) -> Scalar:
        """Average the squared differences of patches."""
        mean, rest = at.renewed or jax.lax.stop_gradient(self.renewed(found, target, jax.random.key(0), at))
        (h, w, c), p = found.shape, self.patch
        near = jnp.sum(_covers((h, w), p) * jnp.square(found.astype(jnp.float32) - mean))
        return (near + rest) / ((h - p + 1) * (w - p + 1) * p * p * c)

    def unit(self, target: jax.Array, at: Place) -> Scalar:
        """Give what blank features would lose, whichever patches they have."""
        return jnp.mean(jnp.square(target))


def _patches(features: Features, p: int) -> jax.Array:
    """List the patches of p x p positions of features (h, w, c): (h - p + 1, w - p + 1, p^2 c)."""
    h, w, _ = features.shape
    parts = [features[i : i + h - p + 1, j : j + w - p + 1] for i in range(p) for j in range(p)]
    return jnp.concatenate(parts, -1)


def _covers(size: tuple[int, int], p: int) -> np.ndarray:
    """Count the patches that cover each position of `size` (h, w): (h, w, 1)."""
    sides = [np.convolve(np.ones(side - p + 1), np.ones(p)) for side in size]
    return np.outer(*sides)[..., None].astype(np.float32)
