"""Runs in processes of their own: killed at any moment, interrupted, refused, made again."""

import random
import signal
import time
from pathlib import Path

import pytest
from run_files import assert_same, begin, draw, finish

from nst_jax.cli.main import main


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Give a folder with two pictures and a store of compiled programs that all processes share."""
    folder = tmp_path_factory.mktemp("runs")
    draw(folder / "c.png", 1, 32, 24)
    draw(folder / "s.png", 2, 40, 32)
    return folder


SWEEP = (
    *("../c.png", "../s.png", "--beta", "1e1:1e3:3log", "--steps", "150", "--optimizer", "adam"),
    *("--lanes", "2", "--no-metrics"),
)


PICTURE = ("../c.png", "../s.png", "--steps", "150", "--scales", "2")
"""Several pieces of steps at either scale."""


@pytest.fixture(scope="module")
def whole(place) -> Path:
    """Make the run that nobody interrupts."""
    said = finish(begin(place, "whole", "sweep", *SWEEP))
    assert "3 lanes of 32x24 in 2 chunks of 2" in said
    return place / "whole/run"


def killed(place: Path, where: str, kills: int) -> int:
    """Kill a run at random moments and let it end; count the kills with something done and something left."""
    moments, hits = random.Random(1), 0
    for _ in range(kills):
        process = begin(place, where, "sweep", *SWEEP)
        state = place / where / "run/state"
        before = set(state.glob("*.npz"))
        if moments.random() < 0.75:  # else already while it starts
            while process.poll() is None and set(state.glob("*.npz")) <= before:
                time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.7))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hits += any(state.glob("*.npz")) and len(list(state.glob("lane-*.npz"))) < 3
    finish(begin(place, where, "sweep", *SWEEP))
    return hits


def test_a_killed_run_goes_on_to_the_same_bytes(place, whole) -> None:
    assert killed(place, "killed", 2) >= 1
    assert_same(place / "killed/run", whole)


@pytest.mark.slow
def test_twenty_kills(place, whole) -> None:
    for attempt in range(5):
        killed(place, f"killed-{attempt}", 4)
        assert_same(place / f"killed-{attempt}/run", whole)


def test_the_same_command_again_makes_nothing_anew(place, whole) -> None:
    times = {p: p.stat().st_mtime_ns for p in whole.glob("lanes/*.png")}
    assert "3 of 3 lanes are finished" in finish(begin(place, "whole", "sweep", *SWEEP))
    assert {p: p.stat().st_mtime_ns for p in whole.glob("lanes/*.png")} == times


def test_a_lane_can_be_made_again_alone(place, whole, capsys) -> None:
    picture = next(iter(whole.glob("lanes/0001*.png")))
    assert main(["rerun", str(picture), "-o", str(place / "again.png"), "--quiet", "--no-cache"]) == 0
    said = capsys.readouterr().out
    assert "bit for bit" in said or "differs by up to 1 of 255" in said


def test_a_dry_run_tells_everything_and_writes_nothing(place, whole) -> None:
    said = finish(begin(place, "dry", "sweep", *SWEEP, "--dry-run"))
    assert "beta=1000" in said
    assert "2 chunks of 2" in said
    assert "nothing was computed or written" in said
    assert list((place / "dry").iterdir()) == []


def test_ctrl_c_keeps_what_is_done(place, whole) -> None:
    process = begin(place, "stopped", "sweep", *SWEEP)
    while process.poll() is None and not list((place / "stopped/run").glob("state/*.npz")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert "goes on where it was" in finish(process, code=130)
    finish(begin(place, "stopped", "sweep", *SWEEP))
    assert_same(place / "stopped/run", whole)


@pytest.fixture(scope="module")
def whole_picture(place) -> bytes:
    """Make the picture that nobody interrupts."""
    finish(begin(place, "picture", "stylize", *PICTURE))
    assert [p.name for p in (place / "picture").iterdir()] == ["out.png"]
    return (place / "picture/out.png").read_bytes()


@pytest.mark.parametrize("kind", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL])
def test_a_stopped_picture_goes_on_to_the_same_bytes(place, whole_picture, kind) -> None:
    folder = place / f"picture-{kind.name}"
    process = begin(place, folder.name, "stylize", *PICTURE)
    while process.poll() is None and not list(folder.glob(".out.png.nst_jax/chunk-*.npz")):
        time.sleep(0.01)
    process.send_signal(kind)
    said = finish(process, code=130 if kind == signal.SIGINT else -9)
    assert ("kept the best picture; the same command goes on" in said) == (kind == signal.SIGINT)
    assert (folder / "out.png").exists() == (kind == signal.SIGINT)
    assert list(folder.glob(".out.png.nst_jax/chunk-*.npz"))
    assert "going on where it was interrupted" in finish(begin(place, folder.name, "stylize", *PICTURE))
    assert (folder / "out.png").read_bytes() == whole_picture
    assert [p.name for p in folder.iterdir()] == ["out.png"]
