"""Every way a file can be no picture: one clear line, never a crash, a warning or a changed setting."""

import errno
import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from picture_files import file_of, noise, one_line, png
from PIL import Image, features

from nst_jax import images
from nst_jax.errors import UserError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", *(["AVIF"] if features.check("avif") else []))


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


def tree_of_no_pictures(folder: Path) -> dict[str, Path]:
    """Lay out every kind of name that is no plain file."""
    os.mkfifo(folder / "pipe.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    names = ("pipe.png", "device.png", "loop.png", "missing.png", "x" * 300 + ".png", "y" * 5000, "a\0b.png", "\ud800")
    return {"directory": folder} | {name: folder / name for name in names}


@pytest.mark.parametrize("function", [images.read, images.shape_of, images.read_metadata])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path, function):
    for path in tree_of_no_pictures(tmp_path).values():
        with pytest.raises(UserError) as caught:
            function(path)
        assert one_line(caught).isprintable()


def test_a_picture_is_told_by_its_content(tmp_path):
    for name, path in tree_of_no_pictures(tmp_path).items():
        assert not images.is_picture(path), name
    for form in FORMATS:
        for name in ("a.jfif", "b", "c.heic", os.fsdecode(b"caf\xe9.png"), "d\n.png"):
            Image.new("RGB", (4, 4)).save(tmp_path / "made", form)
            os.replace(tmp_path / "made", tmp_path / name)
            assert images.is_picture(tmp_path / name)
            assert images.read(tmp_path / name).rgb.shape == (4, 4, 3)
    for content in (b"", b"text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"):
        (tmp_path / "photo.png").write_bytes(content)
        assert not images.is_picture(tmp_path / "photo.png")


def test_read_reports_missing_permission(tmp_path, monkeypatch):
    path = file_of(tmp_path, Image.new("RGB", (2, 2)), "PNG")

    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UserError, match="Permission denied") as caught:
        images.read(path)
    one_line(caught)


@pytest.mark.parametrize("form", FORMATS)
def test_read_refuses_truncated_pictures(tmp_path, form):
    path = file_of(tmp_path, Image.fromarray(images.to_uint8(noise(40, 40))), form)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cannot be decoded|is not a picture") as caught:
        images.read(path)
    one_line(caught)


def damaged_pictures(path: Path, rounds: int, seed: int) -> None:
    """Flip bytes of a picture of every format and mode, and read what is left in every way."""
    rng = np.random.default_rng(seed)
    levels = images.to_uint8(np.concatenate([noise(9, 6), noise(9, 6)[..., :1]], -1))
    for form, image in [(f, Image.fromarray(levels[..., :3])) for f in FORMATS] + [
        ("PNG", Image.fromarray(levels)),
        ("TIFF", Image.fromarray(levels)),
        ("GIF", Image.fromarray(levels[..., 0]).convert("P")),
        ("PNG", Image.fromarray(levels[..., 0].astype(np.uint16) * 257)),
        ("TIFF", Image.fromarray(levels[..., 0].astype(np.uint16) * 257)),
        ("TIFF", Image.fromarray(levels).convert("CMYK")),
    ]:
        buffer = BytesIO()
        exif = {"exif": bytes.fromhex("457869660000 49492a0008000000 0100 1201 0300 01000000 06000000 00000000")}
        image.save(buffer, form, **(exif if form in ("JPEG", "WEBP", "AVIF") else {}))
        for _ in range(rounds):
            content = np.frombuffer(buffer.getvalue(), np.uint8).copy()
            content[rng.integers(0, content.size, 3)] = rng.integers(0, 256, 3)
            path.write_bytes(content.tobytes()[: rng.integers(1, content.size * 3)])
            images.is_picture(path)
            for function in (images.read, images.shape_of, images.read_metadata):
                message, found = "", None
                try:
                    found = function(path)
                except UserError as error:
                    message = str(error)
                assert message.isprintable()
                if isinstance(found, images.Picture):
                    assert found.rgb.shape[2:] == (3,)
                    assert 0 <= found.rgb.min() <= found.rgb.max() <= 1  # also false for NaN


def test_damaged_pictures_give_a_picture_or_one_line(tmp_path):
    damaged_pictures(tmp_path / "damaged", 20, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_damaged_pictures_give_a_picture_or_one_line_at_length(tmp_path, seed):
    damaged_pictures(tmp_path / "damaged", 300, seed)


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
    with images.allowing(99), pytest.raises(UserError, match=r"more than the limit of 99 pixels; .* --max-pixels"):
        images.shape_of(path)
    with images.allowing(200), pytest.raises(UserError, match=r"more than the limit of 200; .* --max-pixels"):
        images.resize(images.read(path).rgb, 20)
    with pytest.raises(UserError, match="max_pixels is 0"), images.allowing(0):
        pass
    with pytest.raises(UserError, match="more than the limit of 20"):
        images.read(path, max_bytes=20)
    assert before == Image.MAX_IMAGE_PIXELS


def test_large_picture_gives_no_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)  # 100 pixels: Pillow warns, and warnings are errors here
    assert images.read(file_of(tmp_path, Image.new("RGB", (10, 10)), "PNG")).rgb.shape == (10, 10, 3)
