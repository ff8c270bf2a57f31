"""The loop, judged on a parabola: what it keeps, when it stops, and that it never loses the image."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nst_jax import optimize
from nst_jax import problem as problems
from nst_jax.problem import Problem
from nst_jax.vgg import Encoder

TARGET = 0.25
NOBODY = Encoder(params={})


def pose(lr: float = 0.02, start: float = 0.75, alpha: float = 1.0, size: int = 4) -> Problem:
    one = jnp.float32
    return Problem(
        init=jnp.full((size, size, 3), start), noise=one(0), seed=jnp.uint32(0), content={}, style={},
        alpha=one(alpha), beta=one(0), tv=one(0), layer_weights={}, lr=one(lr),
    )  # fmt: skip


@pytest.fixture
def parabola(monkeypatch):
    """Replace the objective by alpha/2 sum (x - 1/4)^2."""

    def total(encoder, problem, image):
        loss = problem.alpha * 0.5 * jnp.sum((image - TARGET) ** 2)
        return loss, {"total": loss, "content": loss, "style": jnp.float32(0)}

    jax.clear_caches()
    monkeypatch.setattr(problems, "total", total)
    yield
    jax.clear_caches()


@pytest.fixture
def cliff(monkeypatch):
    """An objective that is not a number once the image has gone below 0.6."""

    def total(encoder, problem, image):
        loss = jnp.where(jnp.all(image > 0.6), jnp.sum(image**2), jnp.nan)
        return loss, {"total": loss, "content": loss, "style": jnp.float32(0)}

    jax.clear_caches()
    monkeypatch.setattr(problems, "total", total)
    yield
    jax.clear_caches()


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "lbfgs-zoom", optax.sgd(0.1)])
def test_every_optimizer_finds_the_bottom(parabola, optimizer):
    solution = optimize.solve(NOBODY, pose(), steps=120, optimizer=optimizer)
    # L-BFGS ends before its steps: on a parabola it reaches a loss that float32 cannot lower.
    assert solution.stopped == ("stalled" if optimizer == "lbfgs" else "steps")
    np.testing.assert_allclose(solution.image, TARGET, atol=5e-3)


def test_history_holds_the_start_and_every_step(parabola):
    solution = optimize.solve(NOBODY, pose(), steps=7)
    assert {name: values.shape for name, values in solution.history.items()} == {
        "total": (8,), "content": (8,), "style": (8,)
    }  # fmt: skip
    assert solution.history["total"][0] == pytest.approx(0.5 * 48 * 0.5**2)
    assert np.all(np.isfinite(solution.history["total"]))


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_one_evaluation_a_step(parabola, optimizer):
    assert optimize.solve(NOBODY, pose(), steps=7, optimizer=optimizer).evaluations == 8


def test_a_line_search_counts_all_its_evaluations(parabola, monkeypatch):
    inner, seen = problems.total, []

    def counted(encoder, problem, image):
        jax.debug.callback(lambda: seen.append(1))
        return inner(encoder, problem, image)

    monkeypatch.setattr(problems, "total", counted)
    found = optimize.solve(NOBODY, pose(), steps=2, optimizer="lbfgs-zoom")
    jax.effects_barrier()
    assert found.evaluations > 3
    # Nothing is counted that was not done; the search after the last step is done, but leads nowhere.
    assert found.evaluations <= len(seen) < 2 * found.evaluations


def test_adam_takes_the_first_step_of_kingma_and_ba(parabola):
    # Adam's first step is lr * sign(gradient): 0.75 - 0.02.
    solution = optimize.solve(NOBODY, pose(lr=0.02), steps=1, optimizer="adam")
    np.testing.assert_allclose(solution.last, 0.73, atol=1e-6)


def test_a_cosine_takes_the_rate_to_zero(parabola):
    # far from the bottom every step of Adam on a parabola is close to its rate; the first is its rate exactly
    cosine = optimize.Adam("cosine")
    solutions = [optimize.solve(NOBODY, pose(lr=0.02), steps=n, optimizer=cosine) for n in (1, 4)]
    np.testing.assert_allclose(solutions[0].last, 0.73, atol=1e-6)
    seen = list(np.sqrt(np.asarray(solutions[1].history["total"]) / 24) + TARGET)
    rates = 0.02 * 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4))
    np.testing.assert_allclose(-np.diff(seen), rates, rtol=0.05)


def test_the_average_of_the_iterates_is_the_picture(parabola):
    d, steps = 0.9, 6
    plain = [optimize.solve(NOBODY, pose(), steps=n, optimizer="adam").last[0, 0, 0].item() for n in range(steps + 1)]
    expected = sum((1 - d) * d ** (steps - t) * x for t, x in enumerate(plain)) / (1 - d ** (steps + 1))
    found = optimize.solve(NOBODY, pose(), steps=steps, optimizer=optimize.Adam(ema=d))
    np.testing.assert_allclose(found.image, expected, atol=1e-6)
    # its loss is the last of the history, and it is the picture though an iterate's was lower
    assert found.best_step == steps
    assert found.history["total"][-1] == pytest.approx(24 * (expected - TARGET) ** 2, rel=1e-4)
    assert found.history["total"][-1] > found.history["total"].min()
    start = optimize.solve(NOBODY, pose(), steps=0, optimizer=optimize.Adam(ema=d))
    np.testing.assert_array_equal(start.image, np.full((4, 4, 3), np.float32(0.75)))


def test_a_lost_run_has_its_best_iterate_and_not_an_average(cliff):
    found = optimize.solve(NOBODY, pose(lr=0.05), steps=50, optimizer=optimize.Adam(ema=0.9))
    assert found.stopped == "non-finite"
    assert float(found.image.min()) > 0.6
    assert found.best_step == int(np.nanargmin(found.history["total"]))


def test_zero_steps_evaluate_the_start_and_keep_it(parabola):
    solution = optimize.solve(NOBODY, pose(), steps=0)
    assert solution.history["total"].shape == (1,)
    np.testing.assert_array_equal(solution.image, np.full((4, 4, 3), np.float32(0.75)))


def test_the_best_image_is_kept_when_the_last_is_worse(parabola):
    # A step far too large for the parabola: it swings across the bottom and back for ever.
    solution = optimize.solve(NOBODY, pose(), steps=3, optimizer=optax.sgd(1.9), clamp=False)
    best = int(np.argmin(solution.history["total"]))
    assert solution.best_step == best
    grows = optimize.solve(NOBODY, pose(start=0.3), steps=5, optimizer=optax.sgd(2.5), clamp=False)
    assert grows.best_step == 0
    np.testing.assert_allclose(grows.image, 0.3, atol=1e-6)
    assert abs(float(grows.last[0, 0, 0]) - TARGET) > 0.05


def test_clamp_holds_every_iterate_in_the_gamut(parabola):
    held = optimize.solve(NOBODY, pose(), steps=1, optimizer=optax.sgd(100.0))
    free = optimize.solve(NOBODY, pose(), steps=1, optimizer=optax.sgd(100.0), clamp=False)
    assert held.history["total"][1] == pytest.approx(0.5 * 48 * TARGET**2)
    assert free.history["total"][1] > held.history["total"][1]
    assert float(free.last.min()) >= 0  # what comes back is a picture in any case


def test_a_non_finite_step_keeps_the_last_good_image_and_says_so(cliff):
    solution = optimize.solve(NOBODY, pose(lr=0.05), steps=50, optimizer="adam")
    assert solution.stopped == "non-finite"
    assert float(solution.image.min()) > 0.6
    assert float(solution.last.min()) > 0.6
    steps = len(solution.history["total"])
    assert steps < 10
    assert np.isnan(solution.history["total"][-1])
    assert np.all(np.isfinite(solution.history["total"][:-1]))


def test_a_start_that_is_already_bad_comes_back_unharmed(cliff):
    solution = optimize.solve(NOBODY, pose(start=0.5), steps=5, optimizer="adam")
    assert solution.stopped == "non-finite"
    np.testing.assert_array_equal(solution.image, np.full((4, 4, 3), np.float32(0.5)))


def test_lbfgs_steps_back_from_the_cliff_and_goes_on(cliff):
    solution = optimize.solve(NOBODY, pose(start=0.89), steps=200, optimizer="lbfgs")
    total = solution.history["total"]
    assert solution.stopped == "stalled"  # the way down ends at the edge
    assert np.isnan(total).sum() >= optimize.lbfgs.GIVE_UP
    assert 0.6 < float(solution.image.min()) < 0.601
    # Between the first fall and the end it found better images.
    assert np.nanmin(total[np.argmax(np.isnan(total)) :]) < np.nanmin(total[: np.argmax(np.isnan(total))])


def test_lbfgs_has_nowhere_to_step_back_to_from_a_bad_start(cliff):
    solution = optimize.solve(NOBODY, pose(start=0.5), steps=5, optimizer="lbfgs")
    assert solution.stopped == "non-finite"
    assert len(solution.history["total"]) == 1
    np.testing.assert_array_equal(solution.image, np.full((4, 4, 3), np.float32(0.5)))


def test_one_bad_lane_never_touches_its_neighbours(cliff):
    lanes = [pose(lr=lr) for lr in (0.001, 0.05, 0.002)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *lanes)
    states = jax.vmap(lambda p: optimize.begin(p, "adam"))(stacked)

    def go(p, s):
        return optimize.advance(NOBODY, p, s, jnp.int32(9), length=10, optimizer="adam", clamp=True)

    after, _ = jax.vmap(go)(stacked, states)
    assert after.stopped.tolist() == [optimize.RUNNING, optimize.NON_FINITE, optimize.RUNNING]
    for lane, problem in ((0, lanes[0]), (2, lanes[2])):
        alone = optimize.solve(NOBODY, problem, steps=9, optimizer="adam")
        np.testing.assert_array_equal(after.best[lane], alone.image)


def test_partial_solutions_are_whole(parabola):
    seen = list(optimize.iterate(NOBODY, pose(size=512), steps=4))
    assert [s.stopped for s in seen] == ["running"] * (len(seen) - 1) + ["steps"]
    assert [len(s.history["total"]) for s in seen] == sorted(len(s.history["total"]) for s in seen)
    # Donated buffers must not pull the images of an earlier solution away.
    assert all(np.all(np.isfinite(s.image)) for s in seen)


@pytest.mark.parametrize("steps", [0, 1, 49, 50, 51, 101, 500, 997])
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_chunks_cover_the_steps_and_waste_few(steps, platform):
    length = optimize.chunk_length(steps, 64 * 64, platform)
    chunks = -(-(steps + 1) // length)
    assert 1 <= length <= 50
    assert chunks * length - (steps + 1) < max(chunks, 1)


def test_different_settings_share_one_trace(parabola, monkeypatch):
    traces = []
    inner = problems.total

    def counted(encoder, problem, image):
        traces.append(1)
        return inner(encoder, problem, image)

    monkeypatch.setattr(problems, "total", counted)
    for alpha in (1.0, 2.0, 3.0):
        optimize.solve(NOBODY, pose(alpha=alpha, lr=0.01 * alpha), steps=10)
    assert len(traces) == 1
