"""`nst-jax demo`: a first picture from what the package holds."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from nst_jax import images, packaged
from nst_jax.cli.single import SINGLE, Single
from nst_jax.files import quoted, shown
from nst_jax.printing import give, say
from nst_jax.recipe import DEFAULT

SIZE, STEPS = 256, 80
"""What two CPU cores finish well within a minute."""


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
        recipe = replace(DEFAULT, size=SIZE, steps=STEPS)
        sheet = self.output / "side-by-side.png"
        images.check_writable(sheet, [content, style])
        made, code = self.single.paint(content, [style], output, recipe)
        self.single.report(made, code)
        assert made.style is not None
        panels = [made.content, made.style, np.asarray(made.solution.image)]
        images.save(sheet, images.side_by_side(panels, height=SIZE, gap=8))
        give("sheet", f"{shown(sheet)}  content, style and result", path=sheet)
        say()
        say("Next, with your own pictures or the same ones at full size:")
        say(f"  nst-jax stylize {quoted([str(content), str(style)])} -o wave.png")
        say(f"  nst-jax rerun {quoted([str(output)])}")
        say("  nst-jax --help")
        return code


def picture(name: str) -> Path:
    """Find an embedded example picture: inside an installed package, or in examples/images of a checkout."""
    return packaged.find(f"images/{name}.jpg", f"examples/images/{name}.jpg")
