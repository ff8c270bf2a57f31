"""Oriented filters: whether strokes of every size and direction are as frequent in a result as in its style."""

import numpy as np

from nst_jax.metrics.planes import ROUNDING, Plane, check_side, luma, mirrored
from nst_jax.types import ImageLike

WAVES = (4, 8, 16, 32)
"""Wavelengths of the filters in pixels."""

ORIENTATIONS = 4
LEVELS = 256
MARGIN = 32


def responses(image: ImageLike) -> Plane:
    """Give the quantiles (16, 256) of what oriented filters find in the luminance of a picture (h, w, 3).

    A filter is, over frequency f and direction theta, exp(-ln(f / f0)^2 / (2 ln(0.65)^2)) |cos(theta - theta0)|^3, for
    four theta0 and f0 of 1/4, 1/8, 1/16 and 1/32 cycles a pixel: even, real, without mean. The picture is mirrored at
    its borders. Quantiles are those of the pixels in order, at (k + 1/2) / 256.

    Raises:
        UserError: a side shorter than 32 pixels.
    """
    check_side(image, max(WAVES), "the bank of oriented filters")
    plane = luma(image)
    h, w = plane.shape
    sides = [-(-(side + 2 * MARGIN) // 32) * 32 for side in (h, w)]  # sides that a fast transform likes
    wide = plane[np.ix_(*(mirrored(n, MARGIN, side - n - MARGIN) for n, side in zip((h, w), sides, strict=True)))]
    spectrum = np.fft.rfft2(wide)
    y, x = np.fft.fftfreq(sides[0])[:, None], np.fft.rfftfreq(sides[1])[None]
    radius = np.hypot(y, x)
    radius[0, 0] = 1  # cut out below
    places = ((2 * np.arange(LEVELS) + 1) * (h * w)) // (2 * LEVELS)
    found = []
    for wave in WAVES:
        ring = np.exp(-(np.log(radius * wave) ** 2) / (2 * np.log(0.65) ** 2))
        ring[0, 0] = 0
        for k in range(ORIENTATIONS):
            angle = np.pi * k / ORIENTATIONS
            along = np.abs(x * np.cos(angle) + y * np.sin(angle)) / radius
            answer = np.fft.irfft2(spectrum * ring * along**3, sides)[MARGIN : MARGIN + h, MARGIN : MARGIN + w]
            found.append(np.sort(answer.astype(np.float32), axis=None)[places])
    return np.array(found, np.float64)


def filters_distance(image: ImageLike | Plane, style: ImageLike | Plane) -> float:
    """Compare how oriented filters answer to a result and to its style (h, w, 3) of any size: 0 is alike.

    The mean over filters of mean_u (Q(u) - Q_s(u))^2 / mean_u Q_s(u)^2, Q being the quantiles of a filter's answers:
    squared Wasserstein distances of one dimension, 1 for a blank result. Each picture can also be given by its
    `responses`.

    Raises:
        UserError: a side shorter than 32 pixels.

    Source: Heeger and Bergen (1995), Pyramid-based texture analysis/synthesis; filters after Simoncelli and Freeman
    (1995), The steerable pyramid, and Field (1987).
    """
    found, wanted = (x if x.ndim == 2 else responses(x) for x in (image, style))
    energy = np.mean(np.asarray(wanted) ** 2, axis=1) + ROUNDING
    return float(np.mean(np.mean((np.asarray(found) - wanted) ** 2, axis=1) / energy))
