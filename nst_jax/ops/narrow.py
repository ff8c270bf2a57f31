"""The first layer: a 3x3 convolution of the three colour channels, in shapes that matrix units take.

cuDNN pads three channels to eight and runs an older kernel, in both directions slower than the memory it moves. Here
the forward convolution sees the three horizontal taps side by side as 9 channels, padded to 16, and a 3x1 window;
the input gradient is one matmul to all 27 taps, padded to 32, whose results are then shifted and added. A CPU gains
by the latter too, while the taps stay in its cache.
"""

import jax
import jax.numpy as jnp

COLOURS = 3
TAPS = 3
CHANNELS = 16
"""Width of the forward convolution's input: 3 taps x 3 colours, padded to what the matrix units like."""
COLUMNS = 32
"""Width of the gradient's matmul, or a multiple of it: 9 taps x 3 colours, padded."""


def forward_kernel(kernel: jax.Array) -> jax.Array:
    """Rearrange (3, 3, 3, c_out) into (3, 1, 16, c_out)."""
    side_by_side = kernel.reshape(TAPS, 1, TAPS * COLOURS, -1)
    return jnp.pad(side_by_side, ((0, 0), (0, 0), (0, CHANNELS - TAPS * COLOURS), (0, 0)))


def backward_kernel(kernel: jax.Array) -> jax.Array:
    """Rearrange (3, 3, c_in, c_out) into (c_out, 32): one column for each tap and colour, those of three."""
    columns = kernel.reshape(-1, kernel.shape[3]).T
    return jnp.pad(columns, ((0, 0), (0, -columns.shape[1] % COLUMNS)))


def forward(x: jax.Array, kernel: jax.Array, precision: jax.lax.Precision) -> jax.Array:
    """Convolve (h + 2, w + 2, 3), padded, with a kernel from `forward_kernel` -> (h, w, c_out)."""
    h, w = x.shape[0], x.shape[1] - 2
    blank = jnp.zeros((h, w, CHANNELS - TAPS * COLOURS), x.dtype)
    taps = jnp.concatenate([*(x[:, j : j + w] for j in range(TAPS)), blank], -1)
    # Behind the barrier the taps are written once; otherwise XLA tries to gather them inside the convolution.
    taps = jax.lax.optimization_barrier(taps)
    return jax.lax.conv_general_dilated(
        taps[None],
        kernel,
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision,
    )[0]


def backward(
    g: jax.Array, kernel: jax.Array, precision: jax.lax.Precision, colours: int = COLOURS, border: int = 0
) -> jax.Array:
    """Carry the gradient (h, w, c_out) to the input (h, w, colours): `dx_u = sum_q W_q g_(u-q)`, in float32 sums.

    And to a border of so many pixels around it, where there is one.
    """
    z = jnp.einsum("hwd,dk->hwk", g, kernel, precision=precision)
    # Behind the barrier XLA fuses the ReLU's mask into the matmul's input, and the nine shifts into one sum.
    return gathered(jax.lax.optimization_barrier(z), colours, border)


def gathered(z: jax.Array, colours: int = COLOURS, border: int = 0) -> jax.Array:
    """Shift and add the products with every tap (h, w, 32): (h, w, colours), with so wide a border around."""
    h, w = z.shape[0] + 2 * border, z.shape[1] + 2 * border
    z = jnp.pad(z, ((1 + border, 1 + border), (1 + border, 1 + border), (0, 0)))
    taps = [(i, j) for i in range(TAPS) for j in range(TAPS)]
    shifted = [
        jax.lax.slice(z, (2 - i, 2 - j, k * colours), (2 - i + h, 2 - j + w, (k + 1) * colours)).astype(jnp.float32)
        for k, (i, j) in enumerate(taps)
    ]
    return sum(shifted[1:], start=shifted[0]).astype(z.dtype)
