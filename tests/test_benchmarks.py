"""The benchmarks' own arithmetic and tables; none of it needs PyTorch."""

import json
import math
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import contenders, print_device, quality, racers, speed, time_to_quality
from benchmarks.flops import conv_flops
from benchmarks.quality import Curve, Point
from benchmarks.table import HEADER, Row, best_opponent, markdown, speedup, write_json
from nst_jax import DEFAULT, images, load_encoder, pose, problem, total
from nst_jax.presets import JCJOHNSON


def test_flops_of_two_layers_worked_by_hand():
    # 32 x 32 positions; conv1_1: 9 x 3 x 64 = 1728 multiply-adds each, conv1_2: 9 x 64 x 64 = 36864.
    assert conv_flops("relu1_2", 32, 32) == 4 * 1024 * (1728 + 36864)
    # conv2_1 sees 16 x 16 positions: 9 x 64 x 128 = 73728 each.
    assert conv_flops("conv2_1", 32, 32) == 4 * (1024 * (1728 + 36864) + 256 * 73728)


def test_flops_drop_the_odd_row_that_the_pool_drops():
    assert conv_flops("conv2_1", 33, 33) - conv_flops("conv1_2", 33, 33) == 4 * 16 * 16 * 73728


def test_flops_grow_with_the_architecture_and_refuse_what_it_lacks():
    assert conv_flops("conv5_1", 64, 64, "vgg19") > conv_flops("conv5_1", 64, 64, "vgg16")
    with pytest.raises(ValueError, match="conv5_4 is not a layer of vgg16"):
        conv_flops("conv5_4", 64, 64)


def rows() -> list[Row]:
    facts = {"size": 64, "batch": 2, "precision": "float32", "flops": 10**9, "peak": 1e12}
    return [
        Row("nst_jax", **facts, times=[0.01, 0.01, 0.04], memory=6_000_000, start=1.5),
        Row("torch eager contiguous", **facts, times=[0.02, 0.03, 0.04]),
        Row("torch eager channels_last", **facts, times=[0.05, 0.05, 0.05]),
        Row("torch compile contiguous", **facts, times=[], failure="TimeoutError: took longer than 300 s"),
    ]


def test_table_worked_by_hand():
    ours, best, slow, failed = (line.strip("| ").split(" | ") for line in markdown(rows()).splitlines()[2:])
    # Medians 10 and 30 ms; paired ratios 2, 3 and 1; 2 images x 1 GFLOP in 10 ms = 0.2 TFLOP/s, a fifth of the peak.
    assert ours == ["64x64", "2", "float32", "nst_jax", "10", "2.00", "0.2", "20%", "3", "1.5"]
    assert best[4:6] == ["30", "1.00"]
    assert slow[4:6] == ["50", "0.60"]
    assert failed[4:] == ["failed: TimeoutError: took longer than 300 s", *["–"] * 5]
    assert {len(ours), len(best), len(slow), len(failed)} == {len(HEADER)}


def test_the_best_opponent_is_pytorch_in_the_same_configuration():
    everything = rows()
    best = best_opponent(everything, (64, 2, "float32"))
    assert best is not None
    assert best.name == "torch eager contiguous"
    assert best_opponent(everything, (64, 1, "float32")) is None
    assert speedup(everything[0], best) == 2


def test_json_holds_every_time_and_leaves_no_part_behind(tmp_path: Path):
    write_json(tmp_path / "speed.json", {"device": "a chip"}, rows())
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["device"] == "a chip"
    assert found["rows"][0]["times"] == [0.01, 0.01, 0.04]
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]


def test_a_contender_that_fails_is_a_row_and_the_others_run():
    def broken():
        raise RuntimeError("no kernel\nlong traceback")

    args = speed.options(["--steps", "2", "--rounds", "3"])
    group = {name: Row(name, 64, 1, "float32", 1, 1.0, []) for name in ("good", "bad", "slow")}

    def slow():
        while True:
            pass

    args.limit = 1
    good = contenders.Contender(lambda steps: float(steps), lambda: 7)
    speed.measure({"good": lambda: good, "bad": broken, "slow": slow}, group, args)
    assert group["bad"].failure == "RuntimeError: no kernel"
    assert group["slow"].failure == "TimeoutError: took longer than 1 s"
    assert len(group["good"].times) == 3
    assert (group["good"].loss, group["good"].memory) == (2.0, 7)


def test_the_pictures_of_a_batch_differ_and_stay_in_range():
    content, style = contenders.pictures(32, 2)
    assert content.shape == (2, 32, 32, 3)
    assert style.shape == (32, 32, 3)
    assert not np.array_equal(content[0], content[1])
    assert content.min() >= 0
    assert content.max() <= 1


@pytest.mark.slow
def test_our_contender_runs_a_batch_and_lowers_its_loss():
    contender = contenders.ours(32, 2, "float32", 4)
    first = contender.run(4)
    assert contender.run(4) < first
    assert (contender.memory() or 0) > 0


# --- time to quality ---


def curves() -> list[Curve]:
    # The reference's saved pictures reach 10 after 8 s, its unclipped ones 5.
    reference = [Point(0, 0, 100, 100), Point(4, 4, 20, 15), Point(8, 8, 10, 5), Point(10, 10, 12, 6)]
    fast = [Point(0, 0, 100, 100), Point(2, 8, 9, 9), Point(4, 16, 5, 5)]
    lost = [Point(0, 0, 100, 100), Point(1, 1, math.nan, math.nan)]
    race = ("temple:great_wave", "content")
    pairs = (("fast", fast), (quality.LBFGS, reference), (quality.ADAM, lost))
    return [Curve(*race, name, (2, 3), points=points) for name, points in pairs]


def test_a_verdict_worked_by_hand():
    ours, reference, lost = curves()
    found = quality.verdict(ours, reference)
    assert found[:5] == (2, 8, 4, 1, 2)  # 8 s against 2, 8 evaluations against 8, and 8 s against 4 to the loss of 5
    assert found[5:] == (4, 5 / 20)
    assert math.isnan(quality.verdict(lost, reference).seconds)


def test_the_table_of_curves_says_never_where_the_loss_is_not_reached():
    ours, reference, lost = (line.strip("| ").split(" | ") for line in quality.markdown(curves()).splitlines()[2:])
    assert ours == ["temple + great_wave", "content", "fast", "16", "4", "5", "5", "2", "4", "1", "2", "0.250 at 4 s"]
    assert reference[5:9] == ["10", "5", "8", "1"]
    assert lost[7:11] == ["never"] * 4
    assert {len(ours), len(reference), len(lost)} == {len(quality.HEADER)}
    assert quality.markdown(curves()[:1]).endswith("| – | – | – | – | – |")


def test_every_point_is_written_and_drawn(tmp_path):
    quality.write_json(tmp_path / "out.json", {"device": "a chip"}, curves())
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["columns"] == ["seconds", "evaluations", "saved", "free"]
    assert found["curves"][2]["points"][1] == [1, 1, None, None]
    quality.draw(tmp_path / "out.jpg", curves(), "a caption")
    quality.sheet(tmp_path / "sheet.jpg", {"from content": {"fast": np.zeros((4, 6, 3))}}, "a caption")
    assert all((tmp_path / name).read_bytes()[:2] == b"\xff\xd8" for name in ("out.jpg", "sheet.jpg"))


def test_what_is_kept_of_a_race_is_drawn_again_without_one(tmp_path, capsys):
    facts = {"device": "a chip", "size": "512", "torch_precision": "float32"}
    quality.write_json(tmp_path / "out.json", facts, curves())
    time_to_quality.main(["--redraw", str(tmp_path / "out.json"), "--figure", str(tmp_path / "out.jpg")])
    shown = capsys.readouterr().out
    assert shown.startswith("device a chip, size 512")
    assert quality.markdown(curves()) in shown
    assert (tmp_path / "out.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_the_one_behind_goes_next_and_judging_is_off_the_clock(monkeypatch):
    now, order = [0.0], []
    monkeypatch.setattr(time_to_quality.time, "perf_counter", lambda: now[0])

    def contender(name: str, seconds: float, slices: int):
        yield racers.Moment(0, np.full((1, 1, 3), 2.0))
        for k in range(slices):
            now[0] += seconds
            order.append(name)
            yield racers.Moment(k + 1, np.full((1, 1, 3), 2.0 - k))

    def judge(image: np.ndarray) -> float:
        now[0] += 1000
        return float(image.max())

    found, images = time_to_quality.race({"a": contender("a", 1, 4), "b": contender("b", 3, 2)}, judge, "p", "i")
    assert order == ["a", "b", "a", "a", "a", "b"]
    a, b = (curve.points for curve in found)
    assert [p.seconds for p in a] == [0, 1, 2, 3, 4]
    assert [p.seconds for p in b] == [0, 3, 6]
    assert (b[1].saved, b[1].free, b[2].saved) == (1, 2, 1)
    assert images["a"].max() == -1


def small(init: str = "content", network=None):
    rng = np.random.default_rng(0)
    content, style = (rng.random((36, 32, 3)).astype(np.float32) for _ in range(2))
    return content, style, racers.objective((36, 32), init, network)


def test_the_objective_is_that_of_jcjohnson_but_for_the_border(tiny):
    content, style, recipe = small(network=tiny.encoder.network)
    found = [
        float(total(tiny.encoder, pose(tiny.encoder, content, style, recipe=replace(r, tv=0.0)), jnp.asarray(style))[0])
        for r in (recipe, JCJOHNSON)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert recipe.tv == pytest.approx(JCJOHNSON.tv * 255**2 / 2)


def test_ours_counts_coarse_evaluations_by_their_pixels(tiny):
    rng = np.random.default_rng(0)
    content, style = (rng.random((64, 64, 3)).astype(np.float32) for _ in range(2))
    recipe = replace(racers.objective((64, 64), "content"), scales=2, coarse_steps=3, steps=2)
    start, coarse, fine = racers.ours(tiny.encoder, content, style, recipe)
    assert np.array_equal(start.image, content)
    assert (start.evaluations, coarse.evaluations, fine.evaluations) == (0, 4 / 4, 4 / 4 + 3)
    assert coarse.image.shape == fine.image.shape == content.shape
    assert np.array_equal(fine.image, np.clip(fine.image, 0, 1))


def test_a_preset_moves_the_pixels_and_leaves_the_objective_alone():
    *_, recipe = small("noise")
    found = racers.in_the_way_of(recipe, "fast", 7)
    assert (found.steps, found.init, found.beta, found.content_loss) == (7, "noise", recipe.beta, "half-sum")
    assert found.scales == racers.in_the_way_of(DEFAULT, "fast", None).scales


@pytest.mark.parametrize("name", [quality.LBFGS, quality.ADAM])
def test_torch_in_slices_is_torch_at_once_and_the_objective_is_ours(monkeypatch, name):
    torch = pytest.importorskip("torch")
    content, style, recipe = small("noise")
    recipe = replace(recipe, content_layers=("relu2_2",), style_layers=("relu1_1", "relu2_1"), layer_weights=())
    args = time_to_quality.options(["--torch-iterations", "12"])
    encoder = load_encoder()
    posed = pose(encoder, content, style, recipe=recipe)
    start = np.asarray(problem.start(posed))
    moments = list(racers.theirs(name, content, style, start, recipe, args))
    counts = [m.evaluations for m in moments]
    assert counts[:4] == [0, 1, 2, 3]
    assert counts[-1] == 12
    losses = []

    def watched(make):
        def wrapped(*given):
            inner = make(*given)
            return lambda image: losses.append(value := inner(image)) or value

        return wrapped

    from benchmarks import torch_reference

    monkeypatch.setattr(torch_reference, "loss_function", watched(torch_reference.loss_function))
    monkeypatch.setattr(racers, "slice_length", lambda done: 12)
    *_, once = racers.theirs(name, content, style, start, recipe, args)
    assert len(losses) == 2 + 12  # two to warm up
    np.testing.assert_allclose(once.image, moments[-1].image, atol=1e-4)
    assert float(total(encoder, posed, jnp.asarray(start))[0]) == pytest.approx(losses[0].item(), rel=1e-3)
    assert isinstance(losses[0], torch.Tensor)


def test_a_sheet_shows_the_same_places_of_a_print_and_of_a_smaller_picture_enlarged(tmp_path):
    y, x = np.mgrid[:800, :1200].astype(np.float32) / np.array([800, 1200], np.float32)[:, None, None]
    large = np.stack([x, y, 0.5 + 0 * x], -1)  # a colour says where it is
    images.save(tmp_path / "1200.jpg", large, quality=95)
    places = [print_device.crop(large, at) for at in print_device.PLACES]
    images.save(tmp_path / "1200_crops.jpg", np.concatenate(places, 1), quality=95)
    images.save(tmp_path / "small.png", images.resize(large, 150))
    print_device.sheet(1200, tmp_path, tmp_path / "small.png")
    sheet = images.read(tmp_path / "1200_sheet.jpg").rgb
    shown, gap = print_device.SHOWN, print_device.GAP
    width = 3 * shown + 2 * gap
    height = round(width * 800 / 1200)
    assert sheet.shape == (height + 2 * (gap + shown), width, 3)
    for k, place in enumerate(places):
        middle = place[print_device.CROP // 2, print_device.CROP // 2]
        for row in range(2):
            at = height + gap + row * (gap + shown) + shown // 2, k * (shown + gap) + shown // 2
            np.testing.assert_allclose(sheet[at], middle, atol=0.03)
