"""Objectives that change between compiled pieces: when, in which lanes, and the same after a stop."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from objectives import NOBODY, pose

import nst_jax
from nst_jax import renewal
from nst_jax.batch.planning import cut
from nst_jax.batch.program import Saved, advance_chunk, kept_leaves
from nst_jax.batch.sweep import as_sweep
from nst_jax.descents import LBFGS, Adam
from nst_jax.errors import UserError
from nst_jax.losses import REMD, Loss, Nearest, Place, Sliced
from nst_jax.ops import FEATURES
from nst_jax.recipe import Recipe, check


@dataclass(frozen=True)
class Wandering(Loss):
    """1/2 sum (x - t)^2 of a t that is drawn every so many steps."""

    period: int = 4
    drawn: bool = True

    statistic = FEATURES
    renews = True

    def target(self, features: Any, mask: Any, given: Any) -> Any:
        return ()

    def renewed(self, found: Any, target: Any, key: jax.Array, at: Place) -> jax.Array:
        return jax.random.uniform(key, ())

    def distance(self, found: Any, target: Any, at: Place) -> jax.Array:
        return 0.5 * jnp.sum((found - at.renewed) ** 2)


@dataclass(frozen=True)
class Follower(Wandering):
    """The same of a t that is a tenth below the mean of the picture as it stood."""

    drawn: bool = False

    looks = True

    def renewed(self, found: Any, target: Any, key: jax.Array, at: Place) -> jax.Array:
        return jnp.mean(found) - 0.1


def goals(problem, steps: int, saved_at: int = 0) -> tuple[list[float], Any]:
    """Run, and give the goal of each piece and the last state; if asked, through a save after so many pieces."""
    sweep = as_sweep(replace(problem, steps=np.int32(steps)))
    (chunk,) = cut([0], 1, (False,) * len(jax.tree.leaves(sweep.problems[0])))
    found, at = [], None
    for k, at in enumerate(advance_chunk(NOBODY, sweep, chunk), 1):
        found.append(float(np.ravel(jax.tree.leaves(at.state.renewed)[0])[0]))
        if k == saved_at:
            saved = Saved(at.scale, kept_leaves(at.state), at.history)
            for at in advance_chunk(NOBODY, sweep, chunk, saved=saved):
                found.append(float(np.ravel(jax.tree.leaves(at.state.renewed)[0])[0]))
            break
    assert at is not None
    return found, at


def test_draws_are_made_anew_every_period_by_seed_and_step():
    problem = pose(Wandering(), Adam(lr=0.05))
    assert renewal.period(problem) == 4
    found, at = goals(problem, 11)
    assert len(found) == len(set(found)) == 3
    assert goals(problem, 11)[0] == found
    assert not {*goals(replace(problem, seed=np.uint32(1)), 11)[0]} & {*found}
    # the picture is the best of the last objective, not of one that was easier
    assert int(at.state.best_step[0]) >= 8


def test_a_descent_that_remembers_keeps_the_first_draw_and_forgets_what_looks_change():
    drawn = pose(Wandering(), LBFGS())
    assert renewal.period(drawn) == 0
    found, at = goals(drawn, 11)
    assert len({*found}) == 1
    assert float(at.state.best_loss[0]) < 1e-6
    looking = pose(Follower(), LBFGS(), start=0.9)
    assert renewal.period(looking) == 4
    found, at = goals(looking, 11)
    np.testing.assert_allclose(np.diff(found), -0.1, atol=1e-3)
    assert int(at.state.descent.count[0]) < 4


@pytest.mark.usefixtures("hosted")
def test_pairs_in_the_host_s_memory_are_forgotten_too():
    found, at = goals(pose(Follower(), LBFGS(pairs="host"), start=0.9), 11)
    assert at.state.descent.s.sharding.memory_kind == "pinned_host"
    np.testing.assert_allclose(np.diff(found), -0.1, atol=1e-3)
    assert int(at.state.descent.count[0]) < 4


@pytest.mark.parametrize("loss", [Wandering(), Follower(), Wandering(period=3)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(loss):
    problem = pose(loss, Adam(lr=0.05), start=0.9)
    whole, end = goals(problem, 11)
    parts, after = goals(problem, 11, saved_at=2)
    assert parts == whole
    np.testing.assert_array_equal(after.state.x, end.state.x)
    np.testing.assert_array_equal(after.history["total"], end.history["total"])


def test_each_lane_has_its_own_draws_and_is_what_it_is_alone():
    problem = pose(Wandering(), Adam(lr=0.05))
    lanes = nst_jax.solve_batch(NOBODY, nst_jax.grid(problem, seed=[0, 1, 2]), steps=9)
    for seed, lane in enumerate(lanes.solutions):
        alone = nst_jax.solve(NOBODY, nst_jax.vary(problem, seed=seed), steps=9)
        np.testing.assert_allclose(lane.image, alone.image, atol=1e-6)
        np.testing.assert_allclose(lane.history["total"], alone.history["total"], rtol=1e-4, atol=1e-6)
    assert len({float(lane.history["total"][0]) for lane in lanes.solutions}) == 3


CONTENT, STYLE = (np.random.default_rng(k).random((20, 18, 3), np.float32) for k in (0, 1))


@pytest.mark.parametrize(
    "style_loss",
    ["nearest", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sliced", "gram:1+remd:1+nearest:0.5"))],
)
def test_losses_of_a_recipe_are_renewed_for_the_picture_as_it_stands(tiny, style_loss):
    recipe = Recipe(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), style_loss=style_loss)
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=recipe)
    blank = renewal.blank(problem)
    made = jax.jit(renewal.renewed)(tiny.encoder, problem, problem.init, jnp.int32(0))
    for a, b in zip(jax.tree.leaves(blank), jax.tree.leaves(made), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    with_it = renewal.with_renewed(problem, made)
    found = nst_jax.terms(tiny.encoder, with_it, problem.init)
    alone = nst_jax.terms(tiny.encoder, problem, problem.init)
    for name, value in found.items():
        rel = 0.5 if style_loss == "sliced" else 1e-4  # other directions
        assert float(value) == pytest.approx(float(alone[name]), rel=rel)


def test_a_seed_is_read_where_a_loss_draws():
    check(Recipe(style_loss="gram:1+sliced:1", seed=3))
    check(Recipe(content_loss="self-similarity", seed=3))
    with pytest.raises(UserError, match="a loss that draws, such as sliced"):
        check(Recipe(seed=3))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: check(Recipe(style_loss="sliced", projections=0)), "projections is 0: expected at least 1 direction"),
        (lambda: check(Recipe(style_loss="nearest", patch=0)), "patch is 0: expected from 1 to 64"),
        (lambda: check(Recipe(projections=3)), "it belongs to sliced"),
        (lambda: Sliced(projections=0), "projections is 0"),
        (lambda: Sliced(samples=10**6), "sorted together"),
        (lambda: Nearest(patch=0), "patch is 0"),
        (lambda: REMD(samples=0), "samples is 0"),
    ],
)
def test_numbers_that_make_no_loss_are_refused_in_one_line(make, said):
    with pytest.raises(UserError, match=said) as refused:
        make()
    assert len(str(refused.value).splitlines()) == 1


def test_patches_larger_than_a_layer_are_refused_in_one_line(tiny):
    recipe = Recipe(content_layers=("relu2_1",), style_layers=("relu2_1",), style_loss="nearest", patch=11)
    with pytest.raises(UserError, match=r"image is 18x20: .*Nearest\(.*\) at relu2_1 needs at least 22 pixels"):
        nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=recipe)
