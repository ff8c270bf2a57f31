"""Contents of many shapes in few compiled programs: padded, solved, and cut to their own size again."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from run_files import draw

import nst_jax
from nst_jax import Watch, images, metrics, optimize, record, scales
from nst_jax.cli import batch
from nst_jax.cli.main import parse
from nst_jax.cli.values import Read, read_settings
from nst_jax.errors import UserError
from nst_jax.numbers import read
from nst_jax.posing import Pair
from nst_jax.problem import shown
from nst_jax.recipe import DEFAULT, Recipe, check
from nst_jax.runs import single, work
from nst_jax.runs.ready import Ready, prepare
from nst_jax.runs.spec import Spec

RECIPE = Recipe(
    content_layers=("relu2_2",), style_layers=("relu1_1", "relu2_1"), size=0, steps=4, optimizer="adam", bucket=16
)
SHAPES = [(20, 31), (32, 32), (25, 17), (17, 30), (31, 33), (18, 40), (29, 29), (32, 47)]
"""Of 32x32 pixels or 32x48 when padded to multiples of 16."""


def picture(seed: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (*shape, 3)).astype(np.float32)


QUIET = Watch(say=lambda _: None)


def ready(tiny, spec: Spec) -> Ready:
    return prepare(spec, encoder=replace(tiny.encoder, digest="d" * 64))


def paint(tiny, content, style, output, recipe: Recipe) -> np.ndarray:
    """Make one of a run's pictures alone."""
    spec = Spec((content,), (style,), recipe, show_pictures=False)
    single.paint(spec, output, watch=QUIET, encoder=replace(tiny.encoder, digest="d" * 64))
    return images.read(output).rgb


def compiled(caplog, program: str = "advance_lanes") -> int:
    lines = [r.getMessage() for r in caplog.records]
    return len([line for line in lines if line.startswith(f"Finished XLA compilation of jit({program})")])


def test_padding_reflects_below_and_on_the_right() -> None:
    image = picture(1, (3, 5))
    padded = images.pad(image, 4)
    assert padded.shape == (4, 8, 3)
    np.testing.assert_array_equal(padded[:3, :5], image)
    np.testing.assert_array_equal(padded[3, :5], image[1])
    np.testing.assert_array_equal(padded[:3, 5:], image[:, [3, 2, 1]])
    np.testing.assert_array_equal(images.pad(picture(2, (8, 4)), 4), picture(2, (8, 4)))


def test_eight_shapes_are_two_programs_and_each_lane_is_the_solo_run(tiny, caplog) -> None:
    contents = [picture(i, shape) for i, shape in enumerate(SHAPES)]
    style = picture(9, (24, 20))
    sweep = nst_jax.product(tiny.encoder, contents, [style], recipe=RECIPE)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        found = nst_jax.solve_batch(tiny.encoder, sweep, lanes=8, watch=QUIET)
    assert compiled(caplog) == 2
    assert [s.image.shape[:2] for s in found.solutions] == SHAPES
    assert [s.last.shape[:2] for s in found.solutions] == SHAPES
    for i in (0, 1, 7):
        problem = nst_jax.pose(tiny.encoder, contents[i], style, recipe=RECIPE)
        alone = nst_jax.solve(tiny.encoder, problem)
        np.testing.assert_allclose(found.solutions[i].image, alone.image, atol=1e-5)
        np.testing.assert_allclose(found.solutions[i].history["total"], alone.history["total"], rtol=1e-4)


@pytest.mark.parametrize("init", ["content", "style", "noise"])
def test_what_is_solved_is_the_padded_picture(tiny, init) -> None:
    recipe = replace(RECIPE, init=init)
    content, style = picture(1, (20, 31)), picture(2, (24, 20))
    problem = nst_jax.pose(tiny.encoder, content, style, recipe=recipe)
    start = np.asarray(problem.init)
    assert start.shape == (32, 32, 3)
    np.testing.assert_array_equal(start, images.pad(start[:20, :31], 16))
    larger = nst_jax.pose(tiny.encoder, images.pad(content, 16), style, recipe=replace(recipe, bucket=1))
    found, expected = (p.terms["content"].targets["relu2_2"] for p in (problem, larger))
    np.testing.assert_array_equal(found, expected)


def test_a_run_of_many_shapes_has_pictures_of_their_sizes_and_recipes_that_make_them(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(optimize, "length_of_call", lambda *_: 5)
    contents = tuple(draw(tmp_path / f"in/{i}.png", i, w, h) for i, (h, w) in enumerate(SHAPES[:5]))
    init = draw(tmp_path / "init.png", 7, 30, 30)
    recipe = replace(RECIPE, init=str(init))
    spec = Spec(contents, (draw(tmp_path / "s.png", 9),), recipe, snapshots=2)
    done = work.make(ready(tiny, spec), tmp_path / "run", watch=QUIET)
    for lane, path in enumerate(sorted((tmp_path / "run/lanes").glob("*.png"))):
        made = images.read(path)
        assert made.rgb.shape[:2] == SHAPES[lane]
        assert 0 < done[lane].row["colour_distance"] < 1
        assert "ssim" in done[lane].row
        held = record.from_metadata(images.read_metadata(path), path)
        assert record.recipe_of(held) == replace(recipe, init="init.png")
        if lane == 0:
            alone = paint(tiny, contents[0], spec.styles[0], tmp_path / "alone.png", recipe)
            assert np.abs(alone - made.rgb).max() * 255 < 1.5
    snapshots = [path for part in ("lanes", "snapshots") for path in (tmp_path / "run" / part).rglob("*.png")]
    assert {images.shape_of(path) for path in snapshots} == set(SHAPES[:5])
    assert len(snapshots) == 5 + 5 * 3


def test_each_scale_of_a_bucket_is_one_program_and_each_lane_is_the_solo_run(tiny, caplog) -> None:
    recipe = replace(RECIPE, scales=2, coarse_steps=2)
    contents, style = [picture(1, (20, 31)), picture(2, (25, 17))], picture(9, (24, 20))
    sweep = nst_jax.product(tiny.encoder, contents, [style], recipe=recipe)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        found = nst_jax.solve_batch(tiny.encoder, sweep, lanes=2, watch=QUIET)
    assert compiled(caplog) == 2
    made = [nst_jax.stylize(tiny.encoder, content, style, recipe) for content in contents]
    for content, solution, alone in zip(contents, found.solutions, made, strict=True):
        assert solution.image.shape == alone.image.shape == content.shape
        np.testing.assert_allclose(solution.image, alone.image, atol=1e-5)
        np.testing.assert_allclose(solution.history["total"], alone.history["total"], rtol=1e-4)
    larger = nst_jax.stylize(tiny.encoder, images.pad(contents[0], 16), style, replace(recipe, bucket=1))
    np.testing.assert_array_equal(made[0].image, larger.image[:20, :31])
    coarse, _ = scales.pose_scales(tiny.encoder, Pair(contents[0], style), recipe)
    assert shown(coarse, coarse.init).shape == (10, 16, 3)


@pytest.mark.parametrize("init", ["content", "style", "noise"])
def test_automatic_scales_that_are_one_are_one_scale(tiny, init) -> None:
    recipe = replace(RECIPE, init=init)
    content, style = picture(1, (20, 31)), picture(2, (24, 20))
    posed = nst_jax.pose(tiny.encoder, content, style, recipe=recipe)
    for scaled in (recipe, replace(recipe, scales="auto")):
        (lane,) = nst_jax.product(tiny.encoder, [content], [style], recipe=scaled).problems
        np.testing.assert_array_equal(lane.init, posed.init)
        (alone,) = scales.pose_scales(tiny.encoder, Pair(content, style), scaled)
        np.testing.assert_array_equal(alone.init, posed.init)
        assert (read(alone, "alpha"), alone.terms["content"].share) == (recipe.alpha, 1)


def test_a_stopped_run_of_padded_scales_goes_on_to_the_same_pictures(tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(optimize, "length_of_call", lambda *_: 3)
    contents = tuple(draw(tmp_path / f"in/{i}.png", i, w, h) for i, (h, w) in enumerate(SHAPES[:3]))
    recipe = replace(RECIPE, scales=2, init=str(draw(tmp_path / "init.png", 7, 30, 26)))
    spec = Spec(contents, (draw(tmp_path / "s.png", 9),), recipe, metrics=False)
    work.make(ready(tiny, spec), tmp_path / "whole", watch=QUIET)
    asked = iter([False, False, True])  # two pieces of the coarse scale, one of the fine
    with pytest.raises(nst_jax.Interrupted):
        work.make(ready(tiny, spec), tmp_path / "stopped", watch=replace(QUIET, stop=lambda: next(asked)))
    work.make(ready(tiny, spec), tmp_path / "stopped", watch=QUIET)
    for lane, path in enumerate(sorted((tmp_path / "whole/lanes").glob("*.png"))):
        assert (tmp_path / "stopped/lanes" / path.name).read_bytes() == path.read_bytes()
        assert images.shape_of(path) == SHAPES[lane]
    alone = paint(tiny, contents[0], spec.styles[0], tmp_path / "alone.png", recipe)
    made = images.read(min((tmp_path / "whole/lanes").glob("*.png"))).rgb
    assert np.abs(alone - made).max() * 255 < 1.5


def test_metrics_of_eight_shapes_are_two_programs_and_those_of_the_pictures(tiny, caplog) -> None:
    pictures = [(picture(i, shape), picture(20 + i, shape)) for i, shape in enumerate(SHAPES)]
    styles = [picture(40 + i, SHAPES[i]) for i in (0, 1, 2)]
    with jax.log_compiles(), caplog.at_level("WARNING"):
        sides = [metrics.style_side(tiny.encoder, style, bucket=16) for style in styles]
        found = [metrics.held_out(tiny.encoder, *p, sides[i % 3], bucket=16) for i, p in enumerate(pictures)]
    assert compiled(caplog, "_style_side") == 1
    assert compiled(caplog, "_held_out") == 2
    for i in (0, 7):
        plain = metrics.held_out(tiny.encoder, *pictures[i], styles[i % 3])
        for name, value in plain.items():
            np.testing.assert_allclose(found[i][name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def asked(*words: str) -> Read:
    command = parse(["batch", "in", "--styles", "s.png", "-o", "out", *words])
    assert isinstance(command, batch.Batch)
    return read_settings(command.settings)


def test_batch_chooses_a_bucket_by_the_shapes(tmp_path) -> None:
    unset, small = asked(), asked("--size", "31")
    paths = [draw(tmp_path / f"{i}.png", i, w, h) for i, (h, w) in enumerate(SHAPES)]
    paths.append(draw(tmp_path / "twice.png", 1, 62, 40))
    said: list[str] = []
    assert batch.bucketed(small, paths, said.append).recipe == replace(DEFAULT, size=31, bucket=64)
    assert batch.bucketed(small, paths, said.append).given == {"size": 31, "bucket": 64}
    said.pop()
    assert said == ["contents of 7 shapes: padded to multiples of 64 pixels and cut again; --bucket 1 for none"]
    assert batch.bucketed(unset, paths[:4], said.append).recipe == DEFAULT
    assert batch.bucketed(asked("--size", "31", "--scales", "2"), paths, said.append).recipe.bucket == 64
    assert batch.bucketed(asked("--bucket", "1"), paths, said.append).recipe == DEFAULT
    assert len(said) == 2


def test_a_bucket_that_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="bucket is 0"):
        check(replace(RECIPE, bucket=0))
