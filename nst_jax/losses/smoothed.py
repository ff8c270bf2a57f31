"""Losses of smoothed features: for networks whose activations have peaks."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nst_jax.losses.around import Around
from nst_jax.losses.loss import Loss, Place
from nst_jax.ops import FEATURES, Statistic
from nst_jax.recipe import Smoothing
from nst_jax.types import Features, Mask, Scalar

CONSTANT = 1e-3
"""What the released code of SWAG multiplies features by, in place of the softmax of its paper."""


class Given(NamedTuple):
    """What smoothed features are summed up with: the softmax' unit, and what the loss within was given."""

    unit: Any
    inner: Any


@dataclass(frozen=True)
class Sums:
    """Smooth features, then sum them up as another statistic does."""

    kind: Smoothing
    statistic: Statistic

    def __call__(self, features: Any, mask: Mask | None, given: Given) -> Any:
        """Give the sums over positions."""
        return self.statistic.sums(smoothed(features, self.kind, given.unit), mask, given.inner)


@dataclass(frozen=True)
class Smoothed(Around):
    """Another loss, of features F that are smoothed first.

    softmax   N M exp(F / t) / sum exp(F / t) over all N channels and M positions of a layer, t being `temperature`
              deviations of the target's features there; times N M, so that their mean is 1 and they keep their units
    constant  F / 1000: what the softmax is to be told from, as it only weighs the layers otherwise

    Source: Wang, Li and Vasconcelos, Rethinking and Improving the Robustness of Image Style Transfer (2021), eq. 8,
    without a temperature, which one-hot features ask for: VGG's reach 10^4.
    """

    kind: Smoothing = "softmax"
    temperature: float = 1.0

    positional = False  # type: ignore[override]

    by_sums = False  # type: ignore[override]

    @property
    def statistic(self) -> Statistic:  # type: ignore[override]
        """Smooth, and sum up as the loss within does; a softmax needs the whole layer at once."""
        inner = self.loss.statistic
        return Statistic(Sums(self.kind, inner), inner.finish, inner.additive and self.kind != "softmax")

    def given(self, features: Any) -> Given:
        """Measure the deviation of the target's features, over all channels and positions."""
        unit = jax.tree.map(lambda x: self.temperature * deviation(x), features)
        return Given(unit, self.loss.given(smoothed(features, self.kind, unit)))

    def target(self, features: Any, mask: Mask | None, given: Given) -> Any:
        """Make the target of smoothed features."""
        return self.loss.target(smoothed(features, self.kind, given.unit), mask, given.inner)

    def renewed(self, found: Any, target: Any, key: jax.Array, at: Place) -> Any:
        """Make what the loss within makes of smoothed features."""
        seen = None if found is None else smoothed(found, self.kind, at.given.unit)
        return self.loss.renewed(seen, target, key, self._inner(at))

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Measure as the loss within does."""
        return self.loss.distance(found, target, self._inner(at))

    def unit(self, target: Any, at: Place) -> Scalar:
        """Measure how far blank features, whose softmax is 1 everywhere, are from the target."""
        if self.kind == "constant":
            return self.loss.unit(target, self._inner(at))
        if self.loss.statistic == FEATURES:
            return self.distance(jax.tree.map(jnp.ones_like, target), target, at)
        return self.distance(self.loss.statistic(jnp.ones((2, 2, at.channels)), None, at.given.inner), target, at)

    @staticmethod
    def _inner(at: Place) -> Place:
        return at._replace(given=at.given.inner)


def deviation(features: Features) -> Scalar:
    """Give the standard deviation of all entries, a thousandth of their size at least."""
    x = features.astype(jnp.float32)
    return jnp.maximum(jnp.std(x), 1e-3 * jnp.sqrt(jnp.mean(x**2))) + 1e-12


def smoothed(features: Any, kind: Smoothing, unit: Any) -> Any:
    """Smooth features (h, w, c), or those of each of several layers, in float32."""

    def one(x: Features, unit: Scalar) -> Features:
        x = x.astype(jnp.float32)
        if kind == "constant":
            return CONSTANT * x
        return x.size * jax.nn.softmax((x / unit).reshape(-1)).reshape(x.shape)

    return jax.tree.map(one, features, unit)


def smooth(loss: Loss, kind: Smoothing, temperature: float) -> Loss:
    """Give the loss of features smoothed as a recipe says, `none` for as they are."""
    if kind == "none":
        return loss
    return Smoothed(loss, kind, temperature) if kind == "softmax" else Smoothed(loss, kind)
