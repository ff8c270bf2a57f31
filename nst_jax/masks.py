"""Regions of a picture, read from masks: labels, each colour or number a region, or soft masks, one a region."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nst_jax import images
from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.types import ImageLike

MOST = 32
"""Regions of a picture."""

MaskLike = ImageLike | Sequence[ImageLike]
"""Labels (h, w) of whole numbers, or a soft mask in [0, 1] for each region: a list of (h, w), or (h, w, regions)."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Where the regions of a picture are.

    Attributes:
        weights: (h, w, regions) in [0, 1].
        names: what each is called: its colour (#ff0000), its label, or its number from 1.
        labels: whether each place belongs to one region, or to several by parts.
    """

    weights: NDArray[np.float32]
    names: tuple[str, ...]
    labels: bool

    def fitted(self, shape: tuple[int, int]) -> "Regions":
        """Resample to (h, w): labels by the nearest, so that they stay labels."""
        filter = "nearest" if self.labels else "box"
        return replace(self, weights=images.fit(self.weights, shape, filter=filter))

    def padded(self, multiple: int) -> "Regions":
        """Extend as `images.pad` extends the picture."""
        return replace(self, weights=images.pad(self.weights, multiple))


class Masks(NamedTuple):
    """The regions of a content, and those of its style, in the same order, where the style has any.

    Of several styles, one for each region, `style` has for each its own region alone.
    """

    content: Regions
    style: tuple[Regions, ...] = ()


def of_pictures(
    content: Sequence[images.Picture], style: Sequence[images.Picture] = (), styles: int = 1
) -> Masks | None:
    """Give the regions that mask files draw: one file is labels, several are soft masks; none without files.

    Regions of labels are in the order of their colours, from dark to light; those of several files in theirs. Several
    `styles` have a soft mask each.

    Raises:
        UserError: a style's mask alone, regions of one picture that the other lacks, more than MOST, or an empty one.
    """
    if styles > 1 and style:
        _check_each(len(style), styles)
        _check_opaque(style)
        return _of_each(_of_files(content), [picture.rgb.mean(-1) for picture in style])
    return _of(_of_files(content), _of_files(style))


def of_arrays(content: MaskLike | None, style: MaskLike | None = None, styles: int = 1) -> Masks | None:
    """Give the regions of labels or soft masks that a program holds; none without them.

    Several `styles` have a soft mask (h, w) each, of its own size.

    Raises:
        UserError: as `of_pictures`, or an array that is no mask.
    """
    if styles > 1 and style is not None:
        each = list(style) if isinstance(style, list | tuple) else [style]
        _check_each(len(each), styles)
        return _of_each(_of_array(content, "content"), [_soft_array(one) for one in each])
    return _of(_of_array(content, "content"), _of_array(style, "style"))


def _soft_array(mask: Any) -> NDArray[np.float32]:
    found = _of_array(mask, "style")
    if found is None or found.labels or found.weights.shape[2] != 1:
        raise UserError("a mask of one of several styles is no soft mask: expected floats in [0, 1], (h, w), for each")
    return found.weights[..., 0]


def _check_each(found: int, styles: int) -> None:
    if found != styles:
        raise UserError(
            f"there are {styles} styles and {found} masks of styles: expected a soft mask for each style, white where "
            "its region's texture is taken from"
        )


def _of_each(content: Regions | None, style: Sequence[NDArray[np.float32]]) -> Masks:
    """Put a mask of each style beside the content's region of its number."""
    if content is None:
        raise UserError(_ALONE)
    if len(style) != (count := len(content.names)):
        raise UserError(f"{len(style)} styles for {count} regions of the content: give one, or one for each region")
    each = (replace(_soft(one[..., None]), names=(name,)) for one, name in zip(style, content.names, strict=True))
    return Masks(content, tuple(each))


_ALONE = "there is a mask of the style and none of the content: give --content-mask, too"


def check_fits(regions: Regions, shape: tuple[int, int], what: str) -> None:
    """Refuse regions that have not the aspect of the picture (h, w) that they are of, to a pixel.

    Raises:
        UserError: with both sizes.
    """
    (h, w), (rows, columns) = shape, regions.weights.shape[:2]
    if abs(columns * h - rows * w) > max(h, w, rows, columns):
        raise UserError(
            f"the mask of the {what} is {columns}x{rows} and the {what} {w}x{h}: expected a mask of the same aspect, "
            "drawn over the picture"
        )


def _of(content: Regions | None, style: Regions | None) -> Masks | None:
    if content is None:
        if style is not None:
            raise UserError(_ALONE)
        return None
    if style is None:
        return Masks(content)
    if content.labels != style.labels:
        raise UserError("one mask is labels and the other soft masks: expected both of one kind")
    for one, other, what in ((content, style, "content"), (style, content, "style")):
        if missing := [name for name in one.names if name not in other.names]:
            raise UserError(
                f"the region {missing[0]} is in the mask of the {what} alone: expected the same regions in both masks"
            )
    order = [style.names.index(name) for name in content.names]
    return Masks(content, (Regions(style.weights[..., order], content.names, style.labels),))


def _of_files(pictures: Sequence[images.Picture]) -> Regions | None:
    if not pictures:
        return None
    _check_opaque(pictures)
    if len(pictures) == 1:
        name = f"the mask '{shown(pictures[0].path)}'"
        levels = images.to_uint8(pictures[0].rgb).astype(np.int64)
        codes = levels @ np.array([1 << 16, 1 << 8, 1])
        found = sorted(np.unique(codes).tolist(), key=lambda code: (sum(code.to_bytes(3, "big")), code))
        _check_count(len(found), name, "colours", "; save it as PNG, drawn without smooth edges")
        return _one_hot(codes, found, tuple(f"#{code:06x}" for code in found))
    _check_count(len(pictures), "the mask", "files", "")
    if len({picture.rgb.shape for picture in pictures}) > 1:
        raise UserError(f"the soft masks of '{shown(pictures[0].path)}' differ in size: expected files of one size")
    return _soft(np.stack([picture.rgb.mean(-1) for picture in pictures], -1))


def _check_opaque(pictures: Sequence[images.Picture]) -> None:
    for picture in pictures:
        if picture.alpha is not None and picture.alpha.min() < 1:
            raise UserError(f"the mask '{shown(picture.path)}' has transparent places: expected a mask without any")


def _of_array(mask: Any, whose: str) -> Regions | None:
    if mask is None:
        return None
    name = f"the mask of the {whose}"
    array = np.stack([np.asarray(one) for one in mask], -1) if isinstance(mask, list | tuple) else np.asarray(mask)
    if array.ndim == 2 and array.dtype.kind in "iub":
        found = np.unique(array).tolist()
        _check_count(len(found), name, "labels", "")
        return _one_hot(array, found, tuple(str(int(label)) for label in found))
    if array.ndim not in (2, 3) or array.dtype.kind != "f" or 0 in array.shape:
        raise UserError(
            f"{name} has shape {array.shape} and type {array.dtype}: expected whole numbers (h, w), or floats in "
            "[0, 1], (h, w, regions) or a list of (h, w)"
        )
    array = array.reshape(*array.shape[:2], -1)
    _check_count(array.shape[2], name, "regions", "")
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise UserError(f"{name} holds numbers outside [0, 1]: expected how much each place belongs to a region")
    return _soft(array)


def _check_count(count: int, name: str, what: str, advice: str) -> None:
    if not 1 <= count <= MOST:
        raise UserError(f"{name} has {count} {what}: expected from 1 to {MOST} regions{advice}")


def _one_hot(codes: NDArray[Any], found: Sequence[int], names: tuple[str, ...]) -> Regions:
    weights = np.stack([codes == code for code in found], -1).astype(np.float32)
    return Regions(weights, names, labels=True)


def _soft(weights: NDArray[Any]) -> Regions:
    weights = weights.astype(np.float32)
    if (empty := np.flatnonzero(weights.max((0, 1)) == 0)).size:
        raise UserError(f"the soft mask {empty[0] + 1} is 0 everywhere: expected a region that has a place")
    return Regions(weights, tuple(str(i + 1) for i in range(weights.shape[2])), labels=False)
