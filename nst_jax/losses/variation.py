"""Total variation: how rough a picture is, a loss of the layer `image` without a target."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.losses.loss import Loss, Place
from nst_jax.ops import FEATURES
from nst_jax.recipe import TvLoss
from nst_jax.types import Features, Image, Mask, Scalar


@dataclass(frozen=True)
class Variation(Loss):
    """The sum of squared differences between neighbouring pixels of an image (h, w, 3) in [0, 1], or a kind of it.

    squares      sum dx^2 + dy^2: Mahendran and Vedaldi (2015), eq. 3 with beta = 2
    johnson      1/2 sum dx^2 + dy^2 on 0-255, last row and column as neighbours only: neural-style
    absolute     sum |dx| + |dy| on 0-255: neural-style-pt, gordicaleksa
    mean-squares mean dx^2 + mean dy^2 on 0-255: anishathalye
    nine-point   2/3 (mean dx^2 + mean dy^2) + 1/6 (mean of both diagonals' squares): style-transfer-pytorch
    keras        sum (dx^2 + dy^2)^1.25 on 0-255, last row and column as neighbours only: keras.io

    Every picture is compared with a flat one. The unit of relative units is the roughness of the picture that the term
    names, for as many pixels as the result has: the content, or the style where there is no content. It is measured
    within its borders, as pictures do not go on at their other side.

    Attributes:
        kind: of these.
        around: the last row and column are neighbours of the first.
    """

    kind: TvLoss = "squares"
    around: bool = False

    statistic = FEATURES

    def target(self, features: Features, mask: Mask | None, given: Any) -> Scalar:
        """Give the roughness of a picture (h, w, 3), for each of its pixels where it is a sum over them."""
        inside = replace(self, around=False)
        return inside.roughness(features) / self._pixels(features.shape[0] * features.shape[1])

    def distance(self, found: Image, target: Scalar, at: Place) -> Scalar:
        """Measure the roughness of a picture (h, w, 3)."""
        return self.roughness(found)

    def unit(self, target: Scalar, at: Place) -> Scalar:
        """Give the roughness of so many pixels as the result has, each as rough as those of the target."""
        return target * self._pixels(at.pixels)

    def _pixels(self, count: int) -> int:
        return 1 if self.kind in ("mean-squares", "nine-point") else count

    def roughness(self, found: Image) -> Scalar:
        """Measure the roughness of a picture (h, w, 3)."""
        if self.kind == "nine-point":
            return _nine_point_around(found) if self.around else _nine_point(found)
        x = found if self.kind == "squares" else 255 * found
        if self.around:
            down, right = jnp.roll(x, -1, 0) - x, jnp.roll(x, -1, 1) - x
        else:
            down, right = x[1:] - x[:-1], x[:, 1:] - x[:, :-1]
        if self.kind == "absolute":
            return _absolute(down) + _absolute(right)
        down, right = jnp.square(down), jnp.square(right)
        if self.kind == "mean-squares":
            return jnp.mean(down) + jnp.mean(right)
        if self.kind == "squares":
            return jnp.sum(down) + jnp.sum(right)
        inner = down + right if self.around else down[:, :-1] + right[:-1]
        return jnp.sum(inner**1.25) if self.kind == "keras" else 0.5 * jnp.sum(inner)


def _absolute(x: jax.Array) -> Scalar:
    """Compute sum |x| whose derivative at 0 is 0, as PyTorch has it; jax's is 1, and flat areas would drift."""
    return jnp.sum(x * jax.lax.stop_gradient(jnp.sign(x)))


def _nine_point_around(image: Image) -> Scalar:
    across, down, one, other = (
        jnp.mean(jnp.square(jnp.roll(image, way, (0, 1)) - image)) for way in ((0, 1), (1, 0), (1, 1), (1, -1))
    )
    return 2 * (across + down) / 3 + (one + other) / 6


def _nine_point(image: Image) -> Scalar:
    x = jnp.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    middle = x[1:-1, 1:-1]
    straight = jnp.mean(jnp.square(x[1:-1, 2:] - middle)) + jnp.mean(jnp.square(x[2:, 1:-1] - middle))
    diagonal = jnp.mean(jnp.square(x[1:, 1:] - x[:-1, :-1])) + jnp.mean(jnp.square(x[1:, :-1] - x[:-1, 1:]))
    return 2 * straight / 3 + diagonal / 6
