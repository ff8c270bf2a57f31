"""Turn picture files into image arrays and back; imports no jax, so that commands check inputs at once.

Image contract, here and everywhere: float32, RGB, (h, w, 3), [0, 1], encoded as sRGB. Colours that transparency hides
never count.
"""

from .arrays import entering
from .digest import pixels_digest
from .reading import MAX_BYTES, Picture, is_picture, read, read_metadata, shape_of
from .scaling import (
    MAX_PIXELS,
    Sizing,
    allowed,
    allowing,
    fit,
    pad,
    resize,
    resized,
    side_by_side,
    sizing,
    style_sizing,
    to_uint8,
)
from .transparency import NEUTRAL, compose, visible
from .writing import PLAIN, Output, check_fits, check_writable, save

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "NEUTRAL",
    "PLAIN",
    "Output",
    "Picture",
    "Sizing",
    "allowed",
    "allowing",
    "check_fits",
    "check_writable",
    "compose",
    "entering",
    "fit",
    "is_picture",
    "pad",
    "pixels_digest",
    "read",
    "read_metadata",
    "resize",
    "resized",
    "save",
    "shape_of",
    "side_by_side",
    "sizing",
    "style_sizing",
    "to_uint8",
    "visible",
]
