"""Colour of 16 bits a channel, of which Pillow gives the upper 8: the lower ones come as those of the other order."""

import sys
from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Turn = Callable[[Image.Image], Image.Transpose | None]

_OTHER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
"""The order of bytes in which a level's lower byte stands for it: of each order in Pillow's names of raw pixels."""
_COMPRESSION, _PLANES, _PHOTOMETRIC, _BITS = 259, 284, 262, 258  # TIFF 6.0
_PACKED = (1, 8, 32773, 32946)
"""How tifffile unpacks without more: not at all, deflate, bits, and deflate by its old number."""
_WHOLE = ("RGB;16", "RGBA;16", "RGBX;16", "RGBa;16")


def raw(image: Image.Image) -> str:
    """Name the raw pixels of a picture that is not decoded yet; empty where its parts differ, or it has none."""
    parts = [tile[3] for tile in getattr(image, "tile", ()) if tile[3]]
    kinds = {part if isinstance(part, str) else part[0] for part in parts}
    (kind,) = kinds if len(kinds) == 1 else ("",)
    return kind if isinstance(kind, str) else ""


def are_deep(image: Image.Image) -> bool:
    """Say whether a picture that is not decoded yet has colour, or grey and alpha, of 16 bits a channel."""
    kind = raw(image)
    return kind == "LA;16B" or kind[:-1] in _WHOLE or _apart(image)


def _apart(image: Image.Image) -> bool:
    """Say whether it is a TIFF of red, green and blue in planes of 16 bits, of which Pillow mistakes those unpacked."""
    tags = getattr(image, "tag_v2", {})
    kind = tuple(tags.get(tag) for tag in (_PLANES, _PHOTOMETRIC, _BITS))
    return kind == (2, 2, (16, 16, 16)) and tags.get(_COMPRESSION, 1) in _PACKED


def decode(data: bytes, formats: tuple[str, ...], turn: Turn) -> NDArray[np.uint16]:
    """Decode such a picture file to levels (h, w, 3 or 4), turned; colours are as the file has them.

    Whether they are multiplied by alpha says `raw`: RGBa is. `turn` says what sets a picture upright, of a TIFF before
    it is decoded: then Pillow has turned it.
    """
    with Image.open(BytesIO(data), formats=formats) as image:
        kind, apart, way = raw(image), _apart(image), turn(image)
    if apart:
        return _planes(data, way)
    if kind == "LA;16B":
        found = _decoded(data, formats, "RGBA", turn)  # the bytes of grey and of alpha
        grey, alpha = (_joined(found[..., i], found[..., i + 1]) for i in (0, 2))
        return np.stack([grey, grey, grey, alpha], -1)
    kind = kind.replace("RGBa", "RGBA")
    other = kind[:-1] + _OTHER[kind[-1]]
    return _joined(_decoded(data, formats, kind, turn), _decoded(data, formats, other, turn))


def _joined(upper: NDArray[np.uint8], lower: NDArray[np.uint8]) -> NDArray[np.uint16]:
    levels = upper.astype(np.uint16)
    levels <<= 8
    levels |= lower
    return levels


def _planes(data: bytes, way: Image.Transpose | None) -> NDArray[np.uint16]:
    from tifffile import TiffFile  # a tenth of a second, for this alone

    with TiffFile(BytesIO(data)) as file:
        planes = np.asarray(file.pages[0].asarray(), np.uint16)
    halves = [Image.fromarray(np.stack([p >> s & 255 for p in planes], -1).astype(np.uint8)) for s in (8, 0)]
    upper, lower = (np.asarray(x if way is None else x.transpose(way)) for x in halves)
    return _joined(upper, lower)


def _decoded(data: bytes, formats: tuple[str, ...], kind: str, turn: Turn) -> NDArray[np.uint8]:
    with Image.open(BytesIO(data), formats=formats) as image:
        image.tile = [
            tile._replace(args=kind if isinstance(tile.args, str) else (kind, *tile.args[1:]))  # type: ignore[index]
            for tile in image.tile
        ]
        image.load()
        way = turn(image)
        return np.asarray(image if way is None else image.transpose(way))
