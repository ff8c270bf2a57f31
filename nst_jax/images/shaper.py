"""Colour profiles of a curve a channel and a matrix, or of a curve for grey, in full precision."""

import struct
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .profile import srgb
from .strips import PIXELS

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Shaper = tuple[tuple[Curve, ...], NDArray[np.float64]]
"""Curves from levels to light, and the XYZ of the primaries as columns; grey has one curve."""


def to_srgb(values: NDArray[np.float32], profile: bytes) -> NDArray[np.float32] | None:
    """Convert colours (h, w, 3) in [0, 1] of a profile to sRGB; none if the profile is not of this kind.

        light = curve(value)        sRGB = encoded(M_sRGB^-1 M light), clipped

    Relative colorimetric, black being black in profiles of this kind. A profile of grey is taken for grey pictures.
    Source: ICC.1:2010, 8.3 and F.3; IEC 61966-2-1.
    """
    found = _parsed(profile)
    if found is None or (len(found[0]) == 1 and not (values == values[..., :1]).all()):
        return None
    curves, matrix = found
    if len(curves) == 3:
        _, target = _own()
        matrix = np.linalg.inv(target) @ matrix
    out, rows = np.empty_like(values), max(1, PIXELS // values.shape[1])
    for first in range(0, len(values), rows):
        part = values[first : first + rows].astype(np.float64)
        light = np.stack([curve(part[..., i]) for i, curve in enumerate(curves * (3 // len(curves)))], -1)
        out[first : first + rows] = _encoded(light @ matrix.T if len(curves) == 3 else light)
    return out


@cache
def _own() -> Shaper:
    found = _parsed(srgb())
    assert found is not None
    return found


def _encoded(light: NDArray[np.float64]) -> NDArray[np.float64]:
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _parsed(profile: bytes) -> Shaper | None:
    """Read curves and matrix; none where there is a table of colours, or anything is odd."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        table = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100)))
        tags = {name: profile[start : start + size] for name, start, size in table}
        if b"A2B0" in tags or b"A2B1" in tags or profile[20:24] != b"XYZ ":
            return None
        if profile[16:20] == b"GRAY":
            return (_curve(tags[b"kTRC"]),), np.eye(3)
        if profile[16:20] != b"RGB ":
            return None
        columns = [_fixed(tags[name], 8, 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        matrix = np.stack(columns, -1)
        np.linalg.inv(matrix)
        return tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")), matrix
    except (KeyError, ValueError, struct.error, np.linalg.LinAlgError):
        return None


def _fixed(tag: bytes, start: int, count: int) -> NDArray[np.float64]:
    return np.array(struct.unpack_from(f">{count}i", tag, start)) / 65536


def _curve(tag: bytes) -> Curve:
    """Read a curve: a table, a power, or one of the parametric forms (ICC.1:2010, 10.5 and 10.15)."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return lambda x: x
        entries = np.array(struct.unpack_from(f">{count}H", tag, 12), np.float64)
        if count == 1:
            return lambda x: x ** (entries[0] / 256)
        return lambda x: np.interp(x, np.linspace(0, 1, count), entries / 65535)
    if tag[:4] != b"para":
        raise ValueError("no curve")
    (kind,) = struct.unpack_from(">H", tag, 8)
    given = _fixed(tag, 12, (1, 3, 4, 5, 7)[kind] if kind < 5 else -1)
    g, a, b, c, d, e, f = (*given, *(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)[len(given) - 1 :])
    if kind in (1, 2):
        e, f, c, d = (c, c, 0.0, -b / a) if kind == 2 else (0.0, 0.0, 0.0, -b / a)
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)
