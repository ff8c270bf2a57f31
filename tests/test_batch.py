"""Lanes against solo runs: equal results, one compile, one copy of what they share, no lane touching another."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from hlo import moved_in_loop

import nst_jax
from nst_jax import LBFGS, Adam, Watch, optimize, pose, solve, solve_batch, stylize
from nst_jax.batch import memory, planning, program
from nst_jax.batch import sweep as sweeping
from nst_jax.batch.pairing import product
from nst_jax.batch.sweep import grid, stack, unstack, zipped
from nst_jax.errors import UserError
from nst_jax.numbers import read, vary
from nst_jax.problem import Problem
from nst_jax.recipe import Recipe

RECIPE = Recipe(
    content_layers=("relu2_2",), style_layers=("relu1_1", "relu2_1"), beta=1e3, size=0, steps=5, optimizer="adam"
)
BETAS = [1.0, 10.0, 100.0, 1000.0, 1e4]
"""One sweep for many tests, so that they share its programs: of one, two and five lanes."""
QUIET = Watch(say=lambda _: None)


def picture(seed: int, height: int = 16, width: int = 16) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(0, 1, (height, width, 3)).astype(np.float32))


@pytest.fixture(scope="module")
def encoder(tiny):
    return tiny.encoder


@pytest.fixture(scope="module")
def problem(encoder) -> Problem:
    return pose(encoder, picture(1), picture(2, 20, 12), recipe=RECIPE)


def same(a, b, exact=True) -> None:
    compare = np.testing.assert_array_equal if exact else close
    compare(np.asarray(a.image), np.asarray(b.image))
    compare(np.asarray(a.last), np.asarray(b.last))
    assert a.history.keys() == b.history.keys()
    for name in a.history:
        compare(a.history[name], b.history[name])
    assert (a.best_step, a.stopped) == (b.best_step, b.stopped)


def close(a, b) -> None:
    """Rounding in another order, carried along by some steps of Adam."""
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def numbers(sweep: sweeping.Sweep, *names: str) -> list[tuple[float, ...]]:
    """Read numbers of every lane."""
    return [tuple(round(float(read(p, name)), 3) for name in names) for p in unstack(sweep)]


def test_grid_orders_lanes_with_the_last_axis_fastest(problem) -> None:
    sweep = grid(vary(problem, noise=0.3), beta=jnp.array([1.0, 10.0, 100.0]), seed=range(2))
    assert len(sweep) == 6
    assert [sweep.settings(i) for i in (0, 1, 5)] == [
        {"beta": 1.0, "seed": 0},
        {"beta": 1.0, "seed": 1},
        {"beta": 100.0, "seed": 1},
    ]
    assert sweep.index[5] == (2, 1)
    assert numbers(sweep, "beta", "seed") == [(b, s) for b in (1, 10, 100) for s in (0, 1)]


def test_zipped_moves_numbers_together(problem) -> None:
    sweep = grid(zipped(problem, alpha=[1, 2], beta=[10, 20]), lr=[0.1, 0.2])
    assert numbers(sweep, "alpha", "beta", "lr") == [(1, 10, 0.1), (1, 10, 0.2), (2, 20, 0.1), (2, 20, 0.2)]


def test_layer_weights_by_dotted_name_mapping_and_sequence(problem) -> None:
    one = grid(problem, **{"layer_weights.relu2_1": [0.0, 3.0]})
    layers = "layer_weights.relu1_1", "layer_weights.relu2_1"
    assert numbers(one, *layers) == [(0.5, 0), (0.5, 3)]
    whole = grid(problem, layer_weights=[{"relu1_1": 2.0}, (4.0, 5.0)])
    assert numbers(whole, *layers) == [(2, 0.5), (4, 5)]
    by_path = grid(problem, **{"terms.style.layer_weights.relu2_1": [0.0, 3.0]})
    assert numbers(by_path, *layers) == numbers(one, *layers)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"gamma": [1]}, "'gamma' is no number of the problem"),
        ({"beta": []}, "the axis beta has no values"),
        ({"beta": [-1]}, "beta is -1: expected a finite number of at least 0"),
        ({"beta": [float("nan")]}, "beta is nan"),
        ({"lr": [0]}, "lr is 0: expected a finite number above 0"),
        ({"noise": [2]}, "at most 1"),
        ({"seed": [1.5]}, "seed is 1.5: expected a whole number"),
        ({"seed": [0, 1]}, "seed would change nothing: the start has no noise"),
        ({"layer_weights.relu5_1": [1]}, "'layer_weights.relu5_1' is no number of the problem: use .*weights.relu2_1"),
        ({"layer_weights": [{"relu5_1": 1}]}, "layer 'relu5_1' is no style layer"),
        ({"layer_weights": [(1.0,)]}, "expected 2 numbers, one for each of relu1_1, relu2_1"),
    ],
)
def test_grid_refuses(problem, axes, message) -> None:
    with pytest.raises(UserError, match=message):
        grid(problem, **axes)


def test_a_number_that_the_descent_does_not_have_is_refused(problem) -> None:
    with pytest.raises(UserError, match="lr is no number of the problem's descent, LBFGS: it belongs to Adam"):
        grid(replace(problem, descent=LBFGS()), lr=[0.1])


def test_an_axis_twice_and_uneven_zips_are_refused(problem) -> None:
    with pytest.raises(UserError, match="beta is an axis already"):
        grid(grid(problem, beta=[1]), beta=[2])
    with pytest.raises(UserError, match="alpha has 2, beta has 1"):
        zipped(problem, alpha=[1, 2], beta=[1])


def test_shared_targets_are_held_once(problem) -> None:
    sweep = grid(problem, beta=np.logspace(0.1, 4.1, 64))
    assert sweeping.nbytes(sweep) == sweeping.nbytes(grid(problem)) + 4 * 63
    alone = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(problem))
    swept = sweeping.swept_leaves(sweep.problems)
    together = sweeping.collate(sweep.problems, swept)
    assert sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(together)) == alone + 4 * 63
    assert together.terms["style"].weight.shape == (64,)
    assert together.terms["content"].targets["relu2_2"] is problem.terms["content"].targets["relu2_2"]


def test_the_compiled_program_takes_the_targets_once(encoder, problem) -> None:
    argument_bytes = {}
    for lanes in (1, 65):
        sweep = grid(problem, beta=np.logspace(0, 4, lanes + 1))
        chunk = planning.cut(range(lanes + 1), lanes + 1, sweeping.swept_leaves(sweep.problems))[0]
        whole = program.compile_chunk(encoder, sweep, chunk)
        stats = whole.memory_analysis()
        assert stats is not None
        argument_bytes[lanes + 1] = stats.argument_size_in_bytes
    state = 5 * 16 * 16 * 3 * 4  # image, good, best and Adam's two moments
    a_lane = (argument_bytes[66] - argument_bytes[2]) / 64
    assert state < a_lane < state + 100
    targets = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves([t.targets for t in problem.terms.values()]))
    assert targets > 100 * 2


@pytest.mark.skipif(jax.__version_info__ < (0, 10), reason="XLA of older jax copies the pairs of a single picture")
@pytest.mark.parametrize("lanes", [1, 2])
def test_lanes_of_lbfgs_copy_no_pairs(encoder, problem, lanes) -> None:
    sweep = grid(replace(problem, descent=LBFGS()), beta=np.logspace(0, 4, lanes))
    (chunk,) = planning.cut(range(lanes), lanes, sweeping.swept_leaves(sweep.problems))
    made = moved_in_loop(program.compile_chunk(encoder, sweep, chunk), "21,768")
    assert made & {"scatter", "dynamic-update-slice"}
    assert not made & {"copy", "select"}


def test_stack_shares_equal_leaves(encoder) -> None:
    a = pose(encoder, picture(1), picture(2), recipe=RECIPE)
    b = pose(encoder, picture(1), picture(3), recipe=RECIPE)
    sweep = stack([a, b], name="painting", values=["two", "three"])
    assert sweep.problems[1].terms["content"].targets["relu2_2"] is a.terms["content"].targets["relu2_2"]
    assert sweep.problems[1].terms["style"].targets["relu1_1"] is b.terms["style"].targets["relu1_1"]
    assert sweep.settings(1) == {"painting": "three"}


def test_a_number_put_in_by_hand_is_a_leaf_like_any_other(problem) -> None:
    by_hand = replace(problem, noise=0, steps=5)
    assert sweeping.buckets(stack([problem, by_hand])) == [(0, 1)]
    assert len(sweeping.buckets(grid(by_hand, beta=[1, 2]))) == 1


def test_product_computes_each_picture_once(encoder) -> None:
    contents, styles = [picture(1), picture(2, 16, 20)], [picture(3), picture(4, 24, 18), picture(5)]
    sweep = product(encoder, contents, styles, recipe=RECIPE, names=(["a", "b"], ["x", "y", "z"]))
    assert sweep.settings(5) == {"content_image": "b", "style_image": "z"}
    assert len({id(p.terms["content"].targets["relu2_2"]) for p in sweep.problems}) == 2
    assert len({id(p.terms["style"].targets["relu2_1"]) for p in sweep.problems}) == 3
    assert sweeping.buckets(sweep) == [(0, 1, 2), (3, 4, 5)]
    alone = pose(encoder, contents[1], styles[1], recipe=RECIPE)
    for found, expected in zip(jax.tree.leaves(sweep.problems[4]), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_product_from_the_style_starts_each_lane_from_its_own_style(encoder) -> None:
    recipe = replace(RECIPE, init="style")
    sweep = product(encoder, [picture(1), picture(2)], [picture(3), picture(4)], recipe=recipe)
    for (i, j), p in zip(sweep.index, sweep.problems, strict=True):
        np.testing.assert_array_equal(p.init, pose(encoder, picture(1 + i), picture(3 + j), recipe=recipe).init)


def test_pairs_go_one_by_one(encoder) -> None:
    sweep = product(encoder, [picture(1), picture(2)], [picture(3), picture(4)], recipe=RECIPE, paired=True)
    assert sweep.index == ((0,), (1,))
    assert sweep.settings(1) == {"content_image": 1, "style_image": 1}
    with pytest.raises(UserError, match="1 contents and 0 styles"):
        product(encoder, [picture(1)], [])
    with pytest.raises(UserError, match="2 contents for 1 styles"):
        product(encoder, [picture(1), picture(2)], [picture(3)], paired=True)


@pytest.mark.parametrize("descent", [None, LBFGS()])
def test_each_lane_is_the_solo_run(encoder, problem, descent) -> None:
    sweep = grid(grid(problem, noise=[0.3]), beta=[10.0, 1e3], seed=[0, 7])
    results = solve_batch(encoder, sweep, descent=descent, watch=QUIET)
    for lane, alone in enumerate(unstack(sweep)):
        same(results.solutions[lane], solve(encoder, alone, descent=descent), exact=False)


@pytest.mark.parametrize(
    "extra",
    [
        {"optimizer": "lbfgs", "first_steps": 3},
        {"lr_schedule": "cosine", "ema": 0.5, "coarse_steps": 3},
    ],
)
def test_each_lane_is_the_solo_run_at_every_scale(encoder, extra: dict[str, Any]) -> None:
    contents, styles = [picture(1), picture(2)], [picture(3, 24, 24)]
    recipe = replace(RECIPE, scales=2, steps=4, **extra)
    sweep = grid(product(encoder, contents, styles, recipe=recipe), beta=[10.0, 1e3], alpha=[1.0, 3.0])
    results = solve_batch(encoder, sweep, lanes=2, watch=QUIET)
    for lane, found in enumerate(results.solutions):
        settings = sweep.settings(lane)
        own = replace(recipe, beta=settings["beta"], alpha=settings["alpha"])
        alone = stylize(encoder, contents[settings["content_image"]], styles[0], own)
        same(found, alone, exact=False)


def test_every_scale_is_one_compile_and_holds_its_targets_once(encoder, caplog) -> None:
    recipe = replace(RECIPE, scales=2, optimizer="adam")
    sweep = grid(product(encoder, [picture(1, 22, 26)], [picture(2)], recipe=recipe), beta=np.logspace(0, 4, 6))
    assert len({id(scale[0].terms["content"].targets["relu2_2"]) for scale in sweep.coarse}) == 1
    assert [p.init.shape for p in sweep.scales(3)] == [(11, 13, 3), (22, 26, 3)]
    said = []
    with jax.log_compiles(), caplog.at_level("WARNING"):
        solve_batch(encoder, sweep, lanes=2, watch=Watch(say=said.append))
    assert said == ["6 lanes of 26x22 in 3 chunks of 2 and 2 scales: as asked"]
    compiled = [record.getMessage() for record in caplog.records]
    for name, count in (("advance_lanes", 2), ("enlarge_lanes", 1)):
        lines = [line for line in compiled if line.startswith(f"Finished XLA compilation of jit({name})")]
        assert len(lines) == count


@pytest.mark.parametrize(("coarse", "expected"), [(4, (3, 5, 10)), (0, (3, 10, 10))])
def test_first_steps_are_those_of_the_coarsest_scale(encoder, coarse, expected) -> None:
    recipe = replace(RECIPE, scales=3, first_steps=2, coarse_steps=coarse, steps=9)
    sweep = product(encoder, [picture(1, 32, 16)], [picture(2)], recipe=recipe)
    assert [int(problem.steps) for problem in sweep.scales(0)] == [evaluations - 1 for evaluations in expected]


def test_lanes_of_different_numbers_of_scales_run_apart(encoder) -> None:
    recipe = replace(RECIPE, scales="auto", steps=1)
    sweep = product(encoder, [picture(1, 16, 256), picture(2)], [picture(3)], recipe=recipe)
    assert [len(sweep.scales(lane)) for lane in range(2)] == [2, 1]
    assert sweeping.buckets(sweep) == [(0,), (1,)]
    found = solve_batch(encoder, sweep, watch=QUIET)
    assert [s.image.shape for s in found.solutions] == [(16, 256, 3), (16, 16, 3)]


def test_equal_shapes_give_equal_bits_in_any_order_and_company(encoder, problem) -> None:
    forth = solve_batch(encoder, grid(problem, beta=BETAS), lanes=2, watch=QUIET)
    back = solve_batch(encoder, grid(problem, beta=BETAS[::-1]), lanes=2, watch=QUIET)
    for a, b in zip(forth.solutions, back.solutions[::-1], strict=True):
        same(a, b)


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_chunk_size_changes_rounding_at_most(encoder, problem, lanes) -> None:
    sweep = grid(problem, beta=BETAS)
    whole = solve_batch(encoder, sweep, watch=QUIET)
    parts = solve_batch(encoder, sweep, lanes=lanes, watch=QUIET)
    for a, b in zip(whole.solutions, parts.solutions, strict=True):
        same(a, b, exact=False)


@struct.dataclass
class Counted(Adam):
    """Adam that tells when it is traced."""

    def update(self, state, at):
        """Count, and step."""
        TRACES.append(at.x.shape)
        return super().update(state, at)


TRACES = []


def test_sixty_four_settings_are_one_trace_and_one_compile(encoder, monkeypatch, caplog) -> None:
    # a shape that no other test has, so that nothing is cached
    problem = pose(encoder, picture(1, 18, 16), picture(2), recipe=RECIPE, descent=Counted(0.02))
    TRACES.clear()
    # planning, too, compiles the program that then runs; several pieces of steps and a second sweep use it again
    monkeypatch.setattr(planning, "_even", lambda count, most, devices: 13)
    monkeypatch.setattr(optimize, "length_of_call", lambda *_: 2)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        for low in (0, 1):
            solve_batch(encoder, grid(problem, beta=np.logspace(low, 4, 64)), watch=QUIET)
    assert len(TRACES) == 1
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if line.startswith("Finished XLA compilation of jit(advance_lanes)")]) == 1


def test_a_broken_lane_leaves_its_neighbours_alone(encoder, problem) -> None:
    sweep = grid(problem, beta=BETAS)
    whole = solve_batch(encoder, sweep, watch=QUIET)
    broken = sweep.problems[1]  # no axis takes such a number
    style = replace(broken.terms["style"], weight=np.float32(np.nan))
    broken = replace(broken, terms={**broken.terms, "style": style})
    sweep = replace(sweep, problems=(sweep.problems[0], broken, *sweep.problems[2:]))
    found = solve_batch(encoder, sweep, watch=QUIET)
    assert [s.stopped for s in found.solutions] == ["steps", "non-finite", "steps", "steps", "steps"]
    assert np.isfinite(found.solutions[1].image).all()
    for lane in (0, 2, 3, 4):
        same(found.solutions[lane], whole.solutions[lane])


def test_lanes_may_take_different_numbers_of_steps(encoder, problem) -> None:
    sweep = zipped(problem, beta=[10.0, 100.0], steps=[3, 5])
    found = solve_batch(encoder, sweep, watch=QUIET)
    assert [len(s.history["total"]) for s in found.solutions] == [4, 6]
    same(found.solutions[0], solve(encoder, sweep.problems[0]), exact=False)


def test_out_of_memory_halves_the_chunk_and_goes_on(encoder, problem, monkeypatch) -> None:
    sweep = grid(problem, beta=BETAS)
    expected = solve_batch(encoder, sweep, lanes=2, watch=QUIET)
    said, sizes = [], []

    def hungry(chunk, *_):
        sizes.append(chunk.size)
        if chunk.size > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")

    found = solve_batch(encoder, sweep, watch=Watch(say=said.append, show=hungry))
    assert sizes == [5, 2, 2, 2]
    assert said[1:] == ["out of memory with 5 lanes at once: going on with 2"]
    for a, b in zip(found.solutions, expected.solutions, strict=True):
        same(a, b)


def test_one_lane_too_much_is_a_plain_message_and_other_errors_pass(encoder, problem) -> None:
    def fail(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: no")

    sweep = grid(problem, beta=[1.0, 2.0])
    with pytest.raises(UserError, match="does not hold one lane"):
        solve_batch(encoder, sweep, watch=replace(QUIET, show=fail))
    with pytest.raises(ZeroDivisionError):
        solve_batch(encoder, sweep, watch=replace(QUIET, show=lambda *_: 1 / 0))


def test_little_memory_makes_small_chunks(encoder, problem, monkeypatch) -> None:
    sweep = grid(problem, beta=np.arange(1.0, 9.0))
    monkeypatch.setattr(planning, "guess_bytes", lambda *_: 1)  # the compiled program corrects a wrong guess
    whole = program.compile_chunk(encoder, sweep, planning.plan(encoder, sweep, lanes=8, say=QUIET.say)[0])
    need = memory.needed_bytes(whole)
    assert need is not None
    monkeypatch.setattr(memory, "free_bytes", lambda: int(need / 2 / memory.SHARE))
    said = []
    chunks = planning.plan(encoder, sweep, say=said.append)
    assert 1 <= chunks[0].size < 5
    assert sorted(i for chunk in chunks for i in chunk.lanes) == list(range(8))
    assert "8 lanes of 16x16 in" in said[0]
    monkeypatch.setattr(memory, "free_bytes", lambda: need // 100)
    with pytest.raises(
        UserError, match=r"one picture of 16x16 needs .* GiB are free: use --tile 512, .* or a --size of at most \d+"
    ):
        planning.plan(encoder, sweep, say=said.append)


@pytest.mark.parametrize(
    ("count", "most", "devices", "size"),
    [
        (10, 100, 1, 10),
        (10, 4, 1, 4),
        (9, 4, 1, 3),
        (5, 0, 1, 1),
        (1, 7, 1, 1),
        (64, 40, 8, 32),
        (10, 99, 8, 8),
        (3, 0, 3, 3),
    ],
)
def test_chunks_are_even_and_fill_the_devices(count, most, devices, size) -> None:
    assert planning._even(count, most, devices) == size


def test_lanes_below_one_are_refused(encoder, problem) -> None:
    with pytest.raises(UserError, match="lanes is 0"):
        solve_batch(encoder, grid(problem, beta=[1.0]), lanes=0)


def test_the_spine_is_public() -> None:
    assert nst_jax.grid is grid
    assert nst_jax.solve_batch is solve_batch
