"""Turn picture files into image arrays and back; imports no jax, so that commands check inputs at once.

Image contract, here and everywhere: float32, RGB, (h, w, 3), [0, 1], encoded as sRGB.
"""

from .reading import Picture, read, read_metadata
from .scaling import fit, resize, side_by_side, to_uint8
from .writing import check_writable, save

__all__ = [
    "Picture",
    "check_writable",
    "fit",
    "read",
    "read_metadata",
    "resize",
    "save",
    "side_by_side",
    "to_uint8",
]
