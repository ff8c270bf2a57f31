"""Finish one lane: its picture with its own recipe inside, its numbers, and the mark that it is done."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nst_jax import images, record
from nst_jax.batch.seals import sha256
from nst_jax.batch.store import Finished, Store
from nst_jax.metrics import held_out, least_side
from nst_jax.optimize import Solution
from nst_jax.runs import animate
from nst_jax.runs.ready import Ready
from nst_jax.runs.spec import Lane, all_axes


def finish_lane(ready: Ready, lane: Lane, solution: Solution, path: Path) -> dict[str, Any]:
    """Write one lane's picture, with its own recipe inside, and give its row of the summary."""
    save_picture(ready, lane, solution, path, how=ready.spec.how)
    content = ready.inputs.contents[lane.content].rgb[images.sizing(lane.recipe)]
    metrics = {}
    if ready.spec.metrics and min(*content.shape[:2]) >= least_side(ready.encoder.network):
        metrics = _metrics(ready, solution, content, lane)
    names = [name for axis in all_axes(ready.spec) for name in axis.names]
    # A setting that this lane does not read has its column, and nothing in it.
    return record.row({name: lane.settings.get(name) for name in names}, solution, metrics)


def save_picture(
    ready: Ready,
    lane: Lane,
    solution: Solution,
    path: Path,
    place: tuple[int, int] | None = None,
    how: images.Output = images.PLAIN,
) -> None:
    """Write a lane's picture with its recipe, and how and where the run ended, inside; transparent as the content."""
    made = record.describe(lane.recipe, ready.inputs.sources(lane), ready.encoders[lane.recipe.weights].digest)
    metadata = record.as_metadata({**made, "result": record.ending(solution, place)})
    picture = np.asarray(solution.image)  # smaller than the content if interrupted at a coarse scale
    alpha = ready.inputs.contents[lane.content].alpha[images.sizing(lane.recipe)]
    alpha = None if alpha is None else images.fit(alpha, (picture.shape[0], picture.shape[1]))
    images.save(path, picture, alpha=alpha, metadata=metadata, **vars(how))


def mark(
    store: Store, lane: int, solution: Solution, row: Mapping[str, Any], seconds: float, files: Mapping[str, Path]
) -> Finished:
    """Say that a lane is done, after its `files` are written, by what they are called; give what is kept."""
    digests = {name: sha256(path) for name, path in files.items()}
    finished = Finished(solution.history, dict(row), seconds, {}, digests)
    store.save_finished(lane, finished)
    return finished


def make_animation(ready: Ready, lane: Lane, folder: Path) -> list[Path]:
    """Make the animation of a lane, where one is asked for; give its file."""
    if not ready.spec.animate:
        return []
    return [animate.animate(folder, lane.number, folder / lane.image, ready.spec.animate)]


def _metrics(ready: Ready, solution: Solution, content: np.ndarray, lane: Lane) -> dict[str, float]:
    """Measure a lane; of several styles it is the mean of the measures to each, by their shares."""
    styles = range(len(ready.inputs.styles)) if ready.inputs.mixed else (lane.style,)
    sides = [ready.style_side(style, images.style_sizing(lane.recipe, i)) for i, style in enumerate(styles)]
    if any(side is None for side in sides):
        return {}
    found = [
        jax.device_get(held_out(ready.encoder, solution.image, content, side, bucket=lane.recipe.bucket))
        for side in sides
    ]
    shares = lane.recipe.style_shares or (1.0,) * len(found)
    shares = shares if len(found) > 1 else (1.0,)  # shares of regions of the one style
    total = sum(shares)
    return rounded({name: sum(s / total * x[name] for s, x in zip(shares, found, strict=True)) for name in found[0]})


def rounded(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Write metrics with the nine digits that tell every float32 from its neighbours."""
    return {name: float(f"{float(x):.9g}") for name, x in metrics.items()}
