"""Trials: what each experiment lists, that rows are appended once, judged later where they must be, and drawn."""

from dataclasses import replace
from importlib import import_module

import jax.numpy as jnp
import numpy as np
import pytest
from run_files import narrow_weights

from experiments import all as every
from experiments import common, drawn, figures, trials, vgg_or_inception
from nst_jax import load_encoder, pose, terms
from nst_jax.metrics import MEANINGS
from nst_jax.recipe import PLAIN, Recipe, check, plain

SIZE = 32


@pytest.mark.parametrize("name", every.ORDER)
def test_what_an_experiment_lists_can_be_painted_and_told_apart(name):
    module = import_module(f"experiments.{name}")
    listed = list(module.trials())
    assert len({trial.name for trial in listed}) == len(listed) > 10
    said = [(trial.content, trial.style, *trial.columns.items()) for trial in listed]
    assert len(set(map(str, said))) == len(listed)  # the columns alone tell them apart
    for trial in listed:
        check(trial.recipe)
        assert set(module.BY) & set(trial.columns)
        assert bool(trial.content) != bool(trial.recipe.frame)
        assert trial.mask in ("", *drawn.MASKS)
        for picture in (trial.content or trial.style, *trial.every_style):
            assert picture in drawn.TEXTURES or common.find(picture).exists()
        if trial.measured_by:
            assert callable(import_module(f"experiments.{trial.measured_by}").measured)
    assert {measure.rpartition(".")[2] for measure in module.MEASURES} <= set(MEANINGS)
    text = (module.__doc__ or "").splitlines()
    assert text[0].endswith("?")
    assert any(line.startswith(f"Command: python -m experiments.all --only {name}") for line in text)


@pytest.fixture
def painted(tmp_path, monkeypatch):
    """Give three trials by a narrow network, judged by nothing but SSIM, and where they go."""
    weights = narrow_weights(tmp_path)[1]
    layers = {"style_layers": ("relu1_1", "relu2_1"), "content_layers": ("relu2_2",)}
    small = Recipe(size=SIZE, steps=2, weights=weights, **layers)
    listed = [
        trials.Trial({"balance": beta}, "temple", "great_wave", replace(small, beta=beta)) for beta in (1.0, 2.0, 3.0)
    ]

    def judge(content, style, size):
        def measured(image):
            assert image.shape == (size, size, 3)
            away = float(np.mean((image - trials.square(content, size)) ** 2))
            return {"content_distance": away + 1e-9, "style_bures": 1 - away, "ssim": 1 - away}

        return measured

    monkeypatch.setattr(trials, "judge_of", judge)
    return listed, trials.Table(tmp_path / "rows.csv"), tmp_path / "pictures"


def test_rows_are_appended_once_and_drawn(painted, tmp_path, capsys):
    listed, table, pictures = painted
    trials.run({"some": listed[:2]}, {"some": table}, pictures, trials.Limits())
    again = trials.Table(table.path)
    first = again.of(listed)
    assert [row["balance"] for row in first] == [1.0, 2.0]
    assert all(0 < row["ssim"] <= 1 and row["steps"] == 2 and row["jax"] for row in first)
    assert not (pictures / f"{listed[2].name}.png").exists()
    trials.run({"some": listed}, {"some": again}, pictures, trials.Limits())
    assert len(trials.Table(table.path).rows) == 3
    assert "1 painted" in capsys.readouterr().err
    figures.sheet(tmp_path / "sheet.jpg", listed, pictures, ("balance",), ())
    figures.fronts(tmp_path / "fronts.jpg", first, ("balance",), ("style_bures", "ssim"))
    assert all((tmp_path / f"{name}.jpg").read_bytes()[:2] == b"\xff\xd8" for name in ("sheet", "fronts"))


def test_what_was_not_judged_in_time_is_judged_by_the_next_run(painted):
    listed, table, pictures = painted
    pictures.mkdir()
    table.add(trials.paint(listed[:1], pictures))
    assert table.of(listed) == []
    assert table.waits(listed[0], pictures)
    trials.run({"some": listed[:1]}, {"some": table}, pictures, trials.Limits(budget=-1))
    assert len(table.of(listed)) == 1
    assert not table.waits(listed[0], pictures)


def test_one_that_fails_ends_no_other(painted, capsys):
    listed, table, pictures = painted
    small = replace(listed[1], recipe=replace(listed[1].recipe, style_layers=("relu5_1",), size=8))
    trials.run({"some": [small, listed[0]]}, {"some": table}, pictures, trials.Limits())
    assert list(table.rows) == [listed[0].name]
    assert "1 trials failed: the content image is 8x8" in capsys.readouterr().err


def test_a_new_setting_and_another_default_rename_no_trial(painted):
    trial = painted[0][0]
    spelled = {name: value for name, value in vars(trial.recipe).items() if value != getattr(PLAIN, name)}
    assert replace(trial, recipe=plain(**spelled)).name == trial.name
    assert replace(trial, recipe=replace(trial.recipe, tv=0.5)).name != trial.name != replace(trial, judged_at=64).name


def test_lanes_that_differ_in_numbers_share_a_program_within_the_limit(painted):
    listed, table, _ = painted
    other = replace(listed[0], recipe=replace(listed[0].recipe, pooling="max"))
    parts = list(trials.parts([*listed, other], table, trials.Limits(largest=2 * SIZE**2)))
    assert [len(part) for part in parts] == [2, 1, 1]
    noise = replace(listed[0], recipe=replace(listed[0].recipe, init="noise", seed=3))
    assert noise.group == listed[0].group != other.group


def test_weights_that_balance_a_style_make_its_layers_begin_alike(tmp_path):
    encoder = load_encoder(narrow_weights(tmp_path)[1])
    pair = trials.Pair(trials.square("temple", SIZE), trials.square("great_wave", SIZE))
    recipe = Recipe(style_layers=("relu1_1", "relu2_1"), content_layers=("relu2_2",), size=0)
    found = terms(encoder, pose(encoder, *pair[:2], recipe=recipe), jnp.asarray(pair.content))
    weights = trials.weighed(encoder, pair, recipe, "balanced")
    assert np.mean(weights) == pytest.approx(1)
    first, second = (w * float(found[f"style/{layer}"]) for w, layer in zip(weights, recipe.style_layers, strict=True))
    assert first == pytest.approx(second, rel=1e-4)
    assert trials.weighed(encoder, pair, recipe, "gradient") != pytest.approx(weights, rel=1e-2)


def test_a_measure_at_equal_distance():
    rows = [{"content_distance": x, "style_bures": y} for x, y in ((0.1, 1.0), (10.0, 3.0), (1.0, 2.0))]
    assert figures.at(rows, "style_bures", 1.0) == pytest.approx(2)
    assert figures.at(rows, "style_bures", 10**0.5) == pytest.approx(2.5)
    assert np.isnan(figures.at(rows, "style_bures", 20.0))
    assert figures.level([rows, rows[1:]]) == pytest.approx(10**0.5)
    assert np.isnan(figures.level([rows[:1], rows[1:2]]))


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("2h", 7200)])
def test_times(text, seconds):
    assert every.seconds(text) == seconds


def test_what_is_no_time_and_no_experiment_is_said(tmp_path):
    with pytest.raises(SystemExit, match="'2 days': expected such as 90s, 20m or 2h"):
        every.seconds("2 days")
    with pytest.raises(SystemExit, match="no experiment is called loses: use default_search"):
        every.main(every.Config(only="loses", out=tmp_path))


def made_up(network, nearness, pairs):
    """Give rows of an arm over four balances, whose judges see it `nearness` times as far as one of nearness 1."""
    arm = {"network": network, "statistic": "gram", "canvas": "pixels", "smoothing": "none", "init": "content"}
    return [
        {**arm, "content": content, "style": style, "content_distance": x, "checkerboard": 0.5}
        | dict.fromkeys(vgg_or_inception.JUDGES, nearness / x)
        for content, style in pairs
        for x in (0.1, 0.3, 1.0, 3.0)
    ]


@pytest.mark.parametrize(
    ("nearness", "pairs", "said"), [(0.9, 6, "HOLDS"), (1.1, 6, "FAILS"), (0.9, 5, "OPEN: 5 of 6 pairs compare")]
)
def test_the_rule_decides(nearness, pairs, said):
    arms = [{"network": "vgg16", "statistic": "gram"}, {"network": "inception_v3", "statistic": "gram"}]
    rows = made_up("vgg16", nearness, trials.PAIRS[:pairs]) + made_up("inception_v3", 1.0, trials.PAIRS[:pairs])
    found = vgg_or_inception.beside(rows, *arms)
    assert [row["style_bures"] for row in found] == pytest.approx([nearness] * pairs)
    assert vgg_or_inception.verdict(found) == said
    better = made_up("vgg16", 0.9, trials.PAIRS[:3]) + made_up("vgg16", 1.1, trials.PAIRS[3:])
    halves = vgg_or_inception.beside([*better, *made_up("inception_v3", 1.0, trials.PAIRS)], *arms)
    assert vgg_or_inception.verdict(halves) == "MIXED"
