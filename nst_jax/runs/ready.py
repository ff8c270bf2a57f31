"""Everything a run works with: read, checked and posed; nothing is written yet."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax

from nst_jax.batch.program import How
from nst_jax.batch.sweep import Sweep
from nst_jax.metrics import style_side
from nst_jax.optimize import chosen, clamps
from nst_jax.runs import animate
from nst_jax.runs.inputs import Inputs, posed, read
from nst_jax.runs.spec import Lane, Spec
from nst_jax.runs.spec import lanes as lanes_of
from nst_jax.vgg import Encoder
from nst_jax.weights import load_encoder

SMALLEST = 16
"""Side in pixels below which the held-out metrics have nothing to look at."""


@dataclass(frozen=True)
class Ready:
    """Everything a run works with."""

    out: Path
    spec: Spec
    lanes: tuple[Lane, ...]
    inputs: Inputs
    encoder: Encoder
    sweep: Sweep
    how: How
    style_side: Callable[[int, int], Any]
    """What the metrics know of a style (its number) at a size, or none if it is too small for them."""
    mine: tuple[int, ...]
    """The lanes of this process."""
    process: int = 0


def prepare(spec: Spec, out: Path) -> Ready:
    """Read, check and pose everything; nothing is written.

    Raises:
        UserError: anything a user can put right.
    """
    lanes = lanes_of(spec)
    animate.check(spec.animate)
    inputs = read(spec, lanes)
    encoder = load_encoder(spec.recipe.weights)
    sweep = posed(encoder, spec, lanes, inputs)
    recipe = spec.recipe
    snapshots = spec.snapshots or (max(1, recipe.steps // 40) if spec.animate else 0)
    steps = tuple(lane.recipe.steps for lane in lanes)
    at_scales = recipe.coarse_steps, recipe.first_steps
    how = How(steps, chosen(recipe), recipe.precision, clamps(recipe.optimizer), snapshots, *at_scales)
    # Every n-th lane: neighbours on an axis cost alike, so the processes end together.
    mine = tuple(range(len(lanes)))[jax.process_index() :: jax.process_count()]
    return Ready(
        out, spec, lanes, inputs, encoder, sweep, how, _sides(encoder, inputs, recipe.bucket), mine, jax.process_index()
    )


def _sides(encoder: Encoder, inputs: Inputs, bucket: int) -> Callable[[int, int], Any]:
    """Summarise each style once, however many lanes ask; of many styles the last ones are kept."""

    @lru_cache(maxsize=32)
    def side(style: int, size: int) -> Any:
        picture = inputs.styles[style].rgb[size]
        if min(picture.shape[:2]) < SMALLEST:
            return None
        return jax.device_get(style_side(encoder, picture, bucket=bucket))

    return side
