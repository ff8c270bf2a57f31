"""`nst-jax rerun`: make a picture again from the recipe inside it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from nst_jax import images, record
from nst_jax.cli.shared import SHARED, Shared
from nst_jax.cli.single import finished
from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.printing import give
from nst_jax.recipe import Recipe, init_file, input_name
from nst_jax.runs.seek import Seek, option
from nst_jax.runs.spec import MaskFiles

MASKS = ("content_mask", "style_mask")


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """Make PICTURE again from the recipe inside it, and compare.

    On the same processor with the same versions the new picture is the same bit for bit, also where Ctrl-C stopped
    the old one. Inputs are looked for where they were, beside PICTURE, and among the files there by what is in them;
    refuses if they or the weights have changed since. A picture that a Python program made does not know its files:
    name them with --content and --style.
    """

    picture: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PICTURE")]
    """A picture that nst-jax wrote."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="OUT")] = None
    """Where to write the new one; by default beside the old, as NAME-rerun."""
    content: Path | None = None
    """Where the content picture is, if it is not where it was."""
    style: tuple[Path, ...] = ()
    """Where the style picture is, if it is not where it was; of several styles all, in their order."""
    content_mask: tuple[Path, ...] = ()
    """Where the masks of the content are, if they are not where they were; all of them, in their order."""
    style_mask: tuple[Path, ...] = ()
    """Where the masks of the style are, if they are not where they were."""
    init: Path | None = None
    """Where the starting image is, if it was a picture that is not where it was."""
    weights: Path | None = None
    """Where the weights file is, if it is not where it was."""
    single: tyro.conf.OmitArgPrefixes[Shared] = SHARED

    def run(self) -> int:
        """Make the picture again; return the exit code."""
        with images.allowing(self.single.max_pixels):
            return self._run()

    def _run(self) -> int:
        old = record.from_metadata(images.read_metadata(self.picture), self.picture)
        recipe, until = record.recipe_of(old), record.interrupted_at(old)
        _check_size(self.picture, recipe, until)
        self.single.check_shared(recipe)
        output = self.output or _other(self.picture)
        inputs = old["inputs"]
        if init_file(recipe.init) and "init" not in inputs:
            raise UserError(f"{shown(self.picture)} does not say which starting image it had: expected an 'init' input")
        said: list[str] = []
        seek = Seek(self.picture, said.append)
        given = self._given(inputs)
        found = {
            name: seek.image(name, entry, given.get(name), recipe.resample)
            for name, entry in inputs.items()
            if "targets" not in entry
        }
        paths = {name: picture.path for name, picture in found.items()}
        paths |= {name: seek.targets(name, inputs[name], given.get(name)) for name in inputs.keys() - found.keys()}
        if "init" in found:
            recipe = replace(recipe, init=str(found["init"].path))
        if self.weights or recipe.weights.endswith(".h5"):
            path = seek.file("weights", {"path": recipe.weights, "sha256": old["weights"]["sha256"]}, self.weights)
            said.append(f"reads {shown(path)} (weights)")
            recipe = replace(recipe, weights=str(path))
        made, code = self.single.paint(
            found["content"].path if "content" in found else None,
            [paths[name] for name in _named("style", inputs)],
            output,
            recipe,
            opened={picture.path: picture for picture in found.values()},
            expected={"weights": old["weights"]["sha256"]},
            until=until,
            kept=[self.picture],
            masks=MaskFiles(*(tuple(found[name].path for name in _named(of, inputs)) for of in MASKS)),
            said=said,
        )
        if made.solution.stopped == "interrupted" and (until is None or made.place < until):
            return self.single.report(made, code)
        if made.written:
            finished(made)
            self._compare(output, old)
        return 0

    def _given(self, inputs: Mapping[str, Any]) -> dict[str, Path]:
        """Give the files that are named, by what the record calls them."""
        if self.content and "content" not in inputs:
            raise UserError("--content is given and the picture has none: leave it out")
        found: dict[str, Path | None] = {"content": self.content, "init": self.init}
        several = ("style", self.style), ("content_mask", self.content_mask), ("style_mask", self.style_mask)
        for of, given in several:
            names = _named(of, inputs)
            if given and len(given) != len(names):
                flag, what = option(of), {"style": "styles"}.get(of, "such masks")
                raise UserError(f"{flag} names {len(given)} files and the picture has {len(names)} {what}: name all")
            found |= zip(names, given, strict=False)
        return {name: path for name, path in found.items() if path is not None}

    def _compare(self, output: Path, old: Mapping[str, Any]) -> None:
        before, after = images.read(self.picture), images.read(output)
        same = np.array_equal(before.rgb, after.rgb)
        worst = 0 if same else round(255 * float(np.max(np.abs(before.rgb - after.rgb))))
        now = {**record.versions(), "device": record.device_name()}
        then = {**old["versions"], "device": old["device"]}
        changed = {name: [then.get(name), now[name]] for name in now if then.get(name) != now[name]}
        several = [f"{n} processes, whose sums round otherwise than those of one"] if (n := _processes()) > 1 else []
        why = "; ".join([*(f"{name} {a} -> {b}" for name, (a, b) in changed.items()), *several])
        differs = f"differs by up to {worst} of 255 levels ({why or 'same versions and device'})"
        line = "the same picture, bit for bit" if same else differs
        give("comparison", line, path=output, of=self.picture, same=same, levels=worst, changed=changed)


def _processes() -> int:
    import jax

    return jax.process_count()


def _named(of: str, inputs: Mapping[str, Any]) -> list[str]:
    """List what a record calls its styles, or its masks of one kind, in their order."""
    return [name for i in range(len(inputs)) if (name := input_name(of, i)) in inputs]


def _check_size(picture: Path, recipe: Recipe, until: tuple[int, int] | None) -> None:
    """Refuse a recipe of another size than the picture: a stranger's small file must not ask for a large one."""
    height, width = images.shape_of(picture)
    if until is None and recipe.size and abs(max(height, width) - recipe.size) > 1:
        raise UserError(
            f"{shown(picture)} is {width}x{height} and its recipe's size is {recipe.size}: expected the picture as it "
            "was written, neither scaled nor cut"
        )


def _other(picture: Path) -> Path:
    """Name the new picture beside the old one, as NAME-rerun; a name that is too long then loses its last letters."""
    stem = picture.stem
    while stem and len(os.fsencode(f"{stem}-rerun{picture.suffix}")) > 255:
        stem = stem[:-1]
    return picture.with_name(f"{stem}-rerun{picture.suffix}")
