"""Each experiment runs for two steps on tiny pictures and a tiny network, and leaves its figure and its numbers."""

import csv
import importlib
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import all as every
from experiments import common, descents, gram_blindness, optimizers, reproducibility
from nst_jax import LBFGS, pose, solve

PAIR = ("temple:great_wave",)
# nearly all of one shape, 32x32, so that they share compiled programs
SMALL = {
    "alpha_beta_sweep": {"size": 32, "pairs": PAIR, "twos": (-2, 0), "threes": (1,), "with_tv": (0,)},
    "gram_blindness": {"size": 32, "painted": 32, "pairs": PAIR, "tiles": (16, 8)},
    "reproducibility": {"size": 32, "pairs": 1},
    "stylize_batch": {"size": 32, "contents": ("temple", "chelsea"), "styles": ("great_wave", "summertime")},
    "optimizers": {"size": 32, "pairs": PAIR},
    "feature_statistics": {"size": 48, "networks": ("given",), "pictures": ("temple", "great_wave")},
    "throughput": {"size": 32, "lanes": (1, 2), "rounds": 1},
}
FOLDER = Path(common.__file__).parent


def test_every_experiment_is_tested_and_in_the_index():
    scripts = {path.stem for path in FOLDER.glob("*.py")}
    scripts -= {"__init__", "again", "all", "common", "descents", "drawn", "figures", "metrics", "spreads", "trials"}
    assert scripts == {*SMALL, *every.ORDER}
    index = (FOLDER / "README.md").read_text()
    for name in SMALL:
        assert f"python -m experiments.{name}" in index
        assert f"(results/{name}.jpg)" in index
    for name in every.ORDER:
        assert f"--only {name}" in index
        assert (f"(results/{name}.jpg)" in index) == (FOLDER / f"results/{name}.csv").exists()


@pytest.mark.parametrize("name", SMALL)
def test_two_steps(name, tiny, tmp_path):
    script = importlib.import_module(f"experiments.{name}")
    steps = {"steps": 2} if hasattr(script.Config(), "steps") else {}
    config = replace(script.Config(), **steps, **SMALL[name])
    folder = script.main(config, tiny.encoder, tmp_path)
    assert folder.parent == tmp_path
    assert folder.name.startswith(f"{name}-")
    for figure in folder.glob("*.jpg"):
        assert figure.read_bytes()[:2] == b"\xff\xd8"
    rows = list(csv.DictReader((folder / "numbers.csv").read_text().splitlines()))
    assert rows
    if name == "gram_blindness":  # again, from what is kept: the same figure
        before = (folder / "figure.jpg").read_bytes()
        assert script.main(config, tiny.encoder, tmp_path) == folder
        assert (folder / "figure.jpg").read_bytes() == before


@pytest.mark.parametrize("name", SMALL)
def test_what_is_committed_is_small_and_of_this_script(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) < 100
    assert all(word in text for word in ("Command:", "Cost:", "Expected:"))
    files = [*FOLDER.glob(f"results/{name}*")]
    assert {file.suffix for file in files} == {".jpg", ".csv"}
    assert all(file.stat().st_size < common.LARGEST for file in files)


def test_the_folder_is_named_by_the_configuration(tmp_path):
    config = optimizers.Config()
    assert common.run_folder(config, tmp_path) == common.run_folder(optimizers.Config(), tmp_path)
    assert common.run_folder(replace(config, steps=7), tmp_path) != common.run_folder(config, tmp_path)


def test_shuffling_tiles_keeps_every_pixel():
    image = np.random.default_rng(0).random((16, 24, 3))
    mixed = gram_blindness.shuffled(image, 8)
    assert not np.array_equal(mixed, image)
    assert np.array_equal(np.sort(mixed.ravel()), np.sort(image.ravel()))
    assert gram_blindness.difference(np.eye(2), 2 * np.eye(2)) == 0.5


def test_lanes_that_differ_are_counted_and_their_largest_differences_given():
    rng = np.random.default_rng(0)
    first = {"images": rng.random((3, 8, 8, 3)).astype(np.float32), "losses": np.ones((3, 5))}
    second = {name: x.copy() for name, x in first.items()}
    same = {"lanes": 3, "equal_bits": 3, "levels": 0, "rmse": 0, "loss": 0, "first_evaluation": ""}
    assert reproducibility.difference(first, second) == same
    second["images"][1, 0, 0, 0] += np.float32(2 / 255)
    second["losses"][1, 3:] = 0.5
    found = reproducibility.difference(second, first)
    assert (found["equal_bits"], found["levels"], found["first_evaluation"]) == (2, 2, 4)
    assert found["loss"] == pytest.approx(0.5)
    assert found["rmse"] == pytest.approx(2 / 255 / np.sqrt(192), rel=1e-3)


def test_ranges_are_those_over_pairs():
    rows = [
        {"pair": pair, "way": way, "loss_50": loss}
        for pair, scale in (("a", 1.0), ("b", 10.0))
        for way, loss in ((descents.OURS, scale), ("other", 2 * scale + 1))
    ]
    ours, other = descents.ranges(rows, [50])
    assert (ours["least"], ours["most"]) == (1, 1)
    assert (other["least"], other["most"], other["median"], other["pairs"]) == pytest.approx((2.1, 3, 2.55, 2))


def parabola(image):
    """Give 1/2 sum c (x - 0.3)^2 with curvatures c from 1 to 100, and its gradient."""
    c = np.linspace(1, 100, image.size).reshape(image.shape)
    return 0.5 * float(np.sum(c * (np.asarray(image) - 0.3) ** 2)), jnp.asarray(c * (image - 0.3), jnp.float32)


WAYS = {
    "adam": lambda x: descents.adam(x, descents.cosine(0.1, 60)),
    "lbfgs": descents.guarded,
    "smoothed": lambda x: descents.guarded(x, smooth=descents.smoother((4, 4, 3))),
    "diagonal": lambda x: descents.guarded(x, descents.diagonal()),
    "anderson": lambda x: descents.guarded(x, descents.anderson),
    "then": lambda x: descents.then(descents.adam(x, descents.constant(0.02)), 9, descents.guarded),
}


@pytest.mark.parametrize("name", WAYS)
def test_every_way_finds_the_bottom_of_a_parabola(name):
    start = np.full(48, 0.9, np.float32)
    lowest, best = descents.follow(WAYS[name](start), lambda z: z.reshape(4, 4, 3), parabola, 60)
    assert lowest[-1] < 1e-3 * lowest[0]
    assert np.abs(best - 0.3).max() < 0.05
    assert (np.diff(lowest) <= 0).all()


def test_the_experiments_lbfgs_takes_the_steps_of_the_library(tiny):
    rng = np.random.default_rng(0)
    content, style = (rng.random((32, 36, 3)).astype(np.float32) for _ in range(2))
    problem = pose(tiny.encoder, content, style)
    solution = solve(tiny.encoder, problem, steps=7, descent=LBFGS())
    script = importlib.import_module("experiments.optimizers")
    way, drawn = descents.ways(content, 8)["L-BFGS, 20 pairs, smoothed"]
    lowest, _ = descents.follow(way, drawn, lambda image: script.gradient(tiny.encoder, problem, image), 8)
    np.testing.assert_allclose(lowest, np.minimum.accumulate(solution.history["total"]), rtol=1e-3)


@pytest.mark.parametrize("code", [descents.pyramid, descents.fourier])
def test_a_code_draws_the_picture_it_was_made_from(code):
    image = np.random.default_rng(0).uniform(0.1, 0.9, (22, 17, 3)).astype(np.float32)
    z, drawn = code(image)
    np.testing.assert_allclose(drawn(jnp.asarray(z, jnp.float32)), image, atol=1e-3)
