"""The tutorial runs from its first line to its last: commands and Python, with few steps on small pictures."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import run_files
import snippets as page

from nst_jax.cli import main as cli

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"
TEXT = TUTORIAL.read_text()
LAUNCHER = "srun --ntasks 4 --gpus-per-task 1 "
CUTS = {
    "size=192, steps=80": "size=48, steps=1",
    'frame="256x256", size=256, steps=150': 'frame="32x32", size=32, steps=1',
    "(128, 192)": "(32, 32)",
    "channels=64": "channels=4",
    "3, 64)": "3, 4)",
}
"""What of the Python is made small; the network's width is cut, too."""


def small(line: str, desk: Path) -> list[str]:
    """Give the arguments of one line."""
    argv = page.small(line.removeprefix(LAUNCHER), desk)
    if argv[0] == "units" and "--from" in argv:
        argv = [a for i, a in enumerate(argv) if "--size" not in (a, argv[i - 1])]
        argv += ["--size", "48", *run_files.narrow_weights(desk)]
    return [*argv, "--quiet", "--no-cache"] if argv[0] == "rerun" else argv


def test_every_fence_is_known():
    assert TEXT.count("```") == 2 * len(page.FENCE.findall(TEXT))
    assert {language for language, _ in page.FENCE.findall(TEXT)} == {"sh", "python"}


def test_what_is_copied_is_there(desk):
    lines = [shlex.split(line) for line in page.commands(TEXT) if not re.search(r"\bnst-jax ", line)]
    assert {words[0] for words in lines} == {"cp"}
    for _, source, target in lines:
        assert (desk / source).is_file()
        assert (desk / target).is_file()  # the same names, smaller


SECTIONS = [
    part for part in re.split(r"^(?=## )", TEXT, flags=re.MULTILINE) if "nst-jax " in "".join(page.commands(part))
]
LONG = ("## Controls", "## Print size", "## A cluster")
"""Those that take long; most of their lines are the README's, too, and run there."""
LAST = "## A lane again"
"""Makes again what others made."""


@pytest.mark.parametrize(
    "section",
    [pytest.param(text, marks=[pytest.mark.slow] if text.startswith(LONG) else []) for text in SECTIONS],
    ids=lambda text: text.splitlines()[0],
)
def test_the_commands_run(section, desk, capsys):
    lines = [line for line in page.commands(section) if line.removeprefix(LAUNCHER).startswith("nst-jax ")]
    if section.startswith(LAST):
        before = page.commands(TEXT.partition(LAST)[0])
        lines = [*(line for line in before if " first.jpg " in line or " runs/beta " in line), *lines]
        assert len(lines) == 4
    for line in lines:
        assert cli.main(small(line, desk)) == 0, (line, capsys.readouterr().err)
    if section.startswith(LAST):
        said = capsys.readouterr().out
        assert "the same picture, bit for bit" in said
        assert len(re.findall(r"bit for bit|differs by up to \d+ of 255", said)) == 2


def test_the_python_runs_from_its_first_line_to_its_last(desk, capsys):
    code = "\n".join(page.snippets("python", TEXT))
    _, weights = run_files.narrow_weights(desk)
    for whole, cut in {**CUTS, "load_encoder()": f"load_encoder('{weights}')"}.items():
        assert whole in code, whole
        code = code.replace(whole, cut)
    names: dict[str, Any] = page.run(code, {}, TUTORIAL)
    assert len(names["results"].solutions) == 6
    for made in ("python.png", "mean.png", "shallow.jpg", "runs/mean/index.html"):
        assert (desk / made).is_file()
    assert names["record"]["versions"]["jax"] in capsys.readouterr().out
    assert "Mean()" in names["results"].solutions[0].record["own"]["terms.mean"]


@pytest.mark.slow
def test_the_clusters_line_is_shared_by_processes(desk):
    # As the page has it where nothing launches them: each with its number, all with one folder.
    (line,) = [line for line in page.commands(TEXT) if line.startswith(LAUNCHER)]
    assert "--coordinator HOST:PORT --processes 4 --process 0" in TEXT
    words = [*small(line, desk), "--coordinator", f"127.0.0.1:{20000 + os.getpid() % 20000}", "--processes", "2"]
    here = {**os.environ, "PYTHONPATH": str(TUTORIAL.parents[1])}
    both = [
        subprocess.Popen([sys.executable, "-m", "nst_jax", *words, "--process", str(i)], env=here) for i in range(2)
    ]
    assert [process.wait(timeout=500) for process in both] == [0, 0]
    assert len(list((desk / "runs" / "cluster" / "lanes").glob("*.png"))) == 12
    assert sorted(path.name for path in (desk / "runs" / "cluster" / "state").glob("lock-*")) == ["lock-0", "lock-1"]


def test_its_pictures_are_small():
    pictures = re.findall(r"!\[[^\]]+\]\((tutorial_\w+\.jpg)\)", TEXT)
    assert 0 < len(pictures) <= 4
    for name in pictures:
        assert (TUTORIAL.parent / name).stat().st_size < 150_000
