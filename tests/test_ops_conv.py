"""The convolution kernels against plain JAX in float64, finite differences, and the compiled program."""

import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst_jax import ops
from nst_jax.ops import winograd

METHODS = ("reference", "direct", "banded", "winograd")
SHAPES = ((7, 5, 3, 4), (1, 1, 2, 3), (2, 3, 4, 2), (8, 12, 4, 4), (13, 9, 5, 6))


def _case(shape, seed=0):
    h, w, c_in, c_out = shape
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(h, w, c_in))
    kernel = rng.normal(size=(3, 3, c_in, c_out)) / np.sqrt(9 * c_in)
    return x, kernel, rng.normal(size=c_out), rng.normal(size=(h, w, c_out))


def _plain(x, kernel, bias, relu=True, padding="zero"):
    """Convolve in NumPy, one kernel tap at a time, in the precision of the input."""
    mode: Any = {"zero": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[padding]
    h, w, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode=mode)
    taps = [padded[i : i + h, j : j + w] @ kernel[i, j] for i in range(3) for j in range(3)]
    y = np.sum(taps, 0) + bias
    return np.maximum(y, 0) if relu else y


def _plan(kernel, bias, method, precision: ops.Precision = "float32"):
    return ops.plan_conv(jnp.asarray(kernel, jnp.float32), jnp.asarray(bias, jnp.float32), method, precision)


def _relative(found, expected):
    return np.linalg.norm(np.asarray(found, np.float64) - expected) / (np.linalg.norm(expected) + 1e-30)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("relu", [True, False])
def test_value_is_the_plain_formula(shape, method, relu):
    x, kernel, bias, _ = _case(shape)
    y = jax.jit(partial(ops.conv, relu=relu))(jnp.asarray(x, jnp.float32), _plan(kernel, bias, method))
    assert y.shape == (*shape[:2], shape[3])
    assert _relative(y, _plain(x, kernel, bias, relu)) < 5e-6


BORDERS = ("reflect", "replicate", "circular")


@pytest.mark.parametrize("method", [*METHODS, "narrow"])
@pytest.mark.parametrize("padding", BORDERS)
def test_borders_and_their_derivative(monkeypatch, method, padding):
    """The derivative is the transpose, and of a picture a border reaches: in strips as at once, pooled or not."""
    monkeypatch.setattr(winograd, "STRIP_BYTES", 1)
    x, kernel, bias, g = _case((9, 6, 3, 4))
    plan = _plan(kernel, bias, method)
    y, back = jax.vjp(jax.jit(partial(ops.conv, plan=plan, padding=padding)), jnp.asarray(x, jnp.float32))
    expected = _plain(x, kernel, bias, padding=padding)
    assert _relative(y, expected) < 5e-6
    other = np.random.default_rng(1).normal(size=x.shape)
    masked = np.where(expected > 0, g, 0)
    forward = np.vdot(_plain(other, kernel, 0 * bias, relu=False, padding=padding), masked)
    assert np.vdot(back(jnp.asarray(g, jnp.float32))[0], other) == pytest.approx(forward, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize("padding", BORDERS)
@pytest.mark.parametrize(("kind", "shape"), [("max", (12, 9, 4, 4)), ("avg", (9, 8, 4, 4))])
def test_pooling_in_the_convolution_at_borders(monkeypatch, method, padding, kind, shape):
    monkeypatch.setattr(winograd, "STRIP_BYTES", 1)
    x, kernel, bias, _ = _case(shape)
    g = jnp.asarray(np.random.default_rng(4).normal(size=(shape[0] // 2, shape[1] // 2, shape[3])), jnp.float32)

    def step(method):
        plan = _plan(kernel, bias - 0.5, method)
        return _pooled_step(partial(ops.conv_pool, padding=padding, kind=kind), plan, g)(jnp.asarray(x, jnp.float32))

    for found, expected in zip(step(method), step("reference"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_border_keeps_nothing_but_the_output(method):
    x, kernel, bias, _ = _case((32, 32, 8, 8))
    plan = _plan(kernel, bias, method)
    network = sum(leaf.nbytes for leaf in jax.tree.leaves(plan))
    y, back = jax.vjp(lambda x: ops.conv(x, plan, padding="replicate"), jnp.asarray(x, jnp.float32))
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(back)) <= y.nbytes + network


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padding", ["zero", "replicate"])
def test_gradient_is_that_of_the_reference(shape, method, padding):
    x, kernel, bias, g = _case(shape, 1)
    x, g = jnp.asarray(x, jnp.float32), jnp.asarray(g, jnp.float32)

    def gradient(method):
        plan = _plan(kernel, bias, method)
        return jax.jit(jax.grad(lambda x: jnp.vdot(ops.conv(x, plan, padding=padding), g)))(x)

    assert _relative(gradient(method), np.asarray(gradient("reference"), np.float64)) < 5e-6


@pytest.mark.parametrize("method", METHODS)
def test_gradient_is_that_of_finite_differences(method):
    x, kernel, bias, g = _case((7, 5, 3, 4), 2)
    direction = np.random.default_rng(3).normal(size=x.shape)
    plan = _plan(kernel, bias, method)
    found = jax.grad(lambda x: jnp.vdot(ops.conv(x, plan), jnp.asarray(g, jnp.float32)))(jnp.asarray(x, jnp.float32))
    step = 1e-6
    ends = [np.vdot(_plain(x + s * direction, kernel, bias), g) for s in (step, -step)]
    np.testing.assert_allclose(np.vdot(found, direction), (ends[0] - ends[1]) / (2 * step), rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_relu_has_no_slope_at_zero(method):
    plan = _plan(np.zeros((3, 3, 2, 3)), np.zeros(3), method)
    ramp = _plan(np.ones((3, 3, 2, 3)), np.zeros(3), method)
    zero = jnp.zeros((4, 4, 2))
    for p in (plan, ramp):
        assert not jax.grad(lambda x, p=p: ops.conv(x, p).sum())(zero).any()


def test_plan_is_a_constant():
    x, kernel, bias, _ = _case((8, 12, 4, 4))
    for method in ("direct", "winograd"):
        plan = _plan(kernel, bias, method)
        found = jax.grad(lambda p: ops.conv(jnp.asarray(x, jnp.float32), p).sum())(plan)
        assert not any(leaf.any() for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("method", METHODS)
def test_vmap_is_one_image_at_a_time(method):
    x, kernel, bias, _ = _case((7, 5, 3, 4))
    plan = _plan(kernel, bias, method)
    lanes = jnp.stack([jnp.asarray(x * scale, jnp.float32) for scale in (1, -2, 3)])
    step = jax.value_and_grad(lambda x: (ops.conv(x, plan) ** 2).sum())
    for found, expected in zip(jax.jit(jax.vmap(step))(lanes), jax.lax.map(step, lanes), strict=True):
        np.testing.assert_allclose(found, expected, rtol=5e-5, atol=2e-5)
    nested = jax.vmap(jax.vmap(lambda x: ops.conv(x, plan)))(lanes[:, None])
    np.testing.assert_allclose(nested[:, 0], jax.vmap(lambda x: ops.conv(x, plan))(lanes), rtol=1e-5, atol=1e-5)


def test_vmap_over_networks():
    x, kernel, bias, _ = _case((7, 5, 3, 4))
    x = jnp.asarray(x, jnp.float32)
    plans = [_plan(kernel * scale, bias, "winograd") for scale in (1, 2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *plans)
    found = jax.vmap(ops.conv, (None, 0))(x, stacked)
    for lane, plan in zip(found, plans, strict=True):
        np.testing.assert_allclose(lane, ops.conv(x, plan), rtol=1e-5, atol=1e-5)


def _products(compiled_text):
    return len(re.findall(r" (?:convolution|dot)\(|custom_call_target=\"[^\"]*(?:conv|gemm|matmul)", compiled_text))


@pytest.mark.parametrize("method", METHODS)
def test_batch_is_as_many_products_as_one_image(method):
    plan = _plan(*_case((16, 16, 8, 8))[1:3], method)
    step = jax.value_and_grad(lambda x: (ops.conv(ops.conv(x, plan), plan) ** 2).sum())
    one = jax.jit(step).lower(jnp.zeros((16, 16, 8))).compile().as_text() or ""
    four = jax.jit(jax.vmap(step)).lower(jnp.zeros((4, 16, 16, 8))).compile().as_text() or ""
    assert _products(one) == _products(four) == 4  # two convolutions forward, two backward
    assert "while" not in four


@pytest.mark.parametrize("convolve", [ops.conv, ops.conv_pool])
def test_batch_in_strips_is_as_many_products_as_one_image_in_strips(monkeypatch, convolve):
    x, kernel, bias, _ = _case((32, 32, 8, 8))
    plan = _plan(kernel, bias, "winograd")
    monkeypatch.setattr(winograd, "STRIP_BYTES", 30_000)  # two rows of one image's tiles, or one of three images'
    lanes = jnp.stack([jnp.asarray(x * scale, jnp.float32) for scale in (1, -2, 3)])
    step = jax.value_and_grad(lambda x: (convolve(ops.conv(x, plan), plan) ** 2).sum())
    one, three = jax.jit(step).lower(lanes[0]).compile(), jax.jit(jax.vmap(step)).lower(lanes).compile()
    for compiled in (one, three):
        text = compiled.as_text() or ""
        assert _products(text) == text.count(" while(") == 4  # each in the body of a loop over strips
    for found, expected in zip(three(lanes), map(jnp.stack, zip(*map(one, lanes), strict=True)), strict=True):
        assert _relative(found, np.asarray(expected, np.float64)) < 5e-6


def _pooled_step(convolve, plan, g):
    return jax.value_and_grad(lambda x: jnp.vdot(convolve(x, plan), g))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [*SHAPES[2:], (9, 8, 4, 4)])
@pytest.mark.parametrize(("kind", "strip_bytes"), [("max", 1), ("max", 2**20), ("avg", 1)])
def test_pooling_in_the_convolution_is_pooling_after_it(monkeypatch, shape, method, kind, strip_bytes):
    monkeypatch.setattr(winograd, "STRIP_BYTES", strip_bytes)
    x, kernel, bias, _ = _case(shape)
    lanes = jnp.stack([jnp.asarray(x * scale, jnp.float32) for scale in (1, -2, 3)])
    plan = _plan(kernel, bias - 0.5, method)  # some windows are dead
    g = jnp.asarray(np.random.default_rng(4).normal(size=(shape[0] // 2, shape[1] // 2, shape[3])), jnp.float32)
    pool = {"max": ops.max_pool, "avg": ops.avg_pool}[kind]
    plain = _pooled_step(lambda x, plan: pool(ops.conv(x, plan)), _plan(kernel, bias - 0.5, "reference"), g)
    step = _pooled_step(partial(ops.conv_pool, kind=kind), plan, g)
    for expected, *found in zip(jax.vmap(plain)(lanes), jax.lax.map(step, lanes), jax.vmap(step)(lanes), strict=True):
        for each in found:
            np.testing.assert_allclose(each, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_one_pooled_image_may_be_many(method):
    x, kernel, bias, _ = _case((9, 8, 4, 4))
    plan = _plan(kernel, bias, method)
    _, back = jax.vjp(lambda x: ops.conv_pool(x, plan), jnp.asarray(x, jnp.float32))
    gs = jnp.asarray(np.random.default_rng(5).normal(size=(3, 4, 4, 4)), jnp.float32)
    np.testing.assert_allclose(jax.vmap(back)(gs)[0], jnp.stack([back(g)[0] for g in gs]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize("how", [{}, {"kind": "avg", "padding": "replicate"}])
def test_pooling_in_the_convolution_keeps_a_byte_a_window(method, how):
    plan = _plan(*_case((32, 32, 8, 8))[1:3], method)
    network = sum(leaf.nbytes for leaf in jax.tree.leaves(plan))
    _, back = jax.vjp(lambda x: ops.conv_pool(x, plan, **how), jnp.zeros((32, 32, 8)))
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(back)) <= 16 * 16 * 8 + network


@pytest.mark.parametrize("size", [(4, 4), (40, 40)])  # fewer tiles than channels, and more
def test_one_transformed_kernel_serves_both_directions(size):
    x, kernel, _, g = _case((*size, 12, 8))
    plan = _plan(kernel, np.zeros(8), "winograd")
    assert plan.backward is None
    back = jax.vjp(lambda x: ops.conv(x, plan, relu=False), jnp.asarray(x, jnp.float32))[1](jnp.asarray(g, jnp.float32))
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)
    assert _relative(back[0], _plain(g, flipped, 0.0, relu=False)) < 5e-6


@pytest.mark.parametrize("strip_bytes", [1, 9000])  # one row a strip; some rows a strip, not a divisor of all
def test_strips_change_nothing(monkeypatch, strip_bytes):
    x, kernel, bias, _ = _case((23, 9, 4, 5))
    lanes = jnp.asarray(np.stack([x, 2 * x]), jnp.float32)
    plan = _plan(kernel, bias, "winograd")
    whole = jax.vmap(lambda x: ops.conv(x, plan))(lanes)
    monkeypatch.setattr(winograd, "STRIP_BYTES", strip_bytes)
    np.testing.assert_allclose(jax.vmap(lambda x: ops.conv(x, plan))(lanes), whole, rtol=1e-5, atol=1e-5)


def test_winograd_float32_error_at_vgg_width():
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(12, 12, 512)), 0)
    kernel = rng.normal(size=(3, 3, 512, 64)) * np.sqrt(2 / (9 * 512))
    y = ops.conv(jnp.asarray(x, jnp.float32), _plan(kernel, np.zeros(64), "winograd"), relu=False)
    assert _relative(y, _plain(x, kernel, 0.0, relu=False)) < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_bfloat16_keeps_two_digits(method):
    x, kernel, bias, _ = _case((8, 12, 4, 4))
    y = ops.conv(jnp.asarray(x, jnp.float32), _plan(kernel, bias, method, "bfloat16"))
    assert y.dtype == jnp.bfloat16
    assert _relative(y, _plain(x, kernel, bias)) < 0.05


def test_choice():
    assert ops.choose("cpu", 3, 64, (256, 256)) == "banded"
    assert ops.choose("cpu", 64, 64, (256, 256)) == "winograd"
    assert ops.choose("cpu", 512, 512, (4, 4)) == "direct"
    assert ops.choose("gpu", 256, 256, (64, 64)) == "direct"
