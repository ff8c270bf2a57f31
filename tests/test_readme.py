"""Every snippet of the README runs: the Python as it stands, each command with few steps on small pictures."""

import importlib.util
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import weights_files
from PIL import Image

from nst_jax import vgg, weights
from nst_jax.cli import main as cli

README = Path(__file__).parents[1] / "README.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = [
    *("--size", "32", "--steps", "1", "--content-layers", "relu2_2", "--style-layers", "relu1_1", "relu2_1"),
    *("--quiet", "--no-cache"),
]
INSTALLS = {"pip install . && nst-jax demo", "pip install '.[dev]' && pytest"}
"""What .ci/run and the demo's own test run for real."""


def snippets(language: str) -> list[str]:
    return [body for found, body in FENCE.findall(README.read_text()) if found == language]


def commands() -> list[str]:
    lines = "\n".join(snippets("sh")).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working directory with all that the README speaks of, and a network of a few channels."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    (tmp_path / "paintings").mkdir()
    for name in ("photo.jpg", "painting.jpg", "photos/a.jpg", "photos/b.jpg", "paintings/c.jpg"):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_fence_says_what_it_is():
    text = README.read_text()
    assert text.count("```") == 2 * len(FENCE.findall(text))
    assert {language for language, _ in FENCE.findall(text)} <= {"sh", "python", "bibtex"}


def test_the_two_commands_are_there():
    assert set(commands()) >= INSTALLS


def test_the_python_runs_as_it_stands(desk, tiny, monkeypatch):
    # Only the number of steps is cut, and a network of a few channels looks at small pictures.
    monkeypatch.setattr(weights, "load_encoder", lambda: tiny.encoder)
    code = "\n".join(snippets("python"))
    assert "steps=500" in code
    names: dict = {}
    exec(compile(code.replace("steps=500", "steps=1"), str(README), "exec"), names)
    assert len(names["sweep"]) == 36
    assert len(names["results"].solutions) == 36
    assert names["solution"].history["total"].shape == (2,)
    assert (desk / "out.png").exists()
    assert (desk / "runs" / "beta" / "index.html").exists()


@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("nst-jax") and " weights " not in c])
def test_every_command_runs(line, desk, capsys):
    argv = shlex.split(line)[1:]
    if argv[0] == "rerun":
        assert cli.main(["stylize", "photo.jpg", "painting.jpg", "-o", argv[1], *SMALL]) == 0
        argv += ["--quiet", "--no-cache"]
    if argv[0] in ("stylize", "sweep", "batch"):
        argv = [a for i, a in enumerate(argv) if "--size" not in (a, argv[i - 1])]
        argv += SMALL if "--preset" not in argv else ["--size", "40", *SMALL[2:4], "--quiet", "--no-cache"]
        argv = [a if a != "vgg19" else "vgg16" for a in argv]  # fetched by the command above it
        argv = [
            file for a in argv for file in (sorted(map(str, Path().glob(a))) if "*" in a else [a])
        ]  # as a shell does
    if argv[0] in ("sweep", "batch"):
        argv += ["--no-metrics"]
    assert cli.main(argv) == 0, capsys.readouterr().err


def test_the_commands_on_weights_run(desk, monkeypatch, capsys):
    monkeypatch.setattr(vgg, "CHANNELS", (2, 3, 4, 4, 4))
    lines = [shlex.split(c)[1:] for c in commands() if c.startswith("nst-jax weights")]
    assert {line[1] for line in lines} == {"fetch", "convert", "verify"}
    for line in lines:
        if line[1] == "fetch":  # test_weights_fetch.py runs it against a server of its own
            continue
        if line[1] == "convert" and line[2].endswith(".pth"):
            if importlib.util.find_spec("torch") is None:
                continue
            weights_files.pth(Path(line[2]), weights_files.params_of("vgg19"))
        elif line[1] == "convert":
            weights_files.keras_published(Path(line[2]), weights_files.params_of("vgg19"))
        assert cli.main(line) == 0, capsys.readouterr().err


def test_other_lines_are_only_the_installs():
    assert {c for c in commands() if not c.startswith("nst-jax")} == INSTALLS
