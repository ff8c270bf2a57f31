"""No input is ever written over: every command that writes, every input that it has, every name of it."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import weights_files
from run_files import SMALL, draw, narrow_weights

import nst_jax
from nst_jax import files, images, packaged, record
from nst_jax.cli.main import main
from nst_jax.errors import UserError
from nst_jax.recipe import Recipe
from nst_jax.runs.folder import FILES, beside
from nst_jax.weights.store import sha256

NAMES: dict[str, Callable[[Path, Path], object]] = {
    "symbolic link": lambda name, file: name.symlink_to(file.resolve()),
    "link to a link": lambda name, file: (
        Path(f"{name}.2").symlink_to(file.resolve()),
        name.symlink_to(f"{name.name}.2"),
    ),
    "hard link": lambda name, file: os.link(file, name),
}
QUICK = (*SMALL, "--steps", "1", "--weights", "./narrow.h5", "--no-cache")
PAIR = ("content.png", "style.png")
START = ("--init", "init.png")


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Work in a folder with every kind of input."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("content.png", "style.png", "init.png", "pictures/a.png")):
        draw(tmp_path / name, i)
    narrow_weights(tmp_path)
    Path("sweep.toml").write_text('content = "content.png"\nstyle = "style.png"\nbeta = [1, 10]\n')
    return tmp_path


def everything(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def refused(place: Path, capsys, argv: list[str]) -> None:
    """Run a command that must change nothing and say so in one line."""
    before = everything(place)
    assert main(argv) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if not line.startswith("reads ")]
    assert (said.out, len(lines)) == ("", 1)
    assert ": is an input (" in said.err
    assert everything(place) == before


SINGLE = {
    "stylize": (["stylize", *PAIR, *QUICK, *START, "-o", "OUT.png"], (*PAIR, "init.png", "narrow.h5")),
    "rerun": (["rerun", "made.png", "-o", "OUT.png"], ("made.png", *PAIR, "init.png", "narrow.h5")),
    "convert": (["weights", "convert", "model.onnx", "OUT.h5"], ("model.onnx", "model.data")),
    "normalize": (
        ["weights", "normalize", "narrow.h5", "OUT.h5", "--images", "pictures"],
        ("narrow.h5", "pictures/a.png"),
    ),
}


@pytest.mark.parametrize("command", SINGLE)
def test_a_command_that_writes_one_file_spares_its_inputs(place, capsys, command) -> None:
    argv, inputs = SINGLE[command]
    if command == "rerun":
        recipe = Recipe(init="init.png", weights="./narrow.h5", size=32, steps=1)
        sources = {
            name: record.source(Path(file), images.read(file).sha256)
            for name, file in (("content", "content.png"), ("style", "style.png"), ("init", "init.png"))
        }
        ended = {"stopped": "steps", "steps": 1, "best_step": 1, "terms": {}}
        digest = sha256("narrow.h5")
        made = {**record.describe(recipe, sources, digest), "result": ended}
        images.save("made.png", np.zeros((32, 32, 3), np.float32), metadata=record.as_metadata(made))
    if command == "convert":
        onnx = pytest.importorskip("onnx")
        weights_files.onnx(Path("whole.onnx"), weights_files.params_of("vgg16"))
        how = {"location": "model.data", "size_threshold": 0}
        onnx.save(onnx.load("whole.onnx"), "model.onnx", save_as_external_data=True, **how)
    suffix = next(Path(word).suffix for word in argv if word.startswith("OUT"))
    for file in map(Path, inputs):
        spelt = [f"{file.parent}/../{place.name}/{file}", str(file.resolve())] if file.suffix == suffix else []
        linked = []
        for i, make in enumerate(NAMES.values()):
            linked.append(f"{file.name}-{i}{suffix}")
            make(Path(linked[-1]), file)
        for name in [*spelt, *linked]:
            refused(place, capsys, [name if word.startswith("OUT") else word for word in argv])


def test_a_picture_beside_its_state_is_spared(place, capsys) -> None:
    state = beside(Path("out.png"))
    state.mkdir()
    os.rename("content.png", state / "chunk-9.npz.png")
    refused(place, capsys, ["stylize", f"{state}/chunk-9.npz.png", "style.png", *QUICK, "-o", "out.png"])


RUNS = {
    "sweep": (["sweep", *PAIR, *START, *QUICK, "--beta", "1,10"], "lanes/0001_beta=10.png"),
    "batch": (["batch", "content.png", "--styles", "style.png", *START, *QUICK], "lanes/0000_content_style.png"),
    "file": (["sweep", "sweep.toml", *START, *QUICK], "lanes/0001_beta=10.png"),
}
INPUTS = (*PAIR, "init.png", "narrow.h5")


@pytest.mark.parametrize("command", RUNS)
def test_a_run_spares_its_inputs(place, capsys, command) -> None:
    argv, picture = RUNS[command]
    animation = str(Path(picture).with_suffix(".gif"))
    outputs = [*FILES, picture, animation, "state/lane-0000.npz", "snapshots/0000/000000.png", "inputs/style.png"]
    inputs = [*INPUTS, *(["sweep.toml"] if command == "file" else [])]
    for i, output in enumerate(outputs):
        for make in NAMES.values() if i in (0, len(FILES)) else [NAMES["hard link"]]:
            for file in map(Path, inputs if i < 2 else [inputs[i % len(inputs)]]):
                name = place / "run" / output
                name.parent.mkdir(parents=True, exist_ok=True)
                make(name, file)
                refused(place, capsys, [*argv, "-o", "run", "--animate", "gif"])
                for link in name.parent.glob(f"{name.name}*"):
                    link.unlink()


def test_what_a_run_writes_is_what_is_compared(place, capsys) -> None:
    argv = ["sweep", *PAIR, *START, *QUICK, "--beta", "1,10", "--no-metrics", "--animate", "gif", "-o", "run"]
    assert main(argv) == 0
    found = {str(path.relative_to("run")) for path in Path("run").rglob("*") if path.is_file()}
    lanes = [f"lanes/000{i}_beta={b}.{kind}" for i, b in enumerate((1, 10)) for kind in ("png", "gif")]
    kept = {name for name in found if name.startswith(("state/", "snapshots/"))}
    inputs = {"inputs/content.png", "inputs/style.png", "inputs/init.png"}
    assert found - kept == {*lanes, *inputs, *FILES} - ({"history.parquet"} - found)


@pytest.mark.parametrize("name", ["temple-great_wave", "side-by-side"])
def test_the_demo_spares_its_pictures(place, capsys, name) -> None:
    folder = place / "demo"
    folder.mkdir()
    (folder / f"{name}.png").symlink_to(packaged.find("images/temple.jpg", "examples/images/temple.jpg"))
    refused(place, capsys, ["demo", "--no-cache"])


def test_python_spares_the_weights(place) -> None:
    encoder = nst_jax.load_encoder("./narrow.h5")
    recipe = Recipe(content_layers=("relu2_2",), style_layers=("relu1_1",), steps=0, size=16, weights="./narrow.h5")
    content, style = (images.read(name).rgb for name in PAIR)
    sweep = nst_jax.sweep(encoder, content, style, recipe, beta=[1.0])
    results = nst_jax.solve_batch(encoder, sweep, watch=replace(nst_jax.Watch(), say=lambda _: None))
    (place / "run/lanes").mkdir(parents=True)
    before = everything(place)
    for output in ("run/manifest.json", "run/lanes/0000_beta=1.png"):
        os.link("narrow.h5", output)
        with pytest.raises(UserError, match="is an input"):
            nst_jax.report(results, "run")
        with pytest.raises(UserError, match="is an input") if output.endswith("png") else pytest.raises(UserError):
            nst_jax.save(output, results.solutions[0])
        os.unlink(output)
    assert everything(place) == before


def test_an_output_that_does_not_exist_is_no_input(tmp_path) -> None:
    files.check_outputs([tmp_path / "a", tmp_path / "b/../c"], [tmp_path / "d"])
