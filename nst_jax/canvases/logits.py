"""Pictures as the sigmoid of something without bounds."""

import jax
import jax.numpy as jnp

from nst_jax.types import Image

LEAST = 0.01
"""A picture begins within [LEAST, 1 - LEAST]: at 0 and 1 themselves the sigmoid would not move."""


def logits(image: Image) -> jax.Array:
    """Give log(p / (1 - p)) of each value p of a picture in [0, 1], clipped to [LEAST, 1 - LEAST]."""
    p = jnp.clip(image, LEAST, 1 - LEAST)
    return jnp.log(p) - jnp.log1p(-p)
