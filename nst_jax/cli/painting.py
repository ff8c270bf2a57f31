"""From two files and a recipe to a finished file: what stylize, demo and rerun share."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nst_jax import images, record
from nst_jax.cli import interrupt
from nst_jax.cli.progress import Progress
from nst_jax.errors import UserError
from nst_jax.recipe import Recipe, check, init_file

if TYPE_CHECKING:
    from nst_jax.optimize import Solution
    from nst_jax.scales import Scale
    from nst_jax.vgg import Encoder


@dataclass(frozen=True)
class Made:
    """A finished picture: where it is, what the run found at its last scale, and what it was made from (h, w, 3)."""

    output: Path
    scale: "Scale"
    solution: "Solution"
    content: np.ndarray
    style: np.ndarray
    seconds: float

    @property
    def place(self) -> tuple[int, int]:
        """Tell where the run ended: the scale, 0 being the coarsest, and its steps."""
        return _place(self.scale, self.solution)


def _place(scale: "Scale", solution: "Solution") -> tuple[int, int]:
    return scale.index, len(solution.history["total"]) - 1


def make(
    content: Path,
    style: Path,
    output: Path,
    recipe: Recipe,
    *,
    quiet: bool = False,
    cache: bool = True,
    expected: Mapping[str, str] | None = None,
    until: tuple[int, int] | None = None,
) -> Made:
    """Read two pictures, solve, and write the result with its recipe; nothing is written if anything is wrong.

    Args:
        content: picture whose layout to keep.
        style: picture whose texture to take.
        output: file to write.
        recipe: every setting.
        quiet: show no progress.
        cache: keep compiled programs in the user's cache directory.
        expected: sha256 that `content`, `style`, `init` and `weights` must have.
        until: scale and its steps at which to stop as if interrupted.

    Raises:
        UserError: anything a user can put right.
    """
    check(recipe)
    images.check_writable(output)
    pictures = {"content": images.read(content), "style": images.read(style)}
    if path := init_file(recipe.init):
        pictures["init"] = images.read(Path(path))
    for name, picture in pictures.items():
        _check_hash(name, str(picture.path), picture.sha256, expected)
    c = scaled(pictures["content"].rgb, recipe.size)
    s = scaled(pictures["style"].rgb, recipe.style_size or recipe.size)
    init = images.fit(pictures["init"].rgb, c.shape[:2]) if "init" in pictures else None
    # From here on Ctrl-C is a request: one that comes while jax loads or compiles waits for the first picture.
    with interrupt.requested() as stop:
        encoder = _load(recipe, cache, expected)
        solutions = _solutions(encoder, c, s, init, recipe)
        sources = {name: record.source(p.path, p.sha256) for name, p in pictures.items()}
        made_from = record.describe(recipe, sources, encoder.digest)
        began = time.perf_counter()
        scale, solution = optimise(solutions, recipe, stop, until=until, quiet=quiet)
        seconds = time.perf_counter() - began
    metadata = record.as_metadata({**made_from, "result": record.ending(solution, scale)})
    alpha = pictures["content"].alpha
    found = np.asarray(solution.image)  # smaller than the content if interrupted at a coarse scale
    alpha = None if alpha is None else images.fit(alpha, (found.shape[0], found.shape[1]))
    images.save(output, found, alpha=alpha, metadata=metadata)
    return Made(output, scale, solution, c, s, seconds)


def scaled(image: np.ndarray, size: int) -> np.ndarray:
    """Resize to a longer side of `size` pixels; 0 keeps the picture's own size."""
    return images.resize(image, size) if size else image


def _check_hash(name: str, what: str, found: str, expected: Mapping[str, str] | None) -> None:
    if expected and found != expected.get(name):
        raise UserError(
            f"the {name} '{what}' is not the one of the recipe: its sha256 is {found[:12]}..., expected "
            f"{expected.get(name, 'none')[:12]}...; restore the file, or run `nst-jax stylize` on the new one"
        )


def _load(recipe: Recipe, cache: bool, expected: Mapping[str, str] | None) -> "Encoder":
    # jax is imported here, after everything that can be checked without it.
    if cache:
        from nst_jax.cache import enable

        enable()
    from nst_jax.weights import load_encoder

    encoder = load_encoder(recipe.weights)
    _check_hash("weights", recipe.weights, encoder.digest, expected)
    return encoder


def optimise(
    solutions: "Iterable[tuple[Scale, Solution]]",
    recipe: Recipe,
    stop: Callable[[], bool],
    *,
    until: tuple[int, int] | None,
    quiet: bool,
) -> "tuple[Scale, Solution]":
    """Follow the solutions with a progress bar; once `stop()`, or at `until`, the best so far is 'interrupted'."""
    latest = None
    with Progress(recipe.steps, quiet=quiet) as bar:
        for latest in solutions:
            scale, solution = latest
            bar.show(solution.history, scale.steps(recipe))
            more = scale.index < scale.count - 1 or solution.stopped == "running"
            if more and (stop() or (until is not None and _place(*latest) >= until)):
                return scale, replace(solution, stopped="interrupted")
    assert latest is not None
    return latest


def _solutions(
    encoder: "Encoder", content: np.ndarray, style: np.ndarray, init: np.ndarray | None, recipe: Recipe
) -> "Iterator[tuple[Scale, Solution]]":
    """Solve at one scale, or from coarse to fine; what is wrong with the pictures or the recipe is said at once."""
    from nst_jax.optimize import chosen, iterate
    from nst_jax.problem import pose
    from nst_jax.scales import iterate_scales, plan

    if recipe.scales != 1:
        return iterate_scales(encoder, content, style, recipe=recipe, init=init)
    problem = pose(encoder, content, style, recipe=recipe, init=init)
    (scale,) = plan(content.shape[:2], style.shape[:2], recipe)
    how = {"steps": recipe.steps, "optimizer": chosen(recipe), "precision": recipe.precision}
    return ((scale, solution) for solution in iterate(encoder, problem, **how))


def summary(made: Made) -> str:
    """Say in one line where the picture is and what the run reached."""
    history, best = made.solution.history, made.solution.best_step
    total, first = history["total"][best], history["total"][0]
    h, w, _ = made.solution.image.shape
    return (
        f"{made.output}  {w}x{h}  loss {first:.4g} -> {total:.4g} "
        f"(content {history['content'][best]:.4g}, style {history['style'][best]:.4g}) "
        f"at step {best} of {len(history['total']) - 1}, {made.seconds:.1f} s"
    )
