"""Convolutions of any shape, and pooling over overlapping windows, against plain XLA and its derivatives."""

import inception_judge
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst_jax import ops
from nst_jax.ops import Shape

SHAPES = {
    "1x1": Shape(1, 1),
    "3x3": Shape(),
    "3x3 valid": Shape(3, 3, 1, "valid"),
    "5x5": Shape(5, 5),
    "1x7": Shape(1, 7),
    "7x1": Shape(7, 1),
    "3x3 by 2": Shape(3, 3, 2, "valid"),
    "7x7 by 2": Shape(7, 7, 2),
}
RNG = np.random.default_rng(3)
X = jnp.asarray(RNG.normal(size=(12, 15, 4)), jnp.float32)


def plain(x: jax.Array, kernel: jax.Array, bias: jax.Array, shape: Shape, relu: bool) -> jax.Array:
    y = jax.lax.conv_general_dilated(
        x[None], kernel, (shape.stride,) * 2, shape.around, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]
    y = y + bias[None, None]
    return jax.nn.relu(y) if relu else y


def methods(shape: Shape) -> list[str]:
    own = {"1x1": ["product"], "3x3": ["winograd"], "3x3 valid": ["winograd"], "3x3 by 2": ["patches"]}
    return ["direct", *own.get(next(name for name, s in SHAPES.items() if s == shape), [])]


CASES = [(name, method) for name, shape in SHAPES.items() for method in methods(shape)]


@pytest.mark.parametrize(("name", "method"), CASES)
def test_a_convolution_of_any_shape_is_xlas_and_so_is_its_gradient(name, method, run):
    shape = SHAPES[name]
    kernel = jnp.asarray(RNG.normal(size=(shape.rows, shape.columns, 4, 5)), jnp.float32)
    bias = jnp.asarray(RNG.normal(size=5), jnp.float32)
    plan = ops.plan_conv(kernel, bias, method)

    def pulled(function, x):
        y, pull = jax.vjp(function, x)
        return y, pull(jnp.cos(y))[0]

    for relu in (True, False):
        want = pulled(lambda x, relu=relu: plain(x, kernel, bias, shape, relu), X)
        got = run(lambda x, relu=relu: pulled(lambda x: ops.conv_shaped(x, plan, shape, relu=relu), x), X)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * float(jnp.abs(b).max()))


def test_the_kernel_that_runs_a_shape_is_chosen_by_what_it_is():
    def chosen(name: str, platform: str = "cpu", c_in: int = 96) -> str:
        return ops.choose_shaped(platform, SHAPES[name], c_in, 96, (30, 30))

    assert chosen("1x1") == chosen("1x1", "gpu") == "product"
    assert chosen("3x3") == chosen("3x3 valid") == "winograd"
    assert (chosen("3x3 by 2"), chosen("3x3 by 2", "gpu")) == ("patches", "direct")
    assert {chosen(name) for name in ("5x5", "1x7", "7x1", "7x7 by 2")} == {"direct"}


WINDOWS = {"valid": (3, 2, (0, 0)), "same": (3, 1, (1, 1)), "hanging over": (3, 2, (0, 1)), "2 by 2": (2, 2, (0, 1))}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("mean", [False, True])
def test_pooling_over_windows_is_the_judges_and_gradients_go_where_values_came_from(name, mean, run):
    side, stride, borders = how = WINDOWS[name]
    function = ops.mean_windows if mean else ops.max_windows
    want = inception_judge.windows(np.asarray(X, float), side, stride, borders, mean)
    np.testing.assert_allclose(run(lambda x: function(x, *how), X), want, rtol=1e-5, atol=1e-6)

    g = jnp.asarray(RNG.normal(size=want.shape), jnp.float32)
    slope = run(lambda x, g: jax.vjp(lambda x: function(x, *how), x)[1](g)[0], X, g)
    moved = jnp.asarray(RNG.normal(size=X.shape), jnp.float32)
    # no maximum changes its place in so short a step, and the mean is linear
    h = 1e-4
    near = [inception_judge.windows(np.asarray(X, float) + s * h * np.asarray(moved), *how, mean) for s in (1, -1)]
    change = ((near[0] - near[1]) / (2 * h) * np.asarray(g)).sum()
    assert float(jnp.sum(slope * moved)) == pytest.approx(change, rel=1e-3)


def test_of_equal_maxima_the_first_gets_the_gradient():
    slope = jax.jit(jax.grad(lambda x: ops.max_windows(x, 3, 2).sum()))(jnp.zeros((5, 5, 1)))
    want = np.zeros((5, 5))
    want[::2, ::2][:2, :2] = 1
    np.testing.assert_array_equal(slope[..., 0], want)


def test_a_mean_is_of_what_is_inside():
    x = jnp.ones((6, 6, 2)).at[4:].set(0)
    inside = jnp.arange(6)[:, None].repeat(6, 1) < 4
    within, without = jax.jit(lambda x: (ops.mean_windows(x, 3, 1, (1, 1), inside), ops.mean_windows(x, 3, 1, (1, 1))))(
        x
    )
    np.testing.assert_allclose(within[:4], 1)
    np.testing.assert_allclose(without[3], 2 / 3, rtol=1e-6)
