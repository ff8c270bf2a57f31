"""The first layer in the shapes of a GPU's matrix units is the same convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst_jax.ops import narrow

HIGHEST = jax.lax.Precision.HIGHEST


def plain(x, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x[None], kernel, (1, 1), "SAME", dimension_numbers=numbers, precision=HIGHEST)[
        0
    ]


def case(size, c_out=8):
    rng = np.random.default_rng(0)
    make = [rng.normal(size=shape) for shape in ((*size, 3), (3, 3, 3, c_out), (*size, c_out))]
    return [jnp.float32(x) for x in make]


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1), (2, 3), (1, 6)])
def test_both_directions_are_those_of_the_plain_convolution(run, size):
    x, kernel, g = case(size)
    y, pull = jax.vjp(lambda x: plain(x, kernel), x)
    forward = run(
        lambda x: narrow.forward(jnp.pad(x, ((1, 1), (1, 1), (0, 0))), narrow.forward_kernel(kernel), HIGHEST), x
    )
    backward = run(lambda g: narrow.backward(g, narrow.backward_kernel(kernel), HIGHEST), g)
    np.testing.assert_allclose(forward, y, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(backward, pull(g)[0], rtol=1e-5, atol=1e-5)
