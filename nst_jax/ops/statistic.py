"""How a layer's features are summed up: sums over positions, and what is made of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from nst_jax.types import Features, Mask


class Statistic(NamedTuple):
    """A summary of features (h, w, c). Static: its functions stand at the top of a module, so it compares by value.

    Attributes:
        sums: `sums(features, mask, given)` -> any pytree of sums over positions, each position weighed by `mask`
            (h, w), or by 1 where there is none. `given` are arrays that the loss brings along.
        finish: of these sums, whatever the loss compares.
        additive: the sums of a picture are those of its parts, added. False for what needs the whole layer at once,
            such as sorted values.
    """

    sums: Callable[[Any, Mask | None, Any], Any]
    finish: Callable[[Any], Any]
    additive: bool = True

    @property
    def by_position(self) -> bool:
        """Say whether these are features themselves, or made of them one by one: they have no masked form."""
        return self == FEATURES or getattr(self.sums, "statistic", None) == FEATURES

    def __call__(self, features: Features, mask: Mask | None = None, given: Any = ()) -> Any:
        """Sum up a whole layer."""
        return self.finish(self.sums(features, mask, given))


@struct.dataclass
class Summary:
    """A statistic that is asked for of one layer, with its mask (h, w) and the arrays given to it."""

    statistic: Statistic = struct.field(pytree_node=False)
    mask: Mask | None = None
    given: Any = ()

    def __call__(self, features: Features) -> Any:
        """Sum up a whole layer."""
        return self.statistic(features, self.mask, self.given)


def count(features: Features, mask: Mask | None) -> jax.Array:
    """Count the positions of features (h, w, c), or add up their mask."""
    return jnp.float32(features.shape[0] * features.shape[1]) if mask is None else jnp.sum(mask)


def weighed(features: Features, mask: Mask | None) -> Features:
    """Multiply each position by its mask."""
    return features if mask is None else features * mask[..., None].astype(features.dtype)


def _whole(features: Features, mask: Mask | None, given: Any) -> Features:
    return features


def _same(sums: Any) -> Any:
    return sums


def _nothing(features: Any, mask: Mask | None, given: Any) -> tuple[()]:
    return ()


NOTHING = Statistic(_nothing, _same)
"""Nothing of a layer."""

FEATURES = Statistic(_whole, _same, additive=False)
"""The features themselves (h, w, c), for losses that compare position by position."""
