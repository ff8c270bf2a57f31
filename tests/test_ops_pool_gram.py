"""Pooling and Gram matrix against the plain formulas, their gradients, and the compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst_jax import ops

SIZES = ((4, 6), (7, 5), (2, 3), (3, 2))


def _features(h, w, c=3, seed=0):
    return np.random.default_rng(seed).normal(size=(h, w, c)).astype(np.float32)


def _reduce_window(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (2, 2, 1), (2, 2, 1), "VALID")


def _plain_mean(x):
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, (2, 2, 1), (2, 2, 1), "VALID") / 4


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("pool", "plain"), [(ops.max_pool, _reduce_window), (ops.avg_pool, _plain_mean)], ids=["max", "avg"]
)
def test_pool_and_its_gradient(size, pool, plain):
    lanes = jnp.stack([jnp.asarray(_features(*size, seed=seed)) for seed in range(2)])
    g = jnp.asarray(_features(size[0] // 2, size[1] // 2, seed=9))
    pairs = [
        (pool, plain),
        (lambda x: jax.grad(lambda x: jnp.vdot(pool(x), g))(x), lambda x: jax.vjp(plain, x)[1](g)[0]),
    ]
    for ours, theirs in pairs:
        expected = jnp.stack([theirs(lane) for lane in lanes])
        np.testing.assert_allclose(jax.jit(ours)(lanes[0]), expected[0], rtol=1e-6)
        np.testing.assert_allclose(jax.jit(jax.vmap(ours))(lanes), expected, rtol=1e-6)


def test_max_pool_by_hand():
    x = jnp.asarray([[1.0, 2.0, 9.0], [4.0, 3.0, 9.0], [9.0, 9.0, 9.0]])[..., None]
    assert ops.max_pool(x).ravel() == 4
    np.testing.assert_array_equal(
        jax.grad(lambda x: 5 * ops.max_pool(x).sum())(x)[..., 0], [[0, 0, 0], [5, 0, 0], [0, 0, 0]]
    )


def test_ties_of_zeros_stop_at_the_relu():
    x = jnp.asarray([[-1.0, -2.0], [0.0, -3.0]])[..., None]
    assert not jax.grad(lambda x: ops.max_pool(jax.nn.relu(x)).sum())(x).any()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_of_equal_maxima_the_first_takes_the_gradient(run, dtype):
    flat = jnp.asarray([[5, 5, 1, 2], [5, 5, 2, 2]], dtype)[..., None]
    back = run(jax.grad(lambda x: ops.max_pool(x).astype(jnp.float32).sum()), flat)
    np.testing.assert_array_equal(np.float32(back[..., 0]), [[1, 0, 0, 1], [0, 0, 0, 0]])


def test_a_flat_picture_gets_the_gradient_of_plain_pooling():
    x = jnp.ones((9, 8, 3)).at[2:4, 2:4].set(0.5)

    def plain(x):
        window = ((2, 2, 1), (2, 2, 1))
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *window, "VALID")

    weights = jnp.arange(4 * 4 * 3.0).reshape(4, 4, 3)
    ours, theirs = (jax.grad(lambda x, f=f: jnp.sum(weights * f(x)))(x) for f in (ops.max_pool, plain))
    np.testing.assert_array_equal(ours, theirs)


def _plain_gram(f):
    f = f.reshape(-1, f.shape[-1])
    return f.T @ f / f.shape[0]


@pytest.mark.parametrize("size", [(7, 5), (1, 1), (2, 3)])
def test_gram_and_its_gradient(size):
    f = np.random.default_rng(0).normal(size=(2, *size, 4))
    g = np.random.default_rng(1).normal(size=(4, 4))  # not symmetric: the derivative is that of both halves
    lanes = jnp.asarray(f, jnp.float32)
    expected = np.stack([_plain_gram(lane) for lane in f])
    gradients = np.stack([lane.reshape(-1, 4) @ (g + g.T) / (size[0] * size[1]) for lane in f]).reshape(f.shape)
    gradient = jax.grad(lambda f: jnp.vdot(ops.gram(f), jnp.asarray(g, jnp.float32)))
    np.testing.assert_allclose(ops.gram(lanes[0]), expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(ops.gram))(lanes), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(gradient))(lanes), gradients, rtol=1e-5, atol=1e-5)
    plain = jax.grad(lambda f: jnp.vdot(_plain_gram(f), jnp.asarray(g, jnp.float32)))
    np.testing.assert_allclose(gradient(lanes[1]), plain(lanes[1]), rtol=1e-4, atol=1e-5)


def test_gram_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(2)
    f, direction, g = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 4, 5)), rng.normal(size=(5, 5))
    found = jax.grad(lambda f: jnp.vdot(ops.gram(f), jnp.asarray(g, jnp.float32)))(jnp.asarray(f, jnp.float32))
    ends = [np.vdot(_plain_gram(f + s * direction), g) for s in (1e-6, -1e-6)]
    np.testing.assert_allclose(np.vdot(found, direction), (ends[0] - ends[1]) / 2e-6, rtol=1e-4)


def test_gram_of_bfloat16_is_float32():
    f = jnp.asarray(_features(8, 8), jnp.bfloat16)
    assert ops.gram(f).dtype == jnp.float32
    np.testing.assert_allclose(ops.gram(f), _plain_gram(np.asarray(f, np.float64)), rtol=1e-5, atol=1e-6)
    assert jax.grad(lambda f: ops.gram(f).sum())(f).dtype == jnp.bfloat16


def test_gram_of_a_batch_is_one_product():
    step = jax.value_and_grad(lambda f: (ops.gram(f) ** 2).sum())
    one = jax.jit(step).lower(jnp.zeros((16, 16, 8))).as_text()
    four = jax.jit(jax.vmap(step)).lower(jnp.zeros((4, 16, 16, 8))).as_text()
    assert one.count("dot_general ") == four.count("dot_general ") == 2
