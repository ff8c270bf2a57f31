"""Name the shapes that travel through the package.

h, w    height and width in pixels (of an image) or positions (of a feature map)
c       channels; c c is a channel-by-channel matrix
"""

from typing import Any

import numpy as np
from jaxtyping import Array, Float

Image = Float[Array, "h w 3"]
"""Picture: float32, RGB, [0, 1]."""

ImageLike = Float[Array | np.ndarray, "h w 3"]
"""The same as it comes from a reader: a jax or a numpy array."""

Features = Float[Array, "h w c"]
"""One layer's activation."""

Gram = Float[Array, "c c"]
"""Second moment of one layer's channels, divided by the number of positions."""

Mask = Float[Array, "h w"]
"""How much each position counts, in [0, 1]."""

Scalar = Float[Array, ""]

Sides = tuple[Any, Any]
"""Rows and columns of what counts of a picture, the rest being a margin: numbers, or traced."""
