"""Resampling, rounding and laying side by side."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import noise, smooth

from nst_jax import images
from nst_jax.errors import UserError
from nst_jax.recipe import Resample

QUICK = settings(max_examples=30, deadline=None)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((30, 60, 3), 20, (10, 20, 3)),
        ((60, 30, 3), 20, (20, 10, 3)),
        ((10, 20, 3), 40, (20, 40, 3)),
        ((1, 500, 3), 50, (1, 50, 3)),
        ((7, 10, 3), 5, (4, 5, 3)),
        ((30, 60), 20, (10, 20)),
        ((30, 60, 3), 0, (30, 60, 3)),
    ],
)
def test_resize_shapes(shape, size, expected):
    image = np.random.default_rng(0).random(shape, np.float32)
    resized = images.resize(image, size)
    assert resized.shape == expected
    assert resized.dtype == np.float32
    assert resized.min() >= 0
    assert resized.max() <= 1


def test_resize_to_the_same_size_is_the_same_array():
    image = noise(6, 9)
    assert images.resize(image, 9) is image
    assert images.fit(image, (6, 9)) is image


@QUICK
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.floats(0, 1, width=32))
def test_resize_keeps_a_constant_and_the_aspect(height, width, size, value):
    resized = images.resize(np.full((height, width, 3), value, np.float32), size)
    np.testing.assert_allclose(resized, value, atol=1e-6)
    assert max(resized.shape[:2]) == size
    longer = max(height, width)
    expected = (max(1, height * size / longer), max(1, width * size / longer))
    assert np.abs(np.subtract(resized.shape[:2], expected)).max() <= 0.5


def cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Weigh a neighbour at distance |x| < 2, by Keys' cubic."""
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


KERNELS = {
    "lanczos": lambda x: np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0),
    "bicubic": cubic,
    "bicubic-plain": lambda x: cubic(x, -0.75),
    "bilinear": lambda x: np.maximum(0, 1 - x),
    "bilinear-plain": lambda x: np.maximum(0, 1 - x),
}


def by_formula(row: np.ndarray, size: int, name: str) -> np.ndarray:
    """Resample one row: weights k(|x|), x in pixels of the coarser grid, or of the row where the filter is plain."""
    scale = row.size / size
    wide = 1 if name.endswith("-plain") else max(scale, 1)
    at = (np.arange(size)[:, None] + 0.5) * scale
    if name == "nearest":
        return row[np.floor(at[:, 0]).astype(int)]
    if name == "box":  # the mean over a pixel's own span, whole pixels or none
        first, last = np.ceil(at - wide / 2 - 0.5), np.floor(at + wide / 2 - 0.5 - 1e-9)
        weights = (np.arange(row.size) >= first) & (np.arange(row.size) <= last)
    elif name.endswith("-plain"):  # beyond the border, the pixel there
        span = np.arange(-4, row.size + 4)
        each = KERNELS[name](np.abs(span + 0.5 - at))
        weights = np.zeros((size, row.size))
        np.add.at(weights.T, np.clip(span, 0, row.size - 1), each.T)
    else:
        weights = KERNELS[name](np.abs(np.arange(row.size) + 0.5 - at) / wide)
    return np.clip(weights / weights.sum(axis=1, keepdims=True) @ row, 0, 1)


@pytest.mark.parametrize("size", [1, 5, 13, 29, 30, 64])
@pytest.mark.parametrize("name", get_args(Resample))
def test_filters_are_their_formulas(name, size):
    row = noise(1, 30)[..., 0]
    want = by_formula(row[0], size, name)
    np.testing.assert_allclose(images.fit(row, (1, size), filter=name)[0], want, atol=2e-6)
    np.testing.assert_allclose(images.fit(row.T, (size, 1), filter=name)[:, 0], want, atol=2e-6)


@pytest.mark.parametrize(("shape", "size"), [((480, 641), 256), ((149, 192), 100), ((7, 3000), 64), ((333, 500), 512)])
def test_sides_are_rounded_down_as_pytorchs_programs_do(shape, size):
    longer = max(shape)
    want = tuple(max(1, int(size / longer * side + 1e-9)) for side in shape)
    assert images.resized(shape, images.Sizing(size, rounding="down")) == want


def test_resize_averages_and_does_not_alias():
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[:, ::2] = 1  # one pixel wide: must become grey, not stripes of another width
    np.testing.assert_allclose(images.resize(stripes, 16)[:, 2:-2], 0.5, atol=0.02)
    ramp = smooth(64, 96)
    np.testing.assert_allclose(images.resize(images.resize(ramp, 48), 96)[4:-4, 4:-4], ramp[4:-4, 4:-4], atol=0.01)


def test_resize_is_not_quantised_and_clips_overshoot():
    assert np.unique(images.fit(noise(4, 4), (50, 50))).size > 256
    edge = np.zeros((8, 8), np.float32)
    edge[:, 4:] = 1
    enlarged = images.resize(edge, 64)
    assert (enlarged.min(), enlarged.max()) == (0, 1)


def test_fit_treats_channels_alike_and_may_stretch():
    image = noise(12, 20)
    fitted = images.fit(image, (5, 31))
    assert fitted.shape == (5, 31, 3)
    for c in range(3):
        np.testing.assert_array_equal(fitted[..., c], images.fit(image[..., c], (5, 31)))


def test_resize_refuses():
    with pytest.raises(UserError, match="size is -1"):
        images.resize(noise(2, 2), -1)
    for shape in [(0, 4, 3), (4,), (1, 4, 4, 3)]:
        with pytest.raises(ValueError, match="expected \\(h, w\\)"):
            images.fit(np.zeros(shape), (2, 2))


@pytest.mark.parametrize(
    ("value", "level"),
    [(0, 0), (1, 255), (-3, 0), (7, 255), (0.5, 128), (127.4 / 255, 127), (127.6 / 255, 128)],
)
def test_to_uint8(value, level):
    result = images.to_uint8(np.full((1, 1, 3), value, float))
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, level)


def test_levels_stay_levels_in_every_function():
    levels = images.to_uint8(noise(8, 8))
    fractions = levels / np.float32(255)
    for values in (levels, levels.astype(np.uint16) * 257):
        np.testing.assert_array_equal(images.to_uint8(values), levels)
        for function in (
            lambda x: images.fit(x, (5, 3)),
            lambda x: images.resize(x, 4),
            lambda x: images.pad(x, 5),
            lambda x: images.side_by_side([x], 8),
            lambda x: images.visible(x, None),
            lambda x: images.compose(x, None),
            images.entering,
        ):
            np.testing.assert_allclose(function(values), function(fractions), atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_to_uint8_refuses_what_is_not_finite(tmp_path, value):
    image = noise(2, 2)
    image[0, 0, 0] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        images.to_uint8(image)
    with pytest.raises(ValueError, match="NaN or infinite"):
        images.save(tmp_path / "a.png", image)
    assert not list(tmp_path.iterdir())


def test_side_by_side():
    row = images.side_by_side([np.zeros((4, 6, 3)), np.zeros((8, 4, 3))], height=8, gap=3)
    assert row.shape == (8, 12 + 3 + 4, 3)
    np.testing.assert_array_equal(row[:, 12:15], 1)
    np.testing.assert_array_equal(row[:, :12], 0)
    np.testing.assert_array_equal(row[:, 15:], 0)
    assert images.side_by_side([noise(4, 4), noise(4, 4)], height=4).shape == (4, 8, 3)
    with pytest.raises(ValueError, match="no images"):
        images.side_by_side([], height=8)
