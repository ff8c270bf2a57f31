"""Name the shapes that travel through the package.

h, w    height and width in pixels (of an image) or positions (of a feature map)
c       channels; c c is a channel-by-channel matrix
"""

from jaxtyping import Array, Float

Image = Float[Array, "h w 3"]
"""Picture: float32, RGB, [0, 1]."""

Features = Float[Array, "h w c"]
"""One layer's activation."""

Gram = Float[Array, "c c"]
"""Second moment of one layer's channels, divided by the number of positions."""

Scalar = Float[Array, ""]
