"""Convolution by kernels of any shape and stride, with bias and ReLU, whose only derivative is towards its input."""

from functools import partial
from itertools import product
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from nst_jax.ops.conv import Method, Plan, Precision, choose, conv, products
from nst_jax.types import Features

Borders = Literal["same", "valid"]

PATCHES = 9
"""Largest kernel, in taps, whose taps are written out side by side: so many times the input."""


class Shape(NamedTuple):
    """What a convolution does to positions: rows and columns of its kernel, its stride, what it does at borders.

    `same` puts zeros around, half a kernel on each side; `valid` leaves out positions whose window is not inside.
    """

    rows: int = 3
    columns: int = 3
    stride: int = 1
    borders: Borders = "same"

    @property
    def around(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Say how many zeros are put before and behind, along rows and columns."""
        rows, columns = (0 if self.borders == "valid" else side // 2 for side in (self.rows, self.columns))
        return (rows, rows), (columns, columns)


def choose_shaped(
    platform: str, shape: Shape, c_in: int, c_out: int, size: tuple[int, int], precision: Precision = "float32"
) -> Method:
    """Decide which kernel runs a layer of `size` (h, w) positions: a product where it is one.

    A stride leaves XLA's convolution on a CPU at a third of the speed of a product of the taps, side by side.
    """
    if shape.stride == 1 and (shape.rows, shape.columns) == (1, 1):
        return "product"
    if shape.stride == 1 and (shape.rows, shape.columns) == (3, 3):
        return choose(platform, c_in, c_out, size, precision)
    if platform == "cpu" and shape.stride > 1 and shape.rows * shape.columns <= PATCHES:
        return "patches"
    return "direct"


def conv_shaped(x: Features, plan: Plan, shape: Shape, *, relu: bool = True) -> Features:
    """Convolve one image (h, w, c_in) -> (h', w', c_out), add the bias and, if asked, apply the ReLU."""
    x = x.astype(plan.forward.dtype)
    if plan.method in ("product", "patches") or shape.stride > 1:
        return _strided(x, plan, shape, x.shape[:2], relu)
    y = conv(x, plan, relu=relu)
    if shape.borders == "same":
        return y
    rows, columns = shape.rows // 2, shape.columns // 2
    return y[rows : y.shape[0] - rows, columns : y.shape[1] - columns]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _strided(x: jax.Array, plan: Plan, shape: Shape, size: tuple[int, int], relu: bool) -> jax.Array:
    precision = products(plan.precision)
    if plan.method == "direct":
        y = jax.lax.conv_general_dilated(
            x[None],
            plan.forward,
            (shape.stride,) * 2,
            shape.around,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=precision,
        )[0]
    else:
        taps = x if plan.method == "product" else _taps(x, shape)
        y = jnp.einsum("hwk,kd->hwd", taps, plan.forward, precision=precision)
    y = y + plan.bias[None, None]
    # Behind the barrier the output alone is kept: see `conv`.
    return jax.lax.optimization_barrier(jnp.maximum(y, 0)) if relu else y


def _forward(x: jax.Array, plan: Plan, shape: Shape, size: tuple[int, int], relu: bool):
    y = _strided(x, plan, shape, size, relu)
    return y, (y if relu else None, plan)


def _backward(shape: Shape, size: tuple[int, int], relu: bool, saved, g: jax.Array):
    y, plan = saved
    if y is not None:
        g = jnp.where(y > 0, g, 0)
    precision = products(plan.precision)
    if plan.method == "direct":
        return _transposed(g, plan.backward, shape, size, precision), None
    z = jnp.einsum("hwd,dk->hwk", g, plan.backward, precision=precision)
    return (z if plan.method == "product" else _gathered(z, shape, size)), None


_strided.defvjp(_forward, _backward)


def _transposed(g: jax.Array, kernel: jax.Array, shape: Shape, size: tuple[int, int], precision) -> jax.Array:
    """Carry the gradient back by XLA's convolution, with zeros between the positions of `g`."""
    pads = []
    for n, m, side, (before, _) in zip(size, g.shape, (shape.rows, shape.columns), shape.around, strict=False):
        first = side - 1 - before
        pads.append((first, n + side - 1 - first - ((m - 1) * shape.stride + 1)))
    return jax.lax.conv_general_dilated(
        g[None],
        kernel,
        (1, 1),
        pads,
        lhs_dilation=(shape.stride,) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision,
    )[0]


def _taps(x: jax.Array, shape: Shape) -> jax.Array:
    """Put the taps of every window side by side: (h, w, c) -> (h', w', taps c)."""
    padded = jnp.pad(x, (*shape.around, (0, 0)))
    h, w = ((n - s) // shape.stride for n, s in zip(padded.shape, (shape.rows, shape.columns), strict=False))
    reach_h, reach_w = h * shape.stride + 1, w * shape.stride + 1
    taps = [
        padded[i : i + reach_h : shape.stride, j : j + reach_w : shape.stride]
        for i, j in product(range(shape.rows), range(shape.columns))
    ]
    # Behind the barrier they are written once, for the matmul of a library.
    return jax.lax.optimization_barrier(jnp.concatenate(taps, -1))


def _gathered(z: jax.Array, shape: Shape, size: tuple[int, int]) -> jax.Array:
    """Add up what each window gives to its taps (h', w', taps c) where they came from: (h, w, c)."""
    c = z.shape[-1] // (shape.rows * shape.columns)
    z = jax.lax.optimization_barrier(z)
    total = jnp.zeros((), jnp.float32)
    for k, at in enumerate(product(range(shape.rows), range(shape.columns))):
        pads = []
        for n, m, i, (before, _) in zip(size, z.shape, at, shape.around, strict=False):
            first = i - before
            pads.append((first, n - 1 - first - (m - 1) * shape.stride, shape.stride - 1))
        tap = jax.lax.pad(z[..., k * c : (k + 1) * c], jnp.zeros((), z.dtype), [*pads, (0, 0, 0)])
        total = total + tap.astype(jnp.float32)
    return total.astype(z.dtype)
