"""Damaged and hostile weights files, of every format: the right arrays or one line, soon, and in little memory."""

from pathlib import Path

import numpy as np
import pytest
import weights_files as files
from test_weights_convert import FORMATS

from nst_jax.errors import UserError
from nst_jax.weights import Weights, read_weights, save_weights
from nst_jax.weights.convert import convert


def ours(path: Path, params: files.Params) -> None:
    save_weights(path, Weights(params, files.narrow("vgg11")))


def npz(path: Path, params: files.Params) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **files.flat(params))


def npy(path: Path, params: files.Params) -> None:
    with path.open("wb") as file:
        np.save(file, np.array(files.flat(params), object), allow_pickle=True)


WRITERS = {name: write for name, (write, _, _) in FORMATS.items()} | {"npz": npz, "npy": npy, "ours": ours}


def read(path: Path) -> str:
    """Read a file as what it may be, and give the refusal, none if it is taken."""
    try:
        held = read_weights(path) if path.name == "ours" else convert(path, path.parent / "out.h5", convention="caffe")
    except UserError as error:
        return str(error) or "an empty line"
    assert all(np.isfinite(a).all() for leaves in held.params.values() for a in leaves.values())
    return ""


def damage(folder: Path, form: str, rounds: int, seed: int) -> None:
    """Flip some bytes of a small file, mostly where it tells its structure, or cut it, and read it."""
    path = folder / ("ours" if form == "ours" else "damaged")
    WRITERS[form](path, files.params_of("vgg11"))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        content = whole.copy()
        reach = whole.size if rng.random() < 0.5 else min(whole.size, 4096)
        places = rng.integers(0, reach, rng.integers(1, 8))
        content[places if rng.random() < 0.5 else -places - 1] = rng.integers(0, 256, places.size)
        path.write_bytes(content.tobytes()[: None if rng.random() < 0.9 else rng.integers(1, whole.size)])
        assert read(path).isprintable()


@pytest.mark.parametrize("form", WRITERS)
def test_damaged_files_give_their_arrays_or_one_line(tmp_path, form):
    damage(tmp_path, form, 25, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("form", WRITERS)
def test_damaged_files_give_their_arrays_or_one_line_at_length(tmp_path, form):
    damage(tmp_path, form, 400, seed=1)
