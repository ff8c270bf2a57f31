"""Computing again, or later, gives the same numbers in less memory."""

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax import ops


def _case(size=32):
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(3, 3, c_in, 16)) / np.sqrt(9 * c_in) for c_in in (3, 16, 16)]
    plans = [ops.plan_conv(jnp.asarray(k, jnp.float32), jnp.full(16, 0.1)) for k in kernels]
    return jnp.asarray(rng.normal(size=(size, size, 3)), jnp.float32), plans


def _block(x, plans):
    gram = jnp.zeros((16, 16))
    for plan in plans:
        x = ops.conv(x, plan)
        gram += ops.gram(x)
    return ops.max_pool(x), gram


def _loss(block):
    def loss(x, plans):
        y, gram = block(x, plans)
        return (y**2).mean() + (gram**2).sum()

    return loss


def test_same_numbers_plain_and_vmapped():
    x, plans = _case(16)
    lanes = jnp.stack([x, -x])
    steps = [jax.jit(jax.vmap(jax.value_and_grad(_loss(b)), (0, None))) for b in (_block, ops.remat(_block))]
    for found, expected in zip(steps[1](lanes, plans), steps[0](lanes, plans), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def _summaries(x, plans, late):
    loss = jnp.float32(0)
    for plan in plans:
        x = ops.conv(x, plan)
        x, gram = ops.late(ops.gram, x) if late else (x, ops.gram(x))
        loss += (gram**2).sum()
    return loss + (x**2).mean()


def test_a_late_derivative_is_the_same(run):
    x, plans = _case(16)
    found, expected = (run(jax.value_and_grad(lambda x, late=late: _summaries(x, plans, late)), x) for late in (1, 0))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_late_derivatives_wait():
    x, plans = _case(64)

    def memory(late):
        step = jax.value_and_grad(lambda x: _summaries(x, plans + plans[1:] * 4, late))
        found = jax.jit(step).lower(x).compile().memory_analysis()
        assert found is not None
        return found.temp_size_in_bytes

    assert memory(True) < 0.98 * memory(False)


def test_constants_have_no_gradient():
    x, plans = _case(8)
    found = jax.grad(lambda plans: _loss(ops.remat(_block))(x, plans))(plans)
    assert not any(leaf.any() for leaf in jax.tree.leaves(found))


def test_less_memory():
    x, plans = _case(64)

    def two(block):
        def loss(x, plans):
            y, first = block(x, plans)
            z, second = _block(y, plans[1:])
            return (z**2).sum() + (first**2).sum() + (second**2).sum()

        memory = jax.jit(jax.value_and_grad(loss)).lower(x, plans).compile().memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes

    assert two(ops.remat(_block)) < 0.95 * two(_block)
