"""3x3 convolution with bias and ReLU whose only derivative is the one towards its input."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from flax import struct

from nst_jax.types import Features

Method = Literal["reference", "direct", "winograd"]


@struct.dataclass
class Plan:
    """A kernel in the form its method wants, made once, outside the optimisation loop.

    Attributes:
        forward: the kernel (3, 3, c_in, c_out), or its transform.
        backward: the flipped, transposed kernel (3, 3, c_out, c_in), or its transform.
        bias: (c_out,).
    """

    forward: jax.Array
    backward: jax.Array
    bias: jax.Array
    method: Method = struct.field(pytree_node=False, default="direct")
    precision: str = struct.field(pytree_node=False, default="float32")


def choose(platform: str, c_in: int, c_out: int, size: tuple[int, int]) -> Method:
    """Decide which kernel runs a layer of `size` positions on `platform`."""
    del platform, c_in, c_out, size
    return "direct"


def plan_conv(kernel: jax.Array, bias: jax.Array, method: Method = "direct", precision: str = "float32") -> Plan:
    """Prepare a kernel (3, 3, c_in, c_out) for `method` in `precision` (float32, tf32 or bfloat16)."""
    dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)
    return Plan(kernel.astype(dtype), flipped.astype(dtype), bias.astype(dtype), method, precision)


def _convolve(x: jax.Array, kernel: jax.Array, precision: str) -> jax.Array:
    """Convolve (h, w, c_in), zero padded, with (3, 3, c_in, c_out)."""
    return jax.lax.conv_general_dilated(
        x[None],
        kernel,
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=jax.lax.Precision.HIGHEST if precision == "float32" else jax.lax.Precision.DEFAULT,
    )[0]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv(x: jax.Array, plan: Plan, relu: bool) -> jax.Array:
    y = _convolve(x, plan.forward, plan.precision) + plan.bias
    return jnp.maximum(y, 0) if relu else y


def _conv_forward(x: jax.Array, plan: Plan, relu: bool):
    y = _conv(x, plan, relu)
    return y, (y if relu else None, plan)


def _conv_backward(relu: bool, saved, g: jax.Array):
    y, plan = saved
    if relu:
        g = jnp.where(y > 0, g, 0)
    return _convolve(g, plan.backward, plan.precision), None


_conv.defvjp(_conv_forward, _conv_backward)


def conv(x: Features, plan: Plan, *, relu: bool = True, padding: str = "zero") -> Features:
    """Convolve one image (h, w, c_in) -> (h, w, c_out), add the bias and, if asked, apply the ReLU."""
    x = x.astype(plan.forward.dtype)
    if padding != "zero":
        mode = {"reflect": "reflect", "replicate": "edge"}[padding]
        x = jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode=mode)
        return _conv(x, plan, relu)[1:-1, 1:-1]
    return _conv(x, plan, relu)
