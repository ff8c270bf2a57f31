"""Experiments on controls: what they measure themselves, and trials of several styles, masks, colours and textures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_files import narrow_weights

from experiments import all as every
from experiments import (
    blends,
    colours,
    common,
    drawn,
    layer_weights,
    precision,
    regions,
    spreads,
    strokes,
    texture,
    trials,
    units,
)
from nst_jax import colour, images, load_encoder
from nst_jax.metrics import MEANINGS
from nst_jax.metrics.filters import responses
from nst_jax.metrics.planes import luma
from nst_jax.recipe import plain

RNG = np.random.default_rng(0)
SIZE = 32


def test_bricks_repeat_by_a_row_and_half_a_brick_and_masks_halve_a_picture() -> None:
    wall = trials.square("bricks", 256)
    down, right = texture.repeating(luma(wall))
    height, width = (side // 2 for side in drawn.BRICK)
    assert down % height == 0
    assert right % width == (down // height % 2) * width // 2
    assert texture.repeat(luma(wall), (down, right)) > 0.4
    assert abs(texture.repeat(RNG.random((64, 64)), (20, 7))) < 0.2
    for mask in drawn.MASKS.values():
        labels = mask(64)
        assert set(np.unique(labels)) == {0, 1}
        assert labels.mean() == pytest.approx(0.5, abs=0.02)


def test_a_picture_between_two_styles_is_placed_there() -> None:
    x = RNG.standard_normal((8, 8, 4)).astype(np.float32)
    a, b, quarter, beside = (
        spreads.spreads({"one": x + np.array(shift, np.float32)})
        for shift in ((0, 0, 0, 0), (8, 0, 0, 0), (2, 0, 0, 0), (4, 4, 0, 0))
    )
    assert blends.placed(quarter, a, b) == pytest.approx({"place": 0.25, "off": 0}, abs=1e-3)
    assert blends.placed(beside, a, b) == pytest.approx({"place": 0.5, "off": 0.5}, abs=1e-3)
    assert spreads.squared(a["one"], b["one"]) == pytest.approx(64, rel=1e-3)


def test_part_of_a_picture_is_what_lies_there() -> None:
    x = RNG.standard_normal((8, 8, 4)).astype(np.float32)
    where = np.repeat(np.arange(16)[None] < 6, 16, 0)  # three of eight columns
    part, alone = spreads.spreads({"one": x}, where)["one"], spreads.spreads({"one": x[:, :3]})["one"]
    np.testing.assert_allclose(part.mean, alone.mean, atol=1e-6)
    assert float(part.trace) == pytest.approx(float(alone.trace), rel=1e-5)


def path_of(bend: float) -> list[dict]:
    """Give the rows of one path, whose distances follow the share, or bend back in the middle."""
    rows = []
    for share in blends.SHARES:
        t = share + bend * share * (1 - share)
        measures = dict.fromkeys(blends.OF_STYLE, t) | {f"b.{name}": 1 - t for name in blends.OF_STYLE}
        said = {"content": "c", "style": "a+b", "style_loss": "gram", "balance": 3.0, "share": share, "place": t}
        rows.append(said | measures)
    return rows


def test_a_path_is_judged_by_both_its_ends() -> None:
    (straight,), (bent,) = blends.between(path_of(0)), blends.between(path_of(4))
    assert straight["monotone"] == straight["middle_between"] == straight["of"] == 4
    assert straight["middle"] == pytest.approx(0.5)
    assert bent["monotone"] == bent["middle_between"] == 0
    assert blends.between(path_of(0)[1:]) == []


def test_a_border_is_beside_another_region_and_not_beside_the_edge_of_the_picture() -> None:
    found = regions.places(drawn.halves(48) == 0)
    assert np.flatnonzero(found["border"][5]).tolist() == [21, 22, 23]
    assert np.flatnonzero(found["inside"][40]).tolist() == list(range(16))
    assert found["border"].all(0).sum() == 3


def test_what_is_more_than_of_pictures_painted_wholly_is_leak() -> None:
    same = {"mask": "disc", "content": "c", "balance": 3.0, "device": "d", "nst_jax": "1", "jax": "1"}
    shares = dict.fromkeys(("border_colour", "border_features", "inside_colour", "inside_features"))
    rows = [
        {**same, "style": style, "guides": guides, **dict.fromkeys(shares, value)}
        for style, guides, value in (("a+b", "all", 0.5), ("a", "none", 0.2), ("b", "none", 0.4), ("z", "none", 0.9))
    ]
    (found,) = regions.leaks(rows)
    assert found["border_colour"] == pytest.approx(0.2)
    assert found["guides"] == "all"


def test_chroma_is_that_of_the_content_whatever_the_luminance() -> None:
    content, other = (RNG.uniform(0.4, 0.6, (8, 8, 3)).astype(np.float32) for _ in range(2))
    assert colours.chroma_distance(colour.with_chroma(other, content), content) < 1e-6
    assert colours.chroma_distance(other, content) > 0.01


def test_strokes_are_as_wide_as_they_are_drawn() -> None:
    cells = RNG.random((64, 64)) > 0.5
    narrow, wide = (strokes.width(np.kron(cells[: 192 // k, : 192 // k], np.ones((k, k))), 48) for k in (3, 6))
    assert narrow == pytest.approx(3, rel=0.15)
    assert wide == pytest.approx(2 * narrow, rel=0.1)
    assert np.isnan(strokes.width(np.zeros((32, 32)), 2))
    known = strokes.answers("village_street_auvers", 64)
    assert strokes.nearest(known[64], known) == pytest.approx(64, rel=0.05)
    between = responses(trials.square("village_street_auvers", 83))
    assert strokes.nearest(between, known) == pytest.approx(83, rel=0.05)
    rows = [{"style_size": size, "width": 3 * size**0.5} for size in (32, 64, 128)]
    assert strokes.growth(rows, "width") == pytest.approx(0.5)


def test_textures_as_different_as_parts_of_their_style_have_a_diversity_of_one() -> None:
    style = trials.square("bricks", 64)
    moved = [np.roll(style, RNG.integers(0, 64, 2), (0, 1)) for _ in range(12)]
    fine, coarse = texture.among("bricks", 64)
    for f, reference in ((np.asarray, fine), (texture.small, coarse)):
        away = [common.rmse(f(a), f(b)) for i, a in enumerate(moved) for b in moved[:i]]
        assert np.mean(away) == pytest.approx(reference, rel=0.15)


def test_seeds_know_each_other() -> None:
    listed = list(texture.trials(size=SIZE, steps=1, seeds=range(3), styles=("bricks",)))[:3]
    assert [texture.sibling(listed[0], seed).name for seed in range(3)] == [trial.name for trial in listed]
    assert len({trial.group for trial in listed}) == 1


@pytest.fixture
def narrow(tmp_path, monkeypatch):
    """Give settings of a narrow network, which judges by itself."""
    weights = narrow_weights(tmp_path)[1]
    monkeypatch.setattr(trials, "_judging", lambda _: load_encoder(weights))
    measured = {"content_distance": 1.0, "ssim": 0.5, "style_bures": 0.3}
    monkeypatch.setattr(trials, "judge_of", lambda *_: lambda image: dict(measured))
    return {
        "weights": weights, "size": SIZE, "steps": 2, "style_layers": ("relu1_1", "relu2_1"),
        "content_layers": ("relu2_2",),
    }  # fmt: skip


def test_masks_and_colours_after_are_painted(narrow, tmp_path) -> None:
    how = {name: value for name, value in narrow.items() if name != "steps"}
    one = trials.Trial({"a": 1}, "temple", "great_wave", plain(steps=2, **how))
    held = replace(one, styles=("summertime",), mask="halves", recipe=replace(one.recipe, style_shares=(0.0, 1.0)))
    after = replace(one, after="match-mk")
    assert one.group == after.group != held.group
    assert len({one.name, held.name, after.name}) == 3
    assert held.pair == "temple + great_wave+summertime"
    trials.run({"some": [one, held, after]}, {"some": trials.Table(tmp_path / "t.csv")}, tmp_path, trials.Limits())
    content = trials.square("temple", SIZE)
    left, right = np.split(np.abs(picture(tmp_path, held) - content), 2, axis=1)
    assert left.max() < 1 / 255 < right.max()  # a region of share 0 stays the content's
    away = [np.abs(picture(tmp_path, trial).mean((0, 1)) - content.mean((0, 1))).max() for trial in (one, after)]
    assert away[1] < 0.01 < away[0]


def picture(folder, trial) -> np.ndarray:
    """Read what a trial painted."""
    return trials.images.read(folder / f"{trial.name}.png").rgb


def test_a_texture_is_painted_from_noise_and_compared_with_its_siblings(narrow, tmp_path) -> None:
    own = narrow | {"content_layers": (), "alpha": 0.0, "frame": f"{SIZE}x{SIZE}", "init": "noise"}
    listed = [
        trials.Trial({"seed": seed}, "", "bricks", plain(seed=seed, **own), measured_by="texture") for seed in (0, 1)
    ]
    table = trials.Table(tmp_path / "rows.csv")
    trials.run({"some": listed}, {"some": table}, tmp_path, trials.Limits())
    first, second = table.of(listed)
    assert first["siblings"] == 1
    assert first["diversity"] == pytest.approx(second["diversity"])
    assert first["content"] == ""
    assert "ssim" not in first
    assert first["style_bures"] == pytest.approx(0.3)


@pytest.mark.usefixtures("narrow")
def test_the_border_of_a_picture_made_of_both_styles_is_their_own() -> None:
    styles = "great_wave", "composition_viii"
    made = np.where(drawn.halves(64)[..., None] == 0, *(trials.square(style, 64) for style in styles))
    columns = {"mask": "halves", "painted": "both"}
    both = trials.Trial(columns, "temple", styles[0], plain(), styles=styles[1:], mask="halves")
    wrong = replace(both, style=styles[1], styles=styles[:1])
    own, other = (regions.measured(made, trial, Path()) for trial in (both, wrong))
    for name in own:
        assert own[name] < 0.5 < other[name]
        assert own[name] == pytest.approx(1 - other[name], abs=1e-5)


@pytest.mark.parametrize(
    "module",
    [blends, regions, colours, texture, strokes, units, precision, layer_weights],
    ids=lambda m: m.__name__[12:],
)
def test_every_figure_is_drawn_from_rows(module, tmp_path) -> None:
    name = module.__name__.rpartition(".")[2]
    first = next(module.trials())
    own = {
        "blends": [f"b.{measure}" for measure in blends.OF_STYLE] + ["place", "off"],
        "regions": ["border_colour", "border_features", "inside_colour", "inside_features"],
        "colours": ["chroma_distance", "content_colour_w2", "grey_bures"],
        "texture": ["siblings", "repeat", "diversity", "diversity_coarse"],
        "strokes": ["width", "width_style", "strokes_as"],
        "units": ["own.content_distance", "own.style_bures"],
        "precision": ["loss"],
    }.get(name, [])
    same = [trial for trial in module.trials() if trial.content == first.content][:40]
    rows = [
        {**trials._said(trial), **{measure: RNG.uniform(0.1, 0.9) for measure in (*MEANINGS, *own)}, **common.about(1)}
        for trial in same
    ]
    every.draw(name, rows, same, every.Config(out=tmp_path, pictures=tmp_path))
    assert (tmp_path / f"{name}.jpg").read_bytes()[:2] == b"\xff\xd8"
    tables = {"blends": ["blends_paths.csv"], "strokes": ["strokes_growth.csv"]}
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == tables.get(name, [])


def test_what_no_other_beats_in_both_is_the_front() -> None:
    points = [(1.0, 5.0), (2.0, 2.0), (3.0, 3.0), (4.0, 1.0), (2.0, 6.0)]
    assert layer_weights.front(points) == [(1.0, 5.0), (2.0, 2.0), (4.0, 1.0)]


def test_a_precision_is_compared_with_float32_from_the_same_start() -> None:
    rows = [
        {**trials._said(trial), **dict.fromkeys(("loss", *precision.MEASURES), {"float32": 2.0, "tf32": 2.1}[name])}
        for trial in precision.trials()
        if (name := trial.columns["precision"]) != "bfloat16"
    ]
    found = precision.ratios(rows)
    assert {row["compared"] for row in found} == {
        "tf32, from the content", "tf32, from noise", "float32, another seed of noise",
    }  # fmt: skip
    assert all(row["ssim"] == (1.05 if "tf32" in row["compared"] else 1) for row in found)


def test_what_is_asked_at_a_pictures_own_size_is_measured_there(narrow, tmp_path, monkeypatch) -> None:
    trial = next(units.trials(sizes=(64,)))
    monkeypatch.setattr(trials, "other_of", lambda network, content, style, size: lambda image: {
        "content_distance": image.shape[0], "style_bures": size,
    })  # fmt: skip
    images.save(tmp_path / f"{trial.name}.png", np.zeros((48, 48, 3), np.float32))
    assert units.measured(np.zeros((1, 1, 3)), trial, tmp_path) == {"own.content_distance": 48, "own.style_bures": 48}
