"""Everything a run works with: read, checked and posed; nothing is written yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax

from nst_jax import images
from nst_jax.batch.sweep import Sweep
from nst_jax.metrics import least_side, style_side
from nst_jax.networks import Encoder
from nst_jax.runs import animate
from nst_jax.runs.inputs import Inputs, Loaded, Opened, posed, read
from nst_jax.runs.spec import Lane, Spec
from nst_jax.runs.spec import lanes as lanes_of
from nst_jax.weights import load_encoder


@dataclass(frozen=True)
class Ready:
    """Everything a run works with.

    Attributes:
        spec, lanes, inputs, sweep: what is made, from what.
        encoders: by the lanes' weights.
        encoder: the first of them, which measures all lanes.
        style_side: what the metrics know of a style (its number) at a size, or none if it is too small for them.
        mine: the lanes of this process.
        process: its number.
        processes: how many there are; lane i is that of process i modulo this.
        snapshots: steps from one picture of a lane on its way to the next; 0 for none.
    """

    spec: Spec
    lanes: tuple[Lane, ...]
    inputs: Inputs
    encoders: Mapping[str, Encoder]
    encoder: Encoder
    sweep: Sweep
    style_side: Callable[[int, images.Sizing], Any]
    mine: tuple[int, ...]
    process: int = 0
    snapshots: int = 0
    processes: int = 1


def prepare(
    spec: Spec,
    opened: Opened | None = None,
    encoder: Encoder | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> Ready:
    """Read, check and pose everything; nothing is written.

    Raises:
        UserError: anything a user can put right.
    """
    lanes = lanes_of(spec, say)
    animate.check(spec.animate)
    inputs = read(spec, lanes, opened or {})
    names = dict.fromkeys(lane.recipe.weights for lane in lanes)
    encoders = {name: encoder or load_encoder(name) for name in names}
    encoder = next(iter(encoders.values()))
    sweep = posed(encoders, spec, lanes, inputs)
    if spec.metrics and not all(isinstance(style, Loaded) for style in inputs.styles):
        say("a saved style holds no picture: what is painted with it is not measured")
    snapshots = spec.snapshots or (max(1, spec.recipe.steps // 40) if spec.animate else 0)
    # Every n-th lane: neighbours on an axis cost alike, so the processes end together.
    mine = tuple(range(len(lanes)))[jax.process_index() :: jax.process_count()]
    sides = _sides(encoder, inputs, spec.recipe.bucket)
    process, processes = jax.process_index(), jax.process_count()
    return Ready(spec, lanes, inputs, encoders, encoder, sweep, sides, mine, process, snapshots, processes)


def _sides(encoder: Encoder, inputs: Inputs, bucket: int) -> Callable[[int, images.Sizing], Any]:
    """Summarise each style once, however many lanes ask; of many styles the last ones are kept."""

    @lru_cache(maxsize=32)
    def side(style: int, size: images.Sizing) -> Any:
        found = inputs.styles[style]
        if not isinstance(found, Loaded):  # targets, and no picture that they are of
            return None
        picture = found.rgb[size]
        if min(picture.shape[:2]) < least_side(encoder.network):
            return None
        return jax.device_get(style_side(encoder, picture, bucket=bucket))

    return side
