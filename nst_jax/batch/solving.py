"""The doors of a program: solve a sweep, a problem, or two pictures by a recipe."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import jax
import numpy as np

from nst_jax import images, made, masks, printing, record
from nst_jax.axis import Axis
from nst_jax.batch.encoders import gathered
from nst_jax.batch.pairing import Pictures, pose_lanes
from nst_jax.batch.planning import cut
from nst_jax.batch.program import Chunk, Partial, advance_chunk, solutions
from nst_jax.batch.run import Run, Watch, nothing
from nst_jax.batch.store import Finished, Store, digest
from nst_jax.batch.sweep import Sweep, as_sweep, of_scales
from nst_jax.errors import UserError
from nst_jax.frame import frame
from nst_jax.masks import MaskLike
from nst_jax.networks import Encoder, Network
from nst_jax.optimize import Solution
from nst_jax.posing import Changes, Pair, Style, Values, called_styles, changed, named, shared, styles_of
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, Recipe, check_alone, check_content, check_sizes, frame_of
from nst_jax.saved import SavedStyle
from nst_jax.scales import pose_scales
from nst_jax.settings import chosen, span
from nst_jax.targets import one_or_all
from nst_jax.types import ImageLike

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingImports, reportMissingModuleSource]

LOUD, SILENT = Watch(), Watch(say=nothing)


@dataclass(frozen=True)
class Results:
    """What `solve_batch` found: one solution a lane."""

    sweep: Sweep
    solutions: tuple[Solution, ...]

    def __repr__(self) -> str:
        """Count the lanes."""
        axes = ", ".join("/".join(axis.names) for axis in self.sweep.axes)
        return f"Results({len(self.solutions)} lanes over {axes or 'nothing'})"

    def to_dataframe(self, judge: Callable[[Any], Mapping[str, Any]] | None = None) -> "DataFrame":
        """Give a pandas data frame of one row a lane: `lane`, what varies, what it ended with, and what a judge finds.

        What it ended with are the terms at the best step, `stopped`, `best_step`, `steps` and `evaluations`.

        Args:
            judge: gives measures of a picture by name, such as `nst_jax.metrics.Judge(encoder, content, style)`; by
                default none.

        Raises:
            UserError: pandas is not installed, or a measure has the name of another column.
        """
        return frame([self._row(lane, judge) for lane in range(len(self.solutions))])

    def _row(self, lane: int, judge: Callable[[Any], Mapping[str, Any]] | None) -> dict[str, Any]:
        solution = self.solutions[lane]
        found = {"lane": lane, **record.row(self.sweep.settings(lane), solution, {})}
        found |= {"steps": len(solution.history["total"]) - 1, "evaluations": solution.evaluations}
        measured = {name: float(value) for name, value in judge(solution.image).items()} if judge else {}
        if taken := sorted(found.keys() & measured.keys()):
            raise UserError(f"the judge calls a measure '{taken[0]}', which is another column: rename it")
        return {**found, **measured}


def solve_batch(
    encoder: Encoder | Sequence[Encoder],
    sweep: Sweep | Problem,
    *,
    lanes: int | None = None,
    folder: str | Path | None = None,
    watch: Watch = LOUD,
    **changes: Unpack[Changes],
) -> Results:
    """Solve every lane as `solve` would solve it alone.

    A lane's result does not depend on its neighbours, nor on the order of the lanes. A program compiled for another
    number of lanes may sum in another order: float32 rounding, which the steps then carry along.

    Args:
        encoder: the network that posed the problems, or all those that did.
        sweep: from `grid`, `sweep`, `zipped`, `product` or `stack`; over the scales of the recipe that `product` or
            `sweep` were given.
        lanes: how many run together; by default as many as the memory holds.
        folder: where to keep what is done: the same call goes on after a kill.
        watch: who looks on, and may stop the run.
        **changes: steps, descent, canvas, gradient or precision in place of those posed: see `Changes`.

    Raises:
        UserError: no lane fits the memory, `lanes` is below 1, a value of the wrong kind, or a folder of another sweep.
    """
    sweep, encoders = _changed(as_sweep(sweep), changes), gathered(encoder)
    found: dict[int, Solution] = {}
    if folder is None:
        Run(encoders, sweep, lambda i, x, _: found.update({i: x}), range(len(sweep)), watch=watch).solve(lanes)
        return Results(sweep, tuple(found[lane] for lane in range(len(sweep))))
    store = Store(Path(folder), say=watch.say)
    with store.locked():
        store.settle(digest(sweep))

        def kept(lane: int) -> bool:
            if lane not in found and (before := store.load_finished(lane)) is not None:
                found[lane] = _thawed(before)
            return lane in found

        def finish(lane: int, solution: Solution, seconds: float) -> None:
            store.save_finished(lane, _frozen(solution, seconds))
            found[lane] = solution

        Run(encoders, sweep, finish, range(len(sweep)), kept, store, watch).solve(lanes)
    return Results(sweep, tuple(found[lane] for lane in range(len(sweep))))


def _frozen(solution: Solution, seconds: float) -> Finished:
    row = {"best_step": solution.best_step, "stopped": solution.stopped, "evaluations": solution.evaluations}
    pictures = {"image": np.asarray(solution.image), "last": np.asarray(solution.last)}
    return Finished(solution.history, {**row, "record": solution.record}, seconds, pictures)


def _thawed(finished: Finished) -> Solution:
    return Solution(history=finished.history, **finished.pictures, **finished.row)


def _changed(sweep: Sweep, changes: Changes) -> Sweep:
    if not changes:
        return sweep
    seen: dict[int, Problem] = {}

    def once(problem: Problem) -> Problem:
        if id(problem) not in seen:
            seen[id(problem)] = changed(problem, changes)
        return seen[id(problem)]

    scales = [tuple(once(problem) for problem in sweep.scales(i)) for i in range(len(sweep))]
    return of_scales(scales, sweep.axes, sweep.index)


def iterate(encoder: Encoder, problem: Problem, **changes: Unpack[Changes]) -> Iterator[Solution]:
    """Yield the solution so far after each piece of steps; the last one is what `solve` returns."""
    sweep, chunk = _alone(encoder, problem, changes)
    for at in advance_chunk(encoder, sweep, chunk):
        yield _found(encoder, sweep, chunk, at)


def _alone(encoder: Encoder, problem: Problem, changes: Changes) -> tuple[Sweep, Chunk]:
    sweep = _changed(as_sweep(problem), changes)
    gathered(encoder).check(sweep)
    (chunk,) = cut([0], 1, (False,) * len(jax.tree.leaves(sweep.problems[0])))
    return sweep, chunk


def _found(encoder: Encoder, sweep: Sweep, chunk: Chunk, at: Partial) -> Solution:
    return replace(solutions(at, sweep, chunk)[0], record=made.described(encoder, sweep.problems[0]))


def solve(encoder: Encoder, problem: Problem, **changes: Unpack[Changes]) -> Solution:
    """Minimise a problem's objective over the pixels, or the canvas, of one image.

    Args:
        encoder: the network that posed it.
        problem: from `pose`.
        **changes: steps, descent, canvas, gradient or precision in place of those posed: see `Changes`.

    A loss or gradient that is not finite ends the run, save for `LBFGS`, which steps back; the images kept are finite
    ones.

    Raises:
        UserError: an encoder that did not pose the problem, or a value of the wrong kind.
    """
    sweep, chunk = _alone(encoder, problem, changes)
    last = deque(advance_chunk(encoder, sweep, chunk), maxlen=1).pop()
    return _found(encoder, sweep, chunk, last)


def stylize(
    encoder: Encoder,
    content: ImageLike | None,
    style: Style | None,
    recipe: Recipe = DEFAULT,
    *,
    init: ImageLike | None = None,
    shares: Sequence[float] = (),
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | None = None,
    folder: str | Path | None = None,
    watch: Watch = SILENT,
    **values: Unpack[Values],
) -> Solution:
    """Paint a content picture (h, w, 3) with the texture of a style picture, by the whole of a recipe.

    As the command line does it: the pictures are scaled to `size` and `style_size`, and solved at every scale. Without
    a content it makes a texture of the size of the recipe's `frame`: stylize(encoder, None, style, TEXTURE). Without a
    style it inverts the content's layers: stylize(encoder, content, None, INVERSION).

    Args:
        encoder: the network; the recipe's `weights` need not name it.
        content, style: RGB in [0, 1], of any size; a list of styles is painted as one, mixed. The style can be what
            `nst_jax.load_style` gives, too.
        recipe: every setting.
        init: starting image of any size, where the recipe's `init` names a file.
        shares: how much each of several styles, or regions, counts, of their sum; the same as the recipe's
            `style_shares`.
        content_mask, style_mask: regions, each with a style of its own: see `nst_jax.pose`.
        folder: where to keep what is done: the same call goes on after a kill.
        watch: who looks on, and may stop the run.
        **values: losses, terms, descent, canvas or gradient of your own: see `nst_jax.pose`.

    Raises:
        UserError: a setting or a picture that cannot be obeyed, or too little memory.
    """
    for what, picture in (("content", content), *(("style", one) for one in styles_of(style)), ("init", init)):
        if picture is not None and (np.ndim(picture) != 3 or np.shape(picture)[-1] != 3):
            raise UserError(
                f"the {what} image has shape {np.shape(picture)}: expected (height, width, 3), RGB in [0, 1]"
            )
    recipe = shared(recipe, shares)
    names = named(content=content, **called_styles(style), init=init)
    content = _content(content, recipe)
    style = _style(style, content, recipe)
    init = None if init is None else images.fit(init, content.shape[:2], filter=recipe.resample)
    regions = masks.of_arrays(content_mask, style_mask, len(styles_of(style)))
    pair = Pair(content, style, init, names, regions)
    problems = pose_scales(encoder, pair, recipe, values)
    results = solve_batch(encoder, of_scales([problems], (), ((),)), folder=folder, watch=watch)
    return results.solutions[0]


def sweep(
    encoder: Encoder | Mapping[str, Encoder],
    content: ImageLike | None,
    style: Style | None,
    recipe: Recipe = DEFAULT,
    *,
    init: ImageLike | None = None,
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | None = None,
    say: Callable[[str], object] = printing.log,
    **axes: Any,
) -> Sweep:
    """Span every combination of settings, whatever a recipe holds, the last fastest; lanes of one program share it.

    sweep(encoder, content, style, pooling=["max", "avg"], style_loss=["gram", "w2"], beta=[1e3, 1e4, 1e5])

    A setting that a lane would not read (a rate under L-BFGS) is left out of it, and copies are dropped, and logged.

    Args:
        encoder: the network, or networks by the names that the axis `weights` gives them.
        content, style: RGB in [0, 1], of any size, or a list of styles to mix; scaled as `stylize` does, and
            left out as there.
        recipe: what lanes begin from; the axis `preset` replaces it.
        init: starting image of any size, where the recipe's `init` names a file.
        content_mask, style_mask: regions, each with a style of its own: see `nst_jax.pose`.
        say: what to do with a line on copies.
        **axes: values by the name of a setting, `preset`, or `layer_weights.LAYER`; a value of layers is a tuple.

    Raises:
        UserError: a name that is no setting, a value that no recipe may have, a setting that no lane reads, or layers
            that a network does not have.
    """
    encoders = {recipe.weights: encoder} if isinstance(encoder, Encoder) else dict(encoder)
    if not isinstance(encoder, Encoder) and "weights" not in axes:
        axes = {"weights": tuple(encoders), **axes}
    varied = tuple(Axis((name,), tuple((v,) for v in values)) for name, values in axes.items())
    spanned = span(chosen(recipe), varied, own=lambda own: _network(encoders, own).chosen("style"))
    if spanned.copies:
        say(spanned.say())
    names = named(content=content, **called_styles(style), init=init)
    style_names = tuple(names[name] for name in called_styles(style) if name in names)
    regions = masks.of_arrays(content_mask, style_mask, len(styles_of(style)))

    def pictures(own: Recipe) -> Pictures:
        sized = _content(content, own)
        starts = None if init is None else [images.fit(init, sized.shape[:2], filter=own.resample)]
        return Pictures([sized], [_style(style, sized, own)], [names.get("content")], [style_names], starts, regions)

    for lane in spanned.lanes:
        _network(encoders, lane.recipe)
    problems = pose_lanes(encoders, pictures, [(lane.recipe, 0, 0) for lane in spanned.lanes])
    return of_scales(problems, varied, tuple(lane.index for lane in spanned.lanes))


def _content(content: ImageLike | None, recipe: Recipe) -> np.ndarray:
    """Scale a content to its size; where there is none, give the grey picture of a recipe's frame."""
    check_content(recipe, content is not None)
    if content is None:
        return np.full((*frame_of(recipe), 3), 0.5, np.float32)
    return images.resize(content, images.sizing(recipe))


def _style(style: Style | None, content: np.ndarray, recipe: Recipe) -> Style:
    """Scale a style, or each of several, to its size; where there is none, give grey that nothing is compared with."""
    if style is None:
        check_alone(recipe)
        return np.full(content.shape, 0.5, np.float32)
    if isinstance(style, SavedStyle):
        return style
    styles = styles_of(style)
    check_sizes(len(styles), recipe)
    return one_or_all(tuple(images.resize(one, images.style_sizing(recipe, i)) for i, one in enumerate(styles)))


def _network(encoders: Mapping[str, Encoder], recipe: Recipe) -> Network:
    if recipe.weights not in encoders:
        known = ", ".join(encoders)
        raise UserError(f"weights is '{recipe.weights}': expected one of the encoders given, {known}")
    return encoders[recipe.weights].network
