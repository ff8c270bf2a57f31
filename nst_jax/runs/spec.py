"""What a run makes, as plain data: pictures, a recipe, and what varies. Imports no jax, so that errors come at once."""

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from nst_jax.axis import PICTURES, Axis
from nst_jax.errors import UserError
from nst_jax.files import escaped, is_hdf5, quoted, shown
from nst_jax.images import PLAIN, Output
from nst_jax.recipe import (
    DEFAULT,
    Recipe,
    check_alone,
    check_content,
    check_guides,
    check_shares,
    check_sizes,
    init_file,
    input_name,
    options,
)
from nst_jax.runs.folder import LANES
from nst_jax.settings import chosen, span

MOST_STYLES = 32
"""Styles that are mixed into one."""
LONGEST_SLUG = 220
"""Bytes that a lane's name takes in that of its picture, of the 255 that a file's name has."""


class MaskFiles(NamedTuple):
    """Files that draw regions: of the content, and of the style; one of labels or a soft mask for each."""

    content: tuple[Path, ...] = ()
    style: tuple[Path, ...] = ()

    def named(self) -> dict[str, Path]:
        """Give them by what a record calls them: content_mask, content_mask_2, ..., style_mask, ..."""
        both = (("content_mask", self.content), ("style_mask", self.style))
        return {input_name(of, i): path for of, paths in both for i, path in enumerate(paths)}

    def options(self) -> list[str]:
        """Write them as options of a command."""
        both = (("--content-mask", self.content), ("--style-mask", self.style))
        return [word for flag, paths in both if paths for word in (flag, *map(as_word, paths))]


NO_MASKS = MaskFiles()


@dataclass(frozen=True)
class Spec:
    """One run: each content with each style (or one by one) at each place of the axes.

    `masks` are files that draw the regions of every content, and those of the style.
    `given` are the settings of `recipe` that somebody chose, over those of `preset`; none where the recipe is all that
    is known. `mixed` takes all styles together as one. `show_pictures` makes the pictures axes even where there is
    one of a kind. The lanes' pictures are files of `format`, its extension, written as `how` says.
    """

    contents: tuple[Path, ...]
    styles: tuple[Path, ...]
    recipe: Recipe = DEFAULT
    axes: tuple[Axis, ...] = ()
    paired: bool = False
    mixed: bool = False
    show_pictures: bool = True
    snapshots: int = 0
    animate: str = ""
    metrics: bool = True
    given: Mapping[str, Any] | None = None
    preset: str = "default"
    masks: MaskFiles = NO_MASKS
    format: str = "png"
    how: Output = PLAIN


@dataclass(frozen=True)
class Lane:
    """One picture to make: its place on all axes, its settings, and the full recipe that makes it alone.

    Its file has the extension `format`.
    """

    number: int
    index: tuple[int, ...]
    settings: dict[str, Any]
    content: int
    style: int
    recipe: Recipe
    format: str = "png"

    @property
    def name(self) -> str:
        """Say what is special about it: `temple great_wave beta=1000`."""
        words = (str(v) if k in PICTURES else f"{k}={_short(v)}" for k, v in self.settings.items())
        return " ".join(words) or "lane"

    @property
    def image(self) -> str:
        """Name its file within the run folder."""
        slug = re.sub(r"[^\w.=+-]+", "_", self.name)[:80]
        slug = slug.encode()[:LONGEST_SLUG].decode(errors="ignore").strip("_.")
        return f"{LANES}/{self.number:04d}_{slug}.{self.format}"


def _short(value: Any) -> str:
    if isinstance(value, float | int):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return "+".join(map(_short, value))
    return Path(value).stem if "/" in value else value


def all_axes(spec: Spec) -> tuple[Axis, ...]:
    """Give the axes with those of the pictures first."""
    contents, styles = _names(spec.contents), _names(spec.styles)
    styles = ["+".join(styles)] if spec.mixed else styles
    if not spec.show_pictures:
        return spec.axes
    if spec.paired:
        return (Axis(PICTURES, tuple(zip(contents, styles, strict=True))), *spec.axes)
    by_kind = zip(PICTURES, (contents, styles), strict=True)
    return (*(Axis((kind,), tuple((n,) for n in names)) for kind, names in by_kind), *spec.axes)


def _names(paths: Sequence[Path]) -> list[str]:
    """Call each picture by its stem as it prints, with a number where several are called so."""
    stems = [escaped(path.stem) for path in paths]
    count, seen, taken = Counter(stems), Counter(), set(stems)
    names = []
    for stem in stems:
        name = stem
        while count[stem] > 1 and name in taken:
            seen[stem] += 1
            name = f"{stem}-{seen[stem]}"
        taken.add(name)
        names.append(name)
    return names


def lanes(spec: Spec, say: Callable[[str], object] = lambda _: None) -> tuple[Lane, ...]:
    """List the lanes, the last axis fastest, and say how many were left out as copies.

    Raises:
        UserError: no pictures, pairs that do not match, or a lane whose recipe cannot make a picture.
    """
    _check_pictures(spec)
    if spec.paired and len(spec.contents) != len(spec.styles):
        raise UserError(f"{len(spec.contents)} contents for {len(spec.styles)} styles: pairs need as many of both")
    if spec.mixed and len(spec.styles) > MOST_STYLES:
        raise UserError(f"{len(spec.styles)} styles to mix: expected at most {MOST_STYLES}")
    saved = {path for path in spec.styles if is_hdf5(path)}
    if spec.mixed and saved:
        raise UserError(
            f"'{shown(min(saved))}' holds targets of a style, which are mixed with no other: save them of all the "
            "pictures together with nst-jax style"
        )
    given = chosen(spec.recipe) if spec.given is None else spec.given
    spanned = span(given, all_axes(spec), spec.preset, _own_layers)
    if spanned.copies:
        say(spanned.say())
    found = []
    for number, lane in enumerate(spanned.lanes):
        i, j = (lane.index[0], lane.index[0 if spec.paired else 1]) if spec.show_pictures else (0, 0)
        _check_lane(spec, lane.recipe, known=not spec.styles or spec.styles[j] not in saved)
        found.append(Lane(number, lane.index, lane.settings, i, j, lane.recipe, spec.format))
    return tuple(found)


def _check_pictures(spec: Spec) -> None:
    alone = not spec.show_pictures and (spec.contents or spec.styles)
    if not alone and not (spec.contents and spec.styles):
        raise UserError(f"{len(spec.contents)} contents and {len(spec.styles)} styles: give at least one of each")


def _check_lane(spec: Spec, recipe: Recipe, *, known: bool) -> None:
    """Check that there is a content unless the recipe frames a texture, and a style unless it reads none.

    How many styles there are is `known` of pictures; of a file of targets once it is read.
    """
    if known:
        check_sizes(len(spec.styles) if spec.mixed else 1, recipe)
    check_guides(recipe, bool(spec.masks.content))
    if known and not spec.masks.content:  # whose regions have shares, once they are read
        check_shares(len(spec.styles) if spec.mixed else 1, recipe)
    check_content(recipe, bool(spec.contents))
    if not spec.styles:
        check_alone(recipe)


def files(spec: Spec, recipes: Iterable[Recipe]) -> list[Path]:
    """List every file that a run reads: pictures, masks, starting images and weights."""
    found: dict[Path, None] = dict.fromkeys((*spec.contents, *spec.styles, *spec.masks.content, *spec.masks.style))
    for recipe in recipes:
        if name := init_file(recipe.init):
            found[Path(name)] = None
        with contextlib.suppress(OSError, ValueError):  # a name that no file can have is refused where it is read
            if Path(recipe.weights).is_file():
                found[Path(recipe.weights)] = None
    return list(found)


def _own_layers(recipe: Recipe) -> tuple[str, ...]:
    from nst_jax.weights import load_encoder  # only where a layer is weighed that the recipe does not name

    return load_encoder(recipe.weights).network.chosen("style")


def command(spec: Spec, lane: Lane) -> str:
    """Write the command that makes one lane alone."""
    styles = spec.styles if spec.mixed else [spec.styles[lane.style]]
    content, *styles = map(as_word, (spec.contents[lane.content], *styles))
    words = ["nst-jax", "stylize", content, *(["--style"] if spec.mixed else []), *styles]
    words += [*spec.masks.options(), "-o", Path(lane.image).name]
    words += [word for key, values in options(lane.recipe).items() for word in (key, *values)]
    words += [word for key, value in spec.how.options().items() for word in (f"--{key}", str(value))]
    return quoted(words)


def as_word(path: Path) -> str:
    """Write a path as a word of a command: one that begins with a dash would be read as an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)
