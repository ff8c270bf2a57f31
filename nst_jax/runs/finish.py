"""Finish one lane: its picture with its own recipe inside, its numbers, and the mark that it is done."""

import jax
import numpy as np

from nst_jax import images, record
from nst_jax.metrics import held_out
from nst_jax.optimize import Solution
from nst_jax.runs import animate, state
from nst_jax.runs.inputs import style_size
from nst_jax.runs.ready import SMALLEST, Ready
from nst_jax.runs.spec import Lane


def finish_lane(ready: Ready, lane: Lane, solution: Solution, seconds: float) -> None:
    """Write one lane's picture, with its own recipe inside, then what says that it is done."""
    made = record.describe(lane.recipe, ready.inputs.sources(lane), ready.encoder.digest)
    end = record.ending(solution)
    metadata = record.as_metadata({**made, "result": end})
    content = ready.inputs.contents[lane.content]
    size = lane.recipe.size
    path = ready.out / lane.image
    images.save(path, solution.image, alpha=content.alpha[size], metadata=metadata)
    if ready.spec.animate:
        animate.animate(ready.out, lane.number, path, ready.spec.animate)
    row = {**lane.settings, **end["terms"], "stopped": end["stopped"], "best_step": end["best_step"]}
    if ready.spec.metrics and min(*content.rgb[size].shape[:2]) >= SMALLEST:
        row |= _metrics(ready, solution, content.rgb[size], lane)
    state.save_finished(ready.out, lane.number, state.Finished(solution.history, row, seconds))


def _metrics(ready: Ready, solution: Solution, content: np.ndarray, lane: Lane) -> dict[str, float]:
    side = ready.style_side(lane.style, style_size(lane.recipe))
    if side is None:
        return {}
    found = jax.device_get(held_out(ready.encoder, solution.image, content, side, bucket=lane.recipe.bucket))
    return {name: float(f"{float(x):.9g}") for name, x in found.items()}
