"""Make a single picture: a run of one lane, whose state lies beside the picture until it is done."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np

from nst_jax import images
from nst_jax.batch import memory
from nst_jax.batch.encoders import gathered
from nst_jax.batch.program import Chunk, Partial
from nst_jax.batch.run import Interrupted, Run, Watch
from nst_jax.batch.store import Store, digest
from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import Encoder
from nst_jax.optimize import Solution
from nst_jax.posing import settled
from nst_jax.recipe import frame_of
from nst_jax.runs.finish import save_picture
from nst_jax.runs.folder import beside
from nst_jax.runs.inputs import Loaded, Opened
from nst_jax.runs.ready import Ready, prepare
from nst_jax.runs.room import SMALL, Picture, fitted, free_for
from nst_jax.runs.spec import Spec
from nst_jax.weights import load_encoder

Place = tuple[int, int]
"""Where a run stands: the scale, 0 being the coarsest, and its steps."""


@dataclass(frozen=True)
class Made:
    """A finished picture: where it is, what the run found at its last scale, and what it was made from (h, w, 3).

    `weights` are what each term of the loss counts there. Of a style there may be targets alone.
    """

    output: Path
    solution: Solution
    scale: Place
    weights: Mapping[str, float]
    content: np.ndarray
    style: np.ndarray | None
    seconds: float

    @property
    def place(self) -> Place:
        """Tell where the run ended."""
        return self.scale[0], len(self.solution.history["total"]) - 1


def paint(
    spec: Spec,
    output: Path,
    *,
    watch: Watch,
    opened: Opened | None = None,
    encoder: Encoder | None = None,
    expected: Mapping[str, str] | None = None,
    until: Place | None = None,
    how: images.Output = images.PLAIN,
    most: int = 0,
) -> Made:
    """Read two pictures, solve, and write the result with its recipe; nothing is written if anything is wrong.

    Args:
        spec: of one content, one style and no axes.
        output: file to write.
        watch: who looks on, and may stop the run: then the best picture so far is written.
        opened: pictures that were read already.
        encoder: the network, if it was loaded already.
        expected: sha256 that `weights` must have.
        until: where to stop as if interrupted.
        how: the picture is written.
        most: bytes of memory to plan with; 0 for what there is.

    Raises:
        UserError: anything a user can put right.
    """
    encoder = encoder or load_encoder(spec.recipe.weights)
    check_weights(encoder, spec.recipe.weights, expected)
    with memory.within(most):
        spec = _within(spec, opened or {}, encoder, watch, most)
        return _made(prepare(spec, opened, encoder), output, watch, until, how)


def _within(spec: Spec, opened: Opened, encoder: Encoder, watch: Watch, most: int) -> Spec:
    """Take the picture in tiles where it would not fit in the memory whole."""
    recipe = settled(spec.recipe, encoder)
    sizing = images.sizing(recipe)
    if spec.contents:
        (content,) = spec.contents
        shape = opened[content].rgb.shape[:2] if content in opened else images.shape_of(content)
        size = images.resized(shape, sizing)
    else:
        size = frame_of(recipe)
    if not most and size[0] * size[1] <= SMALL:
        return spec
    found, line = fitted(Picture(recipe, encoder.network, size, jax.default_backend()), free_for(most))
    if most or found != recipe:
        watch.say(line)
    return replace(spec, recipe=replace(spec.recipe, tile=found.tile, remat=found.remat))


def _made(ready: Ready, output: Path, watch: Watch, until: Place | None, how: images.Output) -> Made:
    store = Store(beside(output), say=watch.say)
    with store.locked():
        try:
            return _paint(ready, output, store, watch, until, how)
        finally:
            if not any(store.folder.glob("chunk-*.npz")):
                shutil.rmtree(store.folder, ignore_errors=True)


def _paint(ready: Ready, output: Path, store: Store, watch: Watch, until: Place | None, how: images.Output) -> Made:
    _settle(store, ready, watch)
    (lane,) = ready.lanes
    scales = len(ready.sweep.scales(0))
    began = time.perf_counter()

    def write(solution: Solution, scale: Place, seconds: float) -> Made:
        save_picture(ready, lane, solution, output, scale, how)
        content = ready.inputs.contents[0].rgb[images.sizing(lane.recipe)]
        of = ready.inputs.styles[0]
        style = of.rgb[images.style_sizing(lane.recipe)] if isinstance(of, Loaded) else None
        terms = ready.sweep.scales(0)[scale[0]].terms
        weights = {name: float(term.weight * term.share) for name, term in terms.items()}
        return Made(output, solution, scale, weights, content, style, seconds)

    found: list[Made] = []

    def finish(_: int, solution: Solution, seconds: float) -> None:
        found.append(write(solution, (scales - 1, scales), seconds))

    try:
        Run(gathered(ready.encoder), ready.sweep, finish, (0,), store=store, watch=_stopping(watch, until)).solve()
    except Interrupted as stopped:
        at = stopped.at
        assert at is not None
        solution = replace(stopped.solutions[0], stopped="interrupted")
        return write(solution, (at.scale, at.scales), time.perf_counter() - began)
    return found[0]


def _stopping(watch: Watch, until: Place | None) -> Watch:
    """Stop at a place, too."""
    if until is None:
        return watch
    reached = []

    def show(chunk: Chunk, at: Partial, done: int) -> None:
        watch.show(chunk, at, done)
        if (at.scale, at.step) >= until:
            reached.append(at)

    stop: Callable[[], bool] = lambda: bool(reached) or watch.stop()  # noqa: E731
    return replace(watch, show=show, stop=stop)


def _settle(store: Store, ready: Ready, watch: Watch) -> None:
    """Go on where an interrupted run of this very picture stood, or start over."""
    found = digest(ready.sweep)
    if store.holds(found) is False:
        watch.say("what an interrupted run kept beside the picture is of other settings, or damaged: starting over")
        store.clear()
    store.settle(found)
    if any(store.folder.glob("chunk-*.npz")):
        watch.say("going on where it was interrupted")


def check_weights(encoder: Encoder, name: str, expected: Mapping[str, str] | None) -> None:
    """Refuse weights that are not those of a record.

    Raises:
        UserError: with both digests.
    """
    if expected and encoder.digest != expected.get("weights"):
        raise UserError(
            f"the weights '{shown(name)}' are not those of the recipe: their sha256 is {encoder.digest[:12]}..., "
            f"expected {expected.get('weights', 'none')[:12]}...; restore the file"
        )
