"""Products of the channels of neighbouring layers: what lies in a shape of the deeper one."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax import ops
from nst_jax.losses.loss import Loss, Place, squares
from nst_jax.ops import Statistic
from nst_jax.types import Features, Mask, Scalar


def _sums(features: Features | tuple[Features, ...], mask: Mask | None, given: Any):
    deep, *shallow = features if isinstance(features, tuple) else (features,)
    fine = shallow[0] if shallow else deep
    rows, columns = (_nearest(fine.shape[i], deep.shape[i]) for i in (0, 1))
    wide = deep.astype(jnp.float32)[rows][:, columns]
    if mask is not None:
        mask = mask[rows][:, columns]
    a, b = (x.astype(jnp.float32).reshape(-1, x.shape[-1]) for x in (ops.weighed(wide, mask), fine))
    return ops.count(fine, mask), jnp.einsum("mi,mj->ij", a, b, precision="highest")


def _nearest(fine: int, deep: int) -> jax.Array:
    return (jnp.arange(fine) * deep) // fine


def _finish(sums: Any) -> jax.Array:
    m, products = sums
    return products / m


CROSS = Statistic(_sums, _finish, additive=False)
"""sum_p up(F_l)(p) F_(l-1)(p)^T / M over the M positions of the finer layer. -> (c_l, c_(l-1))"""


@dataclass(frozen=True)
class CrossLayer(Loss):
    """1/(4 N_l N_(l-1)) |G - G_s|^2 with G = sum_p up(F_l)(p) F_(l-1)(p)^T / M for each layer l and the one before it.

    The layers are the term's, by depth; `up` repeats the deeper one's positions on the finer one's grid of M. The
    first has none before it: there G is its Gram matrix, so that w_1 weighs the colours and the finest strokes. w_l
    weighs the products of layer l with the one before.

    Source: Novak and Nikulin (2016), Improving the neural algorithm of artistic style, section 4.5; Yeh and Tang
    (2018), Improved style transfer by respecting inter-layer correlations. Both have no Gram matrix of the first layer.
    """

    statistic = CROSS
    blends = True

    def reads(self, layer: str, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the layer and the one before it; the first twice."""
        return layer, layers[max(0, layers.index(layer) - 1)]

    def distance(self, found: jax.Array, target: jax.Array, at: Place) -> Scalar:
        """Sum up the squared differences of two matrices (c_l, c_(l-1))."""
        return squares(found, target) / (4 * found.size)

    def unit(self, target: jax.Array, at: Place) -> Scalar:
        """Measure how far blank features are from the target."""
        return self.distance(jnp.zeros_like(target), target, at)
