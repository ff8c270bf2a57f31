"""Losses applied to two activations, as a problem applies them."""

from typing import Any

import jax

from nst_jax.losses import Loss, Place


def distance(loss: Loss, found: jax.Array, target: jax.Array, *, mask: Any = None, pixels: int = 0) -> jax.Array:
    """Measure how far features (h, w, c), weighed by a mask (h, w), are from the target's (h', w', c)."""
    given = loss.given(target)
    h, w, c = found.shape
    at = Place(h * w, c, pixels or h * w, given)
    return loss.distance(loss.statistic(found, mask, given), loss.target(target, None, given), at)
