"""Embedded colour profiles: converted to sRGB where usable, ignored where not."""

import numpy as np
import pytest
from picture_files import alpha_of, file_of, noise, profile
from PIL import Image, ImageCms

from nst_jax import images

# D50-adapted primaries (sRGB: IEC 61966-2-1; Display P3: Apple), XYZ in rows.
SRGB_D50 = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
P3_D50 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


ENCODED_55 = 0.5018  # linear light 55 / 255 = 0.2157: 1.055 0.2157^(1 / 2.4) - 0.055


def test_srgb_profile_changes_nothing(tmp_path):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    levels = images.to_uint8(noise(16, 16))
    picture = images.read(file_of(tmp_path, Image.fromarray(levels), "PNG", icc_profile=icc))
    np.testing.assert_allclose(picture.rgb * 255, levels, atol=1.01)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_linear_light_profile_is_encoded(tmp_path, form):
    image = Image.new("RGBA", (4, 4), (55, 55, 55, 99))
    picture = images.read(file_of(tmp_path, image, form, icc_profile=profile(b"RGB ", 1.0, SRGB_D50)))
    np.testing.assert_allclose(picture.rgb, ENCODED_55, atol=1.5 / 255)
    np.testing.assert_allclose(alpha_of(picture), np.full((4, 4), 99 / 255), rtol=1e-6)


def test_wide_gamut_profile_agrees_with_the_matrix_product(tmp_path):
    levels = np.array([[[180, 120, 100], [100, 150, 110], [90, 100, 160]]], np.uint8)
    icc = profile(b"RGB ", 2.2, P3_D50)
    picture = images.read(file_of(tmp_path, Image.fromarray(levels), "PNG", icc_profile=icc))
    linear = (levels / 255) ** 2.2 @ P3_D50.T @ np.linalg.inv(SRGB_D50).T
    np.testing.assert_allclose(picture.rgb, srgb_encoded(linear), atol=2.5 / 255)
    assert np.abs(picture.rgb * 255 - levels).max() > 5  # the profile did matter


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_profile(tmp_path, mode):
    pixel = {"L": 55, "LA": (55, 255), "I;16": 55 * 257}[mode]
    path = file_of(tmp_path, Image.new(mode, (4, 4), pixel), "PNG", icc_profile=profile(b"GRAY", 1.0))
    np.testing.assert_allclose(images.read(path).rgb, ENCODED_55, atol=2 / 255)


def test_grey_picture_with_an_rgb_profile(tmp_path):
    icc = profile(b"RGB ", 1.0, SRGB_D50)
    path = file_of(tmp_path, Image.new("L", (4, 4), 55), "PNG", icc_profile=icc)
    np.testing.assert_allclose(images.read(path).rgb, ENCODED_55, atol=1.5 / 255)


LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@pytest.mark.parametrize("icc", [b"rubbish", b"\0" * 200, LAB, profile(b"GRAY", 1.0)])
def test_unusable_profile_is_ignored(tmp_path, icc):
    path = file_of(tmp_path, Image.new("RGB", (4, 4), (10, 200, 30)), "PNG", icc_profile=icc)
    np.testing.assert_allclose(images.read(path).rgb[0, 0] * 255, [10, 200, 30], atol=1e-4)
