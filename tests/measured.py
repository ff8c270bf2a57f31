"""Losses applied to two activations, as a problem applies them, and a network that measures are tested with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.losses import Loss, Place
from nst_jax.networks import CAFFE, VGG, VGGS, Encoder


def narrow_encoder(rng: np.random.Generator) -> Encoder:
    """Build a VGG16 of few channels with random weights."""
    network = VGG("vgg16", VGGS["vgg16"].blocks, (4, 6, 8, 8, 8))
    params = {
        name: {
            "kernel": jnp.asarray(rng.standard_normal(s["kernel"]) / s["kernel"][2] ** 0.5, jnp.float32),
            "bias": jnp.zeros(s["bias"]),
        }
        for name, s in network.param_shapes().items()
    }
    return Encoder(params, network=network, preprocessing=CAFFE)


def distance(loss: Loss, found: jax.Array, target: jax.Array, *, mask: Any = None, pixels: int = 0) -> jax.Array:
    """Measure how far features (h, w, c), weighed by a mask (h, w), are from the target's (h', w', c)."""
    given = loss.given(target)
    h, w, c = found.shape
    at = Place(h * w, c, pixels or h * w, given)
    return loss.distance(loss.statistic(found, mask, given), loss.target(target, None, given), at)
