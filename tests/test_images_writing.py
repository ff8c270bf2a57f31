"""Pictures are written exactly, whole or not at all, with their recipe inside."""

import ast
import errno
import json
import os
import zlib
from io import BytesIO
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from picture_files import alpha_of, file_of, noise, one_line, smooth
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from nst_jax import images
from nst_jax.errors import UserError
from nst_jax.images import deep, strips

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".PNG")
RECIPE = {"nst_jax": json.dumps({"style": "grüße 漢字 😀 " * 1500}, ensure_ascii=False)}  # 36 KB in UTF-8

bytes_3d = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@QUICK
@given(bytes_3d, st.sampled_from([".png", ".tiff"]), st.booleans())
def test_round_trip_is_exact_at_8_bits(tmp_path, levels, extension, transparent):
    path = tmp_path / f"a{extension}"
    alpha = levels[..., 1] / 255 if transparent else None
    images.save(path, levels / 255, alpha=alpha)
    picture = images.read(path)
    seen = levels[..., 1] > 0 if transparent else slice(None)
    np.testing.assert_array_equal(images.to_uint8(picture.rgb)[seen], levels[seen])
    if transparent:
        np.testing.assert_array_equal(images.to_uint8(alpha_of(picture)), levels[..., 1])
    else:
        assert picture.alpha is None


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("extension", WRITTEN)
def test_save_writes_every_format(tmp_path, extension, transparent):
    path = tmp_path / "new" / "folder" / f"a{extension}"
    image = smooth()
    images.save(path, image, alpha=image[..., 0] if transparent else None, metadata=RECIPE)
    picture = images.read(path)
    np.testing.assert_allclose(picture.rgb, image, atol=12 / 255)
    if transparent and extension not in (".jpg", ".jpeg"):
        np.testing.assert_allclose(alpha_of(picture), image[..., 0], atol=1 / 255)
    else:
        assert picture.alpha is None
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("metadata", [RECIPE, {"nst_jax": "{}", "Title": "two\nlines"}, {}])
@pytest.mark.parametrize("extension", WRITTEN)
def test_metadata_round_trip_in_equal_bytes(tmp_path, extension, metadata):
    first, second = tmp_path / f"a{extension}", tmp_path / f"b{extension}"
    for path in (first, second):
        images.save(path, smooth(), metadata=metadata)
    assert images.read_metadata(first) == metadata
    assert first.read_bytes() == second.read_bytes()


@QUICK
@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")))
def test_metadata_holds_any_text(tmp_path, text):
    for extension in (".png", ".jpg", ".webp", ".tif"):
        images.save(tmp_path / f"a{extension}", noise(2, 2), metadata={"nst_jax": text})
        assert images.read_metadata(tmp_path / f"a{extension}") == {"nst_jax": text}


def test_metadata_of_foreign_pictures(tmp_path):
    exif = Image.Exif()
    for description in ("A day at the sea", "[1, 2]", '"text"'):
        exif[ExifTags.Base.ImageDescription] = description
        assert images.read_metadata(file_of(tmp_path, Image.new("RGB", (8, 8)), "JPEG", exif=exif)) == {}
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "somebody")
    path = file_of(tmp_path, Image.new("RGB", (2, 2)), "PNG", pnginfo=texts)
    assert images.read_metadata(path) == {"Author": "somebody"}
    whole = path.read_bytes()
    before, text, pixels = whole[:33], whole[33 : 33 + 12 + 15], whole[33 + 12 + 15 : -12]
    path.write_bytes(before + pixels + text + whole[-12:])  # other programs put text behind the pixels
    assert images.read_metadata(path) == {"Author": "somebody"}
    assert images.read_metadata(file_of(tmp_path, Image.new("RGB", (2, 2)), "BMP")) == {}


def test_jpeg_refuses_more_metadata_than_it_holds(tmp_path):
    with pytest.raises(UserError, match=r"use \.png") as caught:
        images.save(tmp_path / "a.jpg", noise(2, 2), metadata={"nst_jax": "x" * 70_000})
    one_line(caught)
    images.save(tmp_path / "a.jpg", noise(2, 2), metadata={"nst_jax": "x" * 64_900})
    assert len(images.read_metadata(tmp_path / "a.jpg")["nst_jax"]) == 64_900


def test_srgb_is_marked(tmp_path):
    images.save(tmp_path / "a.png", noise(2, 2))
    images.save(tmp_path / "a.jpg", noise(2, 2))
    images.save(tmp_path / "a.webp", noise(2, 2))
    images.save(tmp_path / "a.tif", noise(2, 2))
    images.save(tmp_path / "deep.png", noise(2, 2), depth=16)
    for name in ("a.png", "a.jpg", "a.webp", "a.tif", "deep.png"):
        with Image.open(tmp_path / name) as image:
            profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
            assert ImageCms.getProfileName(profile).startswith("sRGB")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] == 1


def test_quality_reaches_the_encoder(tmp_path):
    for extension in (".jpg", ".webp"):
        sizes = []
        for quality in (30, 95):
            images.save(tmp_path / f"a{extension}", noise(32, 32), quality=quality)
            sizes.append((tmp_path / f"a{extension}").stat().st_size)
        assert sizes[0] < sizes[1]


def test_jpeg_keeps_colour_at_full_resolution(tmp_path):
    stripes = np.zeros((16, 16, 3), np.float32)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 1  # red and blue columns, one pixel wide
    images.save(tmp_path / "a.jpg", stripes)
    np.testing.assert_allclose(images.read(tmp_path / "a.jpg").rgb, stripes, atol=0.1)


@pytest.mark.parametrize("function", [images.check_writable, lambda path: images.save(path, noise(2, 2))])
@pytest.mark.parametrize("name", ["a.gif", "a", "a.png.bak", ".png"])
def test_unknown_extension(tmp_path, function, name):
    with pytest.raises(UserError, match=r"expected one of \.png, \.jpg") as caught:
        function(tmp_path / name)
    one_line(caught)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("function", [images.check_writable, lambda path: images.save(path, noise(2, 2))])
def test_unwritable_places(tmp_path, function):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="is a directory") as caught:
        function(tmp_path / "folder.png")
    one_line(caught)
    for inside in ("file/a.png", "file/b/a.png", "x" * 300 + ".png"):
        with pytest.raises(UserError, match="cannot be written") as caught:
            function(tmp_path / inside)
        one_line(caught)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


def test_check_writable_leaves_nothing(tmp_path):
    images.check_writable(tmp_path / "a.png")
    images.check_writable(tmp_path / "not" / "yet" / "there" / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_check_writable_finds_a_folder_that_takes_no_file(tmp_path, monkeypatch):
    def refuse(self, *args, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match="Read-only file system") as caught:
        images.check_writable(tmp_path / "new" / "a.png")
    one_line(caught)


def test_save_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    images.save(path, noise(8, 8, seed=1))
    before = path.read_bytes()

    def replace(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(UserError, match="No space left on device") as caught:
        images.save(path, noise(8, 8, seed=2))
    monkeypatch.undo()
    one_line(caught)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_check_writable_knows_an_input_by_any_name(tmp_path):
    images.save(tmp_path / "photo.png", noise(2, 2))
    (tmp_path / "link.png").symlink_to(tmp_path / "photo.png")
    with pytest.raises(UserError, match="is an input") as caught:
        images.check_writable(tmp_path / "link.png", [tmp_path / "style.png", tmp_path / "photo.png"])
    one_line(caught)
    images.check_writable(tmp_path / "out.png", [tmp_path / "style.png", tmp_path / "photo.png"])


@pytest.mark.parametrize(("extension", "limit"), [(".webp", 16383), (".jpg", 65500)])
def test_save_refuses_more_pixels_than_the_format_holds(tmp_path, extension, limit):
    path = tmp_path / f"a{extension}"
    with pytest.raises(UserError, match=f"at most {limit} pixels") as caught:
        images.save(path, np.zeros((1, limit + 1, 3)))
    one_line(caught)
    images.save(path, np.zeros((1, limit, 3)))
    assert images.read(path).rgb.shape == (1, limit, 3)


ODD = {
    "grey": (np.zeros((4, 4)), r"shape \(4, 4\); expected \(h, w, 3\): repeat grey"),
    "four channels": (np.zeros((4, 4, 4)), "expected .*: alpha goes by itself"),
    "a batch": (np.zeros((1, 4, 4, 3)), "expected .*: one picture at a time"),
    "channels first": (np.zeros((3, 5, 4)), "expected .*: put the channels last"),
    "nothing": (np.zeros((0, 4, 3)), r"expected \(h, w, 3\)"),
    "a number": (np.float64(0.5), r"expected \(h, w, 3\)"),
    "levels as floats": (np.full((4, 4, 3), 200.0), r"numbers from 200 to 200; expected \[0, 1\]"),
    "negative": (np.full((4, 4, 3), -0.5), r"numbers from -0.5 to -0.5"),
    "NaN": (np.full((4, 4, 3), np.nan), "NaN or infinite"),
    "infinity": (np.full((4, 4, 3), -np.inf), "NaN or infinite"),
    "int64": (np.ones((4, 4, 3), int), "holds int64; expected floats"),
    "int8": (np.ones((4, 4, 3), np.int8), "holds int8"),
    "bool": (np.ones((4, 4, 3), bool), "holds bool"),
    "complex": (np.ones((4, 4, 3), complex), "holds complex128"),
    "text": (np.full((4, 4, 3), "a"), "holds str"),
    "objects": (np.full((4, 4, 3), None), "holds object"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_arrays_are_refused_at_every_door(tmp_path, case):
    image, said = ODD[case]
    for function in (images.entering, lambda image: images.save(tmp_path / "a.png", image)):
        with pytest.raises(UserError, match=said) as caught:
            function(image)
        one_line(caught)
    if image.ndim == 3 and image.shape[0] == 4 and image.shape[2] == 3:  # the same numbers as an alpha
        with pytest.raises(UserError, match=f"alpha {said}" if said.startswith("holds") else said) as caught:
            images.save(tmp_path / "a.png", np.zeros((4, 4, 3)), alpha=image[..., 0])
        one_line(caught)
    assert list(tmp_path.iterdir()) == []


def test_save_refuses_an_alpha_of_another_size(tmp_path):
    for alpha in (np.zeros((4, 5)), np.zeros((4, 4, 1))):
        with pytest.raises(UserError, match="alpha has shape"):
            images.save(tmp_path / "a.png", np.zeros((4, 4, 3)), alpha=alpha)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "uint8", "uint16"])
def test_save_understands_every_type_of_picture(tmp_path, dtype):
    levels = np.array([[[0, 64, 128], [255, 1, 200]]])
    if dtype.startswith("u"):
        values = (levels * (257 if dtype == "uint16" else 1)).astype(dtype)
    else:
        values = np.asarray(levels / 255, ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    images.save(tmp_path / "a.png", values, alpha=values[..., 0])
    np.testing.assert_allclose(images.read(tmp_path / "a.png").rgb[0, 1] * 255, levels[0, 1], atol=1)


def test_rounding_just_outside_is_clipped(tmp_path):
    images.save(tmp_path / "a.png", np.full((2, 2, 3), 1 + 1e-6))
    assert images.read(tmp_path / "a.png").rgb.min() == 1


def test_metadata_holds_names_that_are_no_utf8(tmp_path):
    record = {"content": os.fsdecode(b"caf\xe9.png")}
    for name in ("a.png", "a.jpg", "a.webp", "a.tif"):
        images.save(tmp_path / name, noise(2, 2), metadata={"nst_jax": json.dumps(record, ensure_ascii=False)})
        assert json.loads(images.read_metadata(tmp_path / name)["nst_jax"]) == record


def test_images_import_no_jax():
    for file in Path(images.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & {"jax", "jaxtyping", "flax", "types"}


def levels_of(path):
    """Read levels of 16 bits as other programs do."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        packed, at = packed + body * (kind == b"IDAT"), at + 12 + length
    with Image.open(path) as image:
        (w, h), n = image.size, len(image.mode)
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(h, 1 + 2 * n * w)
    found = np.zeros((h + 1, w + 1, 2 * n), np.uint8)
    for y, (how, *row) in enumerate(rows.tolist()):
        for x, pixel in enumerate(np.array(row, np.uint8).reshape(w, 2 * n)):
            found[y + 1, x + 1] = pixel + (found[y + 1, x] if how == 1 else found[y, x + 1])
    return found[1:, 1:].reshape(h, w, n, 2).astype(int) @ [256, 1]


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_exact_in_strips(tmp_path, monkeypatch, name, transparent):
    monkeypatch.setattr(strips, "PIXELS", 100)  # five strips, the last of fewer rows
    picture = np.random.default_rng(2).integers(300, 65536, (19, 25, 3), np.uint16)
    picture[5:9] = picture[5]  # rows that are their neighbours
    alpha = picture[..., 0] if transparent else None
    images.save(tmp_path / name, picture, alpha=alpha, depth=16, dpi=300, metadata=RECIPE)
    want = picture if alpha is None else np.dstack([picture, alpha])
    np.testing.assert_array_equal(levels_of(tmp_path / name), want)
    assert images.read_metadata(tmp_path / name) == RECIPE
    np.testing.assert_allclose(images.read(tmp_path / name).rgb, picture / 65535, atol=1.01 / 255)


@pytest.mark.parametrize("name", ["a.png", "deep.png", "a.jpg", "a.webp", "a.tif"])
def test_the_resolution_is_told(tmp_path, name):
    images.save(tmp_path / name, noise(4, 4), dpi=300, depth=16 if name == "deep.png" else 8)
    with Image.open(tmp_path / name) as image:
        told = image.info.get("dpi") or (image.getexif()[282], image.getexif()[283])
    assert np.round(np.asarray(told, np.float64), 2) == pytest.approx(300)


def test_what_is_larger_than_four_gigabytes_is_a_bigtiff():
    for classic, magic in ((10**9, b"II*\0"), (10, b"II+\0")):
        file = BytesIO()
        deep.write_tiff(file, strips.Strips(noise(5, 7), None, 8), "", b"", 0, classic=classic)
        assert file.getvalue()[:4] == magic
        np.testing.assert_array_equal(tifffile.imread(BytesIO(file.getvalue())), images.to_uint8(noise(5, 7)))


@pytest.mark.parametrize(
    ("name", "how", "told"),
    [
        ("a.jpg", {"depth": 16}, "JPEG holds 8 bits a channel, not 16; use .tif or .png"),
        ("a.png", {"quality": 90}, "PNG loses nothing and has no quality"),
        ("a.jpg", {"quality": 101}, "quality is 101; expected 1 to 100"),
        ("a.tif", {"depth": 12}, "depth is 12; expected 8 or 16"),
        ("a.tif", {"dpi": 0}, "dpi is 0; expected 1 to 65535"),
    ],
)
def test_what_a_format_does_not_hold_is_refused(tmp_path, name, how, told):
    with pytest.raises(UserError, match=told) as caught:
        images.save(tmp_path / name, noise(2, 2), **how)
    one_line(caught)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "side"), [("a.jpg", 65501), ("a.webp", 16384)])
def test_a_side_that_a_format_does_not_hold_is_refused(name, side):
    with pytest.raises(UserError, match=rf"holds at most \d+ pixels a side, not {side}; use .tif or .png"):
        images.check_fits(name, (3, side))
    images.check_fits("a.tif", (3, side))
