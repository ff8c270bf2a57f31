"""`nst-jax demo`: a first picture from what the package holds."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from nst_jax import images, packaged
from nst_jax.cli.single import SINGLE, Single
from nst_jax.recipe import DEFAULT

SIZE, STEPS = 256, 80
"""What two CPU cores finish well within a minute."""
BETA = 5e2
"""Less style than the default: a sum over positions, the content loss weighs a quarter at half the size."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Stylize the embedded photograph of a temple with Hokusai's Great Wave, in under a minute on two CPU cores."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("demo")
    """Folder for the picture and the side-by-side."""
    single: tyro.conf.OmitArgPrefixes[Single] = SINGLE

    def run(self) -> int:
        """Make both pictures; return the exit code."""
        content, style = picture("temple"), picture("great_wave")
        output = self.output / "temple-great_wave.png"
        recipe = replace(DEFAULT, size=SIZE, steps=STEPS, beta=BETA)
        made = self.single.paint(content, style, output, recipe)
        code = self.single.report(made)
        sheet = self.output / "side-by-side.png"
        panels = [made.content, made.style, np.asarray(made.solution.image)]
        images.save(sheet, images.side_by_side(panels, height=SIZE, gap=8))
        print(f"{sheet}  content, style and result")
        print("\nNext, with your own pictures or the same ones at full size:")
        print(f"  nst-jax stylize {content} {style} -o wave.png")
        print(f"  nst-jax rerun {output}")
        print("  nst-jax --help")
        return code


def picture(name: str) -> Path:
    """Find an embedded example picture: inside an installed package, or in examples/images of a checkout."""
    return packaged.find(f"images/{name}.jpg", f"examples/images/{name}.jpg")
