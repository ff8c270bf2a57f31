"""What `stylize`, `demo` and `rerun` share: the options of a single picture, and what is said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_jax import backend, images, record
from nst_jax.cli import interrupt
from nst_jax.cli.progress import Progress
from nst_jax.cli.scripts import Scripted
from nst_jax.cli.written import Written
from nst_jax.files import check_outputs, is_hdf5, shown
from nst_jax.printing import give, tell
from nst_jax.recipe import Recipe, check, frame_of, init_file
from nst_jax.runs.folder import beside, inside
from nst_jax.runs.spec import NO_MASKS, MaskFiles, Spec, files, lanes
from nst_jax.runs.together import ALONE, Together

if TYPE_CHECKING:
    from nst_jax.runs.single import Made, Place


@dataclass(frozen=True, kw_only=True)
class Single(Written, Scripted):
    """How a single picture is carried out."""

    memory: str = ""
    """Memory to plan with, such as 4GB; by default what the machine has. A picture that does not fit whole is computed
    in tiles."""
    quiet: bool = False
    """Show no progress."""
    cache: bool = True
    """Keep compiled programs in the user's cache directory, so that the next start is quick."""

    def paint(
        self,
        content: Path | None,
        styles: Sequence[Path],
        output: Path,
        recipe: Recipe,
        *,
        opened: Mapping[Path, images.Picture] | None = None,
        expected: Mapping[str, str] | None = None,
        until: "Place | None" = None,
        kept: Sequence[Path] = (),
        masks: MaskFiles = NO_MASKS,
        said: Sequence[str] = (),
    ) -> "tuple[Made, int]":
        """Make the picture; give it and the exit code, which is that of the signal if one stopped it.

        Arguments are those of `runs.single.paint`, files that are `kept` as the inputs are, and those that draw masks.
        The process that writes tells what is `said` beforehand.

        Raises:
            UserError: anything a user can put right.
        """
        with images.allowing(self.max_pixels):
            return self._paint(content, styles, output, recipe, opened or {}, expected, until, kept, masks, said)

    def _paint(
        self,
        content: Path | None,
        styles: Sequence[Path],
        output: Path,
        recipe: Recipe,
        opened: Mapping[Path, images.Picture],
        expected: Mapping[str, str] | None,
        until: "Place | None",
        kept: Sequence[Path],
        masks: MaskFiles,
        said: Sequence[str],
    ) -> "tuple[Made, int]":
        spec, opened = self._checked(content, styles, output, recipe, opened, kept, masks)
        how = self.how
        # From here on a signal is a request: one that comes while jax loads or compiles waits for the first picture.
        with interrupt.requested() as asked:
            backend.imported()
            from nst_jax.batch.run import Watch
            from nst_jax.runs.room import bytes_of
            from nst_jax.runs.single import paint

            most = bytes_of(self.memory)  # refused before others wait for this process
            together = self._begun(asked)

            def stop() -> bool:
                asked.signum = together.most(asked.signum)  # one that is asked stops all
                return asked()

            with Progress(quiet=self.quiet or not together.first) as bar:
                for line in said:
                    bar.say(line)
                watch = Watch(say=bar.say, show=lambda _, at, __: bar.show(at), stop=stop)
                more = {"opened": opened, "expected": expected, "until": until, "how": how, "most": most}
                made = paint(spec, output, watch=watch, together=together, **more)
        return made, asked.code if made.solution.stopped == "interrupted" else 0

    def _begun(self, asked: interrupt.Request) -> Together:
        """Start jax, and give the processes that make the picture."""
        backend.imported()
        if self.cache:
            from nst_jax.cache import enable

            enable()
        found = self._joined(asked)
        backend.start()
        return found

    def _joined(self, asked: interrupt.Request) -> Together:
        """Join the processes that make the picture together: this one alone makes it."""
        return ALONE

    def check(
        self, content: Path | None, styles: Sequence[Path], output: Path, recipe: Recipe, masks: MaskFiles = NO_MASKS
    ) -> None:
        """Refuse what cannot be painted, or where to; read every picture and compute nothing.

        Raises:
            UserError: anything a user can put right.
        """
        with images.allowing(self.max_pixels):
            spec, _ = self._checked(content, styles, output, recipe, {}, (), masks)
            lanes(spec)

    def _checked(
        self,
        content: Path | None,
        styles: Sequence[Path],
        output: Path,
        recipe: Recipe,
        opened: Mapping[Path, images.Picture],
        kept: Sequence[Path],
        masks: MaskFiles,
    ) -> tuple[Spec, Mapping[Path, images.Picture]]:
        """Give what is to be made, with the pictures that it is made from."""
        check(recipe)
        contents = () if content is None else (content,)
        start = [Path(path)] if (path := init_file(recipe.init)) else []
        paths = [*contents, *styles, *masks.content, *masks.style, *start]
        one: Any = {"mixed": len(styles) > 1, "show_pictures": False, "metrics": False}
        spec = Spec(contents, tuple(styles), recipe, masks=masks, **one)
        inputs = [*files(spec, [recipe]), *kept]
        images.check_writable(output, inputs)
        how = self.how
        images.check_fits(output, (1, 1), how)
        check_outputs(inside(beside(output)), inputs)
        opened = opened or {path: images.read(path) for path in paths if path not in styles or not is_hdf5(path)}
        shape = opened[content].rgb.shape if content else (*frame_of(recipe), 3)
        images.check_fits(output, images.resized(shape[:2], images.sizing(recipe)), how)
        return spec, opened

    def report(self, made: "Made", code: int) -> int:
        """Say where the picture is and how the run ended, if it was written here; return the exit code."""
        if not made.written:
            return code
        finished(made)
        ended, (scale, scales) = made.solution.stopped, made.scale
        if ended == "interrupted":
            where = f" at scale {scale + 1} of {scales}" if scales > 1 else ""
            tell(f"interrupted{where}: kept the best picture; the same command goes on")
        if ended == "stalled":
            tell("converged: no step in float32 lowers the loss any more")
        if ended == "non-finite":
            tell("the loss became non-finite: kept the best picture before; try a smaller --lr")
        return code


SINGLE = Single()


def finished(made: "Made") -> None:
    """Say where the picture is and what the run reached: a line, or an object for scripts."""
    h, w, _ = made.solution.image.shape
    give(
        "picture",
        summary(made),
        path=made.output,
        width=w,
        height=h,
        first=made.solution.history["total"][0],
        **record.ending(made.solution, made.scale),
        weights=made.weights,
        seconds=made.seconds,
    )


def summary(made: "Made") -> str:
    """Say in one line where the picture is and what the run reached: the loss, and its terms as they add up to it."""
    history, best = made.solution.history, made.solution.best_step
    total, first = history["total"][best], history["total"][0]
    h, w, _ = made.solution.image.shape
    terms = " + ".join(f"{name} {w * history[name][best]:.4g}" for name, w in made.weights.items() if w)
    return (
        f"{shown(made.output)}  {w}x{h}  loss {first:.4g} -> {total:.4g} ({terms}) "
        f"at step {best} of {len(history['total']) - 1}, {made.seconds:.1f} s"
    )
