"""A full disk, whatever is being written: one line, what is done is kept, nothing half is left, and it goes on."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from run_files import SMALL, assert_same, draw, narrow_weights
from weights_files import params_of, safetensors

from nst_jax import temporary
from nst_jax.cli.main import main
from nst_jax.runs import animate, manifest
from nst_jax.weights import store as weights

PAIR = ("content.png", "style.png")
QUICK = (*SMALL, "--steps", "2", "--weights", "./narrow.h5", "--no-cache")


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Work in a folder with two pictures."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate((*PAIR, "pictures/a.png")):
        draw(tmp_path / name, i)
    narrow_weights(tmp_path)
    # others may be at work in the working directory of the tests
    monkeypatch.setattr(manifest, "git_state", lambda: None)
    return tmp_path


@contextmanager
def full(monkeypatch, name: str) -> Iterator[None]:
    """Let the disk be full for files of a name."""
    real = os.replace

    def replace(beside, path) -> None:
        if Path(path).match(name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(beside, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        yield


ROOM = 1000


class Small:
    """A file on a disk that has room for its beginning."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, data: bytes) -> int:
        """Write what there is room for."""
        if len(data) <= ROOM:
            return self.file.write(data)
        self.file.write(data[:ROOM])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@contextmanager
def little_room(monkeypatch) -> Iterator[None]:
    """Let the disk be full in the middle of whatever is written."""
    real = temporary.beside

    @contextmanager
    def beside(folder: Path) -> Iterator[tuple[Path, Any]]:
        with real(folder) as (path, file):
            yield path, Small(file)

    with monkeypatch.context() as patch:
        patch.setattr(temporary, "beside", beside)
        yield


def refused(capsys, argv: list[str]) -> str:
    """Run a command that must fail in one line and leave nothing half written."""
    capsys.readouterr()
    assert main(argv) == 2
    said = capsys.readouterr().err.splitlines()
    reasons = [line for line in said if line.startswith("nst-jax: ")]
    assert len(reasons) == 1
    assert not [line for line in said if "Traceback" in line]
    assert not list(Path().rglob(".nst_jax-*"))
    return reasons[0]


SWEEP = ["sweep", *PAIR, *QUICK, "--beta", "1,10", "--lanes", "1", "--quiet", "--no-metrics"]
IN_TURN = (
    *("manifest.json", "chunks-0.json", "000000.png", "0000_beta=1.png", "0000_beta=1.gif", "lane-0000.npz"),
    *("0001_beta=10.png", "history.csv", "summary.csv", "timings.csv", "sheet.jpg", "loss.png", "index.html"),
)
SOME = ("0000_beta=1.gif", "index.html")


@pytest.mark.parametrize("names", [SOME, pytest.param(IN_TURN, marks=pytest.mark.slow)])
def test_a_run_goes_on_whatever_could_not_be_written(place, monkeypatch, capsys, names) -> None:
    argv = [*SWEEP, "--animate", "gif", "-o", "run"]
    monkeypatch.setattr("sys.argv", ["nst-jax", "sweep"])
    for name in names:
        with full(monkeypatch, name):
            said = refused(capsys, argv)
        assert f"{name}: cannot be written (No space left on device); free space" in said
        assert len(list(Path("run/lanes").glob("*.png"))) == sum(IN_TURN.index(name) >= i for i in (4, 7))
    assert main(argv) == 0
    shutil.move("run", "stopped")
    assert main(argv) == 0
    assert_same(place / "stopped", place / "run")


def test_a_film_that_cannot_be_written_is_said(place, monkeypatch, capsys) -> None:
    (place / "ffmpeg").write_text("#!/bin/sh\necho 'film.mp4: No space left on device' >&2\nexit 1\n")
    (place / "ffmpeg").chmod(0o755)
    monkeypatch.setattr(animate, "ffmpeg", lambda: str(place / "ffmpeg"))
    said = refused(capsys, [*SWEEP, "--animate", "mp4", "-o", "run"])
    assert "0000_beta=1.mp4: ffmpeg cannot make it (film.mp4: No space left on device)" in said
    assert Path("run/lanes/0000_beta=1.png").exists()


def test_a_picture_is_made_once_there_is_room(place, monkeypatch, capsys) -> None:
    argv = ["stylize", *PAIR, *QUICK, "-o", "out.png"]
    assert main(argv) == 0
    whole = Path("out.png").read_bytes()
    os.unlink("out.png")
    with little_room(monkeypatch):
        assert "out.png: cannot be written (No space left on device); free space" in refused(capsys, argv)
    assert main(argv) == 0
    assert Path("out.png").read_bytes() == whole


WEIGHTS = {
    "convert": ["convert", "other.st", "out.h5", "--convention", "caffe"],
    "normalize": ["normalize", "narrow.h5", "out.h5", "--images", "pictures", "--size", "32"],
}


@pytest.mark.parametrize("command", WEIGHTS)
@pytest.mark.parametrize("existing", [False, True])
def test_weights_on_a_full_disk(place, monkeypatch, capsys, command, existing) -> None:
    safetensors(Path("other.st"), params_of("vgg16"))
    if existing:
        shutil.copy("narrow.h5", "out.h5")
    with little_room(monkeypatch):
        assert "out.h5: cannot be written (No space left on device)" in refused(capsys, ["weights", *WEIGHTS[command]])
    assert Path("out.h5").exists() == existing
    if existing:
        assert Path("out.h5").read_bytes() == Path("narrow.h5").read_bytes()
    assert main(["weights", *WEIGHTS[command]]) == 0
    assert weights.read_weights("out.h5").network.name == "vgg16"


def test_a_disk_that_fails_elsewhere_is_one_line_too(place, monkeypatch, capsys) -> None:
    def broken(*_) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "run/state/x")

    monkeypatch.setattr("nst_jax.runs.work._settle", broken)
    assert "run/state/x: Input/output error" in refused(capsys, [*SWEEP, "-o", "run"])
