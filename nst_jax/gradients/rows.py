"""One picture over several devices: its windows are dealt to them, and what they find is added up."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.gradients.gradient import Window
from nst_jax.gradients.windows import Group

AXIS = "rows"
"""The axis of a mesh whose devices share one picture, inside `shard_map`."""


def devices() -> int:
    """Count the devices that share a picture here; 1 outside of such a mesh."""
    try:
        return jax.lax.axis_size(AXIS)
    except NameError:
        return 1


def dealt(groups: Sequence[Group]) -> list[Group]:
    """Give this device its windows, equally many as every other's; those that fill up own nothing."""
    count = devices()
    return [(shape, _mine(windows, count)) for shape, windows in groups] if count > 1 else list(groups)


def _mine(windows: Window, count: int) -> Window:
    each = -(-len(windows.top) // count)

    def filled(x: np.ndarray, value: Any) -> jax.Array:
        return jnp.asarray(np.concatenate([x, np.full(each * count - len(x), value, x.dtype)]))

    (top, bottom), (left, right) = windows.rows, windows.columns
    whole = Window(
        filled(windows.top, windows.top[0]),
        filled(windows.left, windows.left[0]),
        (filled(top, 0), filled(bottom, 0)),
        (filled(left, 0), filled(right, 0)),
    )
    first = jax.lax.axis_index(AXIS) * each
    return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, first, each), whole)


def added(found: Any) -> Any:
    """Add up what the devices found, on each of them."""
    return jax.lax.psum(found, AXIS) if devices() > 1 else found
