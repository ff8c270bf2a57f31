"""`nst-jax translate`: somebody else's command line in ours."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.cli import dialects
from nst_jax.cli.scripts import Scripted
from nst_jax.cli.streams import delivered
from nst_jax.cli.tools import Options, recognise
from nst_jax.errors import UserError
from nst_jax.files import quoted, shown
from nst_jax.presets import PRESETS
from nst_jax.printing import give
from nst_jax.recipe import Recipe, check, options, tidied
from nst_jax.recipe import Units as UnitsOf

SILENT = {
    *("gpu", "multigpu_strategy", "multidevice_strategy", "backend", "cudnn_autotune", "proto_file", "disable_check"),
    *("print_iter", "save_iter", "print_iterations", "checkpoint_output", "checkpoint_iterations", "progress_write"),
    *(
        "progress_plot",
        "overwrite",
        "verbose",
        "color_convert_type",
        "saving_freq",
        "device",
        "devices",
        "save_every",
        "web",
        "host",
        "port",
        "browser",
    ),
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
    masks: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """Write it as one shell line."""
        shares = self.recipe.style_shares if len(self.styles) > 1 else ()
        given = shares or (None,) * len(self.styles)
        styles = [path if w is None else f"{path}:{w:g}" for path, w in zip(self.styles, given, strict=True)]
        words = ["nst-jax", "stylize", self.content, *(["--style"] if len(styles) > 1 else []), *styles]
        words += ["--content-mask", *self.masks] if self.masks else []
        words += ["-o", self.output, "--preset", self.preset]
        recipe = replace(self.recipe, style_shares=() if len(styles) > 1 else self.recipe.style_shares)
        changed = options(recipe, PRESETS[self.preset])
        return quoted([*words, *(word for key, values in changed.items() for word in (key, *values))])


FAINT = "a start of faint noise is grey here"
TF = "gatys2015"
"""The preset whose formulas neural-style-tf has."""
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
    preset = tool.preset
    if preset == TF:
        dialects.tf_paths(given)
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
    network = [given.pop(name, [""])[0] for name in ("model_file", "model", "network", "model_weights")]
    masks: tuple[str, ...] = ()
    if preset == TF:
        recipe, notes = dialects.tf(given, PRESETS[preset], pictures[0], len(pictures[1]))
        masks, shares, more = _masks(given, len(pictures[1]), shares)
        notes += [*more, TF_NOTE, *([FAINT] if recipe.init == "grey" else [])]
    else:
        read, always = READERS[preset]
        recipe = read(given, PRESETS[preset])
        notes = [always] if recipe.init == "grey" or preset in ("gordic", "crowson") else []
    recipe = replace(tidied(recipe), style_shares=shares)
    check(recipe)
    if preset in ("jcjohnson", "anishathalye", TF):
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
    return Translation(*pictures, preset, recipe, tuple(notes), masks)


TF_NOTE = "there each style is stretched to the content's shape, and a content that is smaller stays as it is"


def _masks(
    given: Options, styles: int, shares: tuple[float, ...]
) -> tuple[tuple[str, ...], tuple[float, ...], list[str]]:
    """Take the masks of neural-style-tf, one for each style, with the shares of the regions that they make.

    Raises:
        UserError: not one for each style.
    """
    found = tuple(given.pop("style_mask_imgs", []))
    if given.pop("style_mask", None) is None or not found:
        return (), shares, []
    if len(found) != styles:
        raise UserError(f"there are {len(found)} masks for {styles} styles: expected one for each")
    notes = [
        "there a region's Gram matrix is divided by the whole picture, and its mask is laid over the style as well"
    ]
    if styles == 1:
        shares = (0.0, 1.0)
        notes.append("the mask's black stays the content, pixel by pixel; there only its features are compared")
    return found, shares, notes


def _shares(given: Options, styles: int) -> tuple[float, ...]:
    """Take the weights of several styles; those of one style count by their sum and mean nothing.

    Raises:
        UserError: no numbers of at least 0, none above 0, or not one for each style.
    """
    words = [
        w
        for name in ("style_blend_weights", "style_weights", "style_imgs_weights")
        for v in given.pop(name, [])
        for w in v.split(",")
    ]
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
class Translate(Scripted):
    """Print the `nst-jax stylize` line that means what somebody else's command line means.

    Knows jcjohnson's neural_style.lua, neural-style-pt's, anishathalye's and neural-style-tf's neural_style.py,
    gordicaleksa's neural_style_transfer.py and crowsonkb's style_transfer, each by its options. Quote the command:

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
        lines = [found.command, *(f"# {note}" for note in found.notes)]
        give("command", *lines, words=shlex.split(found.command), preset=found.preset, notes=found.notes)
        delivered()
        return 0
