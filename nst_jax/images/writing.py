"""Write an image array to a picture file, whole or not at all, with the recipe that made it inside."""

import json
import os
import secrets
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import ExifTags, Image, PngImagePlugin

from ..errors import UserError
from .scaling import to_uint8

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}  # libjpeg's and libwebp's limits
_JPEG_TEXT = 65000  # an EXIF block of JPEG ends at 65533 bytes, headers included


def save(
    path: str | Path,
    image: ArrayLike,
    *,
    alpha: ArrayLike | None = None,
    metadata: Mapping[str, str] | None = None,
    quality: int = 95,
) -> None:
    """Write (h, w, 3) sRGB in [0, 1] as 8-bit PNG, JPEG, WebP or TIFF, chosen by the extension.

    The file appears whole or not at all, missing folders are made, and equal input gives equal bytes.
    `alpha` (h, w) goes beside the unmultiplied colours; JPEG has no place for it: dropped, colours as they are.
    `metadata` becomes one iTXt chunk a key in PNG, and a JSON object in EXIF ImageDescription elsewhere.
    `quality` (1 to 100) is that of JPEG (4:4:4) and WebP (lossy).

    Raises:
        UserError: unknown extension, a directory, unwritable, disk full, or too large for the format.
        ValueError: not (h, w, 3), an alpha of another size, NaN or infinite values.
    """
    path = Path(path)
    form = _format_of(path)
    levels = to_uint8(image)
    if levels.ndim != 3 or levels.shape[2] != 3 or 0 in levels.shape:
        raise ValueError(f"image has shape {levels.shape}; expected (h, w, 3)")
    if alpha is not None:
        opacity = to_uint8(alpha)
        if opacity.shape != levels.shape[:2]:
            raise ValueError(f"alpha has shape {opacity.shape}; expected {levels.shape[:2]}")
        if form != "JPEG":
            levels = np.concatenate([levels, opacity[..., None]], axis=-1)
    limit = _LONGEST_SIDE.get(form)
    if limit and max(levels.shape) > limit:
        raise UserError(f"{path}: {form} holds at most {limit} pixels a side; use .png, or a smaller size")
    _write_whole(path, _encode(path, form, Image.fromarray(levels), dict(metadata or {}), quality))


def check_writable(path: str | Path) -> None:
    """Fail now, not after a long run, where `save` could not write: makes and removes an empty file nearby.

    Raises:
        UserError: unknown extension, a directory, or a folder that takes no new file.
    """
    path = Path(path)
    _format_of(path)
    try:
        _refuse_directory(path)
        folder = path.parent
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        probe = _beside(folder)
        probe.open("xb").close()
        probe.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def _format_of(path: Path) -> str:
    """Look up the format of an extension."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        found = f"extension {path.suffix}" if path.suffix else "no extension"
        raise UserError(f"{path}: has {found}; expected one of {', '.join(_FORMATS)}")
    return form


def _encode(path: Path, form: str, image: Image.Image, metadata: dict[str, str], quality: int) -> bytes:
    """Encode in memory, so that only finished bytes meet the disk. sRGB is marked by chunk (PNG) or EXIF."""
    buffer = BytesIO()
    if form == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add(b"sRGB", b"\0")
        for key, value in metadata.items():
            texts.add_itxt(key, value, zip=True)
        image.save(buffer, form, pnginfo=texts)
        return buffer.getvalue()
    # Not an ICC profile: Pillow's carries the time of its making, and equal input must give equal bytes.
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 1
    if metadata:
        description = json.dumps(metadata)  # ASCII, as ImageDescription must be
        if form == "JPEG" and len(description) > _JPEG_TEXT:
            raise UserError(f"{path}: JPEG holds {_JPEG_TEXT} bytes of metadata, not {len(description)}; use .png")
        exif[ExifTags.Base.ImageDescription] = description
    options = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality, "exact": True},  # exact: keep the colours under transparent pixels
        "TIFF": {"compression": "tiff_adobe_deflate"},
    }[form]
    image.save(buffer, form, exif=exif, **options)
    return buffer.getvalue()


def _write_whole(path: Path, data: bytes) -> None:
    """Write beside and rename: a reader sees the old file or the new one, never half of either."""
    temporary = _beside(path.parent)
    try:
        _refuse_directory(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:  # after the rename there is nothing left to remove
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _beside(folder: Path) -> Path:
    """Name a temporary file: on the same disk, so that a rename is atomic; short, whatever the final name."""
    return folder / f".nst_jax-{secrets.token_hex(8)}.tmp"


def _refuse_directory(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path}: is a directory; expected the name of a picture file")


def _unwritable(path: Path, error: OSError) -> UserError:
    reason = error.strerror or error
    return UserError(f"{path}: cannot be written ({reason}); choose another folder, or free space in this one")
