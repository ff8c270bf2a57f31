"""The spectrum of a picture: how it falls off, and whether it has a checkerboard in it."""

import numpy as np

from nst_jax.metrics.planes import ROUNDING, Plane, check_side, luma
from nst_jax.types import ImageLike

LEAST = 32
"""Side in pixels below which a spectrum has too few frequencies."""

BANDS = 16
NEAR, FAR = 1, 8


def spectrum_slope(image: ImageLike | Plane) -> float:
    """Fit how the power of a picture (h, w, 3) falls with frequency: the slope of log power over log frequency.

    P(f) ~ f^slope, by least squares over 16 bands of equal width in log f, from 4 / side to 1/2 cycles a pixel; the
    power is averaged in each band over all directions, of the luminance without its mean under a Hann window. About
    -2 in photographs; 0 is white noise, below -3 is blurred. A plane (h, w) is taken as the luminance.

    Raises:
        UserError: a side shorter than 32 pixels.

    Source: Field (1987), Relations between the statistics of natural images and the response properties of cortical
    cells.
    """
    check_side(image, LEAST, "the slope of a spectrum")
    plane = luma(image) if image.ndim == 3 else np.asarray(image, np.float64)
    power, (h, w) = _power(plane), plane.shape
    frequency = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None])
    limits = np.geomspace(4 / min(h, w), 0.5, BANDS + 1)
    band = np.searchsorted(limits, frequency.reshape(-1), side="right") - 1
    inside = (band >= 0) & (band < BANDS)
    band, power, frequency = band[inside], power.reshape(-1)[inside], frequency.reshape(-1)[inside]
    count, total = np.bincount(band, minlength=BANDS), np.bincount(band, power, BANDS)
    middle = np.bincount(band, np.log(frequency), BANDS)
    some = count > 0
    x, y = middle[some] / count[some], np.log(total[some] / count[some])
    return float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


def checkerboard(image: ImageLike) -> float:
    """Measure the checkerboard of period two in a picture (h, w, 3): up to 1 is none, more is worse.

    The mean over (pi, 0), (0, pi) and (pi, pi) of the power there, in 3x3 cells of the spectrum, over the power around
    it, in the other cells up to 8 away; summed over the three channels, under a Hann window. Strided layers without
    padding of their own send the gradient to one phase of the pixel grid, which shows there.

    Raises:
        UserError: a side shorter than 32 pixels.

    Source: Odena, Dumoulin and Olah (2016), Deconvolution and checkerboard artifacts, for what it measures; the ratio
    is of this package.
    """
    check_side(image, LEAST, "the checkerboard")
    x = np.asarray(image, np.float64)
    x = x[: len(x) // 2 * 2, : x.shape[1] // 2 * 2]  # an odd side has no frequency of pi
    power = np.sum([_power(x[..., c]) for c in range(3)], axis=0)
    h, w = power.shape
    ratios = []
    for i, j in ((h // 2, 0), (0, w // 2), (h // 2, w // 2)):
        cells = power[np.ix_(np.arange(i - FAR, i + FAR + 1) % h, np.arange(j - FAR, j + FAR + 1) % w)]
        peak = cells[FAR - NEAR : FAR + NEAR + 1, FAR - NEAR : FAR + NEAR + 1]
        around = (cells.sum() - peak.sum()) / (cells.size - peak.size)
        ratios.append(peak.mean() / around)
    return float(np.mean(ratios))


def _power(plane: Plane) -> Plane:
    """Give the power spectrum (h, w) of a plane (h, w), a pixel's variance on average, and no less than rounding's."""
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in plane.shape))
    flat = (plane - (plane * window).sum() / window.sum()) * window
    return np.abs(np.fft.fft2(flat)) ** 2 / (window**2).sum() + ROUNDING
