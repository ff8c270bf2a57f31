"""The guarded L-BFGS: its matrix against a dense one, its bounds, what it does with a bad step, and lanes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hlo import moved_in_loop

from nst_jax.canvases import Pixels, pixels
from nst_jax.descents import LBFGS, Point, lbfgs
from nst_jax.descents.pairs import Form
from nst_jax.errors import UserError

SHAPE = (3, 4, 3)
CURVATURES = jnp.linspace(1.0, 30.0, 36).reshape(SHAPE)


def quadratic(target):
    """Give 1/2 sum c (x - target)^2 and its gradient."""
    return jax.value_and_grad(lambda x: 0.5 * jnp.sum(CURVATURES * (x - target) ** 2))


PIXELS = Pixels()
smoothed = PIXELS.metric


def at(image, loss, grad):
    """Give what the loop would tell an optimizer."""
    return Point(image, loss, grad, jnp.int32(0), jnp.int32(1), lambda x: loss, PIXELS)


def descend(fun, image, steps, state=None):
    """Take steps; give the image not yet evaluated, the state, and the losses."""
    state, losses = state or LBFGS().init(image, PIXELS), []
    for _ in range(steps):
        loss, grad = fun(image)
        losses.append(float(loss))
        image, state = LBFGS().update(state, at(image, loss, grad))
    return image, state, losses


def test_smoothing_is_symmetric_positive_and_leaves_colours_apart():
    matrix = dense_smoothing()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert np.linalg.eigvalsh(matrix).min() > 1
    flat = smoothed(jnp.full((6, 9, 3), 0.5).at[..., 1].set(0))
    np.testing.assert_allclose(flat, 0.5 * 16 * np.array([1, 0, 1]) * np.ones((6, 9, 1)), rtol=1e-5, atol=1e-5)


def dense_smoothing():
    """Give P as a matrix, by what it does to each pixel."""
    ones = jnp.eye(36).reshape(36, *SHAPE)
    return np.asarray(jax.vmap(smoothed)(ones), np.float64).reshape(36, 36)


def dense_direction(pairs, grad, smoothing, gamma=None):
    """Compute -H g by updating H itself: Nocedal and Wright (2006), eq. 6.17."""
    s, y = pairs[-1]
    h = (gamma or s @ y / (y @ smoothing @ y)) * smoothing
    for s, y in pairs:
        rho = 1 / (s @ y)
        left = np.eye(36) - rho * np.outer(s, y)
        h = left @ h @ left.T + rho * np.outer(s, s)
    return -(h @ grad)


def after_points(solver, points, grads) -> Any:
    """Give the state after points (n, 36) with gradients (n, 36), each lower than the last."""
    state: Any = solver.init(jnp.zeros(SHAPE), PIXELS)
    for k, (x, g) in enumerate(zip(points, grads, strict=True)):
        x, g = (jnp.asarray(a.reshape(SHAPE)) for a in (x, g))
        state = lbfgs._judge(solver.form, state, at(x, jnp.float32(-k), g), jnp.bool_(True))
        # What this one leaves in the free place must not count.
        state = lbfgs._judge(solver.form, state, at(x / 2, jnp.float32(jnp.nan), g / 3), jnp.bool_(False))
    return state


def some_points(count):
    points = np.random.default_rng(count).uniform(size=(count + 1, 36)).astype(np.float32)
    return points, np.asarray(CURVATURES).ravel() * points


FORMS = [(pairs, form) for form in (Form(), Form(shaped=True)) for pairs in (1, 4, 7, 8, 17)]


@pytest.mark.parametrize(("pairs", "form"), [*FORMS, (4, Form(hosted=True)), (17, Form(shaped=True, hosted=True))])
def test_the_direction_is_that_of_the_dense_matrix(pairs, form):
    memory = 7
    points, grads = some_points(pairs)
    state = after_points(LBFGS(memory, form), points, grads)
    kept = list(zip(np.diff(points.astype(float), axis=0), np.diff(grads.astype(float), axis=0), strict=True))[-memory:]
    expected = dense_direction(kept, grads[-1].astype(float), dense_smoothing())
    found = lbfgs._direction(form, state, state.grad, PIXELS).ravel()
    assert state.s.sharding.memory_kind == state.y.sharding.memory_kind == ("pinned_host" if form.hosted else "device")
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("platform", "kept"), [("gpu", jnp.bfloat16), ("cpu", jnp.uint16)])
def test_halved_pairs_give_the_matrix_of_the_rounded_pairs(platform, kept):
    # So H stays symmetric and positive, whatever rounding does to a pair.
    points, grads = some_points(9)
    solver = LBFGS(7).prepared("bfloat16", platform)
    state = after_points(solver, points, grads)
    s, y = (np.diff(x.astype(float), axis=0)[-7:] for x in (points, grads))
    scale = 1 / np.sqrt(np.sum(s * y, 1, keepdims=True))
    rounded = [np.asarray(jnp.asarray(x * scale, jnp.bfloat16), np.float64) for x in (s, y)]
    newest = (y * scale)[-1]
    gamma = 1 / (newest @ dense_smoothing() @ newest)
    expected = dense_direction(list(zip(*rounded, strict=True)), grads[-1].astype(float), dense_smoothing(), gamma)
    found = lbfgs._direction(solver.form, state, state.grad, PIXELS).ravel()
    assert state.s.dtype == kept
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


def test_the_form_is_chosen_by_precision_and_platform():
    assert LBFGS().prepared("float32", "cpu") == LBFGS()
    assert LBFGS().prepared("tf32", "gpu") == LBFGS()
    assert LBFGS(5).prepared("bfloat16", "tpu") == LBFGS(5, Form(halved=True, shaped=True))
    assert LBFGS(pairs="float32").prepared("bfloat16", "gpu").form == Form()
    assert LBFGS(pairs="bfloat16").prepared("float32", "gpu").form == Form(halved=True)
    assert LBFGS(pairs="bfloat16").prepared("float32", "cpu").form == Form(halved=True, bits=True)
    assert LBFGS(pairs="host").prepared("bfloat16", "gpu").form == Form(hosted=True)
    assert LBFGS(pairs="host").prepared("bfloat16", "tpu").form == Form(shaped=True, hosted=True)
    assert LBFGS(pairs="host").prepared("bfloat16", "cpu").form == Form()  # all of a CPU's memory is the host's
    wrong: Any = "float16"
    with pytest.raises(UserError, match="pairs is 'float16': expected one of auto, float32, bfloat16, host"):
        LBFGS(pairs=wrong)


@pytest.mark.parametrize("size", [(6, 6), (7, 9), (8, 5), (1, 3)])
def test_the_norm_of_a_gradient_is_its_product_with_the_smoothed_one(size):
    g = jnp.asarray(np.random.default_rng(3).normal(size=(*size, 3)), jnp.float32)
    assert float(PIXELS.norm(g)) == pytest.approx(float(jnp.sum(g * smoothed(g))), rel=1e-5)


def test_a_lane_that_is_held_goes_on_as_if_it_had_not_been():
    fun, memory = quadratic(jnp.full(SHAPE, 0.3)), 4
    solver = LBFGS(memory)

    def run(steps, pause):
        image = jnp.linspace(0.1, 0.9, 36).reshape(SHAPE)
        state = solver.init(image, PIXELS)
        for k in range(steps):
            loss, grad = fun(image)
            moved, new = solver.update(state, at(image, loss, grad))
            moving = jnp.bool_(k not in pause)
            state = solver.held(new, state, moving)
            image = jnp.where(moving, moved, image)
        return image

    np.testing.assert_allclose(run(13, pause=(3, 7, 8)), run(10, pause=()), atol=1e-7)


def test_the_first_step_has_a_set_size_whatever_the_units():
    for unit in (1e-6, 1.0, 1e10):
        fun = jax.value_and_grad(lambda x, u=unit: u * 0.5 * jnp.sum((x - 0.2) ** 2))
        image, _, _ = descend(fun, jnp.full(SHAPE, 0.7), 1)
        np.testing.assert_allclose(image, 0.7 - PIXELS.longest, rtol=1e-5)


def test_no_step_is_longer_than_the_longest():
    # The gradient hardly changes: the curvature promises a minimum miles away.
    fun = jax.value_and_grad(lambda x: jnp.sum(x) + 1e-3 * jnp.sum(x**2))
    image, state, _ = descend(fun, jnp.full(SHAPE, 0.9), 2)
    np.testing.assert_allclose(image, state.point - PIXELS.longest, rtol=1e-5)


def test_it_finds_the_bottom_and_never_accepts_a_rise():
    target = jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.9, SHAPE), jnp.float32)
    _image, state, losses = descend(quadratic(target), jnp.full(SHAPE, 0.5), 40)
    np.testing.assert_allclose(state.point, target, atol=1e-3)
    assert float(state.loss) == min(losses)


def test_a_minimum_outside_ends_at_the_nearest_bounds():
    target = jnp.asarray(np.random.default_rng(1).uniform(-1, 2, SHAPE), jnp.float32)
    seen = []

    def fun(x):
        seen.append(x)
        return quadratic(target)(x)

    _, state, _ = descend(fun, jnp.full(SHAPE, 0.5), 40)
    # The curvature is diagonal, so the constrained minimum is the clipped one.
    np.testing.assert_allclose(state.point, target.clip(0, 1), atol=1e-3)
    assert all(float(x.min()) >= -1e-6 and float(x.max()) <= 1 + 1e-6 for x in seen)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, 1e9])
def test_a_bad_loss_leads_back_and_goes_a_quarter_as_far(bad):
    fun = quadratic(jnp.full(SHAPE, 0.3))
    image, state, _ = descend(fun, jnp.full(SHAPE, 0.8), 3)
    _, grad = fun(image)
    moved, after = LBFGS().update(state, at(image, jnp.float32(bad), grad))
    np.testing.assert_array_equal(after.point, state.point)
    np.testing.assert_array_equal(after.s, state.s)
    np.testing.assert_allclose(moved - state.point, (image - state.point) / 4, atol=1e-6)


def test_a_gradient_that_is_not_finite_is_not_kept():
    fun = quadratic(jnp.full(SHAPE, 0.3))
    image, state, _ = descend(fun, jnp.full(SHAPE, 0.8), 3)
    moved, after = LBFGS().update(state, at(image, jnp.float32(0), jnp.full(SHAPE, jnp.nan)))
    assert int(after.rejections) == 1
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves((moved, after)))


def test_the_memory_is_dropped_after_some_rejections_and_the_way_is_steepest():
    fun = quadratic(jnp.full(SHAPE, 0.3))
    image, state, _ = descend(fun, jnp.full(SHAPE, 0.8), 3)
    image, after, _ = descend(lambda x: (jnp.float32(jnp.nan), fun(x)[1]), image, lbfgs.FORGET, state)
    assert int(after.count) == 0
    step, steepest = image - after.point, smoothed(after.grad)
    expected = -steepest / jnp.sqrt(jnp.mean(steepest**2)) * PIXELS.longest * lbfgs.SHRINK**lbfgs.FORGET
    np.testing.assert_allclose(step, expected, atol=1e-6)
    _, recovered, _ = descend(fun, image, 50, after)
    np.testing.assert_allclose(recovered.point, 0.3, atol=1e-3)


def test_negative_curvature_is_not_remembered():
    fun = jax.value_and_grad(lambda x: -jnp.sum(x**2))
    _, state, _ = descend(fun, jnp.full(SHAPE, 0.5), 4)
    assert int(state.count) == 0
    assert int(state.rejections) == 0


def test_a_lane_that_falls_leaves_its_neighbour_alone():
    def fun(x, edge):
        loss, grad = quadratic(jnp.full(SHAPE, 0.3))(x)
        return jnp.where(jnp.all(x > edge), loss, jnp.nan), grad

    solver = LBFGS()

    def run(edge):
        def step(carry, _):
            image, state = carry
            loss, grad = fun(image, edge)
            image, state = solver.update(state, at(image, loss, grad))
            return (image, state), state.rejections

        start = jnp.full(SHAPE, 0.8)
        return jax.lax.scan(step, (start, solver.init(start, PIXELS)), length=12)

    (_, both), rejections = jax.jit(jax.vmap(run))(jnp.array([0.0, 0.6]))
    (_, alone), _ = jax.jit(run)(0.0)
    assert rejections[1].max() > 0
    assert float(both.loss[0]) == pytest.approx(float(alone.loss), rel=1e-4, abs=1e-9)
    np.testing.assert_allclose(both.point[0], alone.point, atol=1e-5)
    assert float(both.point[1].min()) > 0.6


@pytest.mark.skipif(jax.__version_info__ < (0, 10), reason="XLA of older jax copies the pairs of a single picture")
@pytest.mark.parametrize(("lanes", "pairs"), [(0, "float32"), (2, "float32"), (0, "bfloat16")])
def test_the_pairs_are_neither_copied_nor_selected_from(lanes, pairs):
    solver, shape = LBFGS(pairs=pairs).prepared("float32", "cpu"), (16, 20, 3)

    def steps(image, state, moving):
        def step(carry, _):
            image, state = carry
            loss, grad = jax.value_and_grad(lambda x: jnp.sum((x - 0.3) ** 2))(image)
            image, new = solver.update(state, at(image, loss, grad))
            return (image, solver.held(new, state, moving)), loss

        return jax.lax.scan(step, (image, state), length=3)

    def all_lanes(image):
        return jax.vmap(steps)(image, jax.vmap(lambda x: solver.init(x, PIXELS))(image), jnp.array([True, False]))

    def alone(image):
        return steps(image, solver.init(image, PIXELS), jnp.bool_(True))

    image = jnp.full((lanes, *shape) if lanes else shape, 0.8)
    compiled = jax.jit(all_lanes if lanes else alone).lower(image).compile()
    made = moved_in_loop(compiled, "21,960", "f32" if pairs == "float32" else "u16")
    assert pairs == "float32" or not moved_in_loop(compiled, "21,960")
    assert made & {"scatter", "dynamic-update-slice"}
    assert not made & {"copy", "select"}


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (8, 5), (1, 3)])
def test_products_with_waves_are_the_fourier_transform(size):
    # What is lowered for a TPU; in full precision here.
    g = jnp.asarray(np.random.default_rng(4).normal(size=(*size, 3)), jnp.float32)
    planes = jnp.moveaxis(g, -1, 0)
    np.testing.assert_allclose(pixels._smoothed_by_products(planes), pixels.smoothed(planes), rtol=1e-4, atol=1e-4)
    assert float(pixels._roughness_by_products(planes)) == pytest.approx(float(PIXELS.norm(g)), rel=1e-5)
