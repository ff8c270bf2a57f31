"""Resampling, rounding and laying side by side."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import noise, smooth

from nst_jax import images
from nst_jax.errors import UserError

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


def lanczos(row: np.ndarray, size: int) -> np.ndarray:
    """Resample one row by the formula: weights sinc(x) sinc(x / 3), |x| < 3, x in pixels of the coarser grid."""
    scale = row.size / size
    x = (np.arange(row.size) + 0.5 - (np.arange(size)[:, None] + 0.5) * scale) / max(scale, 1)
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    return np.clip(weights / weights.sum(axis=1, keepdims=True) @ row, 0, 1)


@pytest.mark.parametrize("size", [1, 5, 13, 29, 30, 64])
def test_fit_is_lanczos(size):
    row = noise(1, 30)[..., 0]
    np.testing.assert_allclose(images.fit(row, (1, size))[0], lanczos(row[0], size), atol=2e-6)
    np.testing.assert_allclose(images.fit(row.T, (size, 1))[:, 0], lanczos(row[0], size), atol=2e-6)


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
