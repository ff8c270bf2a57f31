"""Names are bytes: whatever a file is called, pictures, tables and page are made, and what is printed is one line."""

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_files import SMALL, draw, narrow_weights

from nst_jax import images, record
from nst_jax.batch.store import Finished
from nst_jax.cli.batch import found
from nst_jax.cli.main import main
from nst_jax.pages.folder import label, labels
from nst_jax.pages.folder import read as read_run
from nst_jax.runs import tables
from nst_jax.runs.spec import Spec, lanes

QUICK = (*SMALL, "--steps", "1", "--weights", "./narrow.h5", "--no-cache", "--no-metrics")
NAMES = {
    "latin-1": b"caf\xe9",
    "no text at all": b"\xff\xfe\x80",
    "line ends": b"a\nb\r\nc",
    "escape codes": b"\x1b[31mred\x1b]0;owned\x07\x1b[2J",
    "a bell and a tab": b"a\x07\tb\x7f",
    "turned": "\u202egnp".encode(),
    "a dash": b"-rf",
    "two dashes": b"--beta",
    "a formula": b"=1+cmd|'a'!B",
    "at": b"@SUM(1)",
    "plus": b"+1",
    "quotes": b"a'b\"c`d$e\\n;&<i>%s{x}",
    "html": b"<script>alert(1)<",
    "a pattern": b"[a]*?",
    "mathematics": b"$x_1$ _y",
    "underscore": b"_hidden",
    "chinese": "漢字".encode() * 41,
    "letters beyond": "𠀀".encode() * 62,
    "composed": unicodedata.normalize("NFD", "é").encode(),
    "255 bytes": b"x" * 251,
    "dots": b"a..b..",
    "spaces": b"  a  ",
}


def some(*kinds: str) -> list[Any]:
    """Give every kind of name; those that are not listed only where there is time."""
    return [kind if kind in kinds else pytest.param(kind, marks=pytest.mark.slow) for kind in NAMES]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Give a folder with a picture of each name, as content, in a folder of its own, and of a plain one as style."""
    folder = tmp_path_factory.mktemp("names")
    draw(folder / "style.png", 99, 32, 32)
    narrow_weights(folder)
    draw(folder / "first.png", 1, 32, 32)
    (folder / "in").mkdir()
    for name in NAMES.values():
        shutil.copy(folder / "first.png", os.fsencode(folder / "in") + b"/" + name + b".png")
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch) -> None:
    monkeypatch.chdir(place)


def named(what: str, suffix: str = ".png") -> Path:
    return Path(os.fsdecode(NAMES[what] + suffix.encode()))


def plain(text: str) -> None:
    """Check that a text prints, and says nothing to a terminal."""
    assert all(line.isprintable() for line in text.split("\n")), text
    text.encode("utf-8")


def test_a_batch_of_every_name(place, capsys) -> None:
    assert main(["batch", "in", "--styles", "style.png", *QUICK, "-o", "run", "--animate", "gif"]) == 0
    said = capsys.readouterr()
    plain(said.out + said.err)
    assert len(said.out.splitlines()) == 2  # lanes and chunks; the page
    out = Path("run")
    assert len(list(out.glob("lanes/*.png"))) == len(list(out.glob("lanes/*.gif"))) == len(NAMES)
    assert all(len(os.fsencode(path.name)) <= 255 for path in out.rglob("*"))
    with (out / "summary.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not [cell for row in rows for cell in row if cell[:1] in tables.FORMULA]
    plain((out / "summary.csv").read_text("utf-8"))
    run = read_run(out)
    assert len(set(run.axes[0].labels)) == len(NAMES)
    for lane in run.lanes:
        plain(lane.name + lane.command)
    page = (out / "index.html").read_text("utf-8")
    assert "<script>alert" not in page
    manifest = json.loads((out / "manifest.json").read_bytes())
    paths = {os.fsencode(Path(entry["path"]).stem) for entry in manifest["inputs"]["contents"]}
    assert paths == set(NAMES.values())
    assert main(["batch", "in", "--styles", "style.png", *QUICK, "-o", "run", "--animate", "gif"]) == 0
    assert f"{len(NAMES)} of {len(NAMES)} lanes are finished" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_command_of_every_lane_names_its_picture(place) -> None:
    contents = tuple(Path("in") / os.fsdecode(name + b".png") for name in NAMES.values())
    found = lanes(Spec(contents, (Path("style.png"),)))
    for lane in found:
        plain(lane.name)
        plain(lane.image)
        assert len(os.fsencode(Path(lane.image).name)) <= 255
    assert len({lane.name for lane in found}) == len(found)
    dashed = lanes(Spec((Path("-rf.png"),), (Path("-o.png"),)))
    from nst_jax.runs.spec import command

    words = shlex.split(command(Spec((Path("-rf.png"),), (Path("-o.png"),)), dashed[0]))
    assert words[2:4] == ["./-rf.png", "./-o.png"]
    written = " ; ".join(f"printf '%s\\0' {command(Spec(contents, (Path('s.png'),)), lane)}" for lane in found)
    told = subprocess.run(["bash", "-c", written], capture_output=True, check=True).stdout.split(b"\0")
    assert {word for word in told if word.startswith(b"in/")} == {b"in/" + name + b".png" for name in NAMES.values()}


@pytest.mark.parametrize("what", some("latin-1", "255 bytes"))
def test_a_picture_of_any_name_is_made_and_made_again(place, tmp_path, capsys, what) -> None:
    name = named(what)
    style, init, output, again = (tmp_path / folder / name for folder in ("style", "init", "out", "again"))
    for path in (style, init):
        path.parent.mkdir()
        shutil.copy("first.png", path)
    options = [word for word in QUICK if word != "--no-metrics"]
    content = f"in/{name}"
    assert main(["stylize", content, str(style), "-o", str(output), *options, "--init", str(init)]) == 0
    held = record.from_metadata(images.read_metadata(output), output)
    assert Path(held["inputs"]["style"]["path"]).name == name.name
    moved = ["--style", str(style), "--init", str(init), "--no-cache"]
    assert main(["rerun", str(output), "-o", str(again), *moved]) == 0
    assert main(["rerun", str(output), *moved]) == 0  # beside it, under a name that is short enough
    said = capsys.readouterr()
    plain(said.out + said.err)
    assert said.out.count("bit for bit") == 2
    assert len(list(output.parent.iterdir())) == 2


@pytest.mark.parametrize("what", some("latin-1", "escape codes", "two dashes", "255 bytes"))
def test_what_is_refused_is_one_line_for_every_name(place, tmp_path, monkeypatch, capsys, what) -> None:
    monkeypatch.chdir(tmp_path)
    name, weights = named(what), named(what, ".h5")
    name.write_bytes(b"no picture")
    weights.write_bytes(b"no weights")
    style = str(place / "style.png")
    for argv in (
        ["stylize", f"./{name}", style, "-o", "out.png"],
        ["stylize", style, style, "-o", f"./{name}/out.png"],
        ["stylize", style, style, "-o", f"./{weights}"],
        ["stylize", style, style, "-o", "out.png", f"--init=./{name}"],
        ["stylize", style, style, "-o", "out.png", f"--weights=./{weights}"],
        ["stylize", style, style, "-o", "out.png", f"--style-layers={name}"],
        ["rerun", f"./{name}"],
        ["sweep", style, f"./{name}", "-o", "run"],
        ["sweep", style, style, "-o", f"./{name}/run", "--beta", "1,2"],
        ["sweep", f"./{name}.toml"],
        ["batch", f"./{name}/*", "--styles", style, "-o", "run"],
        ["weights", "convert", f"./{weights}", "out.h5"],
        ["weights", "verify", f"./{weights}"],
        ["weights", "verify", str(name)],
        ["weights", "fetch", f"./{name}"],
        ["weights", "normalize", f"./{weights}", "out.h5", "--images", str(place / "in")],
        ["weights", "normalize", "vgg16", "out.h5", "--images", f"./{name}"],
        ["translate", f"neural_style.py -content_image '{name}' --nothing"],
        [f"{name}"],
        ["stylize", f"{name}", "--bogus"],
    ):
        code = main(argv)
        said = capsys.readouterr()
        assert (code, said.out) == (2, ""), argv
        assert said.err.startswith("nst-jax: "), argv
        plain(said.err)
        assert len(said.err.splitlines()) == 1, argv
        assert len(said.err) < 1500


@pytest.mark.parametrize("what", some("latin-1"))
def test_weights_of_any_name_are_converted_listed_and_normalized(place, tmp_path, monkeypatch, capsys, what) -> None:
    from weights_files import params_of, safetensors

    monkeypatch.chdir(tmp_path)
    source, target = named(what, ".st"), named(what, ".h5")
    safetensors(source, params_of("vgg16"))
    convert = ["weights", "convert", f"./{source}", f"./{target}", "--convention", "caffe"]
    assert main([*convert, "--source", os.fsdecode(b"\xe9\n"), "--licence", os.fsdecode(b"\x1b[1m\xe9")]) == 0
    assert main(["weights", "verify", f"./{target}"]) == 0
    assert main(["weights", "normalize", f"./{target}", "n.h5", "--images", str(place / "in"), "--size", "32"]) == 0
    said = capsys.readouterr()
    plain(said.out + said.err)
    assert r"\xe9\n" in said.out


def test_a_cell_that_looks_like_a_formula_is_text_and_a_number_a_number(tmp_path) -> None:
    values = {"a": "=1", "b": "+1", "c": "-1", "d": "@a", "e": "\ta", "f": "\ra", "g": -1.5, "h": "x=1", "i": None}
    values |= {"j": ("=1", "b"), "k": (-0.5, 1), "=head": 2, "l": True}
    tables.write(tmp_path, {0: Finished({"-total": np.array([-1.0, 2.0])}, values, 0.0, {})})
    with (tmp_path / "summary.csv").open(newline="", encoding="utf-8") as file:
        head, row = csv.reader(file)
    assert head == ["lane", *"abcdefghijk", "'=head", "l"]
    assert row[1:7] == ["'=1", "'+1", "'-1", "'@a", r"'\ta", r"'\ra"]
    assert row[7:] == ["-1.5", "x=1", "", "'=1 b", "-0.5 1", "2", "True"]
    assert (tmp_path / "history.csv").read_text().splitlines() == ["lane,step,'-total", "0,0,-1", "0,1,2"]


def test_hidden_pictures_of_a_folder_are_left_out_and_named(tmp_path) -> None:
    said = []
    kept, _ = (draw(tmp_path / name, 0) for name in ("a.png", ".hidden.png"))
    (tmp_path / ".DS_Store").write_bytes(b"x")
    assert found([str(tmp_path)], said.append) == (kept,)
    assert [line.split(": ")[1] for line in said] == [".hidden.png"]


def test_labels_print() -> None:
    assert label(os.fsdecode(b"caf\xe9\n\x1b[1m")) == r"caf\xe9 \x1b[1m"
    assert labels(["a\x07", "b"]) == (r"a\x07", "b")


@pytest.mark.parametrize(
    "encoding", ["ascii", *(pytest.param(e, marks=pytest.mark.slow) for e in ("latin-1", "utf-8"))]
)
def test_printing_never_fails_in_any_encoding(place, encoding) -> None:
    environment = {"LC_ALL": "C", "PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(__file__).parents[1])}
    code = "from nst_jax.__main__ import start; start()"
    name = b"./".join(NAMES[what] for what in ("latin-1", "composed", "escape codes"))
    words = [sys.executable, "-c", code, "stylize", b"in/" + name, "style.png", "-o", "out.png"]
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"nst-jax: in/caf\\xe9./")
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr
    done.stderr.decode(encoding)
