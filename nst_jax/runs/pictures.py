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
    for role, regions in zip(("content", "style"), inputs.masks or (), strict=False):
        if regions is not None and role in found:
            names = [Path(s["path"]).name for n, s in inputs.mask_sources.items() if n.startswith(f"{role}_mask")]
            rows, columns, _ = found[role].rgb.shape
            found[f"{role}_mask"] = Shown(f"{role} mask", ", ".join(names), drawn(regions.fitted((rows, columns))))
    for i, (name, init) in enumerate(inputs.inits.items()):
        of = images.fit(init.rgb, next(iter(found.values())).rgb.shape[:2]) if found else init.rgb
        found[input_name("init", i)] = Shown("start", name, of)
    return found


def _loaded(role: str, every: Iterable[Loaded]) -> Iterator[tuple[str, Shown]]:
    for i, loaded in enumerate(every):
        if loaded.source:
            sizing = max(loaded.rgb, key=lambda s: loaded.rgb[s].size)
            name = Path(loaded.source["path"]).name
            yield input_name(role, i), Shown(role, name, loaded.rgb[sizing], loaded.alpha[sizing])


def drawn(regions: Regions) -> np.ndarray:
    """Draw regions as a picture (h, w, 3): each in the colour of its label, or in one of its own."""
    colours = [_colour(name, i) for i, name in enumerate(regions.names)]
    return np.clip(regions.weights @ np.array(colours, np.float32), 0, 1)


def _colour(name: str, number: int) -> tuple[float, float, float]:
    if name.startswith("#"):
        r, g, b = bytes.fromhex(name[1:])
        return r / 255, g / 255, b / 255
    return colorsys.hsv_to_rgb(number * GOLDEN % 1, 0.65, 0.9)


def of_lane(inputs: Inputs, lane: Lane) -> set[str]:
    """Name what one lane was made from, as `of_inputs` does."""
    names = {input_name("content", lane.content), "content_mask", "style_mask"}
    numbers = range(len(inputs.styles)) if inputs.mixed else (lane.style,)
    names |= {input_name("style", i) for i in numbers}
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
