"""The benchmarks' own arithmetic and tables; none of it needs PyTorch."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import contenders, speed
from benchmarks.flops import conv_flops
from benchmarks.table import HEADER, Row, best_opponent, markdown, speedup, write_json


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
