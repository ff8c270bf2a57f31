"""`nst-jax invert`: a content alone, from noise: what a layer of the network knows of a picture."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax.cli.planned import PLANNED, Planned
from nst_jax.errors import UserError
from nst_jax.recipe import INVERSION, Recipe


@dataclass(frozen=True, kw_only=True)
class Invert:
    """Find a picture that has the features of CONTENT at one layer, from noise: what it lacks, the layer forgot.

    The layer is any of the network's:

        nst-jax invert photo.jpg -o inside.png --layer relu4_2 --tv 1e3

    The deeper the layer, the less of the photograph is left; --tv smooths what no feature holds, and --seed begins from
    other noise. Source: Mahendran and Vedaldi (2015), Understanding deep image representations by inverting them; their
    total variation has another exponent, and their range is a penalty where here it is a bound.
    """

    content: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CONTENT")]
    """Picture whose features to invert."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="OUT")]
    """Where to write the result: .png, .jpg, .webp or .tif."""
    layer: tuple[str, ...] = ()
    """Layer whose features are compared, or several; the same as --content-layers. By default relu4_2."""
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = INVERSION
    single: tyro.conf.OmitArgPrefixes[Planned] = PLANNED

    def run(self) -> int:
        """Make the picture; return the exit code."""
        recipe = self.recipe
        if self.layer and recipe.content_layers != INVERSION.content_layers:
            raise UserError("--layer and --content-layers are both given: they are the same, give one")
        if self.layer:
            recipe = replace(recipe, content_layers=self.layer)
        return self.single.make(self.content, (), self.output, recipe)
