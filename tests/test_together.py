"""One picture by two processes of the command line, on loopback: whom they are, what they write, and how they end."""

import atexit
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from run_files import begin, draw, finish, narrow_weights

from nst_jax import backend, images, record
from nst_jax.cli.main import main
from nst_jax.cli.rerun import Rerun
from nst_jax.errors import UserError
from nst_jax.recipe import Recipe
from nst_jax.runs import together
from nst_jax.runs.seek import sha256
from nst_jax.runs.together import ALONE, Together

WORDS = ("../c.png", "../s.png", "--tile", "16", "--memory", "4GB")
INPUTS = ("content", "style")
CPU = {"JAX_PLATFORMS": "cpu"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    for name, seed, size in (("c.png", 1, (32, 24)), ("s.png", 2, (40, 32)), ("other.png", 3, (32, 24))):
        draw(folder / name, seed, *size)
    return folder


def both(place: Path, where: str, *words: str, contents: tuple[str, str] = ("../c.png", "../c.png")) -> list:
    """Start both processes of a picture."""
    return shared(place, where, *(("stylize", content, *WORDS[1:], *words) for content in contents))


def shared(place: Path, where: str, *commands: tuple[str, ...]) -> list:
    """Start a process for each of two commands, with a device and with two."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{free.getsockname()[1]}"
    cluster = ("--coordinator", at, "--processes", "2", "--process")
    devices = [f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={i}" for i in (1, 2)]
    return [
        begin(place, where, *command, *cluster, str(i), XLA_FLAGS=devices[i], **CPU)
        for i, command in enumerate(commands)
    ]


def picture(place: Path, where: str) -> np.ndarray:
    return images.read(place / where / "out.png").rgb


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--coordinator", "localhost:1", "--processes", "2", "--process", "0"], "and tile is 0: give --tile 512"),
        (["--distributed"], "and tile is 0: give --tile 512"),
        (["--tile", "64", "--process", "1"], "belong together"),
        (["--tile", "64", "--coordinator", "nowhere", "--processes", "2", "--process", "1"], "expected HOST:PORT"),
        (["--tile", "64", "--coordinator", "localhost:1", "--processes", "2", "--process", "2"], "is 2 of 2"),
    ],
)
@pytest.mark.parametrize("command", ["stylize", "texture", "invert"])
def test_what_cannot_be_shared_is_refused_in_a_line(place, capsys, command, words, said):
    given = [str(place / name) for name in (("c.png", "s.png") if command == "stylize" else ("c.png",))]
    assert main([command, *given, "-o", str(place / "no.png"), *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not (place / "no.png").exists()


@pytest.mark.parametrize(
    ("tile", "words", "said"),
    [
        (
            0,
            ["--coordinator", "localhost:1", "--processes", "2", "--process", "0"],
            "tile is 0: leave --distributed",
        ),
        (0, ["--distributed"], "tile is 0: leave --distributed"),
        (64, ["--process", "1"], "belong together"),
        (64, ["--coordinator", "nowhere", "--processes", "2", "--process", "1"], "expected HOST:PORT"),
        (64, ["--coordinator", "localhost:1", "--processes", "2", "--process", "2"], "is 2 of 2"),
    ],
)
def test_a_picture_that_cannot_be_shared_again_is_refused_in_a_line(place, capsys, tile, words, said):
    narrow_weights(place)
    old = {
        **record.describe(
            Recipe(tile=tile, weights="./narrow.h5", size=32),
            {name: record.source(Path(f"{name[0]}.png"), sha256(place / f"{name[0]}.png")) for name in INPUTS},
            sha256(place / "narrow.h5"),
        ),
        "result": {"stopped": "steps", "steps": 1, "best_step": 1, "terms": {}},
    }
    images.save(place / "old.png", np.zeros((24, 32, 3), np.float32), metadata=record.as_metadata(old))
    assert main(["rerun", str(place / "old.png"), *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not (place / "old-rerun.png").exists()


def test_a_comparison_names_the_processes_that_may_be_why_it_differs(place, capsys, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    old = {"versions": record.versions(), "device": record.device_name()}
    Rerun(picture=place / "c.png")._compare(place / "other.png", old)
    assert "of 255 levels (2 processes, whose sums round otherwise than those of one)" in capsys.readouterr().out


@pytest.fixture
def left(monkeypatch) -> list[object]:
    """Give what would be done at the end of the process."""
    found: list[object] = []
    monkeypatch.setattr(atexit, "register", found.append)
    return found


def others_tell(monkeypatch, *lines: str) -> list[str]:
    """Let other processes tell these lines; give what this one tells."""
    told: list[str] = []
    monkeypatch.setattr(together, "_gathered", lambda line: [told.append(line) or line, *lines])
    return told


def test_what_one_process_has_all_hear(monkeypatch):
    assert (ALONE.first, ALONE.least(5), ALONE.most(5)) == (True, 5, 5)
    others_tell(monkeypatch, "+3", "+7")
    assert (Together(True).least(5), Together(True).most(5)) == (3, 7)
    with pytest.raises(UserError, match="process 1 has another picture"):
        Together(True).same("5", "has another picture")
    others_tell(monkeypatch, "+5", "+5")
    Together(True).same("5", "has another picture")


def test_a_failure_of_one_ends_all_with_its_line(monkeypatch, left):
    told = others_tell(monkeypatch, "-no room")
    with pytest.raises(UserError, match="process 1 ended: no room"), Together(True).as_one():
        pass
    with pytest.raises(UserError, match="process 1 ended: no room"), Together(True).as_one():
        Together(True).least(3)
    assert told == ["+", "+3"]  # what another told of is not told again
    told = others_tell(monkeypatch, "+")
    with pytest.raises(OSError, match="a full disk"), Together(True).as_one():
        raise OSError("a full disk")
    assert told == ["-a full disk"]
    assert left == []


def test_nobody_waits_for_those_who_are_gone(monkeypatch, left):
    others_tell(monkeypatch, "+")
    with pytest.raises(UserError, match="another process ended, or cannot be reached"), Together(True).as_one():
        raise ValueError("UNKNOWN: Gloo all-reduce failed: Connection closed by peer")
    monkeypatch.setattr(together, "_gathered", lambda _: threading.Event().wait())
    monkeypatch.setattr(together, "PATIENCE", 0.05)
    with pytest.raises(UserError, match="my own"), Together(True).as_one():
        raise UserError("my own")
    assert left == [backend.leave] * 2


def test_two_processes_make_the_picture_of_one(place):
    steps = ("--steps", "12", "--optimizer", "adam", "--scales", "2")
    first, second = both(place, "two", *steps, "--json")
    alone = begin(place, "one", "stylize", *WORDS, *steps, **CPU)
    out, err = first.communicate(timeout=300)
    assert first.returncode == 0, err
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["picture"]
    assert "4 tiles for 3 devices of 2 processes" in err
    assert finish(second) == ""
    finish(alone)
    np.testing.assert_allclose(picture(place, "two"), picture(place, "one"), atol=1.01 / 255)
    assert {path.name for path in (place / "two").iterdir()} == {"out.png"}


@pytest.mark.slow
def test_two_processes_make_a_picture_again(place):
    finish(begin(place, "alone", "stylize", *WORDS, "--steps", "12", "--optimizer", "adam", **CPU))
    first, second = again(place, "alone")
    assert "4 tiles for 3 devices of 2 processes" in first
    assert "reads " in first
    assert second == ""
    np.testing.assert_allclose(picture(place, "alone-again"), picture(place, "alone"), atol=1.01 / 255)


@pytest.mark.slow
def test_two_processes_make_again_what_was_stopped_on_its_way(place):
    first, second = both(place, "stopped", "--steps", "700")
    while not list((place / "stopped/.out.png.nst_jax").glob("chunk-*.npz")) and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(signal.SIGTERM)
    for process in (first, second):
        finish(process, 128 + signal.SIGTERM)
    first, second = again(place, "stopped")
    assert "the same picture, bit for bit" in first
    assert second == ""


def again(place: Path, where: str) -> list[str]:
    """Let two processes make a picture again; give what each said."""
    command = ("rerun", f"../{where}/out.png")
    return [finish(process) for process in shared(place, f"{where}-again", command, command)]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_what_one_of_them_ends_with_ends_both_and_both_go_on(place, signum):
    steps, where = ("--steps", "700"), f"ended-{signum}"
    if not (place / "whole").exists():
        for process in both(place, "whole", *steps):
            finish(process)
    first, second = both(place, where, *steps)
    state = place / where / ".out.png.nst_jax"
    while not list(state.glob("chunk-*.npz")) and first.poll() is None:
        time.sleep(0.02)
    second.send_signal(signum)
    if signum == signal.SIGTERM:
        assert "the same command goes on" in finish(first, 128 + signum)
        assert finish(second, 128 + signum) == ""
    else:
        assert "another process ended, or cannot be reached" in finish(first, 2)
        finish(second, -signum)
    assert list(state.glob("chunk-*.npz"))
    again = [finish(process) for process in both(place, where, *steps)]
    assert "going on where it was interrupted" in again[0]
    np.testing.assert_array_equal(picture(place, where), picture(place, "whole"))  # the record holds another port
    assert not state.exists()


def test_who_makes_another_picture_or_cannot_write_ends_all_with_one_line(place):
    for process in both(place, "other", contents=("../c.png", "../other.png")):
        assert "nst-jax: process 1 has other pictures, settings, weights or versions" in finish(process, 2)
    (place / "busy/.out.png.nst_jax").mkdir(parents=True)
    import filelock

    with filelock.FileLock(place / "busy/.out.png.nst_jax/lock-0"):
        first, second = (finish(process, 2) for process in both(place, "busy"))
    assert "nst-jax: another process is writing to" in first
    assert "nst-jax: process 0 ended: another process is writing to" in second
