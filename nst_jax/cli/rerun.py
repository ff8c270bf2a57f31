"""`nst-jax rerun`: make a picture again from the recipe inside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from nst_jax import images, record
from nst_jax.cli import painting
from nst_jax.cli.stylize import report
from nst_jax.errors import UserError
from nst_jax.recipe import init_file


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """Make PICTURE again from the recipe inside it, and compare.

    On the same processor with the same versions the new picture is the same bit for bit, also where Ctrl-C stopped
    the old one. Refuses if an input or the weights have changed since.
    """

    picture: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PICTURE")]
    """A picture that nst-jax wrote."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="OUT")] = None
    """Where to write the new one; by default beside the old, as NAME-rerun."""
    quiet: bool = False
    """Show no progress."""
    cache: bool = True
    """Keep compiled programs in the user's cache directory, so that the next start is quick."""

    def run(self) -> int:
        """Make the picture again; return the exit code."""
        old = record.from_metadata(images.read_metadata(self.picture), self.picture)
        recipe = record.recipe_of(old)
        output = self.output or self.picture.with_stem(f"{self.picture.stem}-rerun")
        if output.resolve() == self.picture.resolve():
            raise UserError(f"{output} is the picture to compare with: give another name with -o")
        inputs, until = old["inputs"], record.interrupted_at(old)
        if init_file(recipe.init) and "init" not in inputs:
            raise UserError(f"{self.picture} does not say which starting image it had: expected an 'init' input")
        expected = {name: entry["sha256"] for name, entry in inputs.items()}
        made = painting.make(
            Path(inputs["content"]["path"]),
            Path(inputs["style"]["path"]),
            output,
            recipe,
            quiet=self.quiet,
            cache=self.cache,
            expected={**expected, "weights": old["weights"]["sha256"]},
            until=until,
        )
        if made.solution.stopped == "interrupted" and (until is None or made.place < until):
            return report(made)
        print(painting.summary(made))
        self._compare(output, old)
        return 0

    def _compare(self, output: Path, old: dict) -> None:
        before, after = images.read(self.picture), images.read(output)
        if np.array_equal(before.rgb, after.rgb):
            print("the same picture, bit for bit")
            return
        worst = round(255 * float(np.max(np.abs(before.rgb - after.rgb))))
        now = {**record.versions(), "device": record.device_name()}
        then = {**old["versions"], "device": old["device"]}
        changed = [f"{name} {then.get(name)} -> {now[name]}" for name in now if then.get(name) != now[name]]
        print(f"differs by up to {worst} of 255 levels ({'; '.join(changed) or 'same versions and device'})")
