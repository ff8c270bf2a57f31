"""`nst-jax units`: what one preset's weights are in another's units."""

from dataclasses import dataclass, replace
from typing import Annotated

import tyro

from nst_jax.cli.streams import answer
from nst_jax.errors import UserError
from nst_jax.files import quoted
from nst_jax.presets import PRESETS, find
from nst_jax.recipe import DEFAULT, options


@dataclass(frozen=True, kw_only=True)
class Units:
    """Write a preset in another preset's units: the options of `nst-jax stylize` that mean the same.

    Without --to, list the presets and their units.

        nst-jax units --from jcjohnson --to gatys2015 --alpha 5 --beta 100 --size 512

    Layers, starting image and optimizer stay those of --from; only formulas and weights change, and the gradient does
    not. Formulas that average over positions need the size.
    """

    source: Annotated[str, tyro.conf.arg(name="from", metavar="PRESET")] = "default"
    """Preset whose units the numbers are in; it also gives the layers."""
    to: Annotated[str, tyro.conf.arg(metavar="PRESET")] = ""
    """Preset whose units are wanted."""
    alpha: float | None = None
    """Content weight; default: the preset's."""
    beta: float | None = None
    """Style weight; default: the preset's."""
    tv: float | None = None
    """Weight of the total variation; default: the preset's."""
    size: tuple[int, ...] = (512,)
    """Width and height of the picture in pixels; one number means a square."""

    def run(self) -> int:
        """Print the options; return the exit code."""
        if not self.to:
            answer(*table().splitlines())
            return 0
        from nst_jax.units import convert

        if not 1 <= len(self.size) <= 2 or min(self.size) < 32:
            raise UserError(f"size is {self.size}: expected a width and a height of at least 32 pixels, or one number")
        source, to = find(self.source), find(self.to)
        given = {name: getattr(self, name) for name in ("alpha", "beta", "tv") if getattr(self, name) is not None}
        converted = convert(replace(source, **given), to, (self.size[-1], self.size[0]))
        said = []
        if converted.tv_loss != to.tv_loss:
            said.append(f"# tv: no factor turns {source.tv_loss} into {to.tv_loss}, so it keeps its formula")
        shown = replace(DEFAULT, alpha=-1.0, beta=-1.0, tv=-1.0)  # so that these three are always written
        answer(*said, quoted(word for key, values in options(converted, shown).items() for word in (key, *values)))
        return 0


def table() -> str:
    """List every preset with its weights and the formulas they multiply."""
    lines = [f"{'preset':22}{'alpha':>9} {'content':10}{'beta':>9} {'style':9}{'tv':>8} {'variation':13}"]
    for name, r in PRESETS.items():
        lines.append(
            f"{name:22}{r.alpha:>9g} {r.content_loss:10}{r.beta:>9g} {r.style_loss:9}{r.tv:>8g} {r.tv_loss:13}"
        )
    return "\n".join(line.rstrip() for line in lines)
