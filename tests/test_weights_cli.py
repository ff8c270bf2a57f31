"""`nst-jax weights`: each command end to end, through the parser and the exit code."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import weights_files as files
from PIL import Image

from nst_jax.cli import weights as commands
from nst_jax.cli.main import main
from nst_jax.weights import load, read_weights
from nst_jax.weights.convert import CONVENTIONS
from nst_jax.weights.store import Dtype


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Give each test a cache of its own."""
    monkeypatch.setattr(load, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr("nst_jax.weights.inspect.cache_dir", lambda: tmp_path / "cache")


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "src.safetensors"
    files.safetensors(path, files.params_of("vgg11"))
    return path


TORCH = ("--convention", "torchvision")


def run(*argv: object) -> int:
    return main(["weights", *map(str, argv)])


def test_convert_then_verify(tmp_path, source, capsys):
    dst = tmp_path / "dst.h5"
    assert run("convert", source, dst, *TORCH, "--dtype", "float16", "--source", "a friend", "--licence", "CC0") == 0
    assert capsys.readouterr().out == f"{dst}: vgg11, float16, RGB, 0 to 1\n"
    assert run("verify", dst) == 0
    shown = capsys.readouterr().out
    kernel = read_weights(dst).params["conv2_1"]["kernel"]
    digest = hashlib.sha256(dst.read_bytes()).hexdigest()
    for fact in (
        digest,
        "a friend",
        "CC0",
        "vgg11",
        "float16",
        "conv5_2/bias",
        "3 x 3 x 2 x 3",
        "2, 3, 4, 5, 5",
        "RGB, 0 to 1",
    ):
        assert fact in shown
    for number in (kernel.mean(dtype=np.float64), kernel.std(dtype=np.float64), kernel.min(), kernel.max()):
        assert f"{number:.6g}" in shown
    assert shown.rstrip().splitlines()[-1].startswith("ok: all 8 convolutions of vgg11")


def test_convention_reaches_the_file(tmp_path, source, capsys):
    assert run("convert", source, tmp_path / "dst.h5", "--convention", "caffe") == 0
    assert "BGR, 0 to 255" in capsys.readouterr().out


def test_a_file_of_two_networks_asks_which(tmp_path, capsys):
    from safetensors.numpy import save_file

    state = files.torch_state(files.params_of("vgg11"))
    save_file(
        {f"{net}.{name}": array for net in ("net", "loss.vgg") for name, array in state.items()}, tmp_path / "two"
    )
    assert run("convert", tmp_path / "two", tmp_path / "dst.h5", *TORCH) == 2
    assert "holds 2 VGGs, with the prefixes 'loss.vgg.' and 'net.': choose one with --prefix" in capsys.readouterr().err
    assert run("convert", tmp_path / "two", tmp_path / "dst.h5", *TORCH, "--prefix", "loss.vgg") == 0


def test_verify_refuses_a_damaged_file_with_code_2(tmp_path, source, capsys):
    assert run("convert", source, tmp_path / "dst.h5", *TORCH) == 0
    (tmp_path / "dst.h5").write_bytes((tmp_path / "dst.h5").read_bytes()[:-999])
    capsys.readouterr()
    assert run("verify", tmp_path / "dst.h5") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "cut short or damaged" in err


def test_list_tells_what_is_here_and_how_to_get_the_rest(tmp_path, source, capsys):
    (tmp_path / "cache").mkdir()
    assert run("convert", source, tmp_path / "cache" / "mine.h5", *TORCH) == 0
    (tmp_path / "cache" / "broken.h5").write_bytes(b"x")
    capsys.readouterr()
    assert run("list") == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(rows) == ["vgg16", "inception_v3", "broken", "mine", "vgg19", "vgg16-float32"]
    assert "in the package" in rows["vgg16"]
    assert "inception_v3, uint8, 5 MB" in rows["inception_v3"]
    assert "damaged" in rows["broken"]
    assert "vgg11, float32" in rows["mine"]
    assert "nst-jax weights fetch vgg19" in rows["vgg19"]
    assert rows["vgg16-float32"].endswith("nst-jax weights fetch vgg16`")


def test_fetch_without_a_server_is_one_line_and_code_2(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nst_jax.weights.fetch.cache_dir", lambda: tmp_path / "cache")
    assert run("fetch", "vgg19", "--base-url", "http://127.0.0.1:1") == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 2  # what is fetched, and why not
    assert "http://127.0.0.1:1/vgg19/vgg19_weights" in err[1]
    assert "no connection" in err[1]


def test_normalize(tmp_path, source, capsys):
    assert run("convert", source, tmp_path / "src.h5", *TORCH) == 0
    (tmp_path / "pictures").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "pictures" / "a.png")
    argv = (
        tmp_path / "src.h5",
        tmp_path / "dst.h5",
        "--images",
        tmp_path / "pictures",
        "--size",
        32,
        "--pooling",
        "avg",
    )
    assert run("normalize", *argv) == 0
    assert "normalized over 1 pictures" in capsys.readouterr().out
    assert read_weights(tmp_path / "dst.h5").notes.endswith("1 pictures, 32 px, avg pooling")


def test_the_choices_are_those_of_the_library():
    # spelled again in the command's file, which must start without jax
    assert set(get_args(commands.Dtype)) == set(get_args(Dtype))
    offered = get_args(get_type_hints(commands.Convert)["convention"])
    assert {name for choice in offered for name in get_args(choice)} == set(CONVENTIONS)


@pytest.mark.parametrize("argv", [[], ["convert"]], ids=["weights", "convert"])
def test_help_teaches_without_loading_jax(argv):
    code = (
        "import sys; sys.argv = ['nst-jax', 'weights', *%r, '--help']\n"
        "from nst_jax.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(', '.join({'jax', 'h5py', 'torch'} & set(sys.modules)) or None)"
    )
    env = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code % argv], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: nst-jax weights" in done.stdout
