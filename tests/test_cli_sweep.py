"""The commands sweep and batch: the syntax of axes, files of options, and what is refused."""

import subprocess
import sys

import pytest
from run_files import draw

from nst_jax.cli import axes, batch, joining, sweep
from nst_jax.cli.main import main, parse
from nst_jax.cli.values import Read, read_settings
from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("3", (3,)),
        ("1,10", (1, 10)),
        ("1e3, 2.5", (1000, 2.5)),
        ("0..3", (0, 1, 2, 3)),
        ("5..5", (5,)),
        ("0:1:5lin", (0, 0.25, 0.5, 0.75, 1)),
        ("10:0:3lin", (10, 5, 0)),
        ("1e1:1e5:5log", (10, 100, 1000, 10000, 100000)),
        ("1e1:1e5:9log", (10, 31.6227766017, 100, 316.227766017, 1000, 3162.27766017, 10000, 31622.7766017, 1e5)),
        ("0,1:100:3log,7..8", (0, 1, 10, 100, 7, 8)),
    ],
)
def test_axis_syntax(text, values) -> None:
    assert axes.parse("beta", text) == values


@pytest.mark.parametrize(
    "text", ["", "a", "1,,2", "1:2", "1:2:1", "1:2:3exp", "0:10:3log", "-1:10:3log", "5..3", "nan"]
)
def test_axis_syntax_refused(text) -> None:
    with pytest.raises(UserError, match=r"^beta "):
        axes.parse("beta", text)


def test_whole_numbers_stay_whole() -> None:
    found = axes.parse("seed", "0..2,1e3", "int")
    assert found == (0, 1, 2, 1000)
    assert all(isinstance(value, int) for value in found)
    with pytest.raises(UserError, match=r"seed has the value 0\.5: expected whole numbers"):
        axes.parse("seed", "0.5", "int")


def sweep_of(words: list[str]) -> sweep.Sweep:
    command = parse(["sweep", *words])
    assert isinstance(command, sweep.Sweep)
    return command


def read(command: sweep.Sweep) -> Read:
    return read_settings(command.settings, command.vary)


def test_single_values_are_the_recipe_and_several_are_axes() -> None:
    words = ["--beta", "1,10", "--alpha", "5", "--seed", "0..1", "--pooling", "avg", "--lr", "0.1:0.2:2lin"]
    command = sweep_of(["c.png", "s.png", "-o", "out", *words])
    found = read(command)
    assert (found.recipe.alpha, found.recipe.pooling, found.recipe.steps) == (5, "avg", DEFAULT.steps)
    assert found.given == {"alpha": 5, "pooling": "avg"}
    assert found.axes == {"beta": (1, 10), "seed": (0, 1), "lr": (0.1, 0.2)}


STRUCTURAL = {
    "--pooling max,avg": {"pooling": ("max", "avg")},
    "--style-loss gram,w2": {"style_loss": ("gram", "w2")},
    "--content-loss sum,mean": {"content_loss": ("sum", "mean")},
    "--optimizer adam,lbfgs": {"optimizer": ("adam", "lbfgs")},
    "--init content,noise": {"init": ("content", "noise")},
    "--weights vgg16,other.h5": {"weights": ("vgg16", "other.h5")},
    "--precision float32,bfloat16": {"precision": ("float32", "bfloat16")},
    "--preset jcjohnson,default": {"preset": ("jcjohnson", "default")},
    "--scales 1,auto": {"scales": (1, "auto")},
    "--style-layers relu1_1+relu2_1,relu3_1": {"style_layers": (("relu1_1", "relu2_1"), ("relu3_1",))},
    "--content-layers relu3_2,relu4_2": {"content_layers": (("relu3_2",), ("relu4_2",))},
    "--layer-weights 1+0+0+0+0,0+0+0+0+1": {"layer_weights": ((1, 0, 0, 0, 0), (0, 0, 0, 0, 1))},
    "--ema 0.9,0.99": {"ema": (0.9, 0.99)},
    "--style-layers relu1_1 relu2_1": {},
    "--init a,b.png": {"init": ("a", "b.png")},
}


@pytest.mark.parametrize("words", STRUCTURAL)
def test_every_setting_can_have_several_values(words) -> None:
    for command in (["sweep", "c.png", "s.png"], ["batch", "c.png", "--styles", "s.png"]):
        parsed = parse([*command, "-o", "out", *words.split()])
        assert isinstance(parsed, sweep.Sweep | batch.Batch)
        assert read_settings(parsed.settings).axes == STRUCTURAL[words]


def test_a_file_whose_name_has_a_comma_is_one_value(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "a,b.png", 1)
    assert read(sweep_of(["c.png", "s.png", "-o", "out", "--init", "a,b.png"])).given == {"init": "a,b.png"}


def test_a_file_of_options_can_hold_structural_axes(tmp_path) -> None:
    (tmp_path / "sweep.toml").write_text(
        'content = "c.png"\nstyle = "s.png"\nout = "run"\npooling = ["max", "avg"]\npreset = ["crowson", "default"]\n'
        'style_layers = [["relu1_1"], ["relu2_1", "relu3_1"]]\n'
    )
    found = read(sweep_of([str(tmp_path / "sweep.toml")]))
    assert found.axes == {
        "preset": ("crowson", "default"),
        "style_layers": (("relu1_1",), ("relu2_1", "relu3_1")),
        "pooling": ("max", "avg"),
    }


def test_a_spacing_that_is_not_said_is_refused() -> None:
    with pytest.raises(UserError, match=r"write 1e2:1e6:5log or 1e2:1e6:5lin"):
        axes.parse("beta", "1e2:1e6:5")


def test_without_options_the_recipe_is_the_default() -> None:
    command = sweep_of(["c.png", "s.png", "-o", "out"])
    assert read(command) == Read("default", {}, DEFAULT, {})


@pytest.mark.parametrize(
    "words",
    [
        ["--layer-weights.relu4_1", "0,1"],
        ["--layer_weights.relu4_1=0,1"],
        ["--layer-weights.relu4-1", "0,1"],
        ["--vary", "layer_weights.relu4_1=0,1"],
    ],
)
def test_dotted_names(words) -> None:
    command = sweep_of(["c.png", "s.png", "-o", "out", *words])
    assert read(command).axes == {"layer_weights.relu4_1": (0, 1)}


def test_zip_moves_axes_together() -> None:
    many = {"alpha": (1, 2), "beta": (10, 20), "seed": (0, 1, 2)}
    joint, seed = sweep.zipped(many, ["alpha", "beta"])
    assert (joint.names, joint.values) == (("alpha", "beta"), ((1, 10), (2, 20)))
    assert seed.names == ("seed",)
    with pytest.raises(UserError, match="alpha has 2, seed has 3"):
        sweep.zipped(many, ["alpha", "seed"])
    with pytest.raises(UserError, match="'tv', which has not several values"):
        sweep.zipped(many, ["tv"])


def test_a_file_holds_the_same_options(tmp_path) -> None:
    (tmp_path / "sweep.toml").write_text(
        'content = "c.png"\nstyle = "in/s.png"\nout = "run"\nbeta = "1e1:1e3:3log"\nseed = [0, 1]\ntv = 0.5\n'
        'style_layers = ["relu1_1", "relu2_1"]\nlayer_weights.relu2_1 = [0, 0.5]\nmetrics = false\n'
        'zip = ["seed", "beta"]\n'
    )
    command = sweep_of([str(tmp_path / "sweep.toml"), "--dry-run", "--lanes", "2"])
    assert (command.content, command.style) == (tmp_path / "c.png", tmp_path / "in/s.png")
    options = command.running
    assert (options.out, options.metrics, options.dry_run, options.lanes) == (tmp_path / "run", False, True, 2)
    found = read(command)
    assert (found.recipe.tv, found.recipe.style_layers) == (0.5, ("relu1_1", "relu2_1"))
    assert found.axes == {"beta": (10, 100, 1000), "seed": (0, 1), "layer_weights.relu2_1": (0, 0.5)}
    assert command.zip == ("seed", "beta")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("content = 1 2", "is not TOML"),
        ('content = "c.png"', "does not name the style"),
        (
            'content = "c.png"\nstyle = "s.png"\nout = "x"\nbetta = 3',
            "it has 'betta', which there is not: did you mean",
        ),
        ("content = 3\nstyle = 's.png'", "content is 3: expected text"),
        ("content = 'c.png'\nstyle = 's.png'\nout = true", "out is true: expected text"),
        ("content = 'c.png'\nstyle = 's.png'\nout = 'x'\nout-dir = 'y'", "it has 'out_dir'"),
        ('content = "c\\u0000.png"\nstyle = "s.png"\nout = "x"', "is no name that a file can have"),
        ("content = 'c.png'\nstyle = 's.png'\nout = 'x'\nbeta = [1, true]", "beta[1] is true: expected a number"),
        ("content = 'c.png'\nstyle = 's.png'\nout = 'x'\nsize = 1979-05-27", "size is a date: expected a whole number"),
        ("content = 'c.png'\nstyle = 's.png'\nout = 'x'\nsize = 99999999999", "size is 99999999999: expected"),
        ("content = 'c.png'\nstyle = 's.png'\nout = 'x'\nlayer-weights = {a = {b = 1}}", "layer_weights[...] is"),
        ("content = 'c.png'\nstyle = 's.png'\nsteps = 3\nout = " + "[" * 9999, "is not TOML"),
        ("style-layers = []\nstyle_layers = []", "names an option twice"),
        ("content = " + "9" * 9999, "is not TOML"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, capsys, text, message) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    assert main(["sweep", str(path)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_missing_file_is_refused(capsys) -> None:
    assert main(["sweep", "nowhere.toml"]) == 2
    assert "nowhere.toml: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--beta", "ten"], "beta is 'ten'"),
        (["--beta", "1,-5"], "beta is -5"),
        (["--vary", "gamma=1"], "--vary is 'gamma=1'"),
        (["--layer-weights.relu9_9", "0,1"], "'relu9_9' is no style layer"),
        (["--snapshots=-1"], "snapshots is -1"),
        (["--coordinator", "localhost:1"], "belong together"),
    ],
)
def test_bad_options_are_one_line(tmp_path, capsys, words, message) -> None:
    content, style = draw(tmp_path / "c.png", 1), draw(tmp_path / "s.png", 2)
    assert main(["sweep", str(content), str(style), "-o", str(tmp_path / "run"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_batch_finds_files_folders_and_patterns(tmp_path) -> None:
    b, a, c = (draw(tmp_path / f"in/{name}", 1) for name in ("b.png", "a.jpg", "c.png"))
    (tmp_path / "in/notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    assert batch.found([str(tmp_path / "in")]) == (a, b, c)
    assert batch.found([str(tmp_path / "in/*.png"), str(a)]) == (b, c, a)
    with pytest.raises(UserError, match="has no pictures in it"):
        batch.found([str(tmp_path / "empty")])
    with pytest.raises(UserError, match="fits no file"):
        batch.found([str(tmp_path / "*.bmp")])


@pytest.mark.parametrize(
    ("environment", "several"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "3", "SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
    ],
)
def test_a_cluster_is_recognised_by_its_variables(environment, several) -> None:
    assert joining.in_cluster(environment) == several


def test_the_command_line_waits_for_no_jax() -> None:
    code = "import sys, nst_jax.cli.main; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
