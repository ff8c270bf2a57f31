"""Hostile weights files, and names that are none: one line, soon, and nothing read that is not in the file."""

import json
import os
import pickle
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch_files
import weights_files as files
from test_weights_damage import ours, read

from nst_jax.errors import UserError
from nst_jax.weights import load_encoder, read_weights
from nst_jax.weights.convert import convert
from nst_jax.weights.inspect import verify


def not_in_the_file(path: Path, kind: str) -> None:
    """Write a Keras file whose first kernel is not in the file, or not where it seems."""
    files.keras_published(path, files.params_of("vgg11"))
    name = "block1_conv1/block1_conv1_W_1:0"
    other = path.with_name("other")
    with h5py.File(path, "r+") as file:
        shape = (3, 3, 3, files.TINY[0])
        del file[name]
        if kind == "external storage":
            other.write_bytes(bytes(10_000))
            file.create_dataset(name, shape, "f4", external=[(str(other), 0, h5py.h5f.UNLIMITED)])
        elif kind.startswith("virtual"):
            where = "." if kind.endswith("itself") else str(other)
            with h5py.File(other, "w") as source:
                source["x"] = np.ones(shape, np.float32)
            layout = h5py.VirtualLayout(shape, np.float32)
            layout[...] = h5py.VirtualSource(where, name if where == "." else "x", shape)
            file.create_virtual_dataset(name, layout)
        elif kind == "external link":
            with h5py.File(other, "w") as source:
                source["x"] = np.ones(shape, np.float32)
            file[name] = h5py.ExternalLink(str(other), "x")
        elif kind == "soft link":
            file[name] = h5py.SoftLink("/block1_conv1/block1_conv1_b_1:0")
        elif kind == "soft link to itself":
            file[name] = h5py.SoftLink(f"/{name}")
        elif kind == "a cycle of groups":
            file["block1_conv1/again"] = file["block1_conv1"]
        elif kind == "declared only":
            file.create_dataset(name, shape, "f4")
        elif kind == "declared only, in chunks":
            file.create_dataset(name, shape, "f4", chunks=True)


ELSEWHERE = (
    "external storage",
    "virtual",
    "virtual of itself",
    "external link",
    "soft link",
    "soft link to itself",
    "a cycle of groups",
    "declared only",
    "declared only, in chunks",
)


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_an_h5_file_is_never_left(tmp_path, kind):
    not_in_the_file(tmp_path / "src", kind)
    refusal = read(tmp_path / "src")
    assert refusal
    assert refusal.isprintable()
    assert not (tmp_path / "out.h5").exists()


PLACES = {
    "ours": (ours, "conv1_1/kernel"),
    "keras": (files.keras_published, "block1_conv1/block1_conv1_W_1:0"),
    "plain h5": (lambda path, params: None, "a"),
}


def large(path: Path, form: str) -> None:
    """Write a small file that declares an array of 2^33 numbers or more."""
    huge = (2**13, 2**10, 2**10)
    if form in PLACES:
        write, name = PLACES[form]
        write(path, files.params_of("vgg11"))
        with h5py.File(path, "a") as file:
            if name in file:
                del file[name]
            file.create_dataset(name, huge, "f4", chunks=(2**8, 2**8, 2**8))
    elif form == "npz":
        head = np.lib.format.magic(1, 0)
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {huge}, }}".ljust(117) + "\n"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("conv1_1_W.npy", head + struct.pack("<H", len(text)) + text.encode())
    elif form == "safetensors":
        text = f'{{"features.0.weight": {{"dtype": "F32", "shape": {list(huge)}, "data_offsets": [0, {2**35}]}}}}'
        path.write_bytes(struct.pack("<Q", len(text)) + text.encode())
    elif form == "pth":
        storage = torch_files.Storage(np.zeros(1, np.float32), "FloatStorage")
        strides = (2**20, 2**10, 1)
        held = torch_files.Rebuilt("torch._utils._rebuild_tensor_v2", storage, 0, huge, strides, False, None)
        torch_files.torch_save(path, {"features.0.weight": held})
    elif form == "matlab":
        from scipy.io import savemat

        savemat(path, {"layers": np.array([[1.0, 2.0, 3.0]], object)})
        path.write_bytes(path.read_bytes().replace(struct.pack("<ii", 1, 3), struct.pack("<ii", 2**16, 2**15)))


@pytest.mark.parametrize("form", ["ours", "keras", "plain h5", "npz", "safetensors", "pth", "matlab"])
def test_what_a_file_declares_is_not_allocated(tmp_path, form):
    path = tmp_path / ("ours" if form == "ours" else "src")
    large(path, form)
    tracemalloc.start()
    try:
        assert read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


def rebuilt(function: str, *args: object) -> object:
    return torch_files.Rebuilt(f"torch._utils.{function}", *args)


def float8(path: Path) -> None:
    entries, end = [], 0
    for name, array in files.torch_state(files.params_of("vgg11")).items():
        about = f'"shape": {list(array.shape)}, "data_offsets": [{end}, {end + array.size}]'
        entries.append(f'"{name}": {{"dtype": "F8_E4M3", {about}}}')
        end += array.size
    text = f"{{{', '.join(entries)}}}"
    path.write_bytes(struct.pack("<Q", len(text)) + text.encode() + bytes(end))


def safetensors_header(path: Path, header: dict) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))


def lone_onnx(path: Path) -> None:
    import onnx

    files.onnx(path, files.params_of("vgg11"))
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="numbers.data", size_threshold=0)
    (path.parent / "numbers.data").unlink()


def onnx_elsewhere(path: Path) -> None:
    import onnx

    lone_onnx(path)
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = "../../../../etc/passwd"
    path.write_bytes(model.SerializeToString())


def script(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vgg/data.pkl", pickle.dumps({}))
        archive.writestr("vgg/constants.pkl", pickle.dumps(()))
        archive.writestr("vgg/code/__torch__.py", "")


def mat(path: Path, layers: object, **rest: object) -> None:
    from scipy.io import savemat

    savemat(path, {"layers": layers, **rest})


FOREIGN = {
    "sparse": (
        lambda path: torch_files.torch_save(path, {"features.0.weight": rebuilt("_rebuild_sparse_tensor", 0, ())}),
        "features.0.weight is a sparse tensor, expected plain numbers",
    ),
    "meta": (
        lambda path: torch_files.torch_save(path, {"a.weight": rebuilt("_rebuild_meta_tensor_no_storage", 0)}),
        "a.weight is a meta tensor, expected plain numbers",
    ),
    "no mapping": (lambda path: torch_files.torch_save(path, 3), "holds 0 convolutions.*found no arrays"),
    "TorchScript": (script, "is a TorchScript program, expected a state dict"),
    "float8": (float8, "features.0.weight holds F8_E4M3, expected float16, float32, float64, bfloat16: convert it"),
    "ONNX without its numbers": (lone_onnx, "numbers.data: no such file; expected the numbers of .* beside it"),
    "ONNX with numbers elsewhere": (
        onnx_elsewhere,
        "has its numbers in .*passwd, expected a file beside",
    ),
    "a .mat of a number": (lambda path: mat(path, 3.0), "is no MatConvNet VGG"),
    "a .mat of layers that are none": (
        lambda path: mat(path, np.array([[1.0, "a"]], object), normalization={"averageImage": np.ones(3)}),
        "holds 0 convolutions",
    ),
    "a .mat with another layer": (
        lambda path: mat(
            path, np.array([{"name": "bn", "type": "bnorm"}, 1], object), normalization={"averageImage": np.ones(3)}
        ),
        "bn is a layer of type bnorm, expected a plain VGG",
    ),
    "many dimensions": (
        lambda path: safetensors_header(
            path, {"a.weight": {"dtype": "F32", "shape": [1] * 9999, "data_offsets": [0, 4]}}
        ),
        "holds 0 convolutions",
    ),
    "many names": (
        lambda path: safetensors_header(path, {"n" * 9999: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}),
        "holds 0 convolutions",
    ),
    "a deep header": (lambda path: path.write_bytes(struct.pack("<Q", 90006) + b'{"a":' * 18001 + b"}"), "cut short"),
    "a pickle without end": (lambda path: path.write_bytes(b"\x80\x02}q\x00"), "is cut short or damaged"),
    "a pickle that hashes for ever": (
        lambda path: path.write_bytes(b"\x80\x02}N" + b"2\x86" * 60 + b"K\x01s."),
        "holds 0 convolutions",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_a_library_would_stumble_over_is_one_line(tmp_path, case):
    write, said = FOREIGN[case]
    write(tmp_path / "src")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match=said) as caught:
            convert(tmp_path / "src", tmp_path / "out.h5", convention="caffe")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1500
    assert str(tmp_path / "src") in str(caught.value)
    assert not (tmp_path / "out.h5").exists()


ODD_NAMES = {
    "pipe": lambda folder: (os.mkfifo(folder / "pipe"), folder / "pipe")[1],
    "device": lambda folder: Path("/dev/zero"),
    "directory": lambda folder: folder,
    "long": lambda folder: folder / ("y" * 5000),
    "long without a folder": lambda folder: Path("y" * 5000),
    "long with a suffix": lambda folder: Path("y" * 5000 + ".h5"),
    "NUL": lambda folder: folder / "a\0b.h5",
    "lines": lambda folder: folder / "a\n\x1b[31mb.h5",
    "no UTF-8": lambda folder: folder / os.fsdecode(b"\xe9.h5"),
    "surrogate": lambda folder: folder / "\ud800.h5",
}


@pytest.mark.parametrize("kind", ODD_NAMES)
def test_a_name_that_is_no_weights_file_is_refused_at_once(tmp_path, kind):
    name = ODD_NAMES[kind](tmp_path)
    for function in (load_encoder, verify, lambda path: convert(path, tmp_path / "out.h5", convention="caffe")):
        with pytest.raises(UserError) as caught:
            function(name)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 700


def test_names_that_are_no_utf8_are_converted_and_kept(tmp_path):
    src, dst = tmp_path / os.fsdecode(b"caf\xe9\n.pth"), tmp_path / os.fsdecode(b"\xe9.h5")
    files.pth(src, files.params_of("vgg11"))
    convert(src, dst, convention="caffe")
    assert read_weights(dst).source == r"caf\xe9\n.pth (PyTorch state dict)"
    assert str(verify(dst)).replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["src", "link", "hard", "sub/../src"])
def test_a_source_is_not_written_over_by_any_name(tmp_path, name):
    files.pth(tmp_path / "src", files.params_of("vgg11"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "src")
    (tmp_path / "hard").hardlink_to(tmp_path / "src")
    before = (tmp_path / "src").read_bytes()
    with pytest.raises(UserError, match="is an input"):
        convert(tmp_path / "src", tmp_path / name, convention="caffe")
    assert (tmp_path / "src").read_bytes() == before
