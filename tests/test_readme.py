"""Every snippet of the README runs: the Python as it stands, each command with few steps on small pictures."""

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import run_files
import snippets as page
import weights_files

import nst_jax
from nst_jax import images, record
from nst_jax.cli import main as cli

README = Path(__file__).parents[1] / "README.md"
INSTALLS = {"pip install . && nst-jax demo", "pip install '.[dev]' && pytest"}
"""What .ci/run and the demo's own test run for real."""


def snippets(language: str) -> list[str]:
    return page.snippets(language, README.read_text())


def halves() -> tuple[list[str], list[str]]:
    """Give the Python of the package's own, and that of the reader's."""
    before, after = README.read_text().split("## Bring your own\n")
    return page.snippets("python", before), page.snippets("python", after)


def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    return page.run(code, names, README)


def commands() -> list[str]:
    return page.commands(README.read_text())


def test_every_fence_says_what_it_is():
    text = README.read_text()
    assert text.count("```") == 2 * len(page.FENCE.findall(text))
    assert {language for language, _ in page.FENCE.findall(text)} <= {"sh", "python"}


def test_it_is_what_a_newcomer_reads():
    text = README.read_text()
    assert len(text.splitlines()) < 250
    for page_of_docs in ("tutorial", "promises", "speed", "runs", "scripts"):
        assert f"(docs/{page_of_docs}.md)" in text


def test_the_two_commands_are_there():
    assert set(commands()) >= INSTALLS


def test_the_python_runs_as_it_stands(desk, capsys):
    # Only steps, size and the network's width are cut.
    code = "\n".join(halves()[0])
    _, weights = run_files.narrow_weights(desk)
    cuts = {"steps=500": "steps=1", "size=768": "size=48", "load_encoder()": f"load_encoder('{weights}')"}
    for whole, cut in cuts.items():
        assert whole in code
        code = code.replace(whole, cut)
    names = run(code, {})
    assert len(names["sweep"]) == 36
    assert len(names["results"].solutions) == 36
    assert names["solution"].history["total"].shape == (2,)
    assert (desk / "runs" / "beta" / "index.html").exists()
    capsys.readouterr()
    assert cli.main(["rerun", "out.png", "--content", "photo.jpg", "--style", "painting.jpg", "--quiet"]) == 0
    assert "the same picture, bit for bit" in capsys.readouterr().out


def test_the_readers_python_runs_as_it_stands(desk, pictures, small_vgg):
    # Only steps are cut, and the network is small.
    before, after = halves()
    imports = [line for line in "\n".join(before).splitlines() if line.startswith(("import ", "from "))]
    names = run("\n".join([*imports, *after]).replace("steps=500", "steps=1"), {"encoder": small_vgg, **pictures})
    assert len(names["results"].solutions) == 3
    assert (desk / "runs" / "momentum" / "index.html").exists()


class Own(NamedTuple):
    """A value of the reader's: its class, where a record speaks of it and by which name, a number that varies."""

    name: str
    place: str
    called: str
    axis: str


OWN = (
    Own("MeanAndDeviation", "terms.style", "MeanAndDeviation()", "terms.style.weight"),
    Own("Edges", "network", "edges", "beta"),
    Own("Pyramid", "canvas", "Pyramid()", "layer_weights.relu1_1"),
    Own("HeavyBall", "descent", "HeavyBall(", "descent.momentum"),
)


def snippet_of(name: str) -> str:
    (found,) = [code for code in snippets("python") if f"class {name}(" in code]
    return found


def own_values() -> list[str]:
    kinds = "Loss|Network|Canvas|Descent|Gradient"
    return re.findall(rf"^class (\w+)\(nst_jax\.(?:{kinds})\)", "\n".join(snippets("python")), re.MULTILINE)


def test_each_value_of_the_readers_is_tried():
    assert own_values() == [own.name for own in OWN]


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.name)
def test_a_value_of_the_readers_is_short(own):
    code = [line for line in snippet_of(own.name).splitlines() if line.strip()]
    assert len([line for line in code if not line.startswith(("import ", "from "))]) < 15


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.name)
def test_a_value_of_the_readers_is_solved_swept_and_reported(own, desk, pictures, small_vgg, capsys):
    given = {"nst_jax": nst_jax, "jax": jax, "jnp": jnp, "np": np, "encoder": small_vgg}
    names = run(snippet_of(own.name), {**given, **pictures})
    encoder = names.get("edges", small_vgg)
    problem = nst_jax.vary(names["problem"], beta=1e8)  # in these networks too, the content is far from the bottom

    solution = nst_jax.solve(encoder, problem, steps=3)
    loss = solution.history["total"]
    assert np.isfinite(loss).all()
    assert loss.min() < loss[0]
    assert own.called in solution.record["own"][own.place]

    values = [0.5, 0.9, 0.25]
    results = nst_jax.solve_batch(encoder, nst_jax.grid(problem, **{own.axis: values}), steps=3)
    ends = [solution.history["total"][-1] for solution in results.solutions]
    assert len(set(ends)) == 3
    alone = nst_jax.solve(encoder, nst_jax.vary(problem, **{own.axis: values[1]}), steps=3)
    np.testing.assert_allclose(results.solutions[1].history["total"], alone.history["total"], rtol=1e-3)

    judged = {"encoder": encoder, **pictures} if own.place == "network" else {}  # as of any network
    page = nst_jax.report(results, desk / "mine", **judged)
    made = sorted((page.parent / "lanes").glob("*.png"))
    assert len(made) == 3
    for picture in made:
        assert own.called in record.from_metadata(images.read_metadata(picture), picture)["own"][own.place]
    capsys.readouterr()
    files = ["--content", "photo.jpg", "--style", "painting.jpg"]
    assert cli.main(["rerun", str(made[0]), *files, "--quiet", "--no-cache"]) == 2
    said = capsys.readouterr().err
    assert f"{own.place} is " in said
    assert own.called in said
    assert not list(desk.rglob("*rerun*"))


@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("nst-jax") and " weights " not in c])
def test_every_command_runs(line, desk, capsys):
    argv = page.small(line, desk)
    if argv[0] == "rerun":
        narrow = run_files.narrow_weights(desk)
        assert cli.main(["stylize", "photo.jpg", "painting.jpg", "-o", argv[1], *page.SMALL, *narrow]) == 0
        argv += ["--quiet", "--no-cache"]
    assert cli.main(argv) == 0, capsys.readouterr().err


def test_the_commands_on_weights_run(desk, capsys):
    params = weights_files.params_of("vgg19")
    lines = [shlex.split(c)[1:] for c in commands() if c.startswith("nst-jax weights")]
    assert {line[1] for line in lines} == {"convert"}
    for line in lines:
        write = weights_files.pth if line[2].endswith(".pth") else weights_files.keras_published
        write(Path(line[2]), params)
        assert cli.main(line) == 0, capsys.readouterr().err


def test_other_lines_are_only_the_installs():
    assert {c for c in commands() if not c.startswith("nst-jax")} == INSTALLS
