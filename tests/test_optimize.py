"""The loop, judged on a parabola: what it keeps, when it stops, and that it never loses the image."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from objectives import NOBODY, TARGET, Cliff, Parabola, pose

import nst_jax
from nst_jax import optimize
from nst_jax.descents import LBFGS, NON_FINITE, RUNNING, Adam, Transformation, Zoom
from nst_jax.descents.lbfgs import GIVE_UP
from nst_jax.problem import Problem

SGD = {rate: optax.sgd(rate) for rate in (0.1, 1.9, 2.5, 100.0)}


def parabola(**how) -> Problem:
    return pose(Parabola(), **how)


def cliff(**how) -> Problem:
    return pose(Cliff(), **how)


def solve(problem, steps, descent=None, **changes):
    return nst_jax.solve(NOBODY, problem, steps=steps, descent=descent or problem.descent, **changes)


@pytest.mark.parametrize(
    "optimizer", [Adam(), LBFGS(), Zoom(), Transformation(SGD[0.1])], ids=lambda d: type(d).__name__
)
def test_every_optimizer_finds_the_bottom(optimizer):
    solution = solve(parabola(), 120, optimizer)
    # L-BFGS ends before its steps: on a parabola it reaches a loss that float32 cannot lower.
    assert solution.stopped == ("stalled" if optimizer == LBFGS() else "steps")
    np.testing.assert_allclose(solution.image, TARGET, atol=5e-3)


def test_history_holds_the_start_and_every_step():
    solution = solve(parabola(), 7)
    assert {name: values.shape for name, values in solution.history.items()} == {
        "total": (8,), "own": (8,), "own/image": (8,)
    }  # fmt: skip
    assert solution.history["total"][0] == pytest.approx(0.5 * 48 * 0.5**2)
    assert np.all(np.isfinite(solution.history["total"]))


@pytest.mark.parametrize("optimizer", [Adam(), LBFGS()], ids=lambda d: type(d).__name__)
def test_one_evaluation_a_step(optimizer):
    assert solve(parabola(), 7, optimizer).evaluations == 8


@dataclass(frozen=True)
class Counted(Parabola):
    """Tell of each evaluation."""

    def distance(self, found, target, at):
        jax.debug.callback(lambda: SEEN.append(1))
        return super().distance(found, target, at)


SEEN: list[int] = []


def test_a_line_search_counts_all_its_evaluations():
    SEEN.clear()
    found = solve(pose(Counted()), 2, Zoom())
    jax.effects_barrier()
    assert found.evaluations > 3
    # Nothing is counted that was not done; the search after the last step is done, but leads nowhere.
    assert found.evaluations <= len(SEEN) < 2 * found.evaluations


def test_adam_takes_the_first_step_of_kingma_and_ba():
    # Adam's first step is lr * sign(gradient): 0.75 - 0.02.
    solution = solve(parabola(), 1, Adam(lr=0.02))
    np.testing.assert_allclose(solution.last, 0.73, atol=1e-6)


def test_a_cosine_takes_the_rate_to_zero():
    # far from the bottom every step of Adam on a parabola is close to its rate; the first is its rate exactly
    cosine = Adam(lr=0.02, schedule="cosine")
    solutions = [solve(parabola(), n, cosine) for n in (1, 4)]
    np.testing.assert_allclose(solutions[0].last, 0.73, atol=1e-6)
    seen = list(np.sqrt(np.asarray(solutions[1].history["total"]) / 24) + TARGET)
    rates = 0.02 * 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4))
    np.testing.assert_allclose(-np.diff(seen), rates, rtol=0.05)


def test_the_average_of_the_iterates_is_the_picture():
    d, steps = 0.9, 6
    plain = [solve(parabola(), n, Adam()).last[0, 0, 0].item() for n in range(steps + 1)]
    expected = sum((1 - d) * d ** (steps - t) * x for t, x in enumerate(plain)) / (1 - d ** (steps + 1))
    found = solve(parabola(), steps, Adam(ema=d))
    np.testing.assert_allclose(found.image, expected, atol=1e-6)
    # its loss is the last of the history, and it is the picture though an iterate's was lower
    assert found.best_step == steps
    assert found.history["total"][-1] == pytest.approx(24 * (expected - TARGET) ** 2, rel=1e-4)
    assert found.history["total"][-1] > found.history["total"].min()
    start = solve(parabola(), 0, Adam(ema=d))
    np.testing.assert_array_equal(start.image, np.full((4, 4, 3), np.float32(0.75)))


def test_a_lost_run_has_its_best_iterate_and_not_an_average():
    found = solve(cliff(), 50, Adam(lr=0.05, ema=0.9))
    assert found.stopped == "non-finite"
    assert float(found.image.min()) > 0.6
    assert found.best_step == int(np.nanargmin(found.history["total"]))


def test_zero_steps_evaluate_the_start_and_keep_it():
    solution = solve(parabola(), 0)
    assert solution.history["total"].shape == (1,)
    np.testing.assert_array_equal(solution.image, np.full((4, 4, 3), np.float32(0.75)))


def test_the_best_image_is_kept_when_the_last_is_worse():
    # A step far too large for the parabola: it swings across the bottom and back for ever.
    solution = solve(parabola(), 3, Transformation(SGD[1.9], bounded=False))
    best = int(np.argmin(solution.history["total"]))
    assert solution.best_step == best
    grows = solve(parabola(start=0.3), 5, Transformation(SGD[2.5], bounded=False))
    assert grows.best_step == 0
    np.testing.assert_allclose(grows.image, 0.3, atol=1e-6)
    assert abs(float(grows.last[0, 0, 0]) - TARGET) > 0.05


def test_bounds_hold_every_iterate_in_the_gamut():
    held = solve(parabola(), 1, Transformation(SGD[100.0]))
    free = solve(parabola(), 1, Transformation(SGD[100.0], bounded=False))
    assert held.history["total"][1] == pytest.approx(0.5 * 48 * TARGET**2)
    assert free.history["total"][1] > held.history["total"][1]
    assert float(free.last.min()) >= 0  # what comes back is a picture in any case


def test_a_non_finite_step_keeps_the_last_good_image_and_says_so():
    solution = solve(cliff(), 50, Adam(lr=0.05))
    assert solution.stopped == "non-finite"
    assert float(solution.image.min()) > 0.6
    assert float(solution.last.min()) > 0.6
    steps = len(solution.history["total"])
    assert steps < 10
    assert np.isnan(solution.history["total"][-1])
    assert np.all(np.isfinite(solution.history["total"][:-1]))


def test_a_start_that_is_already_bad_comes_back_unharmed():
    solution = solve(cliff(start=0.5), 5, Adam())
    assert solution.stopped == "non-finite"
    np.testing.assert_array_equal(solution.image, np.full((4, 4, 3), np.float32(0.5)))


def test_lbfgs_steps_back_from_the_cliff_and_goes_on():
    solution = solve(cliff(start=0.89), 200)
    total = solution.history["total"]
    assert solution.stopped == "stalled"  # the way down ends at the edge
    assert np.isnan(total).sum() >= GIVE_UP
    assert 0.6 < float(solution.image.min()) < 0.601
    # Between the first fall and the end it found better images.
    assert np.nanmin(total[np.argmax(np.isnan(total)) :]) < np.nanmin(total[: np.argmax(np.isnan(total))])


def test_lbfgs_has_nowhere_to_step_back_to_from_a_bad_start():
    solution = solve(cliff(start=0.5), 5)
    assert solution.stopped == "non-finite"
    assert len(solution.history["total"]) == 1
    np.testing.assert_array_equal(solution.image, np.full((4, 4, 3), np.float32(0.5)))


def test_one_bad_lane_never_touches_its_neighbours():
    lanes = [replace(cliff(descent=Adam(lr=jnp.float32(x))), steps=jnp.int32(9)) for x in (0.001, 0.05, 0.002)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *lanes)
    states = jax.vmap(optimize.begin)(stacked)
    after, _ = jax.vmap(lambda p, s: optimize.advance(NOBODY, p, s, length=10))(stacked, states)
    assert after.stopped.tolist() == [RUNNING, NON_FINITE, RUNNING]
    for lane in (0, 2):
        alone = nst_jax.solve(NOBODY, lanes[lane])
        np.testing.assert_array_equal(after.best[lane], alone.image)


def test_partial_solutions_are_whole():
    seen = list(nst_jax.iterate(NOBODY, parabola(size=512), steps=4))
    assert [s.stopped for s in seen] == ["running"] * (len(seen) - 1) + ["steps"]
    assert [len(s.history["total"]) for s in seen] == sorted(len(s.history["total"]) for s in seen)
    # Donated buffers must not pull the images of an earlier solution away.
    assert all(np.all(np.isfinite(s.image)) for s in seen)


@pytest.mark.parametrize("steps", [0, 1, 49, 50, 51, 101, 500, 997])
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_chunks_cover_the_steps_and_waste_few(steps, platform):
    length = optimize.length_of_call(steps, 64 * 64, platform)
    chunks = -(-(steps + 1) // length)
    assert 1 <= length <= 50
    assert chunks * length - (steps + 1) < max(chunks, 1)


@dataclass(frozen=True)
class Traced(Parabola):
    """Tell of each trace."""

    def distance(self, found, target, at):
        TRACES.append(1)
        return super().distance(found, target, at)


TRACES: list[int] = []


def test_different_settings_share_one_trace():
    TRACES.clear()
    for weight in (1.0, 2.0, 3.0):
        solve(pose(Traced(), weight=weight), 10, Adam(lr=jnp.float32(0.01 * weight)))
    assert len(TRACES) == 1
