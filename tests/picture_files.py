"""Make the pictures and files that the tests of images read."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from nst_jax.images import Picture


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def smooth(height: int = 32, width: int = 48) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([x / width, y / height, 0.5 * np.ones_like(x)], axis=-1)


def file_of(folder: Path, image: Image.Image, form: str, **options) -> Path:
    path = folder / f"picture.{form.lower()}"
    image.save(path, form, **options)
    return path


def png(values: np.ndarray, colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Make a 16-bit PNG by hand, because Pillow writes no 16-bit colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def profile(space: bytes, gamma: float, columns: np.ndarray | None = None) -> bytes:
    """Make an ICC v2 profile: one gamma, and for RGB the D50 XYZ of its primaries as columns."""

    def s15f16(*numbers: float) -> bytes:
        return struct.pack(f">{len(numbers)}i", *(round(n * 65536) for n in numbers))

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags = {b"wtpt": b"XYZ " + bytes(4) + s15f16(0.9642, 1.0, 0.8249)}
    tags[b"desc"] = b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(79)
    tags[b"cprt"] = b"text" + bytes(4) + b"none\0"
    if columns is None:
        tags[b"kTRC"] = curve
    else:
        for letter, column in zip((b"r", b"g", b"b"), np.asarray(columns).T, strict=True):
            tags[letter + b"XYZ"] = b"XYZ " + bytes(4) + s15f16(*column)
            tags[letter + b"TRC"] = curve
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = bytes(8) + struct.pack(">I", 0x02400000) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp"
    header += bytes(28) + s15f16(0.9642, 1.0, 0.8249) + bytes(48)
    rest = header[4:] + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(rest) + 4) + rest


def one_line(caught) -> str:
    message = str(caught.value)
    assert "\n" not in message
    assert ";" in message  # what was found; what to do
    return message


def alpha_of(picture: Picture) -> np.ndarray:
    assert picture.alpha is not None
    return picture.alpha
