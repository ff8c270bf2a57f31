"""The command line: every refusal is one line and exit code 2, and a picture can be made again from itself."""

import contextlib
import dataclasses
import errno
import io
import itertools
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from run_files import narrow_weights

import nst_jax
from nst_jax import images, record
from nst_jax.batch import run as road
from nst_jax.cli import main as cli
from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT, Recipe

# Shallow layers and few pixels: the whole path in a second.
QUICK = [
    *("--size", "32", "--steps", "3", "--content-layers", "relu2_2", "--style-layers", "relu1_1", "relu2_1"),
    *("--quiet", "--no-cache", "--weights", "./narrow.h5"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a content and a style picture of different sizes."""
    rng = np.random.default_rng(0)
    for name, size in (
        ("content.png", (40, 30)),
        ("style.png", (36, 48)),
        ("tiny.png", (1, 1)),
        ("thin.png", (3, 3000)),
    ):
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(tmp_path / name)
    narrow_weights(tmp_path)
    whole = (tmp_path / "content.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("this is no picture")
    (tmp_path / "folder").mkdir()
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["somebody/else"] = np.zeros(3)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*argv: str) -> tuple[int, str, str]:
    """Run one command in this process; return (exit code, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([str(a) for a in argv])
    return code, out.getvalue(), err.getvalue()


REFUSALS = {
    "missing file": (["nope.png", "style.png"], "no such file"),
    "missing style": (["content.png", "nope.png"], "no such file"),
    "directory": (["folder", "style.png"], "directory"),
    "not an image": (["text.png", "style.png"], "text.png"),
    "truncated image": (["cut.png", "style.png"], "cut.png"),
    "zero bytes": (["empty.png", "style.png"], "empty"),
    "1x1": (["tiny.png", "style.png", "--size", "0"], "at least 4 pixels"),
    "3x3000": (["thin.png", "style.png", "--size", "0"], "at least 4 pixels"),
    "unknown layer": (["content.png", "style.png", "--style-layers", "rel2_1"], "did you mean 'relu2_1'"),
    "unknown content layer": (["content.png", "style.png", "--content-layers", "block5"], "block5"),
    "negative steps": (["content.png", "style.png", "--steps", "-1"], "steps is -1"),
    "alpha and beta zero": (["content.png", "style.png", "--alpha", "0", "--beta", "0"], "both 0"),
    "negative alpha": (["content.png", "style.png", "--alpha", "-1"], "alpha is -1"),
    "nan": (["content.png", "style.png", "--beta", "nan"], "beta is nan"),
    "infinite": (["content.png", "style.png", "--tv", "inf"], "tv is inf"),
    "no steps": (["content.png", "style.png", "--steps", "many"], "--steps"),
    "zero learning rate": (["content.png", "style.png", "--lr", "0"], "lr is 0"),
    "bad blend": (["content.png", "style.png", "--init", "blend:2"], "between 0 and 1"),
    "init file missing": (["content.png", "style.png", "--init", "nope.png"], "no such file"),
    "weights of layers": (["content.png", "style.png", "--layer-weights", "1", "2", "3"], "layer_weights"),
    "unknown pooling": (["content.png", "style.png", "--pooling", "median"], "median"),
    "unknown option": (["content.png", "style.png", "--bogus", "1"], "--bogus"),
    "missing weights": (["content.png", "style.png", "--weights", "./no.h5"], "no.h5"),
    "unknown weights": (["content.png", "style.png", "--weights", "vgg61"], "did you mean"),
    "weights cut short": (["content.png", "style.png", "--weights", "./cut.h5"], "cut.h5"),
    "depth": (["content.png", "style.png", "--depth", "12"], "depth is 12; expected 8 or 16"),
    "quality of a PNG": (["content.png", "style.png", "--quality", "50"], "PNG loses nothing and has no quality"),
    "memory": (["content.png", "style.png", "--memory", "lots"], "memory is lots: expected a number with MB"),
    "little memory": (["content.png", "style.png", "--memory", "10MB"], "tiles of 256 need at least"),
    "few pixels": (["content.png", "style.png", "--max-pixels", "100"], "more than the limit of 100 pixels"),
    "weights of another kind": (["content.png", "style.png", "--weights", "./other.h5"], "other.h5"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_is_one_line_and_leaves_nothing(folder, case):
    before = sorted(folder.iterdir())
    argv, expected = REFUSALS[case]
    code, out, err = run("stylize", *argv[:2], "-o", "out.png", *QUICK, *argv[2:])
    assert code == 2
    assert out == ""
    assert expected in err
    assert err.startswith("nst-jax: ")
    assert len(err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("output", ["out.xyz", "out", "folder"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(folder, output):
    code, _, err = run("stylize", "content.png", "style.png", "-o", output, *QUICK)
    assert code == 2
    assert len(err.splitlines()) == 1


def test_a_full_disk_is_one_line_and_leaves_no_half_file(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    code, _, err = run("stylize", "content.png", "style.png", "-o", "out.png", *QUICK)
    assert code == 2
    assert "No space left" in err
    assert len(err.splitlines()) == 1
    assert not list(folder.glob("*out*"))


def test_a_decompression_bomb_is_refused(folder):
    # A small file that claims 30000 x 30000 pixels: a valid header, and nothing behind it.
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0))
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    code, _, err = run("stylize", "bomb.png", "style.png", "-o", "out.png", *QUICK)
    assert code == 2
    assert "pixels" in err
    assert len(err.splitlines()) == 1


def test_stylize_writes_the_picture_and_its_recipe(folder):
    code, out, err = run(
        "stylize", "content.png", "style.png", "-o", "new/out.png", *QUICK, "--init", "blend:0.5", "--seed", "7"
    )
    assert (code, err) == (0, "")
    assert "new/out.png" in out
    picture = images.read("new/out.png")
    assert picture.rgb.shape == (24, 32, 3)
    held = record.from_metadata(images.read_metadata(folder / "new/out.png"), folder / "new/out.png")
    assert held["recipe"]["seed"] == 7
    assert held["recipe"]["style_layers"] == ["relu1_1", "relu2_1"]
    assert held["inputs"]["content"]["sha256"] == images.read("content.png").sha256
    assert len(held["weights"]["sha256"]) == 64
    assert {"jax", "jaxlib", "python", "nst_jax"} <= set(held["versions"])
    assert held["device"].startswith("cpu: ")
    assert held["result"]["stopped"] == "steps"
    assert held["result"]["steps"] == 3


def test_rerun_makes_the_same_picture_bit_for_bit(folder):
    run("stylize", "content.png", "style.png", "-o", "out.png", *QUICK, "--init", "noise", "--seed", "3")
    code, out, _ = run("rerun", "out.png", "--quiet", "--no-cache")
    assert code == 0
    assert "bit for bit" in out
    np.testing.assert_array_equal(images.read("out.png").rgb, images.read("out-rerun.png").rgb)


@pytest.mark.parametrize("which", ["content.png", "style.png", "init.png"])
def test_rerun_refuses_a_changed_input(folder, which):
    Image.new("RGB", (8, 8), "red").save(folder / "init.png")
    run("stylize", "content.png", "style.png", "-o", "out.png", *QUICK, "--init", "init.png")
    Image.new("RGB", (40, 40), "blue").save(folder / which)
    code, _, err = run("rerun", "out.png", "--quiet", "--no-cache")
    assert code == 2
    assert which in err
    assert "sha256" in err
    assert not (folder / "out-rerun.png").exists()


def test_rerun_finds_inputs_that_moved_by_what_is_in_them(folder, tmp_path_factory):
    (folder / "in").mkdir()
    for name in ("content.png", "style.png"):
        (folder / name).rename(folder / "in" / name)
    absolute = [str(folder / "in" / name) for name in ("content.png", "style.png")]
    made = folder / "out.png"
    assert run("stylize", *absolute, "-o", str(made), *QUICK)[0] == 0
    text = images.read_metadata(made)[record.KEY]
    assert str(folder) not in text
    assert not re.search(r'"/', text)
    moved = tmp_path_factory.mktemp("elsewhere")
    for path, to in (
        (made, "out.png"),
        (folder / "in/content.png", "photo.bin"),
        (folder / "in/style.png", "style.png"),
    ):
        path.rename(moved / to)
    code, out, err = run("rerun", str(moved / "out.png"), "--no-cache")
    assert (code, "bit for bit" in out) == (0, True)
    assert "photo.bin (content)" in err
    assert "style.png (style)" in err
    (moved / "photo.bin").unlink()
    code, _, err = run("rerun", str(moved / "out.png"), "--quiet")
    assert (code, len(err.splitlines()), "say where it is with --content" in err) == (2, 1, True)


def test_rerun_of_a_strangers_record_reads_no_absolute_path(folder):
    run("stylize", "content.png", "style.png", "-o", "out.png", *QUICK)
    held = json.loads(images.read_metadata(folder / "out.png")[record.KEY])
    held["inputs"]["content"] = {"path": "/etc/hostname", "sha256": "0" * 64}
    images.save(folder / "out.png", images.read("out.png").rgb, metadata=record.as_metadata(held))
    code, _, err = run("rerun", "out.png", "--no-cache")
    assert (code, "reads" in err, "say where it is with --content" in err) == (2, False, True)


def test_rerun_refuses_a_picture_without_a_recipe(folder):
    code, _, err = run("rerun", "content.png")
    assert code == 2
    assert "no nst_jax recipe" in err


def test_rerun_refuses_other_weights(folder, monkeypatch):
    run("stylize", "content.png", "style.png", "-o", "out.png", *QUICK)
    text = images.read_metadata(folder / "out.png")[record.KEY]
    held = json.loads(text)
    held["weights"]["sha256"] = "0" * 64
    images.save(folder / "out.png", images.read("out.png").rgb, metadata=record.as_metadata(held))
    code, _, err = run("rerun", "out.png", "--quiet", "--no-cache")
    assert code == 2
    assert "weights" in err


def test_alpha_goes_through_to_the_output(folder):
    rgba = np.zeros((30, 40, 4), np.uint8)
    rgba[..., 1] = 200
    rgba[:, 20:, 3] = 255
    Image.fromarray(rgba).save(folder / "alpha.png")
    code, _, _ = run("stylize", "alpha.png", "style.png", "-o", "out.png", *QUICK)
    assert code == 0
    alpha = images.read("out.png").alpha
    assert alpha is not None
    assert alpha.shape == (24, 32)
    assert alpha[:, 0].max() == 0
    assert alpha[:, -1].min() == 1


def interrupt_at(monkeypatch, piece: int) -> None:
    """Press Ctrl-C while so many pieces of the steps are done, counted from 0."""
    whole, pieces = road.advance_chunk, itertools.count()

    def interrupted(*args, **kwargs):
        for at in whole(*args, **kwargs):
            if next(pieces) == piece:
                os.kill(os.getpid(), signal.SIGINT)
            yield at

    monkeypatch.setattr(road, "advance_chunk", interrupted)


def test_ctrl_c_at_a_coarse_scale_keeps_a_transparent_picture(folder, monkeypatch):
    interrupt_at(monkeypatch, 0)
    Image.new("LA", (32, 24), (128, 77)).save("alpha.png")
    code, _, _ = run("stylize", "alpha.png", "style.png", "-o", "out.png", *QUICK, "--scales", "2")
    assert code == 130
    made = images.read("out.png")
    assert made.rgb.shape == (12, 16, 3)
    assert made.alpha is not None
    np.testing.assert_allclose(made.alpha, 77 / 255, atol=1e-6)


def test_ctrl_c_keeps_the_best_picture_so_far(folder, monkeypatch):
    interrupt_at(monkeypatch, 1)
    code, out, err = run("stylize", "content.png", "style.png", "-o", "out.png", *QUICK, "--steps", "400")
    assert code == 130
    assert "kept the best picture" in err
    assert "out.png" in out
    held = record.from_metadata(images.read_metadata(folder / "out.png"), folder / "out.png")
    assert held["result"]["stopped"] == "interrupted"
    assert 0 < held["result"]["steps"] < 400
    code, out, _ = run("rerun", "out.png", "--quiet", "--no-cache")
    assert code == 0
    assert "bit for bit" in out


def test_the_same_command_goes_on_after_ctrl_c(folder, monkeypatch):
    argv = ["content.png", "style.png", *QUICK, "--steps", "120", "--scales", "2"]
    assert run("stylize", *argv, "-o", "whole.png")[0] == 0
    before = sorted(folder.iterdir())
    interrupt_at(monkeypatch, 4)
    assert run("stylize", *argv, "-o", "out.png")[0] == 130
    assert list(folder.glob(".out.png.nst_jax/chunk-*.npz"))
    steps = []
    whole = road.advance_chunk

    def counted(*args, **kwargs):
        for at in whole(*args, **kwargs):
            steps.append((at.scale, at.step))
            yield at

    monkeypatch.setattr(road, "advance_chunk", counted)
    code, _, _ = run("stylize", *argv, "-o", "out.png")
    assert (code, steps[0] > (1, 40)) == (0, True)
    np.testing.assert_array_equal(images.read("out.png").rgb, images.read("whole.png").rgb)
    assert sorted(folder.iterdir()) == sorted([*before, folder / "out.png"])


def test_an_interrupted_picture_is_no_start_of_another(folder, monkeypatch):
    interrupt_at(monkeypatch, 1)
    argv = ["content.png", "style.png", "-o", "out.png", *QUICK, "--steps", "400"]
    assert run("stylize", *argv)[0] == 130
    assert run("stylize", *argv[:-1], "3", "--beta", "10")[0] == 0
    held = record.from_metadata(images.read_metadata(folder / "out.png"), folder / "out.png")
    assert (held["result"]["steps"], held["recipe"]["beta"]) == (3, 10)
    assert not list(folder.glob(".*"))


# Chunks of 41 evaluations. Stops: within the coarse scale, at its end, within the fine one.
@pytest.mark.parametrize(("piece", "place", "side"), [(0, (0, 40), 16), (1, (0, 80), 16), (2, (1, 40), 32)])
def test_a_picture_interrupted_at_any_scale_is_made_again_bit_for_bit(folder, monkeypatch, piece, place, side):
    interrupt_at(monkeypatch, piece)
    rgba = np.random.default_rng(3).integers(0, 256, (30, 40, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(folder / "alpha.png")
    # the cosine and the average depend on how many steps are planned
    adam = ["--optimizer", "adam", "--lr-schedule", "cosine", "--ema", "0.9", "--scales", "2", "--coarse-steps", "80"]
    code, _, err = run("stylize", "alpha.png", "style.png", "-o", "out.png", *QUICK, "--steps", "120", *adam)
    assert (code, f"at scale {place[0] + 1} of 2: kept the best picture" in err) == (130, True)
    path = folder / "out.png"
    held = record.from_metadata(images.read_metadata(path), path)
    assert record.interrupted_at(held) == place
    assert images.read(path).rgb.shape[1] == side
    for old, new in (("out.png", "out-rerun.png"), ("out-rerun.png", "out-rerun-rerun.png")):
        code, out, err = run("rerun", old, "--quiet", "--no-cache")
        assert (code, err, "bit for bit" in out) == (0, "", True)
        assert np.array_equal(images.read(new).rgb, images.read(path).rgb)


def test_a_record_that_does_not_name_its_scale_is_refused():
    held = {"recipe": {"scales": "auto"}, "result": {"stopped": "interrupted", "steps": 7}}
    with pytest.raises(UserError, match="at a scale that its record does not name"):
        record.interrupted_at(held)
    assert record.interrupted_at({**held, "recipe": {}}) == (0, 7)


def test_a_rerun_can_be_interrupted_itself(folder, monkeypatch):
    run("stylize", "content.png", "style.png", "-o", "out.png", *QUICK, "--steps", "5", "--scales", "2")
    interrupt_at(monkeypatch, 0)
    code, _, err = run("rerun", "out.png", "--quiet", "--no-cache")
    assert (code, "interrupted at scale 1 of 2" in err) == (130, True)


def test_ctrl_c_from_outside_exits_130_without_a_traceback(folder):
    argv = ["stylize", "content.png", "style.png", "-o", "out.png", *QUICK, "--steps", "1000000"]
    with subprocess.Popen([sys.executable, "-m", "nst_jax", *argv], stderr=subprocess.PIPE, text=True) as process:
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 130
    assert "Traceback" not in err
    assert (folder / "out.png").exists() == ("kept the best picture" in err)


def worked() -> float:
    """Give the seconds of processor that processes of this one have taken."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def test_help_teaches_what_is_used_first_and_all_of_it_on_demand_in_under_a_second(folder):
    for command in ("stylize", "sweep", "batch"):
        said = {}
        for word in ("--help", "--help-all"):
            began = worked()
            done = subprocess.run(
                [sys.executable, "-m", "nst_jax", command, word], capture_output=True, text=True, check=True
            )
            assert worked() - began < 2  # of the processor: under one on an idle machine
            assert done.stderr == ""
            said[word] = done.stdout
        names = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Recipe)} | {"--preset"}
        assert {name for name in names if re.search(f"{name}[ ,]", said["--help-all"])} == names
        first = {name for name in names if f"| {name} " in said["--help"] or f"│ {name} " in said["--help"]}
        assert (len(first), "--preset" in first) == (10, True)
        assert len(said["--help"].splitlines()) < 90
        assert f"nst-jax {command} --help-all" in said["--help"]


def test_the_loss_line_adds_up(folder):
    code, out, _ = run("stylize", "content.png", "style.png", "-o", "out.png", *QUICK, "--beta", "50", "--tv", "30")
    ((total, terms),) = re.findall(r"-> (\S+) \((.*?)\)", out)
    shares = dict(term.split(" ") for term in terms.split(" + "))
    assert (code, list(shares)) == (0, ["content", "style", "variation"])
    assert sum(map(float, shares.values())) == pytest.approx(float(total), rel=1e-3)


@pytest.mark.parametrize("words", [("--help",), ("stylize", "--help"), ("units",)])
def test_a_reader_that_stops_reading_is_no_error(words):
    with subprocess.Popen(
        [sys.executable, "-m", "nst_jax", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, "")


def test_the_command_line_has_the_recipes_defaults(folder):
    parsed = cli.parse(["stylize", "a.png", "b.png", "-o", "c.png"])
    assert isinstance(parsed, cli.Stylize)
    assert parsed.recipe == DEFAULT


def test_the_version_is_told_and_the_types_are_marked(folder):
    for flag in ("--version", "-V"):
        assert run(flag) == (0, f"nst-jax {nst_jax.__version__}\n", "")
    assert Path(nst_jax.__file__).with_name("py.typed").exists()


def test_a_picture_whose_name_looks_like_an_option_is_hinted_at(folder):
    (folder / "content.png").rename("-c.png")
    code, _, err = run("stylize", "-c.png", "style.png", "-o", "out.png")
    assert (code, "a file of that name is ./-c.png" in err, len(err.splitlines())) == (2, True, 1)


def test_no_command_is_explained(folder):
    code, _, err = run()
    assert code == 2
    assert "stylize" in err
    assert len(err.splitlines()) == 1


def test_the_demo_makes_its_pictures(folder, monkeypatch):
    from nst_jax.cli import demo

    monkeypatch.setattr(demo, "SIZE", 64)
    monkeypatch.setattr(demo, "STEPS", 1)
    code, out, _ = run("demo", "--quiet", "--no-cache")
    assert code == 0
    made = Path("demo/temple-great_wave.png")
    assert images.read(made).rgb.shape == (43, 64, 3)
    sheet = images.read("demo/side-by-side.png").rgb
    assert sheet.shape[1] > 3 * 64
    assert "nst-jax stylize" in out


def test_embedded_pictures_are_found():
    from nst_jax.cli import demo

    assert demo.picture("temple").exists()


def test_a_picture_of_a_program_is_made_again_from_its_files(folder):
    encoder = nst_jax.load_encoder()
    recipe = Recipe(content_layers=("relu2_2",), style_layers=("relu1_1",), beta=1e3, steps=3, size=24)
    content, style = images.read("content.png").rgb, images.read("style.png").rgb
    nst_jax.save("whole.png", nst_jax.stylize(encoder, content, style, recipe))
    # at their own sizes, one of them resampled by the program itself
    problem = nst_jax.pose(encoder, images.resize(content, 20), style, recipe=recipe)
    nst_jax.save("posed.png", nst_jax.solve(encoder, problem, steps=2, descent=nst_jax.Adam(lr=0.01)))
    for name in ("whole", "posed"):
        code, _, err = run("rerun", f"{name}.png", "--quiet", "--no-cache")
        assert (code, "give its file with --content" in err) == (2, True)
        files = ("--content", "content.png", "--style", "style.png", "--quiet", "--no-cache")
        code, out, err = run("rerun", f"{name}.png", *files)
        assert (code, err, "bit for bit" in out) == (0, "", True)
        swapped = ("--content", "style.png", "--style", "content.png", "--quiet", "--no-cache")
        code, _, err = run("rerun", f"{name}.png", *swapped, "-o", "no.png")
        assert (code, "is not the one of the recipe" in err) == (2, True)


def test_a_picture_that_no_recipe_makes_says_so(folder):
    encoder = nst_jax.load_encoder()
    content, style = (images.resize(images.read(name).rgb, 24) for name in ("content.png", "style.png"))
    recipe = Recipe(content_layers=("relu2_2",), style_layers=("relu1_1",), steps=1)
    doubled = nst_jax.Compare(nst_jax.losses.GramMatrix("gram-mean"), ("relu1_1", "relu2_1"), "style", 3.0)
    problem = nst_jax.pose(encoder, content, style, recipe=recipe, terms={"more": doubled})
    nst_jax.save("own.png", nst_jax.solve(encoder, problem))
    by_hand = dataclasses.replace(
        problem, init=problem.init * 0.5, terms={**problem.terms, "more": problem.terms["style"]}
    )
    nst_jax.save("hand.png", nst_jax.solve(encoder, by_hand))
    for name, reason in (
        ("own", "terms.more is GramMatrix(scale='gram-mean')"),
        ("hand", "changed after it was posed"),
    ):
        code, _, err = run("rerun", f"{name}.png", "--content", "content.png", "--style", "style.png")
        assert (code, reason in err, len(err.splitlines())) == (2, True, 1)


def test_a_record_of_the_version_before_is_refused_in_one_line(folder):
    images.save("old.png", np.zeros((8, 8, 3), np.float32), metadata=record.as_metadata({"format": 1}))
    code, _, err = run("rerun", "old.png")
    assert (code, "nst_jax 0.1 wrote it" in err, len(err.splitlines())) == (2, True, 1)


def test_a_large_picture_is_planned_without_being_made(folder):
    Image.new("L", (8192, 8192)).save("wide.png")
    before = sorted(folder.iterdir())
    how = ("--preset", "print", "--size", "16384", "--max-pixels", "300_000_000", "--weights", "./narrow.h5")
    asked = ("stylize", "wide.png", "style.png", "-o", "out.tif", *how, "--dry-run")
    code, out, _ = run(*asked, "--memory", "80GB", "--optimizer", "adam")
    assert code == 0
    assert re.search(r"268\.4 megapixels \(16384x16384\) in tiles of 512: about \d\d\.\d+ GB of 80\.00 GB", out)
    assert "scale 1 of 6: 512x512, 300 steps" in out
    assert "scale 6 of 6: 16384x16384, 10 steps" in out
    for there, held in ((("--device", "h100"), "63.73"), (("--device", "v5p", "--memory", "40GB"), "40.00")):
        code, _, err = run(*asked, *there)
        assert (code, len(err.splitlines())) == (2, 1)
        assert re.search(rf"need .* in tiles of 512, and there are {held} GB: use a --size of at most \d+", err)
        size = err.split("at most ")[1].split(",")[0]
        code, out, _ = run(*asked, *there, "--size", size)
        assert (code, f"GB of {held} GB" in out) == (0, True)
    code, _, err = run(*asked[:-1], "--device", "h100")
    assert (code, "plans for a device that is not here: add --dry-run" in err) == (2, True)
    assert sorted(folder.iterdir()) == before
    code, _, err = run("stylize", "wide.png", "style.png", "-o", "out.webp", *how, "--dry-run")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "WEBP holds at most 16383 pixels a side, not 16384" in err
