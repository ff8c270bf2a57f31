"""`nst-jax style`: the targets of a style, saved to paint with where its pictures are not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nst_jax import backend, images
from nst_jax.cli.scripts import Scripted
from nst_jax.cli.styles import read
from nst_jax.cli.values import read_settings, settings_of, styles_into
from nst_jax.errors import UserError
from nst_jax.files import check_output, shown
from nst_jax.printing import give
from nst_jax.recipe import check, check_shares, check_sizes

NAMES = (
    "style_loss", "projections", "patch", "smoothing", "temperature", "style_layers", "style_shares", "size",
    "style_size", "style_sizes", "resample", "rounding", "scales", "scale_ratio", "min_scale", "style_scaling",
    "pooling", "padding", "weights", "tile",
)  # fmt: skip
"""Settings that decide what a style's targets are."""

OfStyle = settings_of("OfStyle", NAMES, "VALUE")
UNSET = OfStyle()


@dataclass(frozen=True, kw_only=True)
class Style(Scripted):
    """Save what pictures are compared with of STYLE, or of several styles, in one file to paint with.

        nst-jax style wave.jpg -o wave.h5
        nst-jax stylize photo.jpg wave.h5 -o out.png
        nst-jax style wave.jpg:0.3 night.jpg:0.7 -o both.h5 --style-loss w2
        nst-jax batch photos/ --style both.h5 -o runs/both --style-loss w2

    The file names its network, loss, layers, sizes and shares, and refuses what does not fit them; weights, units, and
    the size of the content are free. It holds no picture, so --colour, --init style and masks ask for the pictures
    themselves. With --scales it holds the style at each scale.
    """

    styles: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="STYLE[:SHARE]...")]
    """Pictures whose texture to take; several are mixed by their shares."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE.h5")]
    """Where to write the targets."""
    settings: tyro.conf.OmitArgPrefixes[OfStyle] = UNSET  # type: ignore[valid-type]
    """Settings of the targets."""
    max_pixels: int = images.MAX_PIXELS
    """Pixels that a picture may have."""

    def run(self) -> int:
        """Write the file; return the exit code."""
        with images.allowing(self.max_pixels):
            return self._run()

    def _run(self) -> int:
        chosen = read(None, self.styles)
        found = styles_into(read_settings(self.settings), chosen)
        if found.axes:
            raise UserError(f"{min(found.axes)} has several values: a file of targets is of one, write a file for each")
        recipe = found.recipe
        check(recipe)
        check_shares(len(chosen.paths), recipe)
        check_sizes(len(chosen.paths), recipe)
        if self.output.suffix != ".h5":
            raise UserError(f"{shown(self.output)}: expected a name that ends in .h5")
        weights = [Path(recipe.weights)] if recipe.weights.endswith(".h5") else []
        check_output(self.output, [*chosen.paths, *weights])
        pictures = [images.read(path) for path in chosen.paths]
        sized = [
            images.resize(picture.rgb, images.style_sizing(recipe, i), alpha=picture.alpha)
            for i, picture in enumerate(pictures)
        ]
        backend.start()
        from nst_jax.saved import Picture, load_style
        from nst_jax.saving import write
        from nst_jax.weights import load_encoder

        named = [Picture(name=shown(picture.path.name), sha256=picture.sha256) for picture in pictures]
        write(self.output, load_encoder(recipe.weights), sized, named, recipe)
        about = load_style(self.output).about
        sizes = "; ".join(", ".join(f"{w}x{h}" for h, w in each) for each in about.sizes)
        what = f"{about.loss} at {', '.join(about.layers)} of {about.network}"
        line = f"{shown(self.output)}  {what}, {sizes}, {self.output.stat().st_size / 2**20:.1f} MB"
        held = {"network": about.network, "loss": about.loss, "layers": about.layers, "sizes": about.sizes}
        give("style", line, path=self.output, **held)
        return 0
