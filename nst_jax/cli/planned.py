"""A single picture that can be planned before it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nst_jax import images
from nst_jax.cli import interrupt, streams
from nst_jax.cli.elsewhere import Device, check_device
from nst_jax.cli.shared import Shared
from nst_jax.files import is_hdf5
from nst_jax.printing import give, say
from nst_jax.recipe import Recipe, check, frame_of
from nst_jax.runs.spec import NO_MASKS, MaskFiles


@dataclass(frozen=True, kw_only=True)
class Planned(Shared):
    """How a single picture is carried out, or that it is planned alone."""

    dry_run: bool = False
    """Say how the picture would be computed, with which scales and memory, and make nothing."""
    device: Device = ""
    """With --dry-run: plan for such a GPU or TPU, which need not be here."""

    def make(
        self,
        content: Path | None,
        styles: Sequence[Path],
        output: Path,
        recipe: Recipe,
        masks: MaskFiles = NO_MASKS,
        kept: Sequence[Path] = (),
    ) -> int:
        """Make the picture, or say how it would be made; return the exit code. Files that are `kept` are inputs, too.

        Raises:
            UserError: anything a user can put right.
        """
        self.check_shared(recipe, "give --tile 512, or ")
        check_device(self.device, self.dry_run)
        if not self.dry_run:
            return self.report(*self.paint(content, styles, output, recipe, masks=masks, kept=kept))
        with images.allowing(self.max_pixels), interrupt.requested() as asked:
            self._plan(content, styles, output, recipe, asked)
        streams.answer("nothing was computed or written")
        return 0

    def _plan(
        self, content: Path | None, styles: Sequence[Path], output: Path, recipe: Recipe, asked: interrupt.Request
    ) -> None:
        check(recipe)
        size = images.resized(images.shape_of(content), images.sizing(recipe)) if content else frame_of(recipe)
        sides = self._sides(styles, recipe)
        images.check_fits(output, size, self.how)
        self._begun(asked)
        from nst_jax.posing import NONE, settled
        from nst_jax.runs.room import Picture, fitted
        from nst_jax.scales import plan_for
        from nst_jax.weights import load_encoder

        encoder = load_encoder(recipe.weights)
        recipe = settled(recipe, encoder)
        platform, free, host = self._planned_with()
        say(fitted(Picture(recipe, encoder.network, size, platform), free, host)[1])
        for scale in plan_for(encoder, size, sides or (size,), recipe, NONE):
            (h, w), steps = scale.content, scale.steps(recipe)
            line = f"scale {scale.index + 1} of {scale.count}: {w}x{h}, {steps} steps"
            give("scale", line, scale=scale.index, scales=scale.count, width=w, height=h, steps=steps)

    def _planned_with(self) -> tuple[str, int, int]:
        """Give what computes the picture, and the bytes that it and its host have, or are said to have."""
        import jax

        from nst_jax.absent import ABSENT
        from nst_jax.batch import memory
        from nst_jax.runs.room import bytes_of, free_for

        said = bytes_of(self.memory)
        if absent := ABSENT.get(self.device):
            return absent.platform, said or absent.memory, memory.PINNED
        return jax.default_backend(), said or free_for(0), memory.pinned_bytes()

    @staticmethod
    def _sides(styles: Sequence[Path], recipe: Recipe) -> tuple[tuple[int, int], ...]:
        """Give the shape (h, w) of each picture of the style."""
        if len(styles) == 1 and is_hdf5(styles[0]):
            from nst_jax.saved import load_style

            return load_style(styles[0]).shapes
        return tuple(images.resized(images.shape_of(x), images.style_sizing(recipe, i)) for i, x in enumerate(styles))


PLANNED = Planned()
