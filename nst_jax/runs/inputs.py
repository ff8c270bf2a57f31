"""Read the pictures of a run, each once, and pose every lane from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nst_jax import images, record
from nst_jax.files import is_hdf5
from nst_jax.masks import Masks, of_pictures
from nst_jax.recipe import Recipe, frame_of, init_file, input_name
from nst_jax.runs.spec import Lane, Spec, all_axes

if TYPE_CHECKING:
    from nst_jax.batch.sweep import Sweep
    from nst_jax.networks import Encoder
    from nst_jax.saved import SavedStyle

Opened = Mapping[Path, images.Picture]
"""Pictures that were read already, by their paths."""


@dataclass(frozen=True)
class Loaded:
    """One picture at every size that a lane asks for; the original is let go. What stands in for none has no source."""

    source: dict[str, str] | None
    rgb: dict[images.Sizing, np.ndarray]
    alpha: dict[images.Sizing, np.ndarray | None]


@dataclass(frozen=True)
class Inputs:
    """The pictures of a run, in the order of its spec; all styles are `mixed` into one, or each is one.

    `masks` are the regions that its mask files draw, and `mask_sources` these files by what a record calls them.
    """

    contents: tuple[Loaded, ...]
    styles: "tuple[Loaded | SavedStyle, ...]"
    inits: dict[str, images.Picture]
    mixed: bool = False
    masks: Masks | None = None
    mask_sources: Mapping[str, dict[str, str]] = field(default_factory=dict)

    def of_lane(self, lane: Lane) -> "tuple[Loaded | SavedStyle, ...]":
        """List the styles of one lane."""
        return self.styles if self.mixed else (self.styles[lane.style],)

    def described(self) -> dict[str, Any]:
        """Name the files and what was in them."""
        found = {
            "contents": [loaded.source for loaded in self.contents if loaded.source],
            "styles": [loaded.source for loaded in self.styles if loaded.source],
        }
        inits = [record.source(init.path, init.sha256) for init in self.inits.values()]
        return found | ({"inits": inits} if inits else {}) | ({"masks": dict(self.mask_sources)} if self.masks else {})

    def sources(self, lane: Lane) -> dict[str, dict[str, str]]:
        """Name the files of one lane, as its own record does."""
        every: dict[str, Any] = {"content": self.contents[lane.content]}
        every |= {input_name("style", i): style for i, style in enumerate(self.of_lane(lane))}
        found = {name: loaded.source for name, loaded in every.items() if loaded.source}
        init = self.inits.get(lane.recipe.init)
        found |= self.mask_sources
        return found | ({"init": record.source(init.path, init.sha256)} if init else {})


def read(spec: Spec, lanes: Sequence[Lane], opened: Opened) -> Inputs:
    """Read every picture, but for those that are `opened`, at the sizes of its lanes.

    Raises:
        UserError: a file that is no readable picture.
    """
    sizes = sorted({images.sizing(lane.recipe) for lane in lanes})
    inits = dict.fromkeys(name for lane in lanes if (name := init_file(lane.recipe.init)))
    contents = tuple(_load(path, sizes, opened) for path in spec.contents) or (_frames(lanes),)

    def of_style(i: int) -> list[images.Sizing]:
        return sorted({images.style_sizing(lane.recipe, i * spec.mixed) for lane in lanes})

    drawn = {name: _picture(path, opened) for name, path in spec.masks.named().items()}
    of = [[picture for name, picture in drawn.items() if name.startswith(of)] for of in ("content_mask", "style_mask")]
    return Inputs(
        contents,
        tuple(_style(path, of_style(i), opened) for i, path in enumerate(spec.styles)) or (_blank(contents[0], lanes),),
        {name: _picture(Path(name), opened) for name in inits},
        spec.mixed,
        of_pictures(*of, styles=len(spec.styles) if spec.mixed else 1),
        {name: record.source(picture.path, picture.sha256) for name, picture in drawn.items()},
    )


def _frames(lanes: Sequence[Lane]) -> Loaded:
    """Stand in for a content that there is not: grey, of the lanes' frames."""
    sizes = {images.sizing(lane.recipe): frame_of(lane.recipe) for lane in lanes}
    grey = {sizing: np.full((*shape, 3), 0.5, np.float32) for sizing, shape in sizes.items()}
    return Loaded(None, grey, dict.fromkeys(grey))


def _blank(content: Loaded, lanes: Sequence[Lane]) -> Loaded:
    """Stand in for a style that there is not, and that nothing is compared with: grey, of the content's shape."""
    each = [(images.style_sizing(lane.recipe), content.rgb[images.sizing(lane.recipe)].shape) for lane in lanes]
    grey = {sizing: np.full(shape, 0.5, np.float32) for sizing, shape in each}
    return Loaded(None, grey, dict.fromkeys(grey))


def _picture(path: Path, opened: Opened) -> images.Picture:
    return opened[path] if path in opened else images.read(path)


def _style(path: Path, sizes: Sequence[images.Sizing], opened: Opened) -> "Loaded | SavedStyle":
    """Read a picture, or the targets that were saved of some."""
    if path in opened or not is_hdf5(path):
        return _load(path, sizes, opened)
    from nst_jax.saved import load_style

    return load_style(path)


def _load(path: Path, sizes: Sequence[images.Sizing], opened: Opened) -> Loaded:
    picture = _picture(path, opened)
    rgb = {size: images.resize(picture.rgb, size, alpha=picture.alpha) for size in sizes}
    alpha = {n: None if picture.alpha is None else images.fit(picture.alpha, x.shape[:2]) for n, x in rgb.items()}
    return Loaded(record.source(path, picture.sha256), rgb, alpha)


def posed(encoders: "Mapping[str, Encoder]", spec: Spec, lanes: Sequence[Lane], inputs: Inputs) -> "Sweep":
    """Pose every lane with the encoder that its recipe names; what lanes share is computed and held once."""
    from nst_jax.batch.pairing import Pictures, pose_lanes
    from nst_jax.batch.sweep import of_scales

    def pictures(recipe: Recipe) -> Pictures:
        contents = [loaded.rgb[images.sizing(recipe)] for loaded in inputs.contents]
        each = enumerate(inputs.styles)
        styles: list[Any] = [
            loaded.rgb[images.style_sizing(recipe, i * inputs.mixed)] if isinstance(loaded, Loaded) else loaded
            for i, loaded in each
        ]
        styles = [tuple(styles)] if inputs.mixed and len(styles) > 1 else styles
        init = inputs.inits.get(recipe.init)
        inits = [images.fit(init.rgb, c.shape[:2], filter=recipe.resample) for c in contents] if init else None
        return Pictures(contents, styles, inits=inits, masks=inputs.masks)

    scales = pose_lanes(encoders, pictures, [(lane.recipe, lane.content, lane.style) for lane in lanes])
    return of_scales(scales, all_axes(spec), tuple(lane.index for lane in lanes))
