"""Anything in a recipe can vary: what axes span, what is left out or refused, and runs over several programs."""

import csv
import itertools
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from run_files import SMALL, assert_same, begin, draw, finish, narrow_weights

import nst_jax
from nst_jax import images, record, settings
from nst_jax.axis import Axis
from nst_jax.batch import run as road
from nst_jax.cli.main import main
from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT, Recipe


def axes(**values) -> list[Axis]:
    return [Axis((name,), tuple((v,) for v in found)) for name, found in values.items()]


def test_structural_settings_and_numbers_span_together():
    spanned = settings.span({"steps": 3}, axes(pooling=["max", "avg"], style_loss=["gram", "w2"], beta=[1.0, 10.0]))
    assert (len(spanned.lanes), spanned.copies, spanned.say()) == (8, 0, "")
    last = spanned.lanes[-1]
    assert last.index == (1, 1, 1)
    assert last.settings == {"pooling": "avg", "style_loss": "w2", "beta": 10.0}
    assert last.recipe == Recipe(steps=3, pooling="avg", style_loss="w2", beta=10.0)


def test_lanes_that_would_be_copies_are_left_out_and_it_is_said():
    # the README of before: seeds of a start without noise
    spanned = settings.span({}, axes(init=["content", "noise"], seed=[0, 1, 2]))
    assert [lane.settings for lane in spanned.lanes] == [
        {"init": "content"},
        *({"init": "noise", "seed": seed} for seed in (0, 1, 2)),
    ]
    assert spanned.say() == "2 of 6 lanes would be copies of others and are left out"
    rates = settings.span({}, axes(optimizer=["adam", "lbfgs", "lbfgs-zoom"], lr=[0.01, 0.02]))
    assert [lane.recipe.lr for lane in rates.lanes] == [0.01, 0.02, DEFAULT.lr, DEFAULT.lr]


@pytest.mark.parametrize(
    ("given", "varied", "words"),
    [
        ({}, {"lr": [0.1, 0.2]}, "lr would change nothing: optimizer is lbfgs"),
        ({}, {"seed": [0, 1]}, "seed would change nothing: init is content"),
        ({"seed": 3}, {"beta": [1.0, 2.0]}, "seed would change nothing"),
        ({"coarse_steps": 3}, {"scales": [1]}, "coarse_steps would change nothing"),
        ({}, {"min_scale": [64, 128], "scales": [1, 2]}, "min_scale would change nothing"),
        ({}, {"poolin": ["max"]}, "did you mean 'pooling'"),
        ({}, {"pooling": ["max", "median"]}, "expected one of max, avg"),
        ({}, {"beta": [-1.0]}, "beta is -1"),
        ({}, {"layer_weights.relu9_1": [1.0]}, "no style layer"),
        ({}, {"preset": ["default", "crowsn"]}, "did you mean 'crowson'"),
        ({}, {"beta": range(400), "alpha": range(400)}, "160000 lanes: expected at most 100000"),
    ],
)
def test_what_would_change_nothing_or_cannot_be_is_refused(given, varied, words):
    with pytest.raises(UserError) as error:
        settings.span(given, axes(**varied))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_setting_that_some_lanes_read_is_kept():
    spanned = settings.span({"seed": 7, "lr": 0.5}, axes(init=["content", "noise"], optimizer=["adam", "lbfgs"]))
    assert [(lane.recipe.seed, lane.recipe.lr) for lane in spanned.lanes] == [
        (0, 0.5), (0, DEFAULT.lr), (7, 0.5), (7, DEFAULT.lr),
    ]  # fmt: skip


def test_presets_are_an_axis_and_what_is_given_wins():
    spanned = settings.span({"size": 64}, axes(preset=["default", "jcjohnson", "crowson"], optimizer=["adam", "lbfgs"]))
    recipes = {tuple(lane.settings.values()): lane.recipe for lane in spanned.lanes}
    assert {recipe.size for recipe in recipes.values()} == {64}
    assert recipes["jcjohnson", "lbfgs"].content_loss == "mean"
    assert recipes["jcjohnson", "adam"].lr == 10 / 255  # its source's
    assert (recipes["crowson", "adam"].ema, recipes["crowson", "lbfgs"].ema) == (0.99, 0.0)
    assert recipes["crowson", "lbfgs"].first_steps == 1000


def test_names_of_lanes_tell_lists_and_files_apart():
    from nst_jax.runs.spec import Spec, lanes

    sets = (("relu1_1", "relu2_1"), ("relu3_1",))
    spec = Spec(
        (Path("c.png"),), (Path("s.png"),), Recipe(), tuple(axes(style_layers=sets, weights=["vgg16", "./a/b.h5"]))
    )
    spec = Spec(spec.contents, spec.styles, spec.recipe, spec.axes, show_pictures=False)
    names = [lane.name for lane in lanes(spec)]
    assert names[0] == "style_layers=relu1_1+relu2_1 weights=vgg16"
    assert names[3] == "style_layers=relu3_1 weights=b"
    assert len({lane.image for lane in lanes(spec)}) == 4


CONTENT, STYLE = (np.random.default_rng(i).uniform(size=(20, 24, 3)).astype(np.float32) for i in (0, 1))
SHALLOW = Recipe(size=24, content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), beta=10.0, steps=4)
QUIET = nst_jax.Watch(say=lambda _: None)


def test_a_sweep_in_python_over_networks_and_settings_is_each_lane_alone(tiny):
    other = tiny.encoder.replace(params={k: {n: 0.5 * x for n, x in v.items()} for k, v in tiny.encoder.params.items()})
    encoders = {"one": tiny.encoder, "half": other}
    said = []
    sweep = nst_jax.sweep(
        encoders, CONTENT, STYLE, SHALLOW, optimizer=["adam", "lbfgs"], lr=[0.01, 0.03], say=said.append
    )
    assert said == ["2 of 8 lanes would be copies of others and are left out"]
    assert [axis.names for axis in sweep.axes] == [("weights",), ("optimizer",), ("lr",)]
    plans = []
    results = nst_jax.solve_batch([tiny.encoder, other], sweep, watch=nst_jax.Watch(say=plans.append))
    assert plans[0] == "6 lanes in 4 programs, each compiled once"
    for lane, solution in enumerate(results.solutions):
        place = sweep.settings(lane)
        recipe = settings.tidied(Recipe(**{**vars(SHALLOW), "optimizer": place["optimizer"], "lr": place["lr"]}))
        alone = nst_jax.stylize(encoders[place["weights"]], CONTENT, STYLE, recipe)
        np.testing.assert_allclose(solution.image, alone.image, atol=1e-4)
        assert solution.record["recipe"]["optimizer"] == place["optimizer"]


def test_a_grid_leaves_copies_out_and_refuses_what_changes_nothing(tiny, caplog):
    caplog.set_level("INFO", "nst_jax")
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=Recipe(**{**vars(SHALLOW), "size": 512}))
    sweep = nst_jax.grid(problem, noise=[0.0, 0.5], seed=[0, 1, 2])
    assert [sweep.settings(lane) for lane in range(len(sweep))] == [
        {"noise": 0.0, "seed": 0}, {"noise": 0.5, "seed": 0}, {"noise": 0.5, "seed": 1}, {"noise": 0.5, "seed": 2},
    ]  # fmt: skip
    assert "2 of 6 lanes would be copies" in caplog.text
    for name, words in (("seed", "no noise"), ("lr", "belongs to Adam"), ("ema", "belongs to Adam")):
        with pytest.raises(UserError, match=words):
            nst_jax.grid(problem, **{name: [0.1, 0.2] if name != "seed" else [1, 2]})
    assert nst_jax.grid(problem, **{"terms.style.weight": [1, 2]}).axes[0].names == ("beta",)


def test_numbers_share_one_program_and_their_targets(tiny):
    sweep = nst_jax.sweep(tiny.encoder, CONTENT, STYLE, SHALLOW, beta=[1.0, 10.0, 100.0], tv=[0.0, 1.0])
    targets = {id(x) for p in sweep.problems for x in p.terms["style"].targets.values()}
    assert len(targets) == 2
    assert len({id(problem.init) for problem in sweep.problems}) == 1
    said = []
    nst_jax.solve_batch(tiny.encoder, sweep, steps=1, watch=nst_jax.Watch(say=said.append))
    assert len(said) == 1
    assert said[0].startswith("6 lanes of 24x20 in 1 chunks of 6")


def test_layers_that_a_network_does_not_have_are_refused_with_the_layer(tiny):
    with pytest.raises(UserError, match="layer 'relu9_1' is not in vgg16"):
        nst_jax.sweep(tiny.encoder, CONTENT, STYLE, SHALLOW, style_layers=[("relu1_1",), ("relu9_1",)])
    with pytest.raises(UserError, match="expected one of the encoders given"):
        nst_jax.sweep(tiny.encoder, CONTENT, STYLE, SHALLOW, weights=["vgg16", "vgg19"])


STRUCTURAL = (
    *("../c.png", "../s.png", "--pooling", "max,avg", "--content-loss", "sum,mean", "--beta", "1e1:1e3:3log"),
    *("--optimizer", "adam", "--steps", "90", "--lanes", "2", "--no-metrics"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Give a folder with two pictures and a run over two structural axes and a number."""
    folder = tmp_path_factory.mktemp("structural")
    draw(folder / "c.png", 1, 32, 24)
    draw(folder / "s.png", 2, 40, 32)
    monkeypatch = pytest.MonkeyPatch()
    (folder / "whole").mkdir()
    monkeypatch.chdir(folder / "whole")
    assert main(["sweep", *STRUCTURAL, "-o", "run", *SMALL, *narrow_weights(folder), "--no-cache"]) == 0
    monkeypatch.undo()
    return folder


def test_a_run_over_programs_is_stopped_and_goes_on_to_the_same_bytes(place, monkeypatch):
    (place / "stopped").mkdir()
    monkeypatch.chdir(place / "stopped")
    command = ["sweep", *STRUCTURAL, "-o", "run", *SMALL, *narrow_weights(place), "--no-cache"]
    whole, pieces = road.advance_chunk, itertools.count()

    def interrupted(*args, **kwargs):
        for at in whole(*args, **kwargs):
            if next(pieces) in (1, 3, 6):  # in the first program, and in others
                os.kill(os.getpid(), signal.SIGINT)
            yield at

    monkeypatch.setattr(road, "advance_chunk", interrupted)
    assert [main(command) for _ in range(4)] == [130, 130, 130, 0]
    pictures = sorted((place / "whole/run").glob("lanes/*.png"))
    assert len(pictures) == 12
    for picture in pictures:
        assert (place / "stopped/run/lanes" / picture.name).read_bytes() == picture.read_bytes()
    for name in ("summary.csv", "history.csv"):
        assert (place / "stopped/run" / name).read_bytes() == (place / "whole/run" / name).read_bytes()


@pytest.mark.slow
def test_a_run_over_programs_is_killed_and_goes_on_to_the_same_bytes(place):
    finish(begin(place, "alone", "sweep", *STRUCTURAL))
    process = begin(place, "killed", "sweep", *STRUCTURAL)
    while process.poll() is None and not list((place / "killed/run").glob("state/lane-*.npz")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list((place / "killed/run/state").glob("lane-*.npz"))) < 12
    finish(begin(place, "killed", "sweep", *STRUCTURAL))
    assert_same(place / "killed/run", place / "alone/run")


def test_its_tables_have_a_column_for_each_setting(place):
    with (place / "whole/run/summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [list(row)[:4] for row in rows] == [["lane", "beta", "content_loss", "pooling"]] * 12
    assert [row["pooling"] for row in rows] == ["max", "avg"] * 6
    assert [row["beta"] for row in rows[::4]] == ["10.0", "100.0", "1000.0"]
    # a picture's own record is its lane's recipe
    for path in sorted((place / "whole/run/lanes").glob("*.png"))[::5]:
        held = record.from_metadata(images.read_metadata(path), path)
        lane = rows[int(path.name[:4])]
        assert (held["recipe"]["pooling"], held["recipe"]["content_loss"]) == (lane["pooling"], lane["content_loss"])


def test_a_dry_run_tells_programs_and_no_time(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pictures = (str(place / "c.png"), str(place / "s.png"))
    words = (*STRUCTURAL[2:], *SMALL, *narrow_weights(place), "--no-cache", "--dry-run")
    assert main(["sweep", *pictures, *words, "--out", "dry"]) == 0
    said = capsys.readouterr().out
    assert "12 lanes in 4 programs" in said
    assert "in 2 chunks of 2" in said
    assert said.endswith("nothing was computed or written\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_processes_share_the_programs(place):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = ("--coordinator", f"127.0.0.1:{port}", "--processes", "2", "--process")
    both = [begin(place, "two", "sweep", *STRUCTURAL, *cluster, str(i)) for i in range(2)]
    for process in both:
        finish(process)
    for picture in sorted((place / "whole/run").glob("lanes/*.png")):
        a, b = (images.read(place / where / "run/lanes" / picture.name).rgb for where in ("whole", "two"))
        np.testing.assert_allclose(a, b, atol=2.01 / 255)


def test_a_layer_of_the_recipes_network_can_be_weighed_without_naming_all():
    asked = []

    def own(recipe):
        asked.append(recipe.weights)
        return ("conv3", "mixed2")

    axis = Axis(("layer_weights.mixed2",), ((0.0,), (1.0,)))
    lanes = settings.span({"weights": "inception_v3"}, [axis], own=own).lanes
    assert [lane.recipe.style_layers for lane in lanes] == [("conv3", "mixed2")] * 2
    assert [lane.recipe.layer_weights for lane in lanes] == [(0.5, 0.0), (0.5, 1.0)]
    assert asked == ["inception_v3"] * 2
    with pytest.raises(UserError, match="'mixed3' is no style layer: use one of conv3, mixed2"):
        settings.span({}, [Axis(("layer_weights.mixed3",), ((1.0,),))], own=own)
    with pytest.raises(UserError, match="no style layer: use one of conv5"):  # those that the recipe names stay
        settings.span({"style_layers": ("conv5",)}, [axis], own=own)
