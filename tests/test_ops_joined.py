"""The gradient behind a ReLU in one kernel, in Pallas' interpreter, and the layer that uses it beside the plain one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst_jax import ops
from nst_jax.ops import joined

HALF = jnp.bfloat16


def case(h, w, c, d=0):
    rng = np.random.default_rng(c)
    shapes = [(h, w, c), (h, w, c), (c, c), *([(c, d)] if d else [])]
    return [jnp.asarray(rng.normal(size=shape) / (1 if len(shape) == 3 else np.sqrt(c)), HALF) for shape in shapes]


def judged(y, g, s, *last):
    y, g, s, *last = (np.asarray(x, np.float64) for x in (y, g, s, *last))
    total = np.where(y > 0, g + y @ s, 0)
    return total @ last[0] if last else total


# One tile that is not full; several; channels in two tiles of columns and four of depth; the product at last.
@pytest.mark.parametrize("shape", [(3, 5, 16), (16, 17, 64), (13, 11, 256), (11, 13, 64, 32)])
def test_the_kernel_is_the_formula(shape):
    arguments = case(*shape)
    expected = judged(*arguments)
    for form in (joined.plain, lambda *a: joined.kernel(*a, interpret=True)):
        found = form(*arguments)
        assert found.dtype == HALF
        assert np.abs(np.asarray(found, np.float64) - expected).max() < 2**-7 * np.abs(expected).max()


def test_lanes_have_their_own_matrices():
    lanes = [case(9, 8, 16), [x * 0.5 for x in case(9, 8, 16)]]
    found = jax.vmap(lambda *a: joined.kernel(*a, interpret=True))(*(jnp.stack(x) for x in zip(*lanes, strict=True)))
    for one, lane in zip(found, lanes, strict=True):
        np.testing.assert_array_equal(one, joined.kernel(*lane, interpret=True))


@pytest.mark.parametrize("padding", ["zero", "reflect"])
@pytest.mark.parametrize("channels", [3, 8])
@pytest.mark.parametrize("grams", [1, 2])
def test_a_layer_has_the_gradient_of_the_plain_one(channels, grams, padding):
    rng = np.random.default_rng(5)
    x = jnp.asarray(rng.normal(size=(9, 7, channels)), jnp.float32)
    kernel, bias = rng.normal(size=(3, 3, channels, 16)) / np.sqrt(9 * channels), rng.normal(size=16)
    w, v = rng.normal(size=(9, 7, 16)), rng.normal(size=(grams, 16, 16))

    method = "narrow" if channels == 3 else "joined"
    plan = ops.plan_conv(jnp.asarray(kernel, jnp.float32), jnp.asarray(bias, jnp.float32), method, "bfloat16")

    def total(x, layer):
        y, made = layer(x)
        return jnp.sum(y * w) + sum(jnp.sum(one * a) for one, a in zip(made, v, strict=True))

    summaries = (ops.Summary(ops.GRAM),) * grams
    assert ops.can_join(plan, summaries)
    # The judge multiplies bfloat16 too, or another rounding of an activation near 0 would be another mask.
    ours, plain = (
        jax.grad(total)(x, layer)
        for layer in (
            lambda x: ops.conv_joined(x, plan, summaries, padding=padding),
            lambda x: ops.late(summaries, ops.conv(x, plan, padding=padding)),
        )
    )
    assert ours.dtype == x.dtype
    assert float(jnp.linalg.norm(ours - plain) / jnp.linalg.norm(plain)) < 0.01


def test_what_is_no_gram_of_a_whole_layer_is_left_to_the_compiler():
    plan = ops.plan_conv(jnp.ones((3, 3, 4, 16)), jnp.ones(16), "joined", "bfloat16")
    gram = ops.Summary(ops.GRAM)
    masked = ops.Summary(ops.GRAM, jnp.ones((4, 4)))
    moments = ops.Summary(ops.MOMENTS, None, jnp.ones(16))
    assert [ops.can_join(plan, x) for x in ((gram,), (), (gram, masked), (moments,))] == [True, False, False, False]


def test_gpus_of_the_right_kind_run_it(monkeypatch):
    kinds = {"9.0": True, "8.0": True, "7.5": False, "gfx90a": False, "12.0": True}

    class Device:
        compute_capability = ""

    monkeypatch.setattr(jax, "local_devices", lambda: [Device])
    for kind, runs in kinds.items():
        Device.compute_capability = kind
        assert joined.runs_here() == runs


@pytest.mark.parametrize("channels", [3, 16])
def test_it_is_lowered_for_nvidia_alone(channels):
    method = ops.choose("gpu", channels, 32, (9, 7), "bfloat16")
    plan = ops.plan_conv(jnp.ones((3, 3, channels, 32)), jnp.ones(32), method, "bfloat16")

    def loss(x):
        y, made = ops.conv_joined(x, plan, (ops.Summary(ops.GRAM),))
        return jnp.sum(y) + jnp.sum(made[0])

    x = jax.ShapeDtypeStruct((2, 9, 7, channels), HALF)
    for platform, kernels in {"cuda": 1, "tpu": 0, "cpu": 0}.items():
        lowered = jax.jit(jax.vmap(jax.grad(loss))).trace(x).lower(lowering_platforms=(platform,))
        assert str(lowered.as_text()).count("@__gpu$xla.gpu.triton") == kernels
