"""The Bures distance of two covariances beside singular values in float64."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst_jax.ops.bures import POLAR, bures, polar, root
from nst_jax.ops.cholesky import cholesky

RNG = np.random.default_rng(0)


def test_the_polynomials_take_every_singular_value_to_1():
    x = np.concatenate([np.geomspace(1e-5, 1, 100_000), [1 + 1e-6]])
    for first, third, fifth in POLAR:
        x = first * x + third * x**3 + fifth * x**5
    assert np.abs(x - 1).max() < 5e-7


def test_the_orthogonal_factor_is_that_of_singular_values():
    u, v = (np.linalg.qr(RNG.normal(size=(12, 12)))[0] for _ in range(2))
    b = u * np.geomspace(1, 1e-4, 12) @ v
    np.testing.assert_allclose(polar(jnp.asarray(b, jnp.float32)), u @ v, atol=2e-3)


def spread(low: float) -> np.ndarray:
    q = np.linalg.qr(RNG.normal(size=(10, 10)))[0]
    return 50 * (q * np.geomspace(1, low, 10)) @ q.T


@pytest.mark.parametrize("low", [1e-1, 1e-5])
def test_distance_and_derivative_are_those_in_float64(low):
    s, t = spread(low), spread(low)
    factor, own = np.linalg.cholesky(t), np.linalg.cholesky(s)
    u, values, v = np.linalg.svd(factor.T @ own)
    want = np.trace(s) + np.trace(t) - 2 * values.sum()
    slope = np.eye(10) - np.linalg.solve(own.T, (factor @ u @ v).T)
    found, got = jax.value_and_grad(bures)(jnp.asarray(s, jnp.float32), jnp.asarray(factor, jnp.float32))
    assert float(found) == pytest.approx(want, rel=1e-5)
    assert np.linalg.norm(got - (slope + slope.T) / 2) < 1e-3 * np.linalg.norm(slope)


def test_it_keeps_its_digits_near_0():
    s = spread(1e-2)
    near = s + 1e-3 * np.diag(np.diag(s))
    factor, own = np.linalg.cholesky(s), np.linalg.cholesky(near)
    want = np.trace(s) + np.trace(near) - 2 * np.linalg.svd(factor.T @ own, compute_uv=False).sum()
    assert want < 1e-5 * np.trace(s)
    found = bures(jnp.asarray(near, jnp.float32), jnp.asarray(factor, jnp.float32))
    assert float(found) == pytest.approx(want, rel=1e-2)


@pytest.mark.parametrize("least", [-1e-5, -1e-3, 0.0])
def test_a_covariance_that_rounding_left_indefinite_has_a_root(least):
    s = np.diag([1.0, least, 0.5]).astype(np.float32)
    both = jnp.stack([jnp.eye(3), jnp.asarray(s)])
    found, back = jax.jit(jax.vmap(root))(both)
    np.testing.assert_allclose(found @ back, np.stack([np.eye(3)] * 2), atol=1e-5)
    np.testing.assert_array_equal(found[0], np.eye(3))
    np.testing.assert_allclose(found[1] @ found[1].T, s, atol=20 * max(-least, 1e-6))
    value, slope = jax.value_and_grad(bures)(jnp.asarray(s), jnp.eye(3))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("count", [1, 2, 31, 33, 64, 100])
def test_factor_and_inverse_are_those_of_lapack(count):
    x = RNG.normal(size=(2 * count, count))
    s = x.T @ x / count + 0.1 * np.eye(count)
    factor, back = cholesky(jnp.asarray(s, jnp.float32))
    want = np.linalg.cholesky(s)
    np.testing.assert_allclose(factor, want, atol=1e-4)
    np.testing.assert_allclose(back, np.linalg.inv(want), atol=1e-4)


def test_a_batch_of_many_layers_ends_on_two_threads():
    # as many batches at once as there are threads: LAPACK's wait for each other
    program = "import jax, jax.numpy as jnp; from nst_jax.ops.bures import bures; "
    program += "m = [jnp.broadcast_to(2 * jnp.eye(n), (4, n, n)) for n in (64, 64, 64, 96, 96)]; "
    program += "g = jax.jit(jax.vmap(jax.grad(lambda m: sum(bures(s, jnp.eye(len(s))) for s in m)))); "
    program += "x = m\nfor _ in range(5): x = jax.block_until_ready(g(m))"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
