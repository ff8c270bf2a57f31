"""`nst-jax units`: what one preset's weights are in another's units."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.cli.scripts import Scripted
from nst_jax.cli.streams import delivered
from nst_jax.errors import UserError
from nst_jax.files import quoted
from nst_jax.presets import PRESETS, adapted, find
from nst_jax.printing import give
from nst_jax.recipe import DEFAULT, Recipe, check, options


@dataclass(frozen=True, kw_only=True)
class Units(Scripted):
    """Write a preset in another preset's units: the options of `nst-jax stylize` that mean the same.

    Without --to, list the presets and their units.

        nst-jax units --from jcjohnson --to gatys2015 --alpha 5 --beta 100 --size 512
        nst-jax units --from gatys2015 --to relative --content photo.jpg --style painting.jpg

    Layers, starting image and optimizer stay those of --from; only formulas and weights change, and the gradient does
    not. Formulas that average over positions need the size; relative units, to which and from which `relative` leads,
    are those of two pictures.
    """

    source: Annotated[str, tyro.conf.arg(name="from", metavar="PRESET")] = "default"
    """Preset whose units the numbers are in; it also gives the layers. Or relative: the default in relative units."""
    to: Annotated[str, tyro.conf.arg(metavar="PRESET")] = ""
    """Preset whose units are wanted; or relative, for relative units of the same formulas."""
    alpha: float | None = None
    """Content weight; default: the preset's."""
    beta: float | None = None
    """Style weight; default: the preset's."""
    tv: float | None = None
    """Weight of the total variation; default: the preset's."""
    size: tuple[int, ...] = (512,)
    """Width and height of the picture in pixels; one number means a square, and of --content its longer side."""
    content: Path | None = None
    """Content picture, for relative units."""
    style: Path | None = None
    """Style picture, for relative units; its longer side is that of the content."""
    weights: str = DEFAULT.weights
    """Network, for relative units."""

    def run(self) -> int:
        """Print the options; return the exit code."""
        if not self.to:
            give_table()
            delivered()
            return 0
        from nst_jax.units import convert, measured

        if not 1 <= len(self.size) <= 2 or min(self.size) < 32:
            raise UserError(f"size is {self.size}: expected a width and a height of at least 32 pixels, or one number")
        source, to = (_found(name) for name in (self.source, self.to))
        given = {name: getattr(self, name) for name in ("alpha", "beta", "tv") if getattr(self, name) is not None}
        source = replace(source, **given)
        check(source)
        if self.to == RELATIVE:
            to = replace(source, units="relative")
        if self.source == RELATIVE:
            source = replace(source, content_loss=to.content_loss, style_loss=to.style_loss, tv_loss=to.tv_loss)
        size, blank = (self.size[-1], self.size[0]), None
        if source.units != to.units:
            if not (self.content and self.style):
                raise UserError("relative units are those of two pictures: give --content and --style")
            size, blank = measured(self.weights, self.content, self.style, source, max(self.size))
        converted = convert(source, to, size, blank=blank)
        said = []
        if converted.tv_loss != to.tv_loss:
            said.append(f"tv: no factor turns {source.tv_loss} into {to.tv_loss}, so it keeps its formula")
        # so that these are always written
        shown = replace(DEFAULT, alpha=-1.0, beta=-1.0, tv=-1.0, units="")  # type: ignore[arg-type]
        words = [word for key, values in options(converted, shown).items() for word in (key, *values)]
        weights = {name: getattr(converted, name) for name in ("alpha", "beta", "tv")}
        lines = [*(f"# {note}" for note in said), quoted(words)]
        give("units", *lines, source=self.source, to=self.to, **weights, options=words, notes=said)
        delivered()
        return 0


RELATIVE = "relative"


def _found(name: str) -> Recipe:
    """Find a preset; `relative` is the default's formulas in relative units."""
    return adapted("default", units="relative") if name == RELATIVE else find(name)


def give_table() -> None:
    """Say every preset with its weights and the formulas they multiply."""
    head = f"{'preset':22}{'alpha':>9} {'content':10}{'beta':>9} {'style':9}{'tv':>8} {'variation':13}"
    for name, r in PRESETS.items():
        line = f"{name:22}{r.alpha:>9g} {r.content_loss:10}{r.beta:>9g} {r.style_loss:9}{r.tv:>8g} {r.tv_loss:13}"
        lines = [*([head] if name == next(iter(PRESETS)) else []), line]
        fields = ("alpha", "content_loss", "beta", "style_loss", "tv", "tv_loss", "units")
        give("preset", *map(str.rstrip, lines), name=name, **{key: getattr(r, key) for key in fields})
