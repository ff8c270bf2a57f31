"""Write an image array to a picture file, whole or not at all, with the recipe that made it inside."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from PIL import ExifTags, Image, PngImagePlugin

from ..errors import UserError
from ..files import AnyPath, check_output, shown, write_whole
from .arrays import entering
from .deep import write_png, write_tiff
from .profile import srgb
from .strips import Strips

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}  # libjpeg's and libwebp's limits
_JPEG_TEXT = 65000  # an EXIF block of JPEG ends at 65533 bytes, headers included
_QUALITY = 95


@dataclass(frozen=True)
class Output:
    """How a picture is written: what a printer asks for.

    Attributes:
        quality: 1 to 100, that of JPEG (4:4:4) and WebP (lossy); none for 95.
        depth: bits a channel, 8 or 16; 16 for PNG and TIFF.
        dpi: pixels an inch that the file speaks of; none for nothing.
    """

    quality: int | None = None
    depth: int = 8
    dpi: int | None = None

    def options(self) -> dict[str, int]:
        """Give what is not as it is by default, by name."""
        return {name: value for name, value in vars(self).items() if value != getattr(Output, name)}


PLAIN = Output()


def save(
    path: str | Path,
    image: ArrayLike,
    *,
    alpha: ArrayLike | None = None,
    metadata: Mapping[str, str] | None = None,
    quality: int | None = None,
    depth: int = 8,
    dpi: int | None = None,
) -> None:
    """Write (h, w, 3) sRGB in [0, 1] as PNG, JPEG, WebP or TIFF, chosen by the extension, with its ICC profile.

    uint8 and uint16 are taken as levels. The file appears whole or not at all, missing folders are made, and equal
    input gives equal bytes. TIFF and deep PNG are written in strips: of a large picture there is no other copy; a TIFF
    of more than 4 GB of pixels is a BigTIFF.
    `alpha` (h, w) goes beside the unmultiplied colours; JPEG has no place for it: dropped, colours as they are.
    `metadata` becomes one iTXt chunk a key in PNG, and a JSON object in ImageDescription (EXIF, or TIFF's own)
    elsewhere.
    `quality`, `depth` and `dpi` are those of `Output`.

    Raises:
        UserError: unknown extension, a directory, unwritable, disk full, or too large for the format; a quality, depth
            or dpi that the format has not; not (h, w, 3), an alpha of another size, another type, NaN, infinity or
            numbers outside [0, 1].
    """
    path, how = Path(path), Output(quality, depth, dpi)
    pixels = entering(image)
    check_fits(path, pixels.shape[:2], how)
    form = _format_of(path)
    opacity = None if alpha is None else entering(alpha, "alpha", channels=0)
    if opacity is not None and opacity.shape != pixels.shape[:2]:
        raise UserError(f"alpha has shape {opacity.shape}; expected that of the image, {pixels.shape[:2]}")
    strips = Strips(pixels, None if form == "JPEG" else opacity, depth)
    # a name that is no UTF-8 is held by lone surrogates: in JSON, the escape that stands for them
    texts = {key: x.encode("utf-8", "backslashreplace").decode("utf-8") for key, x in (metadata or {}).items()}
    description = json.dumps(metadata) if metadata else ""  # ASCII, as ImageDescription must be
    if form == "TIFF":
        write_whole(path, lambda file: write_tiff(file, strips, description, srgb(), dpi or 0), folders=True)
    elif depth == 16:
        write_whole(path, lambda file: write_png(file, strips, texts, srgb(), dpi or 0), folders=True)
    else:
        data = _encode(path, form, Image.fromarray(strips.whole()), texts, description, how)
        write_whole(path, lambda file: file.write(data), folders=True)


def check_fits(path: str | Path, shape: tuple[int, int], how: Output = PLAIN) -> None:
    """Refuse a format that has no place for a picture of `shape` (h, w), or for what is asked of it.

    Raises:
        UserError: the format, what it holds, and what to do.
    """
    form, name, side = _format_of(Path(path)), shown(path), max(shape)
    if (limit := _LONGEST_SIDE.get(form)) and side > limit:
        raise UserError(f"{name}: {form} holds at most {limit} pixels a side, not {side}; use .tif or .png")
    if how.quality is not None and not 1 <= how.quality <= 100:
        raise UserError(f"quality is {how.quality}; expected 1 to 100")
    if how.quality is not None and form not in ("JPEG", "WEBP"):
        raise UserError(f"{name}: {form} loses nothing and has no quality; leave quality out, or use .jpg or .webp")
    if how.depth not in (8, 16):
        raise UserError(f"depth is {how.depth}; expected 8 or 16 bits a channel")
    if how.depth == 16 and form not in ("PNG", "TIFF"):
        raise UserError(f"{name}: {form} holds 8 bits a channel, not {how.depth}; use .tif or .png")
    if how.dpi is not None and not 1 <= how.dpi <= 65535:
        raise UserError(f"dpi is {how.dpi}; expected 1 to 65535 pixels an inch, such as 300")


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


def _encode(
    path: Path, form: str, image: Image.Image, texts: Mapping[str, str], description: str, how: Output
) -> bytes:
    """Encode in memory, so that only finished bytes meet the disk."""
    buffer, dpi = BytesIO(), how.dpi
    options: dict[str, Any] = {"icc_profile": srgb()}
    if form == "PNG":
        info = PngImagePlugin.PngInfo()
        for key, value in texts.items():
            info.add_itxt(key, value, zip=True)
        options |= {"pnginfo": info, **({"dpi": (dpi, dpi)} if dpi else {})}
        image.save(buffer, form, **options)
        return buffer.getvalue()
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 1  # sRGB
    if description and form == "JPEG" and len(description) > _JPEG_TEXT:
        found = f"JPEG holds {_JPEG_TEXT} bytes of metadata, not {len(description)}"
        raise UserError(f"{shown(path)}: {found}; use .png")
    if description:
        exif[ExifTags.Base.ImageDescription] = description
    if dpi:
        exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = float(dpi)
        exif[ExifTags.Base.ResolutionUnit] = 2  # inches
    if form == "JPEG":
        options |= {"subsampling": 0, **({"dpi": (dpi, dpi)} if dpi else {})}
    else:
        options |= {"exact": True}  # keep the colours under transparent pixels
    image.save(buffer, form, exif=exif, quality=how.quality or _QUALITY, **options)
    return buffer.getvalue()
