"""Objectives of the picture alone, as values, for tests of the loop and of descents: helpers, no tests."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.canvases import Canvas, Pixels
from nst_jax.descents import LBFGS, Descent
from nst_jax.losses import Loss, Place
from nst_jax.networks import Encoder, Network
from nst_jax.numbers import leaf
from nst_jax.ops import FEATURES
from nst_jax.problem import Problem, Term

TARGET = 0.25


@dataclass(frozen=True)
class Nothing(Network):
    """A network without layers: the picture is all there is."""

    name = "nothing"
    layers = ()


NOBODY = Encoder(params={}, network=Nothing())


@dataclass(frozen=True)
class Parabola(Loss):
    """1/2 sum (x - 1/4)^2."""

    statistic = FEATURES

    def target(self, features: Any, mask: Any, given: Any) -> Any:
        return ()

    def distance(self, found: Any, target: Any, at: Place) -> jax.Array:
        return 0.5 * jnp.sum((found - TARGET) ** 2)


@dataclass(frozen=True)
class Cliff(Parabola):
    """Not a number once the picture has gone below an edge, 0.6 unless another is given."""

    def distance(self, found: Any, target: Any, at: Place) -> jax.Array:
        edge = at.given if isinstance(at.given, jax.Array) else 0.6
        return jnp.where(jnp.all(found > edge), jnp.sum((found - TARGET) ** 2), jnp.nan)


def pose(
    loss: Loss,
    descent: Descent | None = None,
    *,
    start: float = 0.75,
    weight: float = 1.0,
    size: int = 4,
    canvas: Canvas | None = None,
) -> Problem:
    """Pose a flat picture of `size` pixels a side with one loss of it."""
    term = Term(leaf(weight), leaf(1.0), {"image": leaf(1.0)}, {"image": ()}, {"image": ()}, loss=loss)
    return Problem(
        init=jnp.full((size, size, 3), start, jnp.float32),
        noise=leaf(0.0),
        seed=leaf(0, "uint32"),
        steps=leaf(10, "int32"),
        terms={"own": term},
        descent=descent or LBFGS(),
        canvas=canvas or Pixels(),
        network=Nothing(),
    )
