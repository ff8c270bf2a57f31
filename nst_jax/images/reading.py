"""Read a picture file into an image array: orientation, alpha, colour profile and depth put right."""

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError, features

from ..errors import UserError
from ..files import one_line, regular, shown
from .arrays import unit
from .levels import are_deep, decode, raw
from .profile import srgb
from .scaling import allowed
from .shaper import to_srgb
from .transparency import visible

MAX_BYTES = 2**30

# Only these decoders are tried: an untrusted file must not start another program, as EPS does.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", *(["AVIF"] if features.check("avif") else []))
_PICTURE = "a PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF picture"
_EXPECTED = f"expected {_PICTURE}"
_TOO_MANY = "more than the limit of {} pixels; scale it down, or allow more with --max-pixels"
_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I", "F")
_BITS, _PHOTOMETRIC = 258, 262  # TIFF 6.0: BitsPerSample, PhotometricInterpretation
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture file, decoded, upright and in sRGB."""

    rgb: NDArray[np.float32]
    """(h, w, 3) in [0, 1], sRGB; not multiplied by alpha. Where alpha is 0 what stands around goes on (`visible`)."""
    alpha: NDArray[np.float32] | None
    """(h, w) in [0, 1], 1 is opaque; None where the file has no transparency."""
    sha256: str
    """SHA-256 of the file's bytes, 64 hexadecimal digits."""
    path: Path
    """Where it was read."""


def read(path: str | Path, *, max_bytes: int | None = None, max_pixels: int | None = None) -> Picture:
    """Read a picture (of an animation, its first frame) as float32 sRGB (h, w, 3) in [0, 1].

    EXIF orientation is applied, transparency becomes `alpha`, and an embedded ICC profile is converted to sRGB
    (relative colorimetric with black point compensation; a broken profile is ignored). 16 bits a channel keep their
    depth, in PNG and TIFF, but for CMYK, and profiles with tables of colours, which arrive with 8.
    Colours under alpha 0 never count: two files that look alike give equal arrays (see `visible`; `compose` lays the
    picture on a ground).

    Raises:
        UserError: missing, unreadable, a directory, no picture, damaged, or larger than the limits.
    """
    path = Path(path)
    data = _bytes_of(path, max_bytes or _most_bytes())
    rgb, alpha = _decode(path, data, max_pixels or allowed(), lambda image: _deep(image, data) or _pixels(image))
    return Picture(visible(rgb, alpha), alpha, hashlib.sha256(data).hexdigest(), path)


def shape_of(path: str | Path) -> tuple[int, int]:
    """Read the (height, width) that `read` would give, without decoding the pixels.

    Raises:
        UserError: as `read` does, save for damage that only the pixels show.
    """
    path = Path(path)
    return _decode(path, _bytes_of(path, _most_bytes()), allowed(), _upright_shape)


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read back the texts that `save` wrote: PNG text chunks, else the JSON object in EXIF ImageDescription.

    A picture that carries none gives an empty dict.

    Raises:
        UserError: as `read` does.
    """
    path = Path(path)
    return _decode(path, _bytes_of(path, _most_bytes()), allowed(), _texts)


def is_picture(path: str | Path) -> bool:
    """Tell whether a file opens as a picture, by its first bytes and not by its name; never raises.

    Cheap: no pixel is decoded. Damage that only the pixels show is found by `read`.
    """
    try:
        with regular(path, _PICTURE).open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_FORMATS):
                return True
    except Exception:  # whatever a foreign file makes Pillow raise, it is no picture for us
        return False


def _most_bytes() -> int:
    """Give the bytes of a file that the pixels allowed can have: 16 bits a channel and alpha, hardly packed."""
    return max(MAX_BYTES, 9 * allowed())


def _bytes_of(path: Path, max_bytes: int) -> bytes:
    """Read a regular file of 1 to `max_bytes` bytes."""
    try:
        size = regular(path, _PICTURE).stat().st_size
        if size > max_bytes:
            raise UserError(
                f"{shown(path)}: has {size} bytes, more than the limit of {max_bytes}; use a smaller picture"
            )
        data = path.read_bytes()
    except OSError as error:
        reason = one_line(error)
        raise UserError(f"{shown(path)}: cannot be read ({reason}); check the path and its permissions") from error
    if not data:
        raise UserError(f"{shown(path)}: is empty (0 bytes); {_EXPECTED}")
    return data


def _decode(path: Path, data: bytes, max_pixels: int, use: Callable[[Image.Image], Result]) -> Result:
    """Open, refuse what is too large by its header alone, and hand the picture to `use`."""
    # Pillow warns of large pictures, odd EXIF and palettes; what matters is checked here, so none leaves.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _no_bombs(), Image.open(BytesIO(data), formats=_FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise UserError(f"{shown(path)}: has {width} x {height} pixels, {_TOO_MANY.format(max_pixels)}")
                return use(image)
        except UserError:
            raise
        except UnidentifiedImageError:
            raise UserError(f"{shown(path)}: is not a picture that can be read; {_EXPECTED}") from None
        except Exception as error:  # a damaged file makes Pillow raise nearly anything: SyntaxError, EOFError ...
            raise UserError(
                f"{shown(path)}: cannot be decoded ({one_line(error)}); export or download it again"
            ) from error


@contextlib.contextmanager
def _no_bombs() -> Iterator[None]:
    """Let Pillow open what is large: the limit is ours, and checked before a pixel is decoded."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _deep(image: Image.Image, data: bytes) -> tuple[NDArray[np.float32], NDArray[np.float32] | None] | None:
    """Decode colour of 16 bits a channel, upright and in sRGB; none where Pillow's 8 bits have to do."""
    if not are_deep(image):
        return None
    kind, transparent, profile = raw(image), image.info.get("transparency"), image.info.get("icc_profile")
    levels = decode(data, _FORMATS, _turn)
    rgb, alpha = unit(levels[..., :3]), unit(levels[..., 3]) if levels.shape[2] == 4 else None
    if alpha is not None and kind.startswith("RGBa"):
        rgb = np.divide(rgb, alpha[..., None], out=np.zeros_like(rgb), where=alpha[..., None] > 0).clip(0, 1)
    if isinstance(transparent, tuple) and alpha is None:
        alpha = (levels != np.array(transparent)).any(-1).astype(np.float32)
    if profile and profile != srgb():
        converted = to_srgb(rgb, profile)
        return None if converted is None else (converted, alpha)
    return rgb, alpha


def _pixels(image: Image.Image) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Decode to upright sRGB (h, w, 3) and alpha (h, w) or None."""
    image.load()
    turn = _turn(image)
    profile, transparent = image.info.get("icc_profile"), image.info.get("transparency")
    bits, white_is_zero = _grey_scale(image)
    if turn is not None:
        image = image.transpose(turn)
    alpha = None
    if image.mode in _DEEP_GREY:
        grey = _deep_grey(image, bits)
        grey = 1 - grey if white_is_zero else grey
        if isinstance(transparent, int):
            alpha = (np.asarray(image) != transparent).astype(np.float32)
        rgb = np.repeat(grey[..., None], 3, axis=-1)
        if not profile or (converted := to_srgb(rgb, profile)) is not None:
            return converted if profile else rgb, alpha
        image = Image.fromarray(np.rint(grey * 255).astype(np.uint8))  # Pillow's colour conversion has 8 bits
    elif image.has_transparency_data:
        alpha = _unit(image.convert("RGBA").getchannel("A"))
    return _unit(_to_srgb(_flat(image), profile)), alpha


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Say what sets a picture upright, none if nothing has to."""
    try:
        return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block costs the orientation, not the picture
        return None


def _upright_shape(image: Image.Image) -> tuple[int, int]:
    turn, (width, height) = _turn(image), image.size
    # Orientations 5 to 8 exchange the sides.
    return (width, height) if turn in [_UPRIGHT[k] for k in (5, 6, 7, 8)] else (height, width)


def _unit(image: Image.Image) -> NDArray[np.float32]:
    """Scale 8-bit levels to [0, 1]: level / 255."""
    return np.divide(np.asarray(image), np.float32(255), dtype=np.float32)


def _grey_scale(image: Image.Image) -> tuple[int, bool]:
    """Give the bits of a level and whether 0 is white: for deep grey in TIFF, Pillow leaves both to who asks."""
    tags = getattr(image, "tag_v2", {})
    (bits, *_), photometric = tags.get(_BITS, (16,)), tags.get(_PHOTOMETRIC, 1)
    return min(bits, 16), photometric == 0


def _deep_grey(image: Image.Image, bits: int) -> NDArray[np.float32]:
    """Scale grey of 12 or 16 bits to [0, 1]; a float TIFF is taken as it is, and must be in [0, 1]."""
    values = np.asarray(image).astype(np.float32)
    top = 1 if image.mode == "F" else 2**bits - 1
    if not (values.min() >= 0 and values.max() <= top):  # also false for NaN
        raise ValueError(f"grey values outside 0 to {top}; expected 8 or 16 bits per channel")
    return values / np.float32(top)


def _flat(image: Image.Image) -> Image.Image:
    """Drop alpha and palette; grey, RGB and CMYK stay, because a colour profile speaks of those."""
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    if image.mode == "CMYK":
        return image
    return image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert L, RGB or CMYK to sRGB through its ICC profile, if there is a usable one."""
    if profile and profile != srgb():
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            space = source.profile.xcolor_space.strip()  # pyright: ignore[reportAttributeAccessIssue]
            mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[space]
            if image.mode == "L":  # grey saved with the editor's RGB profile is common
                image = image.convert(mode)
            converted = ImageCms.profileToProfile(
                image,
                source,
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if converted is not None:
                return converted
        except Exception:  # broken, or of another colour space than the pixels: read on as if there were none
            pass
    return image.convert("RGB")


def _texts(image: Image.Image) -> dict[str, str]:
    """Take the texts out of an open picture."""
    if image.format == "PNG":
        return {str(key): str(value) for key, value in getattr(image, "text", {}).items()}
    try:
        texts = json.loads(image.getexif()[ExifTags.Base.ImageDescription])
    except Exception:  # no EXIF, or somebody else's description
        return {}
    return {key: str(value) for key, value in texts.items()} if isinstance(texts, dict) else {}
