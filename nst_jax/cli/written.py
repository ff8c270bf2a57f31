"""How pictures are written: options that every command that makes some has."""

from collections.abc import Iterable
from dataclasses import dataclass

from nst_jax import images
from nst_jax.runs.spec import Lane, Spec


@dataclass(frozen=True, kw_only=True)
class Written:
    """What printers ask for, and what is too large."""

    depth: int = 8
    """Bits a channel of the pictures that are written: 8, or 16 in PNG and TIFF."""
    quality: int | None = None
    """Of JPEG and WebP, 1 to 100; by default 95."""
    dpi: int | None = None
    """Pixels an inch that a picture's file speaks of, such as 300 for print."""
    max_pixels: int = images.MAX_PIXELS
    """Pixels that a picture may have, read or made."""

    @property
    def how(self) -> images.Output:
        """Give what a picture is written with."""
        return images.Output(self.quality, self.depth, self.dpi)


def check_lanes(spec: Spec, lanes: Iterable[Lane]) -> None:
    """Refuse what the format of the lanes' pictures does not hold.

    Raises:
        UserError: the format, what it holds, and what to do; a content that cannot be read.
    """
    kinds = {(lane.content, images.sizing(lane.recipe)): lane for lane in lanes}
    for (content, sizing), lane in kinds.items():
        images.check_fits(lane.image, (1, 1), spec.how)
        if spec.contents:
            images.check_fits(lane.image, images.resized(images.shape_of(spec.contents[content]), sizing), spec.how)
