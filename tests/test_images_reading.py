"""What a picture file says is what the array holds: every format, mode, depth and orientation."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from picture_files import alpha_of, file_of, noise, png, smooth
from PIL import ExifTags, Image

from nst_jax import images
from nst_jax.errors import UserError

CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "WEBP"])
def test_read_gives_levels_over_255_for_lossless_formats(tmp_path, form):
    levels = images.to_uint8(noise(5, 7))
    options = {"lossless": True} if form == "WEBP" else {}
    path = file_of(tmp_path, Image.fromarray(levels), form, **options)
    picture = images.read(path)
    np.testing.assert_array_equal(picture.rgb, levels.astype(np.float32) / np.float32(255))
    assert picture.rgb.dtype == np.float32
    assert picture.alpha is None
    assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert picture.path == path


def test_read_takes_a_string_and_a_jpeg(tmp_path):
    path = file_of(tmp_path, Image.new("RGB", (16, 8), (200, 30, 60)), "JPEG", quality=95)
    rgb = images.read(str(path)).rgb
    assert rgb.shape == (8, 16, 3)
    np.testing.assert_allclose(rgb[3, 3], np.array([200, 30, 60]) / 255, atol=3 / 255)


MODES = [
    # mode, pixel, format, red green blue, alpha (levels)
    ("L", 100, "PNG", (100, 100, 100), None),
    ("LA", (100, 50), "PNG", (100, 100, 100), 50),
    ("LA", (100, 50), "TIFF", (100, 100, 100), 50),
    ("RGBA", (10, 20, 30, 128), "PNG", (10, 20, 30), 128),
    ("RGBA", (10, 20, 30, 1), "TIFF", (10, 20, 30), 1),
    ("RGBA", (10, 20, 30, 0), "TIFF", (127.5, 127.5, 127.5), 0),  # nothing is visible: neutral
    ("1", 1, "PNG", (255, 255, 255), None),
    ("1", 1, "BMP", (255, 255, 255), None),
    ("1", 1, "TIFF", (255, 255, 255), None),
    ("CMYK", (0, 255, 255, 0), "TIFF", (255, 0, 0), None),
    ("CMYK", (255, 0, 0, 255), "TIFF", (0, 0, 0), None),
    ("CMYK", (0, 255, 255, 0), "JPEG", (255, 0, 0), None),  # Pillow writes Adobe's inverted JPEG
    ("YCbCr", (76, 85, 255), "TIFF", (254, 0, 0), None),
    ("F", 0.5, "TIFF", (127.5, 127.5, 127.5), None),
    ("PA", (0, 77), "TIFF", (0, 0, 0), 77),
]


@pytest.mark.parametrize(("mode", "pixel", "form", "rgb", "alpha"), MODES)
def test_read_converts_every_mode(tmp_path, mode, pixel, form, rgb, alpha):
    picture = images.read(file_of(tmp_path, Image.new(mode, (8, 4), pixel), form))
    assert picture.rgb.shape == (4, 8, 3)
    np.testing.assert_allclose(picture.rgb[1, 2] * 255, rgb, atol=1e-4)
    if alpha is None:
        assert picture.alpha is None
    else:
        np.testing.assert_allclose(alpha_of(picture) * 255, np.full((4, 8), alpha), atol=1e-4)


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_read_palette_with_transparency(tmp_path, form):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    picture = images.read(file_of(tmp_path, image, form, transparency=0))
    np.testing.assert_array_equal(picture.rgb[0], [[0, 1, 0], [0, 1, 0]])  # the hidden red never counts
    np.testing.assert_array_equal(alpha_of(picture), [[0, 1]])


def test_read_takes_the_first_frame(tmp_path):
    first, second = Image.new("RGB", (3, 3), (255, 0, 0)), Image.new("RGB", (3, 3), (0, 255, 0))
    path = file_of(tmp_path, first, "GIF", save_all=True, append_images=[second])
    np.testing.assert_array_equal(images.read(path).rgb, np.broadcast_to(np.array([1, 0, 0], np.float32), (3, 3, 3)))


@pytest.mark.parametrize(("form", "dtype"), [("PNG", np.uint16), ("TIFF", np.uint16), ("TIFF", np.int32)])
def test_read_scales_deep_grey_by_65535(tmp_path, form, dtype):
    values = np.array([[0, 257, 1000], [32768, 40000, 65535]], dtype)
    picture = images.read(file_of(tmp_path, Image.fromarray(values), form))
    np.testing.assert_allclose(picture.rgb, np.repeat(values[..., None] / 65535, 3, -1), rtol=1e-6)


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_read_16_bit_png_of_every_colour_type(tmp_path, colour_type, channels):
    values = (np.arange(2 * 3 * channels).reshape(2, 3, channels) * 2600 + 135).astype(np.uint16)
    path = tmp_path / "deep.png"
    path.write_bytes(png(values, colour_type))
    picture = images.read(path)
    colours = values if channels in (1, 3) else values[..., :-1]
    np.testing.assert_allclose(picture.rgb, np.broadcast_to(colours / 65535, (2, 3, 3)), atol=1 / 255)
    if channels in (2, 4):
        np.testing.assert_allclose(alpha_of(picture), values[..., -1] / 65535, atol=1 / 255)


def test_read_16_bit_grey_with_a_transparent_level(tmp_path):
    path = tmp_path / "deep.png"
    path.write_bytes(png(np.array([[1000, 1001]], np.uint16), 0, (b"tRNS", struct.pack(">H", 1000))))
    np.testing.assert_array_equal(alpha_of(images.read(path)), [[0, 1]])


@pytest.mark.parametrize("name", ["grey8_whiteiszero.tif", "grey16_whiteiszero.tif"])
def test_read_shows_grey_whose_zero_is_white_as_any_viewer_does(name):
    rgb = images.read(CASES / name).rgb
    with Image.open(CASES / "grey8_whiteiszero.tif") as eight:
        np.testing.assert_allclose(rgb[..., 0], np.asarray(eight) / 255, atol=1 / 255)


def tiff(values: np.ndarray, bits: int, photometric: int, order: str = "<") -> bytes:
    """Make a grey TIFF by hand; bits are 12, 16, or 32 for float, photometric is 0 where 0 is white, else 1."""
    height, width = values.shape
    if bits == 12:  # two levels in three bytes, rows begin at a byte
        pairs = values.reshape(height, -1, 2).astype(np.uint32)
        three = np.stack([pairs[..., 0] >> 4, (pairs[..., 0] & 15) << 4 | pairs[..., 1] >> 8, pairs[..., 1] & 255], -1)
        data = three.astype(np.uint8).tobytes()
    else:
        data = values.astype(order + ("f4" if bits == 32 else "u2")).tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(data)}
    tags |= {339: 3} if bits == 32 else {}
    head = struct.pack(order + "2sHI", {"<": b"II", ">": b"MM"}[order], 42, 8 + len(data))
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return head + data + struct.pack(order + "H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [12, 16, 32])
@pytest.mark.parametrize("photometric", [0, 1])
def test_read_takes_depth_and_direction_of_grey_from_the_file(tmp_path, order, bits, photometric):
    if (photometric, bits) == (0, 12) or (bits == 12 and order == ">") or (photometric, bits, order) == (0, 16, ">"):
        pytest.skip("Pillow opens no such file")
    shades = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    levels = shades if bits == 32 else np.rint(shades * (2**bits - 1))
    path = tmp_path / "grey.tif"
    path.write_bytes(tiff(levels, bits, photometric, order))
    want = shades if photometric else 1 - shades
    np.testing.assert_allclose(images.read(path).rgb, np.repeat(want[..., None], 3, -1), atol=1 / 4000)


@pytest.mark.parametrize("value", [-0.5, 1.5, np.nan])
def test_read_refuses_float_tiff_outside_the_range(tmp_path, value):
    path = file_of(tmp_path, Image.fromarray(np.array([[0.5, value]], np.float32)), "TIFF")
    with pytest.raises(UserError, match="grey values outside 0 to 1"):
        images.read(path)


UPRIGHT = {  # EXIF 2.32, tag 274: how the stored array must be turned
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
    9: lambda a: a,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_read_honours_orientation(tmp_path, form, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = images.to_uint8(smooth(32, 48))
    opacity = stored[..., :1] if form in ("PNG", "TIFF") else stored[..., :0]
    image = Image.fromarray(np.concatenate([stored, opacity], -1))
    picture = images.read(file_of(tmp_path, image, form, exif=exif))
    expected = UPRIGHT[orientation](stored)
    assert picture.rgb.shape == expected.shape
    np.testing.assert_allclose(picture.rgb * 255, expected, atol=12)  # lossy formats, ramp of 250 levels
    if form in ("PNG", "TIFF"):
        np.testing.assert_allclose(alpha_of(picture), expected[..., 0] / np.float32(255), rtol=1e-6)


def test_read_survives_damaged_exif(tmp_path):
    path = file_of(tmp_path, Image.new("RGB", (8, 8), 9), "JPEG", exif=b"Exif\0\0rubbish")
    assert images.read(path).rgb.shape == (8, 8, 3)
    assert images.read_metadata(path) == {}
