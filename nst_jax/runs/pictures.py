"""Copies in the folder of what its lanes were made from, as they met it: the page shows them beside the results."""

import colorsys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nst_jax import images
from nst_jax.files import escaped
from nst_jax.masks import Regions
from nst_jax.recipe import init_file, input_name
from nst_jax.runs.folder import INPUTS
from nst_jax.runs.inputs import Inputs, Loaded
from nst_jax.runs.spec import Lane

LONGEST = 2048
"""Pixels of the longer side of a copy at most: of a print it is enough to see what it was made from."""
GOLDEN = (5**0.5 - 1) / 2
"""The step between hues that keeps any number of them apart."""


class Shown(NamedTuple):
    """One picture that lanes were made from: what it was for them, the name of its file, its pixels."""

    role: str
    name: str
    rgb: np.ndarray
    alpha: np.ndarray | None = None


def of_inputs(inputs: Inputs) -> dict[str, Shown]:
    """Give what a run was made from by what a record calls it; of many sizes the largest."""
    found = dict(_loaded("content", inputs.contents)) | dict(_loaded("style", inputs.styles))
    found |= dict(_masks(inputs, found))
    for i, (name, init) in enumerate(inputs.inits.items()):
        of = images.fit(init.rgb, next(iter(found.values())).rgb.shape[:2]) if found else init.rgb
        found[input_name("init", i)] = Shown("start", name, of)
    return found


def _loaded(role: str, every: Iterable[object]) -> Iterator[tuple[str, Shown]]:
    for i, loaded in enumerate(every):
        if isinstance(loaded, Loaded) and loaded.source:  # a saved style has no picture
            rgb = loaded.rgb
            sizing = max(rgb, key=lambda s: rgb[s].size)
            name = Path(loaded.source["path"]).name
            yield input_name(role, i), Shown(role, name, loaded.rgb[sizing], loaded.alpha[sizing])


def _masks(inputs: Inputs, found: Mapping[str, Shown]) -> Iterator[tuple[str, Shown]]:
    """Draw the regions of the content, and those of each style, over pictures that were found."""
    if inputs.masks is None:
        return
    several = len(inputs.masks.style) > 1
    each = [
        ("content", 0, inputs.masks.content),
        *(("style", i, regions) for i, regions in enumerate(inputs.masks.style)),
    ]
    for role, i, regions in each:
        if (of := found.get(input_name(role, i))) is not None:
            key = input_name(f"{role}_mask", i)
            every = [n for n in inputs.mask_sources if n.startswith(f"{role}_mask")]
            names = [key] if several and role == "style" else every
            files = [Path(inputs.mask_sources[n]["path"]).name for n in names if n in inputs.mask_sources]
            rows, columns, _ = of.rgb.shape
            yield key, Shown(f"{role} mask", ", ".join(files), drawn(regions.fitted((rows, columns)), i))


def drawn(regions: Regions, first: int = 0) -> np.ndarray:
    """Draw regions as a picture (h, w, 3): each in the colour of its label, or in one of its own by its number."""
    colours = [_colour(name, first + i) for i, name in enumerate(regions.names)]
    return np.clip(regions.weights @ np.array(colours, np.float32), 0, 1)


def _colour(name: str, number: int) -> tuple[float, float, float]:
    if name.startswith("#"):
        r, g, b = bytes.fromhex(name[1:])
        return r / 255, g / 255, b / 255
    return colorsys.hsv_to_rgb(number * GOLDEN % 1, 0.65, 0.9)


def of_lane(inputs: Inputs, lane: Lane) -> set[str]:
    """Name what one lane was made from, as `of_inputs` does."""
    names = {input_name("content", lane.content), "content_mask"}
    numbers = range(len(inputs.styles)) if inputs.mixed else (lane.style,)
    names |= {input_name("style", i) for i in numbers}
    names |= {input_name("style_mask", i) for i in range(len(inputs.masks.style) if inputs.masks else 0)}
    if file := init_file(lane.recipe.init):
        names.add(input_name("init", list(inputs.inits).index(file)))
    return names


def described(pictures: Mapping[str, Shown]) -> list[dict[str, Any]]:
    """Name pictures as a manifest does."""
    return [{"role": p.role, "name": escaped(p.name), "image": image(key)} for key, p in pictures.items()]


def image(key: str) -> str:
    """Name the file of a picture within the folder."""
    return f"{INPUTS}/{key}.png"


def write(folder: Path, pictures: Mapping[str, Shown]) -> None:
    """Write pictures into a folder.

    Raises:
        UserError: one cannot be written.
    """
    for key, picture in pictures.items():
        height, width, _ = picture.rgb.shape
        scale = min(1.0, LONGEST / max(height, width))
        shape = max(1, round(height * scale)), max(1, round(width * scale))
        alpha = None if picture.alpha is None else images.fit(picture.alpha, shape)
        images.save(folder / image(key), images.fit(picture.rgb, shape, alpha=picture.alpha), alpha=alpha)
