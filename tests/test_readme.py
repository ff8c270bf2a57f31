"""Every snippet of the README runs: the Python as it stands, each command with few steps on small pictures."""

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
import run_files
import weights_files
from PIL import Image

import nst_jax
from nst_jax import images, record
from nst_jax.cli import main as cli
from nst_jax.networks import VGG

README = Path(__file__).parents[1] / "README.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = [
    *("--size", "32", "--steps", "1", "--content-layers", "relu2_2", "--style-layers", "relu1_1", "relu2_1"),
    *("--quiet", "--no-cache"),
]
INSTALLS = {"pip install . && nst-jax demo", "pip install '.[dev]' && pytest"}
"""What .ci/run and the demo's own test run for real."""


def snippets(language: str, text: str = "") -> list[str]:
    return [body for found, body in FENCE.findall(text or README.read_text()) if found == language]


def halves() -> tuple[list[str], list[str]]:
    """Give the Python of the package's own, and that of the reader's."""
    before, after = README.read_text().split("## Bring your own\n")
    return snippets("python", before), snippets("python", after)


def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(code, str(README), "exec"), names)
    return names


def commands() -> list[str]:
    lines = "\n".join(snippets("sh")).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working directory with all that the README speaks of, and a network of a few channels."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    (tmp_path / "paintings").mkdir()
    for name in ("photo.jpg", "painting.jpg", "drawing.jpg", "photos/a.jpg", "photos/b.jpg", "paintings/c.jpg"):
        levels = 80 if "painting" in name else 256  # so that there is a way to go
        Image.fromarray(rng.integers(0, levels, (40, 48, 3), dtype=np.uint8)).save(tmp_path / name)
    halves = np.zeros((40, 48), np.uint8)
    halves[:, 24:] = 255
    Image.fromarray(halves).save(tmp_path / "mask.png")
    (tmp_path / "examples").symlink_to(README.parent / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def small_vgg() -> nst_jax.Encoder:
    """Give the fewest layers that a recipe without any setting asks for."""
    network = VGG("vgg", (1, 1, 2, 2, 1), (2, 2, 2, 2, 2))
    kernels = reference.random_kernels(network.blocks, network.channels, seed=3)
    params = {
        name: {"kernel": jnp.float32(kernel), "bias": jnp.float32(bias)} for name, (kernel, bias) in kernels.items()
    }
    return nst_jax.Encoder(params=params, network=network)


@pytest.fixture
def pictures(desk) -> dict[str, np.ndarray]:
    return {"content": images.read(desk / "photo.jpg").rgb, "style": images.read(desk / "painting.jpg").rgb}


def test_every_fence_says_what_it_is():
    text = README.read_text()
    assert text.count("```") == 2 * len(FENCE.findall(text))
    assert {language for language, _ in FENCE.findall(text)} <= {"sh", "python", "bibtex"}


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
    argv = shlex.split(line)[1:]
    narrow = run_files.narrow_weights(desk)
    if argv[0] == "rerun":
        assert cli.main(["stylize", "photo.jpg", "painting.jpg", "-o", argv[1], *SMALL, *narrow]) == 0
        argv += ["--quiet", "--no-cache"]
    if argv[0] in ("stylize", "sweep", "batch", "texture"):
        argv = [a for i, a in enumerate(argv) if "--size" not in (a, argv[i - 1])]
        if "--preset" in argv or "inception_v3" in argv:  # their own layers
            argv += ["--size", "96" if "inception_v3" in argv else "40", *SMALL[2:4], "--quiet", "--no-cache"]
        else:
            argv += [a for a in SMALL if argv[0] != "texture" or a not in ("--content-layers", "relu2_2")]
        argv = argv if "--weights" in argv else [*argv, *narrow]
        argv = [
            file for a in argv for file in (sorted(map(str, Path().glob(a))) if "*" in a else [a])
        ]  # as a shell does
    if argv[0] in ("sweep", "batch"):
        argv += ["--no-metrics"]
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
