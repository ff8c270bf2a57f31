"""Computing again, or later, gives the same numbers in less memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst_jax import ops
from nst_jax.ops import bands


def _case(size=32, first: ops.Method = "direct"):
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(3, 3, c_in, 16)) / np.sqrt(9 * c_in) for c_in in (3, 16, 16)]
    methods: list[ops.Method] = [first, "direct", "direct"]
    plans = [
        ops.plan_conv(jnp.asarray(k, jnp.float32), jnp.full(16, 0.1), m) for k, m in zip(kernels, methods, strict=True)
    ]
    return jnp.asarray(rng.normal(size=(size, size, 3)), jnp.float32), plans


CENTRE = jnp.asarray(np.linspace(-0.5, 0.5, 16), jnp.float32)
GRAM = (ops.Summary(ops.GRAM),)


def _summaries(kind, size=(13, 9)):
    mask = jnp.asarray(np.random.default_rng(1).random(size), jnp.float32)
    return {
        "none": (),
        "gram": GRAM,
        "several": (ops.Summary(ops.MOMENTS, 1 - mask, CENTRE), *GRAM, ops.Summary(ops.MOMENTS, mask, -CENTRE)),
    }[kind]


def _loss(layer):
    def loss(x, plans, summaries):
        y, made = layer(x, plans[0], summaries)
        return (ops.conv(y, plans[1]) ** 2).mean() + sum((leaf**2).sum() for leaf in jax.tree.leaves(made))

    return loss


def _once(x, plan, summaries, **how):
    y = ops.conv(x, plan, **how)
    return y, tuple(summary(y) for summary in summaries)


@pytest.mark.parametrize("kind", ["none", "gram", "several"])
@pytest.mark.parametrize("padding", ["zero", "reflect", "replicate"])
@pytest.mark.parametrize("band", [1, 2, 5, 13, 100])
def test_a_layer_computed_again_has_the_same_derivative(run, monkeypatch, kind, padding, band):
    # 13 rows in bands of `band`: single rows, a last band that overlaps, all at once
    monkeypatch.setattr(bands, "BAND_BYTES", band * 9 * 16 * 4)
    x, plans = _case(13)
    x, summaries = x[:, :9], _summaries(kind)
    layers = [partial(layer, relu=padding == "zero", padding=padding) for layer in (ops.conv_in_bands, _once)]
    found, expected = (run(jax.value_and_grad(_loss(layer)), x, plans, summaries) for layer in layers)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["reference", "direct", "narrow", "banded"])
@pytest.mark.parametrize(("keep", "kind"), [(True, "gram"), (False, "several")])
def test_same_numbers_for_lanes(monkeypatch, method, keep, kind):
    monkeypatch.setattr(bands, "BAND_BYTES", 5 * 16 * 16 * 4)
    x, plans = _case(16, method)
    lanes, summaries = jnp.stack([x, -x]), _summaries(kind, (16, 16))
    layers = (partial(ops.conv_in_bands, keep=keep), _once)
    steps = [jax.jit(jax.vmap(jax.value_and_grad(_loss(layer)), (0, None, None))) for layer in layers]
    for found, expected in zip(*(step(lanes, plans, summaries) for step in steps), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", ["conv_in_bands", "late"])
def test_masks_and_what_is_given_may_be_traced_in_any_order_of_transformations(layer):
    # A derivative that closed over them would work under vmap of grad and raise under grad of vmap.
    x, plans = _case(6)
    lanes, summaries = jnp.stack([x, -x]), [_summaries(kind, (6, 6)) for kind in ("several", "several")]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), summaries[0], jax.tree.map(jnp.flip, summaries[1]))
    layers = {"conv_in_bands": ops.conv_in_bands, "late": lambda x, plan, s: ops.late(s, ops.conv(x, plan))}
    loss = _loss(layers[layer])

    def together(lanes, stacked):
        return jax.vmap(loss, (0, None, 0))(lanes, plans, stacked).sum()

    inside = jax.vmap(jax.grad(loss), (0, None, 0))(lanes, plans, stacked)
    np.testing.assert_allclose(jax.grad(together)(lanes, stacked), inside, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jax.jit(jax.grad(together))(lanes, stacked), inside, rtol=1e-4, atol=1e-5)


def _chain(x, plans, late):
    loss = jnp.float32(0)
    for plan in plans:
        x = ops.conv(x, plan)
        x, (gram,) = ops.late(GRAM, x) if late else (x, (ops.gram(x),))
        loss += (gram**2).sum()
    return loss + (x**2).mean()


def test_a_late_derivative_is_the_same(run):
    x, plans = _case(16)
    found, expected = (run(jax.value_and_grad(lambda x, late=late: _chain(x, plans, late)), x) for late in (1, 0))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_late_derivatives_wait():
    x, plans = _case(64)

    def memory(late):
        step = jax.value_and_grad(lambda x: _chain(x, plans + plans[1:] * 4, late))
        found = jax.jit(step).lower(x).compile().memory_analysis()
        assert found is not None
        return found.temp_size_in_bytes

    assert memory(True) < 0.98 * memory(False)


def test_plans_have_no_gradient():
    x, plans = _case(8)
    found = jax.grad(lambda plan: _loss(ops.conv_in_bands)(x, [plan, plans[1]], GRAM))(plans[0])
    assert not any(leaf.any() for leaf in jax.tree.leaves(found))
