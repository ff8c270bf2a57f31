"""Every way a file can be no picture: one clear line, never a crash, a warning or a changed setting."""

import errno
import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_files import file_of, noise, one_line, png
from PIL import Image

from nst_jax import images
from nst_jax.errors import UserError

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.png", None, "no such file"),
        ("empty.png", b"", "is empty"),
        ("text.png", b"hello, not a picture", "is not a picture"),
        ("script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "is not a picture"),
        ("header.png", b"\x89PNG\r\n\x1a\n", "is not a picture"),
    ],
)
def test_read_refuses(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    for function in (images.read, images.read_metadata):
        with pytest.raises(UserError, match=said) as caught:
            function(path)
        assert str(path) in one_line(caught)


def test_read_refuses_directory_and_device(tmp_path):
    with pytest.raises(UserError, match="is a directory") as caught:
        images.read(tmp_path)
    one_line(caught)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match="not a regular file") as caught:
        images.read(tmp_path / "pipe.png")
    one_line(caught)
    with pytest.raises(UserError, match="cannot be read"):
        images.read(tmp_path / ("x" * 300 + ".png"))


def test_read_reports_missing_permission(tmp_path, monkeypatch):
    path = file_of(tmp_path, Image.new("RGB", (2, 2)), "PNG")

    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UserError, match="Permission denied") as caught:
        images.read(path)
    one_line(caught)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_read_refuses_truncated_pictures(tmp_path, form):
    path = file_of(tmp_path, Image.fromarray(images.to_uint8(noise(40, 40))), form)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be decoded") as caught:
        images.read(path)
    one_line(caught)


@QUICK
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"]), st.data())
def test_damaged_bytes_never_crash(tmp_path, form, data):
    buffer = BytesIO()
    Image.fromarray(images.to_uint8(noise(6, 6))).save(buffer, form)
    content = bytearray(buffer.getvalue())
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content)
    try:
        values, message = images.read(path).rgb, ""
    except UserError as error:
        values, message = np.zeros((1, 1, 3)), str(error)
    assert "\n" not in message
    assert values.shape[2] == 3
    assert np.isfinite(values).all()


@pytest.mark.parametrize("side", [11_000, 13_000, 60_000])  # Pillow: warns, warns, raises
def test_read_refuses_bombs_by_their_header(tmp_path, side):
    content = bytearray(png(np.zeros((1, 1), np.uint16), 0))
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path = tmp_path / "bomb.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match="more than the limit of 100000000 pixels") as caught:
        images.read(path, max_pixels=100_000_000)
    one_line(caught)


def test_read_keeps_its_limits_and_pillows(tmp_path):
    path = file_of(tmp_path, Image.new("RGB", (10, 10)), "PNG")
    before = Image.MAX_IMAGE_PIXELS
    assert images.read(path, max_pixels=100).rgb.shape == (10, 10, 3)
    with pytest.raises(UserError, match="10 x 10 pixels"):
        images.read(path, max_pixels=99)
    with pytest.raises(UserError, match="more than the limit of 20"):
        images.read(path, max_bytes=20)
    assert before == Image.MAX_IMAGE_PIXELS


def test_large_picture_gives_no_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)  # 100 pixels: Pillow warns, and warnings are errors here
    assert images.read(file_of(tmp_path, Image.new("RGB", (10, 10)), "PNG")).rgb.shape == (10, 10, 3)
