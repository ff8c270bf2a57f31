"""The gradient behind a ReLU in one pass over memory, on a GPU: from above, from the Gram matrix, and the mask.

Left to XLA these are three: the product with the Gram's gradient is written out, read again with what comes from above
and the activation, and the sum is written. The largest layers cost what their passes cost, not what they compute.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.types import Features

LEAST = 16
"""Fewest channels that a matrix unit takes."""
ROWS, COLUMNS, DEPTH = 128, 128, 64
"""Positions and channels of the part that one program writes, and the channels that it multiplies at once."""


def fits(channels: int) -> bool:
    """Say whether a layer's channels can be cut into tiles: a power of two."""
    return channels >= LEAST and channels & (channels - 1) == 0


def runs_here() -> bool:
    """Say whether the device, where one is here, multiplies bfloat16: NVIDIA's do from compute capability 8.0 on."""
    capability = str(getattr(jax.local_devices()[0], "compute_capability", "8.0"))
    return capability.replace(".", "", 1).isdigit() and float(capability) >= 8


def masked_sum(y: Features, g: Features, s: jax.Array) -> Features:
    """Compute `where(y > 0, g + y s, 0)` of activations and gradient (h, w, c), and `s` (c, c): (h, w, c)."""
    if not runs_here():
        return plain(y, g, s)
    return jax.lax.platform_dependent(y, g, s, cuda=kernel, default=plain)


def masked_sum_times(y: Features, g: Features, s: jax.Array, last: jax.Array) -> Features:
    """Compute `masked_sum(y, g, s) last` with a matrix (c, d) and few channels, the sum never written: (h, w, d)."""
    if not runs_here():
        return plain(y, g, s, last)
    return jax.lax.platform_dependent(y, g, s, last, cuda=kernel, default=plain)


def plain(y: Features, g: Features, *matrices: jax.Array) -> Features:
    """Do it as any compiler can."""
    s, *last = (m.astype(y.dtype) for m in matrices)
    product = jnp.dot(y, s, preferred_element_type=jnp.float32)
    total = jnp.where(y > 0, g.astype(jnp.float32) + product, 0).astype(y.dtype)
    return jnp.dot(total, last[0]) if last else total


def kernel(y: Features, g: Features, *matrices: jax.Array, interpret: bool = False) -> Features:
    """Do it in one kernel: by tiles of ROWS positions and, where nothing is multiplied at last, COLUMNS channels."""
    from jax.experimental import pallas as pl  # half a second, and for GPUs alone
    from jax.experimental.pallas import triton

    h, w, c = y.shape
    s, *last = (m.astype(y.dtype) for m in matrices)
    columns, out = (c, last[0].shape[1]) if last else (min(c, COLUMNS), c)
    positions, across = h * w, c // columns
    body = partial(_part, positions=positions, columns=columns, across=across)
    call = pl.pallas_call(
        body,
        jax.ShapeDtypeStruct((positions, out), y.dtype),
        grid=(pl.cdiv(positions, ROWS) * across,),
        name="masked_sum",
        compiler_params=triton.CompilerParams(num_warps=4, num_stages=2),
        interpret=interpret,
    )
    return call(y.reshape(positions, c), g.reshape(positions, c), s, *last).reshape(h, w, out)


def _part(y_ref, g_ref, s_ref, *refs, positions: int, columns: int, across: int) -> None:
    """Write ROWS positions of some columns; neighbours in the grid share their rows of `y` in the cache."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    *last, out_ref = refs
    program = pl.program_id(0)
    begin, mine = program // across * ROWS, pl.ds(program % across * columns, columns)
    rows = pl.ds(begin, ROWS)
    inside = (begin + jnp.arange(ROWS) < positions)[:, None]
    depth = min(DEPTH, s_ref.shape[0])

    def taken(ref, where: Any, width: int) -> jax.Array:
        return triton.load(ref.at[rows, where], mask=jnp.broadcast_to(inside, (ROWS, width)), other=0)

    def add(k: Any, total: jax.Array) -> jax.Array:
        part = pl.ds(k * depth, depth)
        return total + triton.dot(taken(y_ref, part, depth), s_ref[part, mine])

    total = taken(g_ref, mine, columns).astype(jnp.float32)
    total = jax.lax.fori_loop(0, s_ref.shape[0] // depth, add, total)
    total = jnp.where(taken(y_ref, mine, columns) > 0, total, 0).astype(out_ref.dtype)
    if last:
        total, mine = triton.dot(total, last[0][...]).astype(out_ref.dtype), slice(None)
    triton.store(out_ref.at[rows, mine], total, mask=jnp.broadcast_to(inside, total.shape))
