"""Write what Pillow does not: PNG with 16 bits a channel, and TIFF of any size, both strip by strip."""

import struct
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .strips import Strips

_CLASSIC = 2**32 - 2**25
"""Bytes of pixels that a TIFF with offsets of 32 bits holds, with room for its tags."""
_INCH = 0.0254


def write_png(file: BinaryIO, strips: Strips, texts: Mapping[str, str], profile: bytes, dpi: int) -> None:
    """Write PNG with 16 bits a channel, its profile, texts and resolution (0 for none): PNG, third edition."""
    height, width, channels = strips.shape
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 6, 0, 0, 0))
    _chunk(file, b"iCCP", b"sRGB\0\0" + zlib.compress(profile))
    if dpi:
        _chunk(file, b"pHYs", struct.pack(">IIB", *(round(dpi / _INCH),) * 2, 1))
    for key, text in texts.items():
        _chunk(file, b"iTXt", key.encode("latin-1") + b"\0\1\0\0\0" + zlib.compress(text.encode()))
    packer, above = zlib.compressobj(6), np.zeros((1, width * channels * 2), np.uint8)
    for strip in strips:
        rows = strip.astype(">u2").view(np.uint8).reshape(len(strip), -1)
        _chunk(file, b"IDAT", packer.compress(_filtered(rows, above, 2 * channels)))
        above = rows[-1:]
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    if data or kind == b"IEND":
        file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], pixel: int) -> bytes:
    """Subtract from each row of bytes the pixel before (1) or above (2), whichever leaves less, and say which."""
    before = np.zeros_like(rows)
    before[:, pixel:] = rows[:, :-pixel]
    choices = [rows - before, rows - np.concatenate([above, rows[:-1]])]
    left = [np.abs(x.view(np.int8).astype(np.int16)).sum(1, dtype=np.int64) for x in choices]
    up = left[1] < left[0]
    best = np.where(up[:, None], choices[1], choices[0])
    return np.concatenate([1 + up.astype(np.uint8)[:, None], best], 1).tobytes()


def write_tiff(
    file: BinaryIO, strips: Strips, description: str, profile: bytes, dpi: int, *, classic: int = _CLASSIC
) -> None:
    """Write TIFF in deflated strips, as BigTIFF where the pixels have more than `classic` bytes."""
    from tifffile import TiffWriter  # a tenth of a second, for TIFF alone

    with TiffWriter(file, bigtiff=strips.bytes > classic) as tiff:
        tiff.write(
            map(_packed, strips),
            shape=strips.shape,
            dtype=np.uint8 if strips.depth == 8 else np.uint16,
            photometric="rgb",
            extrasamples=["unassalpha"] if strips.shape[2] == 4 else None,
            compression="zlib",
            predictor=True,
            rowsperstrip=strips.rows,
            resolution=(dpi, dpi) if dpi else None,
            resolutionunit="INCH" if dpi else None,
            iccprofile=profile,
            description=description or None,
            metadata=None,
            software=False,
        )


def _packed(strip: NDArray[Any]) -> bytes:
    """Deflate a strip's differences along its rows: TIFF 6.0, section 14."""
    before = np.zeros_like(strip)
    before[:, 1:] = strip[:, :-1]
    return zlib.compress(np.ascontiguousarray(strip - before).tobytes(), 6)
