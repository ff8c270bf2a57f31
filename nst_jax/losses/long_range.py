"""Gram matrices of features with themselves some way off: patterns that go on across the picture."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.ops import Statistic
from nst_jax.types import Features, Gram, Mask, Scalar

Shifts = tuple[tuple[Gram, ...], tuple[Gram, ...]]


def _shifted(features: Features, mask: Mask | None, d: int, axis: int) -> Gram:
    """Compute sum_p m F(p) F(p + d)^T / sum_p m, m being the product of both positions' masks."""
    length = features.shape[axis] - d
    here, there = (jax.lax.slice_in_dim(features, start, start + length, axis=axis) for start in (0, d))
    both = None
    if mask is not None:
        both = jax.lax.slice_in_dim(mask, 0, length, axis=axis) * jax.lax.slice_in_dim(mask, d, d + length, axis=axis)
    a, b = (x.reshape(-1, x.shape[-1]) for x in (ops.weighed(here, both), there))
    precision = "highest" if a.dtype == jnp.float32 else "default"
    pairs = jnp.maximum(ops.count(here, both), jnp.finfo(jnp.float32).tiny)
    return jnp.einsum("mi,mj->ij", a, b, preferred_element_type=jnp.float32, precision=precision) / pairs


def _sums(features: Features, mask: Mask | None, given: Any) -> tuple[Gram, Shifts]:
    def along(axis: int) -> tuple[Gram, ...]:
        return tuple(_shifted(features, mask, 2**k, axis) for k in range((features.shape[axis] // 2).bit_length()))

    return ops.GRAM(features, mask), (along(0), along(1))


def _same(sums: Any) -> Any:
    return sums


RANGES = Statistic(_sums, _same, additive=False)
"""The Gram matrix (c, c), and those of shifts by 1, 2, 4 ... up to half the side, down and to the right."""


@dataclass(frozen=True)
class LongRange(Loss):
    """1/(4 N^2 K) sum_d |G_d - G_s,d|^2 with G_d = sum_p F(p) F(p + d)^T / (number of pairs), over K shifts d.

    The shifts are none at all, and the powers of two up to half the side, down and to the right; where the pictures
    differ in size, those that both have.

    Source: Berger and Memisevic (2016), Incorporating long-range consistency in CNN-based texture generation, eq. 4,
    which compares the products by a sum that grows with the number of pairs.
    """

    statistic = RANGES

    def distance(self, found: tuple[Gram, Shifts], target: tuple[Gram, Shifts], at: Place) -> Scalar:
        """Average the squared differences over the shifts."""
        parts = [squares(found[0], target[0])]
        for own, other in zip(found[1], target[1], strict=True):
            parts += [squares(a, b) for a, b in zip(own, other, strict=False)]
        return sum(parts, jnp.float32(0)) / (4 * at.channels**2 * len(parts))

    def unit(self, target: tuple[Gram, Shifts], at: Place) -> Scalar:
        """Measure how far blank features are from the target."""
        return self.distance(jax.tree.map(jnp.zeros_like, target), target, at)
