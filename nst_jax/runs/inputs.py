"""Read the pictures of a run, each once, and pose every lane from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nst_jax import images, record
from nst_jax.recipe import Recipe, init_file
from nst_jax.runs.spec import DYNAMIC, Lane, Spec, all_axes

if TYPE_CHECKING:
    from nst_jax.batch.sweep import Sweep
    from nst_jax.networks import Encoder

Opened = Mapping[Path, images.Picture]
"""Pictures that were read already, by their paths."""


@dataclass(frozen=True)
class Loaded:
    """One picture at every size that a lane asks for; the original is let go."""

    source: dict[str, str]
    rgb: dict[int, np.ndarray]
    alpha: dict[int, np.ndarray | None]


@dataclass(frozen=True)
class Inputs:
    """The pictures of a run, in the order of its spec."""

    contents: tuple[Loaded, ...]
    styles: tuple[Loaded, ...]
    init: images.Picture | None

    def described(self) -> dict[str, Any]:
        """Name the files and what was in them."""
        found = {
            "contents": [loaded.source for loaded in self.contents],
            "styles": [loaded.source for loaded in self.styles],
        }
        return found | ({"init": record.source(self.init.path, self.init.sha256)} if self.init else {})

    def sources(self, lane: Lane) -> dict[str, dict[str, str]]:
        """Name the files of one lane, as its own record does."""
        found = {"content": self.contents[lane.content].source, "style": self.styles[lane.style].source}
        return found | ({"init": record.source(self.init.path, self.init.sha256)} if self.init else {})


def style_size(recipe: Recipe) -> int:
    """Give the longer side of the style picture, 0 for its own."""
    return recipe.style_size or recipe.size


def read(spec: Spec, lanes: Sequence[Lane], opened: Opened) -> Inputs:
    """Read every picture, but for those that are `opened`, at the sizes of its lanes.

    Raises:
        UserError: a file that is no readable picture.
    """
    sizes = sorted({lane.recipe.size for lane in lanes})
    style_sizes = sorted({style_size(lane.recipe) for lane in lanes})
    init = init_file(spec.recipe.init)
    return Inputs(
        tuple(_load(path, sizes, opened) for path in spec.contents),
        tuple(_load(path, style_sizes, opened) for path in spec.styles),
        _picture(Path(init), opened) if init else None,
    )


def _picture(path: Path, opened: Opened) -> images.Picture:
    return opened[path] if path in opened else images.read(path)


def _load(path: Path, sizes: Sequence[int], opened: Opened) -> Loaded:
    picture = _picture(path, opened)
    rgb = {size: images.resize(picture.rgb, size) for size in sizes}
    alpha = {n: None if picture.alpha is None else images.fit(picture.alpha, x.shape[:2]) for n, x in rgb.items()}
    return Loaded(record.source(path, picture.sha256), rgb, alpha)


def posed(encoder: "Encoder", spec: Spec, lanes: Sequence[Lane], inputs: Inputs) -> "Sweep":
    """Pose every lane; targets are computed once a picture and size, and shared."""
    from nst_jax.batch.pairing import Pictures, poser
    from nst_jax.batch.sweep import of_scales
    from nst_jax.numbers import ALIASES
    from nst_jax.scales import vary_scales

    posers: dict[Recipe, Any] = {}
    scales = []
    for lane in lanes:
        # What the program does not depend on is that of the base recipe here, and put in below where it varies.
        recipe = replace(lane.recipe, **{name: getattr(spec.recipe, name) for name in DYNAMIC})
        if recipe not in posers:
            contents = [loaded.rgb[recipe.size] for loaded in inputs.contents]
            styles = [loaded.rgb[style_size(recipe)] for loaded in inputs.styles]
            inits = [images.fit(inputs.init.rgb, c.shape[:2]) for c in contents] if inputs.init else None
            posers[recipe] = poser(encoder, Pictures(contents, styles, inits=inits), recipe, {})
        numbers = {name: x for name, x in lane.settings.items() if name.split(".")[0] in ALIASES}
        scales.append(vary_scales(posers[recipe](lane.content, lane.style), numbers))
    return of_scales(scales, all_axes(spec), tuple(lane.index for lane in lanes))
