"""The colour profile that written pictures carry."""

from functools import cache

from PIL import ImageCms

_DATE, _MADE = slice(24, 36), bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # ICC.1:2010, 7.2.8: when it was made


@cache
def srgb() -> bytes:
    """Give the ICC profile of sRGB, the same bytes each time: without the time of its making."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_DATE] = _MADE
    return bytes(profile)
