"""Make a single picture: a run of one lane, whose state lies beside the picture until it is done."""

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np

from nst_jax import images, record
from nst_jax.batch import lanes, memory
from nst_jax.batch.encoders import gathered
from nst_jax.batch.program import Chunk, Partial
from nst_jax.batch.run import Interrupted, Run, Watch
from nst_jax.batch.store import Onlooker, Store, digest
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
from nst_jax.runs.together import ALONE, Together
from nst_jax.weights import load_encoder

Place = tuple[int, int]
"""Where a run stands: the scale, 0 being the coarsest, and its steps."""


@dataclass(frozen=True)
class Made:
    """A finished picture: where it is, what the run found at its last scale, and what it was made from (h, w, 3).

    `weights` are what each term of the loss counts there. Of a style there may be targets alone. Of several processes
    the first has `written` the picture.
    """

    output: Path
    solution: Solution
    scale: Place
    weights: Mapping[str, float]
    content: np.ndarray
    style: np.ndarray | None
    seconds: float
    written: bool = True

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
    together: Together = ALONE,
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
        together: the processes whose devices share the picture's tiles; the first of them writes.

    Raises:
        UserError: anything a user can put right.
    """
    with lanes.together(together.on), together.as_one():
        encoder = encoder or load_encoder(spec.recipe.weights)
        check_weights(encoder, spec.recipe.weights, expected)
        free, host = together.least(free_for(most)), together.least(memory.pinned_bytes())
        with memory.within(free if together.on else most):
            spec = _within(spec, opened or {}, encoder, watch, (free, host), most, together)
            return _made(prepare(spec, opened, encoder), output, watch, until, how, together)


def _within(
    spec: Spec, opened: Opened, encoder: Encoder, watch: Watch, free: tuple[int, int], most: int, together: Together
) -> Spec:
    """Take the picture in tiles where it would not fit whole in the `free` bytes, which are the device's and those of
    the host; and say who shares them.
    """
    recipe = settled(spec.recipe, encoder)
    sizing = images.sizing(recipe)
    if spec.contents:
        (content,) = spec.contents
        shape = opened[content].rgb.shape[:2] if content in opened else images.shape_of(content)
        size = images.resized(shape, sizing)
    else:
        size = frame_of(recipe)
    picture = Picture(recipe, encoder.network, size, jax.default_backend())
    if together.on:
        watch.say(_shared(picture))
    if not most and size[0] * size[1] <= SMALL:
        return spec
    found, line = fitted(picture, *free)
    if most or found != recipe:
        watch.say(line)
    planned = {name: getattr(found, name) for name in ("tile", "remat", "pair_precision")}
    return replace(spec, recipe=replace(spec.recipe, **planned))


def _shared(picture: Picture) -> str:
    """Say how a picture's tiles go round."""
    tiles, devices, processes = picture.tiles(), jax.device_count(), jax.process_count()
    if tiles == 1:
        return f"one tile of {picture.recipe.tile} covers the picture: each process computes all of it"
    idle = f", of which {devices - tiles} have none" if tiles < devices else ""
    return f"{tiles} tiles for {devices} devices of {processes} processes{idle}"


def _made(
    ready: Ready, output: Path, watch: Watch, until: Place | None, how: images.Output, together: Together
) -> Made:
    store = (Store if together.first else Onlooker)(beside(output), say=watch.say)
    with store.locked():
        try:
            _settle(store, ready, watch, together)
            return _paint(ready, output, store, watch, until, how, together.first)
        finally:
            if together.first and not any(store.folder.glob("chunk-*.npz")):
                shutil.rmtree(store.folder, ignore_errors=True)


def _paint(
    ready: Ready, output: Path, store: Store, watch: Watch, until: Place | None, how: images.Output, writes: bool
) -> Made:
    (lane,) = ready.lanes
    scales = len(ready.sweep.scales(0))
    began = time.perf_counter()

    def write(solution: Solution, scale: Place, seconds: float) -> Made:
        if writes:
            save_picture(ready, lane, solution, output, scale, how)
        content = ready.inputs.contents[0].rgb[images.sizing(lane.recipe)]
        of = ready.inputs.styles[0]
        style = of.rgb[images.style_sizing(lane.recipe)] if isinstance(of, Loaded) else None
        terms = ready.sweep.scales(0)[scale[0]].terms
        weights = {name: float(term.weight * term.share) for name, term in terms.items()}
        return Made(output, solution, scale, weights, content, style, seconds, writes)

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


def _settle(store: Store, ready: Ready, watch: Watch, together: Together) -> None:
    """Go on where an interrupted run of this very picture stood, or start over.

    Raises:
        UserError: processes that do not make the same picture, or see other files.
    """
    found = digest(ready.sweep)
    told = f"{found} {record.device_name()} {record.versions()}"
    together.same(
        hashlib.sha256(told.encode()).hexdigest(),
        "has other pictures, settings, weights or versions than process 0, or another kind of processor, whose sums "
        "round otherwise: give all the same",
    )
    if together.first and store.holds(found) is False:
        watch.say("what an interrupted run kept beside the picture is of other settings, or damaged: starting over")
        store.clear()
    if together.first:
        store.settle(found)
    together.same("", "")  # nobody looks before that is done
    kept = store.kept() if together.on else ""
    together.same(kept, f"does not see what process 0 kept in '{shown(store.folder)}': all must see the same files")
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
