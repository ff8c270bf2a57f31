"""3x3 convolution with a quarter of the multiplications: Winograd's F(4x4, 3x3) in plain JAX.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), equation 9 with the matrices of
section 4.3: `y = A^T ((G k G^T) * (B^T x B)) A` for every 4x4 tile y of the output and the 6x6 tile x around it.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.ops import pool

TILE = 4
"""Outputs of one tile in each direction; six inputs meet them."""

STRIP_BYTES = 10 * 2**20
"""What the transform of one strip may take: its products, as large, and the kernel should stay in the cache too."""

B_T = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
A_T = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def transform_kernel(kernel: jax.Array) -> jax.Array:
    """Compute `G k G^T` of (3, 3, c_in, c_out) -> (36, c_in, c_out)."""
    u = _apply(G, [kernel[i] for i in range(3)], 0)  # (6, 3, c_in, c_out)
    u = _apply(G, [u[:, j] for j in range(3)], 1)
    return u.reshape(-1, *kernel.shape[2:])


def convolve(x: jax.Array, u: jax.Array, bias: jax.Array, floor: jax.Array, padding: str = "zero") -> jax.Array:
    """Compute `max(x * k + bias, floor)` of (n, h, w, c_in), padded, and `u` from `transform_kernel`.

    The rows of tiles are taken in strips small enough for the cache, each strip of all images in one batched matmul;
    bias (c_out,) and floor (0 for a ReLU, -inf for none) are applied while the strip is there. -> (n, h, w, c_out).
    """
    _, h, w, _ = x.shape

    def strip(x: jax.Array) -> jax.Array:
        return jnp.maximum(_tiles(x, u, False) + bias[None, None, None], floor)

    return _in_strips(x, u, (h, w), strip, padding=padding)[:, :h, :w]


def convolve_pool(
    x: jax.Array, u: jax.Array, bias: jax.Array, padding: str = "zero", kind: str = "max"
) -> tuple[jax.Array, jax.Array]:
    """Compute `TAKEN[kind](max(x * k + bias, 0))` strip by strip: what is pooled is never written out.

    -> what is pooled and what counted, (n, h // 2, w // 2, c_out) each.
    """

    def strip(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.vmap(pool.TAKEN[kind])(jnp.maximum(_tiles(x, u, False) + bias[None, None, None], 0))

    _, h, w, _ = x.shape
    y, taken = _in_strips(x, u, (h, w), strip, padding=padding)
    return y[:, : h // 2, : w // 2], taken[:, : h // 2, : w // 2]


def convolve_back(masked: tuple[jax.Array, jax.Array | None], u: jax.Array, padding: str = "zero") -> jax.Array:
    """Convolve (n, h, w, c_out) with the flipped, transposed kernel of which `u` is the forward transform.

    `masked` is the gradient and the output of the ReLU behind the convolution, None without one: the gradient is masked
    strip by strip. Flipping the kernel is flipping what goes in and what comes out, `g * flip(k) = flip(flip(g) * k)`,
    tile by tile: the columns of B^T and the rows of A^T in reverse. So both directions share one `u`.
    -> (n, h, w, c_in).
    """
    _, h, w, _ = masked[0].shape

    def strip(masked: tuple[jax.Array, jax.Array | None]) -> jax.Array:
        g, y = masked
        return _tiles(g if y is None else jnp.where(y > 0, g, 0), u, True)

    inner = _in_strips(masked, u, (h, w), strip)[:, :h, :w]
    if padding == "zero":
        return inner
    g, y = masked

    def side(cut: Any) -> jax.Array:
        return g[cut] if y is None else jnp.where(y[cut] > 0, g[cut], 0)

    return _with_border(inner, u, [side(cut) for cut in _SIDES], padding)


def convolve_unpool(
    pooled: tuple[jax.Array, jax.Array], u: jax.Array, size: tuple[int, int], padding: str = "zero", kind: str = "max"
) -> jax.Array:
    """Compute `convolve_back(UNPOOL[kind](taken, g))` strip by strip: what is unpooled is never written out.

    `pooled` is the gradient and what counted, (n, h // 2, w // 2, c_out) each, of a layer of `size` (h, w).
    -> (n, h, w, c_in).
    """

    def wide(pooled: Any, size: tuple[int, int]) -> jax.Array:
        return jax.vmap(lambda g, taken: pool.UNPOOL[kind](taken, g, size))(*pooled)

    def strip(pooled: tuple[jax.Array, jax.Array]) -> jax.Array:
        _, rows, columns, _ = pooled[0].shape
        return _tiles(wide(pooled, (2 * rows, 2 * columns))[:, 1:-1, 1:-1], u, True)

    h, w = size
    inner = _in_strips(pooled, u, size, strip, TILE // 2)[:, :h, :w]
    if padding == "zero":
        return inner
    top, bottom, left, right = ([x[cut] for x in pooled] for cut in _THIN)
    rows, columns = (2 + h % 2, w), (h, 2 + w % 2)
    sides = [wide(top, (2, w))[:, 0], wide(bottom, rows)[:, -1], wide(left, (h, 2))[:, :, 0]]
    return _with_border(inner, u, [*sides, wide(right, columns)[:, :, -1]], padding)


_ALL, _FIRST, _LAST = slice(None), slice(1), slice(-1, None)
_SIDES = ((_ALL, 0), (_ALL, -1), (_ALL, _ALL, 0), (_ALL, _ALL, -1))
_THIN = ((_ALL, _FIRST), (_ALL, _LAST), (_ALL, _ALL, _FIRST), (_ALL, _ALL, _LAST))
"""Top, bottom, left and right of (n, h, w, c), without and with their axis."""


def _with_border(inner: jax.Array, u: jax.Array, sides: Sequence[jax.Array], padding: str) -> jax.Array:
    """Add what a border one pixel wide around the input was read for to the pixels that it is made of.

    `inner` (n, h, w, c_in) is the gradient of what lies within, `sides` the masked gradient of the output's first and
    last row (n, w, c_out) and column (n, h, c_out), all that sees the border. A border costs as many products as it has
    pixels, where a wider convolution has another row and another column of tiles.
    """
    h, w = inner.shape[1:3]
    (up, down), (west, east) = _border_of(h, padding), _border_of(w, padding)
    top, bottom, left, right = _along(sides, u)

    def cornered(found: jax.Array) -> jax.Array:  # (n, w + 2, c_in) -> (n, w, c_in)
        inside = _added_at(found[:, 1:-1], found[:, :1], west, 1)
        return _added_at(inside, found[:, -1:], east, 1)

    inner = _added_in_turn(inner, [cornered(top)[:, None], cornered(bottom)[:, None]], (up, down), 1)
    return _added_in_turn(inner, [left[:, 1:-1, None], right[:, 1:-1, None]], (west, east), 2)


def _added_in_turn(x: jax.Array, parts: Sequence[jax.Array], places: tuple[int, int], axis: int) -> jax.Array:
    """Add two slices that are one wide. In a loop, or XLA lets the second read through the first and copies x."""
    stacked, at = jnp.stack(list(parts)), jnp.asarray(places)
    return jax.lax.fori_loop(0, 2, lambda i, x: _added_at(x, stacked[i], at[i], axis), x)


def _border_of(count: int, padding: str) -> tuple[int, int]:
    """Say which of `count` pixels in a row stand before the first and behind the last."""
    last = count - 1
    return {"replicate": (0, last), "reflect": (min(1, last), max(last - 1, 0)), "circular": (last, 0)}[padding]


_RING = ((0, 1, 2, 5), (30, 31, 32, 35), (0, 6, 12, 30), (5, 11, 17, 35))
"""Where G k G^T, of 36 matrices, has the transforms of the kernel's first and last row and column, less their third and
fourth numbers. Those of first and last are 1/4 and 1 of the taps; the second less the third is -1/3 of the middle."""


def _along(sides: Sequence[jax.Array], u: jax.Array) -> list[jax.Array]:
    """Carry the gradients (n, length, c_out) of four sides to the rows (n, length + 2, c_in) that three taps see."""
    longest = max(side.shape[1] for side in sides)
    stacked = jnp.stack([jnp.pad(side, ((0, 0), (0, longest - side.shape[1]), (0, 0))) for side in sides])

    def product(at: tuple[jax.Array, jax.Array]) -> jax.Array:
        side, matrix = at
        rows = stacked[side].reshape(-1, stacked.shape[-1])
        # (c_in, n length): the other way round the matrix, which is the larger, would be transposed
        return jax.lax.dot_general(u[matrix], rows, (((1,), (1,)), ((), ())), precision=jax.lax.Precision.HIGHEST)

    # One by one: of all at once XLA would take the matrices out of the solver's loop, memory as much as the weights.
    z = jax.lax.map(product, (jnp.repeat(jnp.arange(4), 4), jnp.asarray(_RING).ravel()))
    z = jax.lax.optimization_barrier(z).swapaxes(1, 2).reshape(16, -1, longest, u.shape[1])
    found = []
    for side, (one, two, three, four), scale in zip(sides, z.reshape(4, 4, *z.shape[1:]), (4, 1, 4, 1), strict=True):
        taps = (4 * one, 3 * (three - two), four)
        length = side.shape[1]
        shifted = [jnp.pad(scale * tap[:, :length], ((0, 0), (k, 2 - k), (0, 0))) for k, tap in enumerate(taps)]
        found.append(shifted[0] + shifted[1] + shifted[2])
    return found


def _added_at(x: jax.Array, part: jax.Array, place: jax.Array | int, axis: int) -> jax.Array:
    """Add a slice that is one wide, in place where x is read no more."""
    here = jax.lax.dynamic_slice_in_dim(x, place, 1, axis)
    return jax.lax.dynamic_update_slice_in_dim(x, here + part, place, axis)


def _in_strips(
    x: Any,
    u: jax.Array,
    size: tuple[int, int],
    function: Callable[[Any], Any],
    tile: int = TILE,
    padding: str = "zero",
) -> Any:
    """Apply a function of padded strips to arrays (n, rows, columns, c), padded to whole tiles and strips.

    The tiles cover `size` (h, w) outputs; `tile` is the side of one in `x`, half of TILE where `x` is pooled. What the
    function returns, arrays (n, rows, ...), is put below one another and is all that is kept: the inputs are padded
    strip by strip, and never written out again.
    """
    first = jax.tree.leaves(x)[0]
    n = first.shape[0]
    if padding == "circular":  # a strip does not see the other side
        x = jax.tree.map(lambda x: jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap"), x)
    rows, columns = -(-size[0] // TILE), -(-size[1] // TILE)  # tiles, the last one perhaps hanging over the edge
    step = _strip_height(rows, 4 * 36 * n * columns * max(u.shape[1:]))
    count = -(-rows // step)

    def strip(i: jax.Array | int) -> Any:
        height = step * tile
        whole = height * count, columns * tile
        return function(jax.tree.map(lambda x: _take(x, i * height - 1, height + 2, whole, padding), x))

    if count == 1:
        return strip(0)

    def body(i: jax.Array, whole: Any) -> Any:
        put = jax.lax.dynamic_update_slice_in_dim
        return jax.tree.map(lambda y, part: put(y, part, i * part.shape[1], 1), whole, strip(i))

    def blank(part: jax.ShapeDtypeStruct) -> jax.Array:
        # Any content would do. Zeros are a constant, which XLA moves out of the solver's loop: memory for every layer.
        n, rows, *rest = part.shape
        return jnp.full((n, count * rows, *rest), first[0, 0, 0, 0].astype(part.dtype))

    return jax.lax.fori_loop(0, count, body, jax.tree.map(blank, jax.eval_shape(strip, 0)))


def _take(x: jax.Array, start: jax.Array | int, height: int, size: tuple[int, int], padding: str) -> jax.Array:
    """Take `height` rows from `start` on of (n, h, w, c), padded to `size` (rows, columns) and a border.

    The border is already there where it is the other side; what is beyond it does not matter.
    """
    own = padding == "circular"
    mode: Any = {"replicate": "edge", "reflect": "reflect"}.get(padding, "constant")
    whole = min(height, x.shape[1])
    inside = jnp.clip(start + own, 0, x.shape[1] - whole)
    found = jax.lax.dynamic_slice_in_dim(x, inside, whole, 1)
    widths = [(1 - own, total + 1 + own - side) for total, side in zip(size, x.shape[1:3], strict=True)]
    found = jnp.pad(found, ((0, 0), *widths, (0, 0)), mode=mode)
    return jax.lax.dynamic_slice_in_dim(found, start - inside + 1, height, 1)


def _strip_height(rows: int, row_bytes: int) -> int:
    """Choose how many of `rows` make a strip: as many as fit, or up to half of that to waste less in the last one."""
    most = min(max(STRIP_BYTES // row_bytes, 1), rows)
    return min(range(most, most // 2, -1), key=lambda step: -(-rows // step) * step)


def _tiles(x: jax.Array, u: jax.Array, back: bool) -> jax.Array:
    """Convolve (n, 4 rows + 2, 4 columns + 2, c), padded by the caller, -> (n, 4 rows, 4 columns, d)."""
    n, h, w, _ = x.shape
    rows, columns = (h - 2) // TILE, (w - 2) // TILE
    # Behind the barrier what makes the strip runs once; else once for each of the rows of B^T that read it.
    x = jax.lax.optimization_barrier(x)
    b_t, a_t = ([row[::-1] for row in B_T], A_T[::-1]) if back else (B_T, A_T)
    v = _apply(b_t, [_every_fourth(x, i, rows, axis=1) for i in range(6)], 0)  # (6, n, rows, w, c)
    v = _apply(b_t, [_every_fourth(v, j, columns, axis=3) for j in range(6)], 1)  # (6, 6, n, rows, columns, c)
    m = _products(v.reshape(36, n * rows * columns, -1), u, back)
    m = m.reshape(6, 6, n, rows, columns, -1)
    y = _apply(a_t, [m[i] for i in range(6)], 3)  # (6, n, rows, 4, columns, d)
    y = _apply(a_t, [y[j] for j in range(6)], 4)  # (n, rows, 4, columns, 4, d)
    return y.reshape(n, rows * TILE, columns * TILE, -1)


def _products(v: jax.Array, u: jax.Array, back: bool) -> jax.Array:
    """Multiply (36, tiles, c) with (36, c, d), or (36, tiles, d) with its transpose if `back`."""
    if not back:
        return jnp.einsum("ptc,pcd->ptd", v, u, precision=jax.lax.Precision.HIGHEST)
    if v.shape[1] >= u.shape[1]:
        return jnp.einsum("ptd,pcd->ptc", v, u, precision=jax.lax.Precision.HIGHEST)
    # With few tiles the kernel is the larger matrix, and reading it across its rows would be the work.
    m = jax.lax.dot_general(u, v, (((2,), (2,)), ((0,), (0,))), precision=jax.lax.Precision.HIGHEST)
    return jax.lax.optimization_barrier(m).swapaxes(1, 2)  # or XLA swaps the factors


def _every_fourth(x: jax.Array, start: int, count: int, axis: int) -> jax.Array:
    return jax.lax.slice_in_dim(x, start, start + TILE * (count - 1) + 1, TILE, axis)


def _apply(matrix: Sequence[Sequence[float]], parts: Sequence[jax.Array], axis: int) -> jax.Array:
    """Multiply a constant matrix with a list of arrays and stack the results along `axis`.

    Written out as sums, because XLA fuses those with the slices before them into one loop; a matmul with a 6x6
    matrix would first have to write the slices to memory. Two such loops, rows then columns, compile five times
    faster than 36 sums of both and read the input once instead of 36 times.
    """
    return jnp.stack([_combine(row, parts) for row in matrix], axis)


def _combine(row: Sequence[float], parts: Sequence[jax.Array]) -> jax.Array:
    # `lax`, because a program has a thousand of these and `*` and `+` take longer to trace.
    terms = [
        part if factor == 1 else jax.lax.mul(part, np.asarray(factor, part.dtype))
        for factor, part in zip(row, parts, strict=True)
        if factor
    ]
    return reduce(jax.lax.add, terms)
