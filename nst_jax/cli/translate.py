"""`nst-jax translate`: somebody else's command line in ours."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.cli import dialects
from nst_jax.cli.streams import answer
from nst_jax.cli.tools import Options, recognise
from nst_jax.errors import UserError
from nst_jax.files import quoted, shown
from nst_jax.presets import PRESETS
from nst_jax.recipe import Recipe, check, options, tidied
from nst_jax.recipe import Units as UnitsOf

SILENT = {
    *("gpu", "multigpu_strategy", "multidevice_strategy", "backend", "cudnn_autotune", "proto_file", "disable_check"),
    *("print_iter", "save_iter", "print_iterations", "checkpoint_output", "checkpoint_iterations", "progress_write"),
    *("progress_plot", "overwrite", "saving_freq", "device", "devices", "save_every", "web", "host", "port", "browser"),
}
"""Options that do not change the picture."""

REASONS = {
    "normalize_weights": "weights are not divided by the sizes of layers",
    "style_scales": "the style keeps its own size",
    "normalize_gradients": "gradients are not normalized",
    "lbfgs_num_correction": "L-BFGS keeps its own number of corrections",
    "content_weight_blend": "content layers share one weight",
    "avg_decay": "only Adam's iterates are averaged",
    "end_scale": "with +, the area there is that of a square: set --size for your picture",
    "init": "noise is uniform here",
    "pooling": "averages are not rescaled here",
    "width": "--size is the longer side, not the width: set it for your picture",
}


@dataclass(frozen=True)
class Translation:
    """A command line of ours: pictures, the preset it starts from, the whole recipe, and what could not be said."""

    content: str
    styles: tuple[str, ...]
    output: str
    preset: str
    recipe: Recipe
    notes: tuple[str, ...]

    @property
    def command(self) -> str:
        """Write it as one shell line."""
        given = self.recipe.style_shares or (None,) * len(self.styles)
        styles = [path if w is None else f"{path}:{w:g}" for path, w in zip(self.styles, given, strict=True)]
        words = ["nst-jax", "stylize", self.content, *(["--style"] if len(styles) > 1 else []), *styles]
        words += ["-o", self.output, "--preset", self.preset]
        recipe = replace(self.recipe, style_shares=())
        changed = options(recipe, PRESETS[self.preset])
        return quoted([*words, *(word for key, values in changed.items() for word in (key, *values))])


FAINT = "a start of faint noise is grey here"
READERS: dict[str, tuple[Callable[[Options, Recipe], Recipe], str]] = {
    "jcjohnson": (dialects.johnson, FAINT),
    "neural-style-pt": (dialects.johnson, FAINT),
    "anishathalye": (dialects.anishathalye, FAINT),
    "gordic": (dialects.gordic, "its height is --size, the longer side"),
    "crowson": (dialects.crowson, "there, a style smaller than a scale is not enlarged"),
}
"""For each preset: who reads its options, and what differs from the start."""


def translate(command: str) -> Translation:
    """Turn a command line of another program into ours.

    Raises:
        UserError: a program that is not known, an option that it lacks, or a value that cannot be used.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"the command line cannot be read: {error}") from None
    tool, given = recognise(words)
    preset, (read, always) = tool.preset, READERS[tool.preset]
    places = given.pop("")
    if preset == "crowson":
        given |= {"": places[:1], "styles": places[1:]}
    elif places:
        raise UserError(f"'{shown(places[0])}' belongs to no option of {tool.whose}: put the option's name before it")
    styles = [part for value in given.pop(tool.style, []) for part in value.split(",")]
    pictures = (
        dialects.take(given, tool.content, "CONTENT"),
        tuple(styles or ["STYLE"]),
        dialects.take(given, tool.output, "out.png"),
    )
    shares = _shares(given, len(pictures[1]))
    network = [given.pop(name, [""])[0] for name in ("model_file", "model", "network")]
    recipe = replace(tidied(read(given, PRESETS[preset])), style_shares=shares)
    check(recipe)
    notes = [always] if recipe.init == "grey" or preset in ("gordic", "crowson") else []
    if preset in ("jcjohnson", "anishathalye"):
        notes.append("there pooling rounds odd sides up; sides that are multiples of 16 make no difference")
    if len(styles) > 1 and preset == "crowson":
        notes.append("distances to the styles are added up here; there it is the distance to their mean moments")
    if recipe.colour != "none":
        notes.append("luminance alone is painted here; there the content's colours replace painted ones at the end")
    if not any("16" in name for name in network):
        notes.append("it uses VGG-19: `nst-jax weights fetch vgg19`, then add --weights vgg19, for the same network")
    notes += [
        f"{k} {' '.join(v)}".rstrip() + f": {REASONS.get(k, 'no equivalent')}"
        for k, v in given.items()
        if k not in SILENT
    ]
    return Translation(*pictures, preset, recipe, tuple(notes))


def _shares(given: Options, styles: int) -> tuple[float, ...]:
    """Take the weights of several styles; those of one style count by their sum and mean nothing.

    Raises:
        UserError: no numbers of at least 0, none above 0, or not one for each style.
    """
    words = [w for name in ("style_blend_weights", "style_weights") for v in given.pop(name, []) for w in v.split(",")]
    try:
        shares = tuple(map(float, words))
    except ValueError:
        raise UserError(f"the weights of the styles are {shown(','.join(words))}: expected numbers") from None
    if shares and len(shares) != styles:
        raise UserError(f"there are {len(shares)} weights of styles for {styles} styles: give one for each")
    return shares if styles > 1 else ()


def _relative(found: Translation) -> Translation:
    from nst_jax.units import convert, measured

    recipe = found.recipe
    if len(found.styles) > 1:
        raise UserError(f"relative units are those of one style and there are {len(found.styles)}: leave --units out")
    style = next(iter(found.styles))
    side = recipe.size or 512
    size, blank = measured(recipe.weights, Path(found.content), Path(style), recipe, side)
    return replace(found, recipe=convert(recipe, replace(recipe, units="relative"), size, blank=blank))


@dataclass(frozen=True, kw_only=True)
class Translate:
    """Print the `nst-jax stylize` line that means what somebody else's command line means.

    Knows jcjohnson's neural_style.lua, neural-style-pt's and anishathalye's neural_style.py, gordicaleksa's
    neural_style_transfer.py and crowsonkb's style_transfer, each by its options. Quote the command:

        nst-jax translate 'neural_style.py -content_weight 5 -style_weight 100 -style_image a.jpg -content_image b.jpg'

    What has no equivalent follows as comments.
    """

    command: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="COMMAND")]
    """The other program's command line, as one word."""
    units: UnitsOf = "paper"
    """Units of the weights: those of the other program's formulas (paper), or relative, for which its pictures are
    read."""

    def run(self) -> int:
        """Print the line and the comments; return the exit code."""
        found = translate(self.command)
        if self.units == "relative":
            found = _relative(found)
        answer(found.command, *(f"# {note}" for note in found.notes))
        return 0
