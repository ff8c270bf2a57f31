"""Write an image array to a picture file, whole or not at all, with the recipe that made it inside."""

import json
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import ExifTags, Image, PngImagePlugin

from ..errors import UserError
from ..files import AnyPath, check_output, shown, write_whole
from .arrays import entering
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

    uint8 and uint16 are taken as levels. The file appears whole or not at all, missing folders are made, and equal
    input gives equal bytes.
    `alpha` (h, w) goes beside the unmultiplied colours; JPEG has no place for it: dropped, colours as they are.
    `metadata` becomes one iTXt chunk a key in PNG, and a JSON object in EXIF ImageDescription elsewhere.
    `quality` (1 to 100) is that of JPEG (4:4:4) and WebP (lossy).

    Raises:
        UserError: unknown extension, a directory, unwritable, disk full, or too large for the format; not (h, w, 3),
            an alpha of another size, another type, NaN, infinity or numbers outside [0, 1].
    """
    path = Path(path)
    form = _format_of(path)
    levels = to_uint8(entering(image))
    if alpha is not None:
        opacity = to_uint8(entering(alpha, "alpha", channels=0))
        if opacity.shape != levels.shape[:2]:
            raise UserError(f"alpha has shape {opacity.shape}; expected that of the image, {levels.shape[:2]}")
        if form != "JPEG":
            levels = np.concatenate([levels, opacity[..., None]], axis=-1)
    limit = _LONGEST_SIDE.get(form)
    if limit and max(levels.shape) > limit:
        raise UserError(f"{shown(path)}: {form} holds at most {limit} pixels a side; use .png, or a smaller size")
    data = _encode(path, form, Image.fromarray(levels), dict(metadata or {}), quality)
    write_whole(path, lambda file: file.write(data), folders=True)


def check_writable(path: str | Path, inputs: Iterable[AnyPath] = ()) -> None:
    """Fail now, not after a long run, where `save` could not write or would replace one of `inputs`.

    Raises:
        UserError: unknown extension, an input by any name, a directory, or a folder that takes no new file.
    """
    _format_of(Path(path))
    check_output(path, inputs, folders=True)


def _format_of(path: Path) -> str:
    """Look up the format of an extension."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        found = f"extension {shown(path.suffix)}" if path.suffix else "no extension"
        raise UserError(f"{shown(path)}: has {found}; expected one of {', '.join(_FORMATS)}")
    return form


def _encode(path: Path, form: str, image: Image.Image, metadata: dict[str, str], quality: int) -> bytes:
    """Encode in memory, so that only finished bytes meet the disk. sRGB is marked by chunk (PNG) or EXIF."""
    buffer = BytesIO()
    if form == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add(b"sRGB", b"\0")
        for key, value in metadata.items():
            # a name that is no UTF-8 is held by lone surrogates: in JSON, the escape that stands for them
            texts.add_itxt(key, value.encode("utf-8", "backslashreplace").decode("utf-8"), zip=True)
        image.save(buffer, form, pnginfo=texts)
        return buffer.getvalue()
    # Not an ICC profile: Pillow's carries the time of its making, and equal input must give equal bytes.
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 1
    if metadata:
        description = json.dumps(metadata)  # ASCII, as ImageDescription must be
        if form == "JPEG" and len(description) > _JPEG_TEXT:
            found = f"JPEG holds {_JPEG_TEXT} bytes of metadata, not {len(description)}"
            raise UserError(f"{shown(path)}: {found}; use .png")
        exif[ExifTags.Base.ImageDescription] = description
    options = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality, "exact": True},  # exact: keep the colours under transparent pixels
        "TIFF": {"compression": "tiff_adobe_deflate"},
    }[form]
    image.save(buffer, form, exif=exif, **options)
    return buffer.getvalue()
