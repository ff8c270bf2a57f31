"""3x3 convolution with bias and ReLU whose only derivative is the one towards its input."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import struct

from nst_jax.ops import joined, narrow, pool, winograd
from nst_jax.ops.bands import for_bands
from nst_jax.types import Features

Method = Literal["reference", "direct", "joined", "narrow", "banded", "winograd", "product", "patches"]
"""`reference`: plain XLA, differentiated by JAX, the judge of the others. `direct`: XLA's convolution forward and,
with the flipped kernel, backward. `joined`: the same, and the gradient behind the ReLU in one pass, see joined.py.
`narrow`: for three input channels on matrix units, `joined` where it can be. `banded`: for few input channels on a CPU,
by bands of rows that stay in the cache. `winograd`: F(4x4, 3x3). For kernels of other shapes, in `shaped`:
`product`, of 1x1; `patches`: a product of all taps side by side."""

Precision = Literal["float32", "tf32", "bfloat16"]
"""`float32`: true float32 products everywhere. `tf32`: the device's default. `bfloat16`: activations as well."""


@struct.dataclass
class Plan:
    """A kernel in the form its method wants, made once, outside the optimisation loop.

    Attributes:
        forward: the kernel (3, 3, c_in, c_out), or what its method makes of it.
        backward: the flipped, transposed kernel (3, 3, c_out, c_in), or what its method makes of it; None for
            `winograd`, which goes both ways with one.
        bias: (c_out,).
    """

    forward: jax.Array
    backward: jax.Array | None
    bias: jax.Array
    method: Method = struct.field(pytree_node=False, default="direct")
    precision: Precision = struct.field(pytree_node=False, default="float32")


def choose(platform: str, c_in: int, c_out: int, size: tuple[int, int], precision: Precision = "float32") -> Method:
    """Decide which kernel runs a layer of `size` (h, w) positions on `platform` (cpu, gpu, tpu).

    The one place where this is decided; `plan_conv(..., method=)` overrides it. Winograd trades multiplications for
    passes over memory: on a CPU that pays except for the layers next to the image (3 channels) and those with so few
    tiles that reading the kernel's transform, four times the kernel, becomes the work. Its sums and differences cost
    two digits, which bfloat16 does not have.
    """
    if platform == "cpu" and min(c_in, c_out) >= 32 and min(size) >= 8 and precision != "bfloat16":
        return "winograd"
    if platform == "cpu" and c_in == narrow.COLOURS:
        return "banded"
    if platform == "gpu" and c_in == narrow.COLOURS:
        return "narrow"
    if platform == "gpu" and precision == "bfloat16" and joined.fits(c_out):
        return "joined"
    return "direct"


def plan_conv(kernel: jax.Array, bias: jax.Array, method: Method = "direct", precision: Precision = "float32") -> Plan:
    """Prepare a kernel (rows, columns, c_in, c_out) for `method` in `precision`; most methods are for 3x3 alone."""
    dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    if method in ("product", "patches"):
        flat = kernel.reshape(-1, kernel.shape[3]).astype(dtype)
        return Plan(flat, flat.T, bias.astype(dtype), method, precision)
    if method == "winograd":
        return Plan(winograd.transform_kernel(kernel).astype(dtype), None, bias.astype(dtype), method, precision)
    forward, backward = kernel, kernel[::-1, ::-1].swapaxes(2, 3)
    if method in ("narrow", "banded"):
        backward = narrow.backward_kernel(kernel)
    if method == "narrow":
        forward = narrow.forward_kernel(kernel)
    return Plan(forward.astype(dtype), backward.astype(dtype), bias.astype(dtype), method, precision)


def conv(x: Features, plan: Plan, *, relu: bool = True, padding: str = "zero") -> Features:
    """Convolve one image (h, w, c_in) -> (h, w, c_out), add the bias and, if asked, apply the ReLU.

    `y_pd = relu(b_d + sum_qc k_qcd x_(p+q)c)`. The derivative is towards `x` alone: that towards the plan is zero by
    design (except for `reference`), because the network is a constant of the problem. At 0 the ReLU's is 0.
    """
    x = x.astype(plan.forward.dtype)
    return _reference(x, plan, relu, padding) if plan.method == "reference" else _conv(x, plan, relu, padding)


def pad(x: Features, padding: str) -> Features:
    """Put a border one pixel wide around an image (h, w, c)."""
    mode = {"zero": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[padding]
    return jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode=mode)


def conv_pool(x: Features, plan: Plan, *, padding: str = "zero", kind: str = "max") -> Features:
    """Compute `max_pool(conv(x))`, or `avg_pool`: (h, w, c_in) -> (h // 2, w // 2, c_out).

    Where each maximum stood, or which of a window are above 0, one byte a window, is all that the derivative needs: the
    convolution's output, the largest array of a block, is not kept.
    """
    if plan.method == "reference":
        return {"max": pool.max_pool, "avg": pool.avg_pool}[kind](conv(x, plan, padding=padding))
    return _conv_pool(x.astype(plan.forward.dtype), plan, (x.shape[0], x.shape[1]), padding, kind)


def _reference(x: jax.Array, plan: Plan, relu: bool, padding: str) -> jax.Array:
    y = _direct(*_seen(x, padding), plan.forward, plan.precision) + plan.bias[None, None]
    return jax.nn.relu(y) if relu else y


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _conv(x: jax.Array, plan: Plan, relu: bool, padding: str) -> jax.Array:
    if plan.method == "winograd":  # bias and ReLU inside, while a strip is in the cache
        floor = jnp.asarray(0 if relu else -jnp.inf, x.dtype)
        return _lanes(winograd.convolve, padding=padding)(x[None], plan.forward, plan.bias, floor)[0]
    if plan.method == "banded":
        return _banded(x, plan, relu, padding)
    y = _forward(x, plan, padding) + plan.bias[None, None]
    if not relu:
        return y
    # XLA would turn the mask `max(z, 0) > 0` of the backward pass into `z > 0` and keep z as well as y: on a GPU the
    # ReLU then no longer runs inside cuDNN's convolution. It cannot look through a barrier. A TPU's compiler cuts
    # a single picture into strips, a batch, and hands them from convolution to convolution unless a barrier is between.
    return jax.lax.platform_dependent(jnp.maximum(y, 0), tpu=_as_it_is, default=jax.lax.optimization_barrier)


def _as_it_is(x: jax.Array) -> jax.Array:
    return x


def _conv_forward(x: jax.Array, plan: Plan, relu: bool, padding: str):
    # The output is all that is kept: it is the next layer's input anyway, and its sign is the ReLU's derivative.
    y = _conv(x, plan, relu, padding)
    return y, (y if relu else None, plan)


def _conv_backward(relu: bool, padding: str, saved, g: jax.Array):
    y, plan = saved
    return conv_back(g, plan, y, padding=padding), None


_conv.defvjp(_conv_forward, _conv_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _conv_pool(x: jax.Array, plan: Plan, size: tuple[int, int], padding: str, kind: str) -> jax.Array:
    return _conv_pool_forward(x, plan, size, padding, kind)[0]


def _conv_pool_forward(x: jax.Array, plan: Plan, size: tuple[int, int], padding: str, kind: str):
    if plan.method == "winograd":
        run = _lanes(winograd.convolve_pool, padding=padding, kind=kind)
        y, taken = (lane[0] for lane in run(x[None], plan.forward, plan.bias))
    else:
        y, taken = pool.TAKEN[kind](_conv(x, plan, True, padding))
    return y, (taken, plan)


def _conv_pool_backward(size: tuple[int, int], padding: str, kind: str, saved, g: jax.Array):
    taken, plan = saved
    if plan.method == "winograd":
        back = _lanes(winograd.convolve_unpool, size=size, padding=padding, kind=kind)
        return back((g[None], taken[None]), plan.forward)[0], None
    return conv_back(pool.UNPOOL[kind](taken, g, size), plan, padding=padding), None


_conv_pool.defvjp(_conv_pool_forward, _conv_pool_backward)


def _banded(x: jax.Array, plan: Plan, relu: bool, padding: str) -> jax.Array:
    """Convolve band by band, adding bias and ReLU to each while it is in the cache."""
    h, w, _ = x.shape
    padded = pad(x, padding)

    def band(whole: jax.Array, start: jax.Array, height: int, new: jax.Array) -> jax.Array:
        seen = jax.lax.dynamic_slice_in_dim(padded, start, height + 2)
        y = _direct(seen, "VALID", plan.forward, plan.precision) + plan.bias[None, None]
        return jax.lax.dynamic_update_slice_in_dim(whole, jnp.maximum(y, 0) if relu else y, start, 0)

    blank = jnp.full((h, w, *plan.bias.shape), x[0, 0, 0])  # not a constant: see winograd.py
    return for_bands(h, w * plan.bias.nbytes, band, blank)


def _seen(x: jax.Array, padding: str) -> tuple[jax.Array, str]:
    """Give what a convolution looks at, with a border of its own, and the padding that is left to it."""
    return (x, "SAME") if padding == "zero" else (pad(x, padding), "VALID")


def _forward(x: jax.Array, plan: Plan, padding: str) -> jax.Array:
    """Convolve (h, w, c_in), padded -> (h, w, c_out)."""
    if plan.method == "narrow":
        return narrow.forward(pad(x, padding), plan.forward, products(plan.precision))
    return _direct(*_seen(x, padding), plan.forward, plan.precision)


def conv_back(g: jax.Array, plan: Plan, y: jax.Array | None = None, *, padding: str = "zero") -> jax.Array:
    """Carry the gradient (h, w, c_out) to the input (h, w, c_in), masked first by the ReLU whose output is `y`."""
    if plan.method == "winograd":
        back = _lanes(winograd.convolve_back, padding=padding)
        return back((g[None], None if y is None else y[None]), plan.forward)[0]
    if y is not None:
        g = jnp.where(y > 0, g, 0)
    return _back(g, plan) if padding == "zero" else unpad(_back(g, plan, 1), padding)


def _back(g: jax.Array, plan: Plan, border: int = 0) -> jax.Array:
    """Carry the gradient (h, w, c_out) to the input, and to the pixels of a border around it."""
    assert plan.backward is not None
    if plan.method in ("narrow", "banded"):
        colours = narrow.COLOURS if plan.method == "narrow" else plan.forward.shape[2]
        return narrow.backward(g, plan.backward, products(plan.precision), colours, border)
    around = [(side // 2 + border,) * 2 for side in plan.backward.shape[:2]]
    return _direct(g, around, plan.backward, plan.precision)


def unpad(g: Features, padding: str) -> Features:
    """Carry the gradient (h + 2, w + 2, c) of `pad(x)` to x (h, w, c): a border's to the pixels that it is made of."""
    h, w, c = g.shape
    return jax.linear_transpose(partial(pad, padding=padding), jax.ShapeDtypeStruct((h - 2, w - 2, c), g.dtype))(g)[0]


def conv_back_joined(g: jax.Array, plan: Plan, y: jax.Array, s: jax.Array, *, padding: str = "zero") -> jax.Array:
    """Carry `where(y > 0, g + y s, 0)` to the input: the gradient behind a ReLU whose output `y` has a Gram matrix.

    `s` (c_out, c_out) is the Gram's gradient with its transpose; see joined.py.
    """
    if plan.method == "narrow":
        assert plan.backward is not None
        z = joined.masked_sum_times(y, g, s, plan.backward)
        return narrow.gathered(z) if padding == "zero" else unpad(narrow.gathered(z, border=1), padding)
    return conv_back(joined.masked_sum(y, g, s), plan, padding=padding)


def joins(plan: Plan) -> bool:
    """Say whether a layer's gradient behind its ReLU is made in one pass."""
    channels = plan.bias.shape[-1]
    return plan.method in ("joined", "narrow") and plan.precision == "bfloat16" and joined.fits(channels)


def products(precision: Precision) -> jax.lax.Precision:
    """Say how exactly XLA has to multiply."""
    return jax.lax.Precision.HIGHEST if precision == "float32" else jax.lax.Precision.DEFAULT


def _direct(x: jax.Array, padding: Any, kernel: jax.Array, precision: Precision) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x[None],
        kernel,
        (1, 1),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=products(precision),
    )[0]


def _images_as_lanes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make lanes under `vmap` more images of one call of `function(images, *network)`.

    Left alone, vmap would batch the matmul's operands where they stand and XLA would transpose them. Lanes with
    networks of their own are rare: they run one by one.
    """
    run = jax.custom_batching.custom_vmap(function)

    @run.def_vmap
    def _(axis_size: int, batched: list[Any], x: Any, *network: jax.Array):
        def widen(leaf: jax.Array, has_lanes: bool) -> jax.Array:
            return leaf if has_lanes else jnp.broadcast_to(leaf, (axis_size, *leaf.shape))

        if any(batched[1:]):
            lanes = jax.tree.map(widen, (x, *network), tuple(batched))
            y = jax.lax.map(lambda lane: run(*lane), lanes)
        else:
            x = jax.tree.map(widen, x, batched[0])
            y = run(jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), x), *network)
            y = jax.tree.map(lambda y: y.reshape(axis_size, -1, *y.shape[1:]), y)
        return y, jax.tree.map(lambda _: True, y)

    return run


@cache
def _lanes(function: Callable[..., Any], **how: Any) -> Callable[..., Any]:
    """Give `_images_as_lanes` of a function with these settings, the same each time."""
    return _images_as_lanes(jax.jit(partial(function, **how)))
