"""What scripts and programs read: objects by `--json`, as docs/scripts.md has them, the log, and shell completion."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import run_files
import weights_files

import nst_jax
from nst_jax import printing
from nst_jax.cli import main as cli

DOC = Path(__file__).parents[1] / "docs" / "scripts.md"
SMALL = [*run_files.SMALL, "--steps", "2", "--no-cache"]
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| .* \| (.*) \|$", re.MULTILINE)


def documented() -> dict[str, set[frozenset[str]]]:
    """Give the keys of each event that the document names; an event has a row for each of its forms."""
    found: dict[str, set[frozenset[str]]] = {}
    for event, keys in ROW.findall(DOC.read_text()):
        found.setdefault(event, set()).add(frozenset(re.findall(r"`(\w+)`", keys)))
    return found


def objects(out: str) -> list[dict]:
    """Read the lines of stdout, each one object, whose keys are those of the document."""
    found = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    for one in found:
        assert one.keys() - {"event"} in documented()[one["event"]], one
    return found


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_files.draw(Path("photo.png"), 1)
    run_files.draw(Path("painting.png"), 2)
    return run_files.narrow_weights(tmp_path)


def test_a_picture_and_its_comparison_are_objects(place, capsys):
    words = ["stylize", "photo.png", "painting.png", "-o", "out.png", *SMALL, *place, "--json"]
    assert cli.main(words) == 0
    said = capsys.readouterr()
    (picture,) = objects(said.out)
    assert (picture["event"], picture["path"], picture["width"], picture["steps"]) == ("picture", "out.png", 32, 2)
    total = sum(picture["weights"][name] * picture["terms"][name] for name in picture["weights"])
    assert total == pytest.approx(picture["terms"]["total"], rel=1e-4)
    assert picture["first"] >= picture["terms"]["total"]

    assert cli.main(["rerun", "out.png", "--json", "--no-cache"]) == 0
    said = capsys.readouterr()
    again, comparison = objects(said.out)
    assert (again["path"], comparison["same"], comparison["levels"]) == ("out-rerun.png", True, 0)
    assert "reads" in said.err  # what is said of the way there is for people

    assert cli.main([*words, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert [one["event"] for one in objects(said.out)] == ["scale"]
    assert "nothing was computed" in said.err


def test_the_lanes_of_a_sweep_are_objects_also_those_that_were_there(place, capsys):
    words = ["sweep", "photo.png", "painting.png", "--out", "run", *SMALL, *place, "--beta", "1,10", "--no-metrics"]
    assert cli.main([*words, "--json", "--dry-run"]) == 0
    planned = objects(capsys.readouterr().out)
    assert [one["event"] for one in planned] == ["planned", "planned", "chunk"]
    assert cli.main([*words, "--json"]) == 0
    said = capsys.readouterr()
    *lanes, run = objects(said.out)
    assert [lane["settings"]["beta"] for lane in lanes] == [1, 10]
    assert [lane["path"] for lane in lanes] == [one["path"] for one in planned[:2]]
    assert all(Path(lane["path"]).is_file() for lane in lanes)
    assert Path(run["page"]).is_file()
    assert "2 lanes of 32x32" in said.err

    assert cli.main([*words, "--json"]) == 0
    assert [one["event"] for one in objects(capsys.readouterr().out)] == ["lane", "lane", "run"]
    assert cli.main(words) == 0
    assert "{" not in capsys.readouterr().out


def test_what_a_lane_measures_stands_apart_from_its_terms(capsys):
    rng = np.random.default_rng(0)
    row = {"beta": 1.0, "total": float("nan"), "stopped": "steps", "best_step": 1, "ssim": rng.random()}
    with printing.scripted(True):
        printing.give("lane", "for people", **row, path=Path("a"), lanes=(np.int64(1), np.float32(np.inf)))
    (one,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert one == {"event": "lane", **row, "total": None, "path": "a", "lanes": [1, None]}


def test_answers_are_objects(place, capsys, tmp_path):
    weights_files.pth(Path("vgg16.pth"), weights_files.params_of("vgg16"))
    for words, events in {
        "units --json": {"preset"},
        "units --from jcjohnson --to gatys2015 --json": {"units"},
        "weights list --json": {"weights"},
        "weights verify narrow.h5 --json": {"weights"},
        "weights convert vgg16.pth made.h5 --convention torchvision --json": {"weights"},
        "weights normalize narrow.h5 normal.h5 --images . --size 32 --json": {"weights"},
    }.items():
        assert cli.main(words.split()) == 0, capsys.readouterr().err
        said = capsys.readouterr()
        assert {one["event"] for one in objects(said.out)} == events, words
    line = "neural_style.py -content_image a.jpg -style_image b.jpg -content_weight 5"
    assert cli.main(["translate", line, "--json"]) == 0
    (one,) = objects(capsys.readouterr().out)
    assert one["words"][:3] == ["nst-jax", "stylize", "a.jpg"]


def test_a_refusal_leaves_stdout_to_objects(place, capsys):
    assert cli.main(["stylize", "none.png", "painting.png", "-o", "out.png", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_a_program_hears_through_its_log_alone(tiny, capsys, caplog):
    rng = np.random.default_rng(0)
    content, style = rng.random((2, 16, 16, 3), np.float32)
    recipe = nst_jax.Recipe(content_layers=("relu2_1",), style_layers=("relu1_1",))
    sweep = nst_jax.grid(nst_jax.pose(tiny.encoder, content, style, recipe=recipe), beta=[1.0, 2.0])
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("nst_jax").handlers)
    assert logging.getLogger("nst_jax").level == logging.NOTSET
    with caplog.at_level(logging.INFO, "nst_jax"):
        results = nst_jax.solve_batch(tiny.encoder, sweep, steps=1)
    assert any(record.name == "nst_jax" and "2 lanes of 16x16" in record.message for record in caplog.records)
    assert capsys.readouterr() == ("", "")

    (code,) = [code for code in FENCE.findall(DOC.read_text()) if "def scalars" in code]
    names: dict = {"nst_jax": nst_jax}
    exec(code, names)
    rows = []
    writer = SimpleNamespace(add_scalar=lambda *row: rows.append(row))
    nst_jax.solve_batch(tiny.encoder, sweep, steps=1, watch=names["scalars"](writer))
    history = results.solutions[1].history
    assert [row[1:] for row in rows if row[0] == "lane 1/total"] == [
        (float(x), i) for i, x in enumerate(history["total"])
    ]
    assert {row[0] for row in rows} == {f"lane {lane}/{name}" for lane in (0, 1) for name in history}


def test_a_command_says_what_the_log_hears_and_forgets_it_again(capsys):
    with printing.heard():
        printing.log("a line")
        printing.warn("a warning")
    printing.log("nobody asked")
    assert capsys.readouterr() == ("a line\n", "a warning\n")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_shell_can_complete(shell, tmp_path):
    words = [sys.executable, "-m", "nst_jax", "--tyro-write-completion", shell, str(tmp_path / "nst-jax")]
    assert f"nst-jax --tyro-write-completion {shell} " in DOC.read_text()
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(DOC.parents[1])})
    text = (tmp_path / "nst-jax").read_text()
    for word in ("stylize", "--style-loss", "weights", "--json"):
        assert word in text
