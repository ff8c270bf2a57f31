"""Everything a run works with: read, checked and posed; nothing is written yet."""

from dataclasses import dataclass
from pathlib import Path

import jax

from nst_jax.batch.program import How
from nst_jax.batch.sweep import Sweep
from nst_jax.errors import UserError
from nst_jax.optimize import clamps
from nst_jax.runs import animate
from nst_jax.runs.inputs import Inputs, posed, read
from nst_jax.runs.spec import Lane, Spec
from nst_jax.runs.spec import lanes as lanes_of
from nst_jax.vgg import Encoder
from nst_jax.weights import load_encoder


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
    mine: tuple[int, ...]
    """The lanes of this process."""
    process: int = 0


def prepare(spec: Spec, out: Path) -> Ready:
    """Read, check and pose everything; nothing is written.

    Raises:
        UserError: anything a user can put right.
    """
    if spec.recipe.scales != 1:
        raise UserError(f"scales is {spec.recipe.scales}: lanes are solved at one scale; leave it at 1, or use stylize")
    lanes = lanes_of(spec)
    animate.check(spec.animate)
    inputs = read(spec, lanes)
    encoder = load_encoder(spec.recipe.weights)
    sweep = posed(encoder, spec, lanes, inputs)
    recipe = spec.recipe
    snapshots = spec.snapshots or (max(1, recipe.steps // 40) if spec.animate else 0)
    steps = tuple(lane.recipe.steps for lane in lanes)
    how = How(steps, recipe.optimizer, recipe.precision, clamps(recipe.optimizer), snapshots)
    # Every n-th lane: neighbours on an axis cost alike, so the processes end together.
    mine = tuple(range(len(lanes)))[jax.process_index() :: jax.process_count()]
    return Ready(out, spec, lanes, inputs, encoder, sweep, how, mine, jax.process_index())
