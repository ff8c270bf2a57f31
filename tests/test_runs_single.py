"""A single picture is a run of one lane: stopped and gone on with, started over, and nothing left beside it."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import test_runs_integrity
import tifffile
from run_files import draw

from nst_jax import UserError, Watch, images, optimize, record
from nst_jax.batch.store import Store
from nst_jax.recipe import Recipe
from nst_jax.runs import single
from nst_jax.runs.single import Made, beside
from nst_jax.runs.spec import Spec

RECIPE = Recipe(
    content_layers=("relu2_2",), style_layers=("relu1_1", "relu2_1"), size=20, steps=5, optimizer="adam", ema=0.5
)
HALVED = replace(RECIPE, optimizer="lbfgs", pair_precision="bfloat16", ema=0.0)
TWO = replace(RECIPE, scales=2, optimizer="lbfgs", ema=0.0)
HOSTED = replace(TWO, pair_precision="host")


@pytest.fixture
def paint(tmp_path, tiny, monkeypatch) -> Callable[..., Made]:
    """Give `paint(recipe, name, stop=, say=)`, which makes a picture with the tiny network in pieces of two steps."""
    monkeypatch.setattr(sys, "argv", ["nst-jax", "stylize"])
    monkeypatch.setattr(optimize, "length_of_call", lambda *_: 2)
    content, style = draw(tmp_path / "c.png", 1, 20, 16), draw(tmp_path / "s.png", 2, 24, 20)

    def made(recipe: Recipe, output: Path, until: single.Place | None = None, more=None, **watch) -> Made:
        spec = Spec((content,), (style,), recipe, show_pictures=False, metrics=False)
        looking = replace(Watch(say=lambda _: None), **watch)
        encoder = replace(tiny.encoder, digest="d" * 64)
        return single.paint(spec, output, watch=looking, encoder=encoder, until=until, **(more or {}))

    return made


@pytest.mark.parametrize(
    # three pieces of two evaluations a scale
    ("recipe", "pieces_each", "places"),
    [
        (RECIPE, (1, 1), [(0, 1), (0, 3)]),
        (HALVED, (2,), [(0, 3)]),
        (TWO, (2, 2, 1), [(0, 3), (1, 1), (1, 3)]),
        (TWO, (3, 2), [(0, 5), (1, 1)]),  # what is gone on with is shown first
    ],
)
def test_a_stopped_picture_goes_on_to_the_same_bytes(paint, tmp_path, recipe, pieces_each, places) -> None:
    whole, output = paint(recipe, tmp_path / "whole.png"), tmp_path / "stopped.png"
    assert (whole.solution.stopped, whole.place) == ("steps", (recipe.scales - 1, 5))
    assert not beside(whole.output).exists()
    found, said = [], []
    for pieces in pieces_each:
        asked = iter([False] * (pieces - 1) + [True])
        made = paint(recipe, output, stop=lambda asked=asked: next(asked), say=said.append)
        assert made.solution.stopped == "interrupted"
        assert made.scale == (made.place[0], recipe.scales)
        found.append(made.place)
        held = record.from_metadata(images.read_metadata(output), output)
        assert record.interrupted_at(held) == made.place
        assert beside(output).is_dir()
    assert found == places
    assert paint(recipe, output, say=said.append).solution.stopped == "steps"
    assert said.count("going on where it was interrupted") == len(pieces_each)
    assert output.read_bytes() == whole.output.read_bytes()
    assert not beside(output).exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.png", "s.png", "stopped.png", "whole.png"]


@pytest.mark.usefixtures("hosted")
def test_a_stopped_picture_with_pairs_in_the_host_s_memory_goes_on_to_the_same_bytes(paint, tmp_path) -> None:
    whole = paint(TWO, tmp_path / "whole.png").solution
    (tmp_path / "whole.png").unlink()
    test_a_stopped_picture_goes_on_to_the_same_bytes(paint, tmp_path, HOSTED, (2, 2), [(0, 3), (1, 1)])
    hosted = paint(HOSTED, tmp_path / "hosted.png").solution
    np.testing.assert_allclose(hosted.history["total"], whole.history["total"], rtol=1e-3)


@pytest.mark.parametrize(("recipe", "until"), [(RECIPE, (0, 3)), (TWO, (1, 1))])
def test_a_stop_at_a_place_is_the_picture_of_an_interruption_there(paint, tmp_path, recipe, until) -> None:
    pieces = iter([False] * (until[0] * 3 + until[1] // 2) + [True])
    stopped = paint(recipe, tmp_path / "stopped.png", stop=lambda: next(pieces))
    again = paint(recipe, tmp_path / "again.png", until=until)
    assert stopped.place == again.place == until
    assert again.output.read_bytes() == stopped.output.read_bytes()


def test_what_another_recipe_left_behind_is_not_gone_on_with(paint, tmp_path) -> None:
    whole, output = paint(RECIPE, tmp_path / "whole.png"), tmp_path / "out.png"
    paint(replace(RECIPE, beta=7.0), output, stop=lambda: True)
    said = []
    paint(RECIPE, output, say=said.append)
    assert "going on where it was interrupted" not in said
    assert output.read_bytes() == whole.output.read_bytes()
    assert not beside(output).exists()


def test_a_refused_picture_leaves_nothing_behind(paint, tmp_path) -> None:
    output = tmp_path / "out.png"
    with pytest.raises(UserError, match="is not in vgg16"):
        paint(replace(RECIPE, content_layers=("relu9_9",)), output)
    with Store(beside(output)).locked(), pytest.raises(UserError, match="another process is writing"):
        paint(RECIPE, output)
    assert beside(output).is_dir()  # the other's
    paint(RECIPE, output)
    assert not beside(output).exists()


def test_an_error_on_the_way_leaves_no_state_but_a_checkpoint_does(paint, tmp_path) -> None:
    def fail(*_):
        raise OSError("the plug was pulled")

    output = tmp_path / "out.png"
    with pytest.raises(OSError, match="plug"):
        paint(RECIPE, output, show=fail)
    assert not beside(output).exists()
    shown = iter([lambda: None, fail])
    with pytest.raises(OSError, match="plug"):
        paint(RECIPE, output, show=lambda *_: next(shown)())
    assert beside(output).is_dir()
    assert not output.exists()
    paint(RECIPE, output)
    assert output.read_bytes() == paint(RECIPE, tmp_path / "whole.png").output.read_bytes()


def test_a_picture_for_print_is_deep_and_holds_its_recipe(paint, tmp_path) -> None:
    made = paint(RECIPE, tmp_path / "out.tif", more={"how": images.Output(depth=16, dpi=300)})
    levels = tifffile.imread(made.output)
    assert levels.dtype == np.uint16
    np.testing.assert_array_equal(levels, np.rint(made.solution.image.clip(0, 1) * np.float32(65535)))
    assert record.recipe_of(record.from_metadata(images.read_metadata(made.output), made.output)) == RECIPE


def test_a_memory_that_holds_nothing_is_refused_and_one_that_does_is_told(paint, tmp_path) -> None:
    with pytest.raises(UserError, match=r"the memory is 0\.01 GB: tiles of 256 need at least"):
        paint(RECIPE, tmp_path / "out.png", more={"most": 10**7})
    said = []
    paint(RECIPE, tmp_path / "out.png", more={"most": 2 * 10**9}, say=said.append)
    assert "0.0 megapixels (20x16) whole: about" in said[0]


def test_a_long_name_has_a_folder_too(paint, tmp_path) -> None:
    output = tmp_path / f"{'x' * 240}.png"
    made = paint(RECIPE, output, stop=lambda: True)
    assert made.place == (0, 1)
    assert len(beside(output).name) < 100
    paint(RECIPE, output)
    assert not beside(output).exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [("chunk-0000-of-1.npz", "these lanes begin again"), ("digest", "starting over"), ("chunks-0.json", "cut anew")],
)
@pytest.mark.parametrize("kind", ["cut", "emptied", "flipped", "removed"])
def test_a_damaged_state_is_said_and_begun_again(paint, tmp_path, name, said, kind) -> None:
    whole, output, lines = paint(RECIPE, tmp_path / "whole.png"), tmp_path / "out.png", []
    pieces = iter([False, True])
    paint(RECIPE, output, stop=lambda: next(pieces))
    test_runs_integrity.DAMAGE[kind](beside(output) / name, output)
    paint(RECIPE, output, say=lines.append)
    assert any(said in line for line in lines) or (name, kind) == ("digest", "removed")
    assert output.read_bytes() == whole.output.read_bytes()
    assert not beside(output).exists()
