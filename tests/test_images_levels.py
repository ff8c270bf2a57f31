"""16 bits a channel of colour keep their depth, whatever the file's order, packing, planes, alpha and profile."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from picture_files import alpha_of, png, profile
from PIL import Image, ImageCms

from nst_jax import images
from nst_jax.errors import UserError

LEVELS = np.random.default_rng(5).integers(1, 65536, (7, 9, 4), dtype=np.uint16)
LEVELS[0, :3] = [[0, 255, 256, 65535], [257, 65535, 0, 1], [1, 2, 3, 65280]]
P3_D50 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])


def levels(values: np.ndarray) -> np.ndarray:
    return np.rint(values.astype(np.float64) * 65535).astype(np.uint16)


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "deep.png"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("channels", "kind"), [(3, 2), (4, 6)])
def test_png_keeps_colour_and_alpha(tmp_path, channels, kind):
    picture = images.read(written(tmp_path, png(LEVELS[..., :channels], kind)))
    np.testing.assert_array_equal(levels(picture.rgb), LEVELS[..., :3])
    if channels == 4:
        np.testing.assert_array_equal(levels(alpha_of(picture)), LEVELS[..., 3])
    else:
        assert picture.alpha is None


def test_png_keeps_grey_with_alpha_and_what_is_transparent_by_its_colour(tmp_path):
    picture = images.read(written(tmp_path, png(LEVELS[..., 2:], 4)))
    np.testing.assert_array_equal(levels(picture.rgb), np.repeat(LEVELS[..., 2:3], 3, -1))
    np.testing.assert_array_equal(levels(alpha_of(picture)), LEVELS[..., 3])
    hidden = (b"tRNS", struct.pack(">3H", *LEVELS[3, 4, :3]))
    alpha = alpha_of(images.read(written(tmp_path, png(LEVELS[..., :3], 2, hidden))))
    assert [tuple(at) for at in np.argwhere(alpha == 0)] == [(3, 4)]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("packed", [None, "zlib"])
@pytest.mark.parametrize(
    "how", [{}, {"tile": (16, 16)}, {"planarconfig": "separate"}, {"extrasamples": ["unassalpha"]}]
)
def test_tiff_keeps_colour_and_alpha(tmp_path, order, packed, how):
    path = tmp_path / "deep.tif"
    own = LEVELS if "extrasamples" in how else LEVELS[..., :3]
    own = np.moveaxis(own, -1, 0) if "planarconfig" in how else own
    tifffile.imwrite(path, own, photometric="rgb", byteorder=order, compression=packed, **how)
    picture = images.read(path)
    np.testing.assert_array_equal(levels(picture.rgb), LEVELS[..., :3])
    assert (picture.alpha is None) == ("extrasamples" not in how)


def test_colours_that_are_multiplied_by_alpha_are_divided(tmp_path):
    alpha = np.maximum(LEVELS[..., 3], 30000).astype(np.float64)
    own = np.dstack([np.rint(LEVELS[..., :3] * alpha[..., None] / 65535), alpha]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", own, photometric="rgb", extrasamples=["assocalpha"])
    rgb = images.read(tmp_path / "deep.tif").rgb
    np.testing.assert_allclose(rgb * 65535, LEVELS[..., :3], atol=1.2)


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_orientation_turns_both_bytes(tmp_path, planes):
    own = LEVELS[..., :3] if planes == "contig" else np.moveaxis(LEVELS[..., :3], -1, 0)
    how = {"photometric": "rgb", "planarconfig": planes, "extratags": [(274, "H", 1, 6, True)]}
    tifffile.imwrite(tmp_path / "deep.tif", own, **how)
    np.testing.assert_array_equal(levels(images.read(tmp_path / "deep.tif").rgb), np.rot90(LEVELS[..., :3], -1))


@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_a_profile_of_curves_and_a_matrix_is_converted_in_full_precision(tmp_path, gamma):
    icc = (b"iCCP", b"p3\0\0" + zlib.compress(profile(b"RGB ", gamma, P3_D50)))
    rgb = images.read(written(tmp_path, png(LEVELS[..., :3], 2, icc))).rgb
    eight = Image.fromarray((LEVELS[..., :3] >> 8).astype(np.uint8))
    eight.save(tmp_path / "eight.png", icc_profile=profile(b"RGB ", gamma, P3_D50))
    assert np.abs(rgb - images.read(tmp_path / "eight.png").rgb).max() < (0.1 if gamma == 1 else 0.03)
    curve = round(gamma * 256) / 256
    own = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
    light = ((LEVELS[..., :3] / 65535) ** curve @ P3_D50.T @ np.linalg.inv(own).T).clip(0, 1)
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(rgb, expected, atol=2e-3)  # the profiles' own digits: less than a level of 8 bits


def test_srgb_by_another_program_changes_nothing(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    icc = (b"iCCP", b"s\0\0" + zlib.compress(srgb))
    picture = images.read(written(tmp_path, png(LEVELS[..., :3], 2, icc)))
    np.testing.assert_allclose(picture.rgb * 65535, LEVELS[..., :3], atol=12)


def test_grey_with_a_profile_keeps_its_depth(tmp_path):
    icc = (b"iCCP", b"g\0\0" + zlib.compress(profile(b"GRAY", 1.0)))
    light = LEVELS[..., :1] / 65535
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    rgb = images.read(written(tmp_path, png(LEVELS[..., :1], 0, icc))).rgb
    np.testing.assert_allclose(rgb, np.repeat(expected, 3, -1), atol=1e-6)


def test_a_damaged_deep_picture_is_refused_in_a_line(tmp_path):
    path = written(tmp_path, png(LEVELS[..., :3], 2)[:-60])
    with pytest.raises(UserError, match="cannot be decoded"):
        images.read(path)
