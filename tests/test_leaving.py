"""A process that is told to stop keeps what it has, and no work depends on anybody reading what is printed."""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_files import SMALL, begin, draw, finish, narrow_weights

from nst_jax import files, images, optimize
from nst_jax.batch import run as road
from nst_jax.batch.store import Store
from nst_jax.cli import demo, interrupt, minutes
from nst_jax.cli.main import main
from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT

STEPS = ("--steps", "6", "--optimizer", "adam", "--no-cache")
QUICK = (*SMALL, *STEPS, "--weights", "./narrow.h5")
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Iterator[Path]:
    """Work in a folder with two pictures; steps come in pieces of two."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("content.png", "style.png")):
        draw(tmp_path / name, i)
    narrow_weights(tmp_path)
    monkeypatch.setattr(optimize, "length_of_call", lambda *_: 2)
    shallow = replace(
        DEFAULT, weights="./narrow.h5", content_layers=("relu2_2",), style_layers=("relu1_1",), optimizer="adam"
    )
    monkeypatch.setattr(demo, "DEFAULT", shallow)
    monkeypatch.setattr(demo, "SIZE", 32)
    monkeypatch.setattr(demo, "STEPS", 6)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    yield tmp_path
    signal.signal(signal.SIGHUP, before)


def stop_at(monkeypatch, piece: int, *signals: int) -> None:
    """Send signals while so many pieces of the steps are done, counted from 0."""
    whole, pieces = road.advance_chunk, itertools.count()

    def stopped(*args, **kwargs):
        for at in whole(*args, **kwargs):
            if next(pieces) == piece:
                for signum in signals:
                    os.kill(os.getpid(), signum)
            yield at

    monkeypatch.setattr(road, "advance_chunk", stopped)


PAIR = ("content.png", "style.png")
COMMANDS = {
    "stylize": (["stylize", *PAIR, *QUICK, "-o", "out.png"], "out.png"),
    "rerun": (["rerun", "made.png", "-o", "again.png", "--no-cache"], "again.png"),
    "demo": (["demo", "-o", "demo", "--no-cache"], "demo/temple-great_wave.png"),
    "sweep": (["sweep", *PAIR, *QUICK, "--beta", "1,10", "--no-metrics", "-o", "run"], "run/manifest.json"),
    "batch": (["batch", *PAIR, "--styles", "style.png", *QUICK, "--no-metrics", "-o", "all"], "all/manifest.json"),
}
QUICKLY = [("stylize", signal.SIGTERM), ("rerun", signal.SIGTERM), ("sweep", signal.SIGHUP)]
CASES = [
    pytest.param(command, signum, marks=[] if (command, signum) in QUICKLY else pytest.mark.slow)
    for command in COMMANDS
    for signum in SIGNALS
]


@pytest.mark.parametrize(("command", "signum"), CASES)
def test_every_signal_that_ends_a_process_is_a_request(place, monkeypatch, capsys, command, signum) -> None:
    before = signal.getsignal(signum)
    argv, output = COMMANDS[command]
    if command == "rerun":
        assert main(["stylize", *PAIR, *QUICK, "-o", "made.png"]) == 0
    capsys.readouterr()
    with monkeypatch.context() as patch:
        stop_at(patch, 1, signum)
        assert main(argv) == SIGNALS[signum]
    assert "interrupted" in capsys.readouterr().err
    assert Path(output).exists()
    assert len(list(place.rglob("chunk-*.npz"))) == 1
    assert not list(place.rglob(".nst_jax-*"))
    assert main(argv) == 0
    assert "going on" in "".join(capsys.readouterr()) or "sweep" in argv or "batch" in argv
    assert not list(place.rglob("chunk-*.npz"))
    assert signal.getsignal(signum) is before


def test_several_signals_at_once_are_one_request_and_the_first_names_the_code(place, monkeypatch) -> None:
    stop_at(monkeypatch, 1, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    assert main(COMMANDS["stylize"][0]) == 129
    assert images.read("out.png").rgb.shape == (32, 32, 3)


def test_a_second_ctrl_c_does_not_wait() -> None:
    with interrupt.requested() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert (asked(), asked.code) == (True, 130)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_nohup_is_obeyed() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupt.at_once(), interrupt.requested() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not asked()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_elsewhere_than_in_the_main_thread_nothing_is_handled() -> None:
    found = []

    def body() -> None:
        with interrupt.at_once(), interrupt.requested() as asked:
            found.append(asked())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert found == [False]


@pytest.mark.parametrize("command", ["stylize", "sweep"])
def test_a_place_that_cannot_be_kept_is_said_and_the_rest_is_kept(place, monkeypatch, capsys, command) -> None:
    def full(*_) -> None:
        raise files.unwritable("state", OSError(28, "No space left on device"))

    argv, output = COMMANDS[command]
    with monkeypatch.context() as patch:
        patch.setattr(Store, "save_checkpoint", full)
        stop_at(patch, 1, signal.SIGTERM)
        assert main(argv) == 143
    said = "".join(capsys.readouterr()).splitlines()
    assert len([line for line in said if "No space left" in line and "the same command makes it again" in line]) == 1
    assert Path(output).exists()
    assert main(argv) == 0


def test_a_checkpoint_that_cannot_be_kept_stops_nothing(place, monkeypatch, capsys) -> None:
    def full(*_) -> None:
        raise UserError("no space")

    monkeypatch.setattr(Store, "save_checkpoint", full)
    monkeypatch.setattr(road, "CHECKPOINTS", 1e9)
    assert main(COMMANDS["stylize"][0]) == 0
    said = capsys.readouterr()
    assert said.err.count("going on, though a kill would lose") == 1
    assert Path("out.png").exists()


def nobody(monkeypatch, what: str) -> None:
    """Replace stdout and stderr by what nobody reads."""

    class Broken:
        encoding = "ascii"

        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

        def flush(self) -> None:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None if what == "closed" else Broken())


@pytest.mark.parametrize(
    ("command", "what"),
    [
        pytest.param(c, w, marks=[] if (c, w) in [("stylize", "closed"), ("sweep", "broken")] else pytest.mark.slow)
        for c in COMMANDS
        for w in ("closed", "broken")
    ],
)
def test_no_work_depends_on_being_able_to_print(place, monkeypatch, command, what) -> None:
    argv, output = COMMANDS[command]
    assert command != "rerun" or main(["stylize", *PAIR, *QUICK, "-o", "made.png"]) == 0
    with monkeypatch.context() as patch:
        nobody(patch, what)
        code = main(argv)
    assert code == 0
    assert Path(output).exists()


PRINT = "from nst_jax.cli.streams import *; from nst_jax.printing import *; steady(); import sys\n"
SHELLS: dict[str, tuple[str, str, int]] = {
    "stdout closed": ("say('a'); tell('b'); open('f', 'w').write('c')", ">&-", 0),
    "stderr closed": ("say('a'); tell('b'); open('f', 'w').write('c')", "2>&-", 0),
    "all closed": ("say('a'); tell('b'); open('f', 'w').write('c')", "<&- >&- 2>&-", 0),
    "full": ("say('a'); tell('b'); print('c'); open('f', 'w').write('c')", ">/dev/full 2>/dev/full", 0),
    "pipe": ("import time\nfor _ in range(9): say('a' * 9999)\nopen('f', 'w').write('c')", "| true", 0),
    "answer to nobody": ("import time\ntime.sleep(.3)\ntry: answer('a')\nexcept Unread: sys.exit(141)", "| true", 141),
    "answer to a full disk": ("from nst_jax.cli.main import main\nsys.exit(main(['--version']))", ">/dev/full", 2),
    "answer": ("answer('a\\x1b[31m\\n', '\\udce9\\u6f22')", "| grep -x 'a.x1b.31m.n'", 0),
    "ascii": ("answer('\\u6f22'); tell('\\xe9')", "2>&1 | grep -x '.u6f22'", 0),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("case", SHELLS)
def test_streams_that_cannot_be_written(tmp_path, case) -> None:
    code, redirected, expected = SHELLS[case]
    (tmp_path / "code.py").write_text(PRINT + code)
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONIOENCODING": "ascii" if case == "ascii" else ""}
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; '{sys.executable}' code.py {redirected}"],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (expected, False)
    if "open(" in code:
        assert (tmp_path / "f").read_text() == "c"  # and not what was printed


def test_a_line_a_minute(monkeypatch, capsys) -> None:
    monkeypatch.setattr(minutes, "EVERY", 0.02)
    with minutes.Minutes(lambda: "at step 3", on=True):
        time.sleep(0.1)
    said = capsys.readouterr().err.splitlines()
    assert set(said) == {"at step 3"}
    assert 2 <= len(said) <= 5
    with minutes.Minutes(lambda: "at step 3", on=False):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_a_picture_says_where_it_stands_once_a_minute(place, monkeypatch, capsys) -> None:
    monkeypatch.setattr(minutes, "EVERY", 0.01)
    slowly = road.advance_chunk

    def slow(*args, **kwargs):
        for at in slowly(*args, **kwargs):
            yield at
            time.sleep(0.05)

    monkeypatch.setattr(road, "advance_chunk", slow)
    argv, _ = COMMANDS["stylize"]
    assert main(argv) == 0
    said = capsys.readouterr().err
    assert "compiling\n" in said
    assert "nan" not in said
    assert re.search(r"^step 3 of 6, .* it/s, loss \S+$", said, re.MULTILINE)
    assert main(COMMANDS["sweep"][0]) == 0
    said = capsys.readouterr().err
    assert re.search(r"^0 of 2 lanes are done, lanes 0 to 1 at step \d of 6$", said, re.MULTILINE)
    assert main([*argv, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_without_a_picture_leaves_nothing_half_done(place, monkeypatch, capsys, signum) -> None:
    def exits(code: int) -> None:
        raise SystemExit(code)

    def signalled(file, *_) -> None:
        os.kill(os.getpid(), signum)

    monkeypatch.setattr(os, "_exit", exits)  # nothing is torn down: a compiled program may be running
    monkeypatch.setattr("nst_jax.weights.store._image", lambda _: b"x")
    monkeypatch.setattr(os, "replace", signalled)
    with pytest.raises(SystemExit) as left:
        main(["weights", "normalize", "narrow.h5", "out.h5", "--images", ".", "--size", "32"])
    assert left.value.code == SIGNALS[signum]
    assert "interrupted" in capsys.readouterr().err
    assert not Path("out.h5").exists()
    assert not list(place.glob(".nst_jax-*"))


def test_off_a_terminal_each_lane_is_a_line_and_quiet_is_quiet(place, capsys) -> None:
    argv, _ = COMMANDS["sweep"]
    assert main(argv) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in said] == ["lane 0 is done: beta=1", "lane 1 is done: beta=10"]
    assert main([*argv[:-1], "other", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


LONG = ("../c.png", "../s.png", "--beta", "1,10", "--lanes", "1", "--steps", "1000000", "--optimizer", "adam")


@pytest.mark.slow
def test_processes_of_a_cluster_are_stopped_one_by_one(tmp_path) -> None:
    draw(tmp_path / "c.png", 1)
    draw(tmp_path / "s.png", 2)
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = ("--coordinator", f"127.0.0.1:{port}", "--processes", "2", "--process")
    both = [begin(tmp_path, "two", "sweep", *LONG, *cluster, str(i)) for i in range(2)]
    state = tmp_path / "two/run/state"
    while len(list(state.glob("chunk-*.npz"))) < 2 and all(process.poll() is None for process in both):
        time.sleep(0.05)
    for process, signum in zip(both, (signal.SIGTERM, signal.SIGINT), strict=True):
        process.send_signal(signum)
        assert "goes on where it was" in finish(process, code=128 + signum)
    assert len(list(state.glob("chunk-*.npz"))) == 2
