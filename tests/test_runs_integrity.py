"""Files of a run that are cut, emptied, changed, replaced or removed between two starts: noticed and made again."""

import itertools
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from run_files import draw, results

from nst_jax import Interrupted, UserError, Watch, optimize
from nst_jax.axis import Axis
from nst_jax.batch.seals import Seals, Verdict, sha256
from nst_jax.batch.store import Store
from nst_jax.pages import write
from nst_jax.recipe import Recipe
from nst_jax.runs import manifest, ready, waiting, work
from nst_jax.runs.spec import Spec

RECIPE = Recipe(content_layers=("relu2_2",), style_layers=("relu1_1", "relu2_1"), size=20, steps=9, optimizer="adam")
BETAS = Axis(("beta",), ((10.0,), (100.0,), (1000.0,)))


def flip(path: Path, other: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "cut": lambda path, other: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "emptied": lambda path, other: path.write_bytes(b""),
    "flipped": flip,
    "replaced": lambda path, other: shutil.copyfile(other, path),
    "removed": lambda path, other: path.unlink(),
}
READ_AGAIN = {
    "manifest.json": "written again",
    "lanes/0001_beta=100.png": "that lane is made again",
    "lanes/0001_beta=100.gif": "that lane is made again",
    "snapshots/0001/000003.png": "that lane is made again",
    "state/digest": "",
    "state/chunks-0.json": "",
    "state/chunks-0.json.sha256": "",
    "state/lane-0001.npz": "that lane is made again",
    "state/lane-0001.npz.sha256": "that lane is made again",
    "state/manifest.json.sha256": "",
}
"""Files that a start reads again, and what is said of their damage; nothing where nothing is lost."""
WRITTEN_ANEW = ("history.csv", "summary.csv", "timings.csv", "index.html", "sheet.jpg", "loss.png", "state/lock-0")
IN_FLIGHT = {
    "state/chunk-0002-of-2.npz": "these lanes begin again",
    "state/chunk-0002-of-2.npz.sha256": "",
    "snapshots/0002/000003.png": "its lanes begin again",
    "state/snapshots_0002_000003.png.sha256": "its lanes begin again",
    "state/chunks-0.json": "the lanes are cut anew",
    "state/lane-0001.npz": "that lane is made again",
}
OTHER = {".png": "lanes/0000_beta=10.png", ".gif": "lanes/0000_beta=10.gif", ".npz": "state/lane-0000.npz"}


@dataclass(frozen=True)
class Place:
    """A run: how to make it into a folder, one that is whole, and one that was stopped with a chunk in flight."""

    make: Callable[..., object]
    whole: Path
    stopped: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["nst-jax", "sweep"])
        patch.setattr(optimize, "length_of_call", lambda *_: 3)
        patch.setattr(manifest, "git_state", lambda: None)
        folder = tmp_path_factory.mktemp("integrity")
        content, style = draw(folder / "in/c.png", 1, 20, 16), draw(folder / "in/s.png", 2, 24, 20)
        spec = Spec((content,), (style,), RECIPE, (BETAS,), show_pictures=False, metrics=False, snapshots=3)
        prepared = ready.prepare(replace(spec, animate="gif"), encoder=replace(tiny.encoder, digest="d" * 64))

        def make(out: Path, page: Callable[[Path], object] = lambda _: None, **watch) -> object:
            return work.make(prepared, out, lanes=2, watch=Watch(**{"say": lambda _: None, **watch}), page=page)

        make(folder / "whole/run", page=write)
        asked = itertools.chain([False] * 7, itertools.repeat(True))
        with pytest.raises(Interrupted):
            make(folder / "stopped/run", stop=lambda: next(asked))
        yield Place(make, folder / "whole/run", folder / "stopped/run")


def damaged(run: Path, to: Path, name: str, kind: str) -> Path:
    """Copy a run and damage one of its files."""
    shutil.copytree(run, to)
    path = to / name
    DAMAGE[kind](path, to / OTHER.get(path.suffix, "summary.csv" if (to / "summary.csv").exists() else "manifest.json"))
    return to


def rest(folder: Path) -> dict[str, bytes]:
    """Read what a page does not draw."""
    return {name: data for name, data in results(folder).items() if name not in WRITTEN_ANEW[3:6]}


def assert_made_good(place: Place, out: Path, word: str) -> None:
    said: list[str] = []
    place.make(out, say=said.append)
    found, expected = rest(out), rest(place.whole)
    assert [name for name in expected if found.get(name) != expected[name]] == []
    assert all(line.isprintable() for line in said)
    assert any(word in line for line in said), said
    said.clear()
    place.make(out, say=said.append)
    assert said == ["going on: 3 of 3 lanes are finished"]


def fast_or_slow(names: dict[str, str]) -> list:
    """Pair every file with every damage; one damage each, in turn, is in the ordinary suite."""
    kinds = itertools.cycle(DAMAGE)
    fast = {name: next(kinds) for name in names}
    return [
        pytest.param(name, kind, id=f"{name} {kind}", marks=() if fast[name] == kind else pytest.mark.slow)
        for name in names
        for kind in DAMAGE
    ]


@pytest.mark.parametrize(("name", "kind"), fast_or_slow(READ_AGAIN))
def test_what_is_read_again_is_checked(place, tmp_path, name, kind) -> None:
    assert_made_good(place, damaged(place.whole, tmp_path / "run", name, kind), READ_AGAIN[name])


@pytest.mark.parametrize(("name", "kind"), fast_or_slow(IN_FLIGHT))
def test_what_a_stopped_run_left_is_checked(place, tmp_path, name, kind) -> None:
    assert_made_good(place, damaged(place.stopped, tmp_path / "run", name, kind), IN_FLIGHT[name])


def test_what_is_written_anew_is_not_read(place, tmp_path) -> None:
    out = tmp_path / "run"
    shutil.copytree(place.whole, out)
    for name, kind in zip(WRITTEN_ANEW, itertools.cycle(DAMAGE), strict=False):
        DAMAGE[kind](out / name, out / "manifest.json")
    place.make(out, page=write)
    assert results(out) == results(place.whole) | {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGE)
def test_everything_at_once(place, tmp_path, kind) -> None:
    out = tmp_path / "run"
    shutil.copytree(place.whole, out)
    for name in READ_AGAIN:
        if name not in ("manifest.json", "state/digest"):
            DAMAGE[kind](out / name, out / "summary.csv")
    assert_made_good(place, out, "again")


def test_a_folder_whose_manifest_and_digest_are_gone_is_refused_or_that_of_the_run(place, tmp_path) -> None:
    out = damaged(place.whole, tmp_path / "run", "manifest.json", "removed")
    (out / "state/digest").write_text("0" * 64)
    with pytest.raises(UserError, match="holds another run, without its manifest"):
        place.make(out)


@pytest.mark.parametrize("name", ["state/lane-0000.npz", "lanes/0000_beta=10.png"])
def test_what_is_removed_while_a_run_works_is_made_again(place, tmp_path, name) -> None:
    removed = []

    def remove(chunk, at, done) -> None:
        if chunk.lanes[0] == 2 and at.done and not removed:
            removed.append(_wait_for(tmp_path / "run/state/lane-0001.npz"))
            (tmp_path / "run" / name).unlink()

    place.make(tmp_path / "run", show=remove)
    assert rest(tmp_path / "run") == rest(place.whole)


def test_another_process_that_ended_is_not_waited_for(place, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(waiting, "GRACE", 0.05)
    monkeypatch.setattr(waiting, "POLL", 0.01)
    store = Store(tmp_path / "state")
    store.folder.mkdir()
    two = replace(_ready(), processes=2)
    with store.locked(), pytest.raises(UserError, match="process 1 ended without lanes 1, 3: run the same commands"):
        waiting.gather(two, store, {0: None, 2: None}, Watch())  # type: ignore[dict-item]


def test_a_process_at_work_is_waited_for_with_a_word_until_somebody_stops(place, tmp_path, monkeypatch) -> None:
    for name, seconds in (("GRACE", 0.01), ("TELL", 0.02), ("POLL", 0.01)):
        monkeypatch.setattr(waiting, name, seconds)
    store, said = Store(tmp_path / "state"), []
    store.folder.mkdir()
    done = threading.Event()

    def other() -> None:
        with Store(tmp_path / "state", 1).locked():
            done.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        watch = Watch(say=said.append, stop=lambda: len(said) > 1)
        with pytest.raises(Interrupted):
            waiting.gather(replace(_ready(), processes=2), store, {0: None, 2: None}, watch)  # type: ignore[dict-item]
    finally:
        done.set()
        thread.join()
    assert said[0].startswith("waiting for lanes 1, 3 of other processes, for 0 s")


def _wait_for(path: Path) -> Path:
    ends = time.monotonic() + 30
    while not path.exists() and time.monotonic() < ends:
        time.sleep(0.01)
    return path


def _ready() -> ready.Ready:
    return ready.Ready(None, (None,) * 4, None, {}, None, None, None, (0, 2))  # type: ignore[arg-type]


def test_a_digest_stands_before_its_file_does(tmp_path) -> None:
    seals, path = Seals(tmp_path), tmp_path / "a.npz"
    seals.write(path, lambda file: np.savez(file, x=np.arange(3)))
    before = sha256(path)
    with pytest.raises(RuntimeError, match="killed"):
        seals.write(path, _killed)
    assert (sha256(path), seals.verdict(path)) == (before, Verdict.INTACT)
    seals.note(path, "0" * 64)  # killed between the digest and the file
    assert seals.verdict(path) == Verdict.INTACT
    shutil.copyfile(tmp_path / "a.npz", tmp_path / "b.npz")
    shutil.copyfile(tmp_path / "a.npz.sha256", tmp_path / "b.npz.sha256")
    assert seals.verdict(tmp_path / "b.npz") == Verdict.DAMAGED
    with np.load(path) as file:
        np.testing.assert_array_equal(file["x"], np.arange(3))
    seals.drop(path)
    assert seals.verdict(path) == Verdict.UNKNOWN


def _killed(file) -> None:
    file.write(b"half")
    raise RuntimeError("killed")
