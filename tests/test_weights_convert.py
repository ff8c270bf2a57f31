"""Every format converts to the same arrays; every other file is refused in one line."""

import pickle
import sys
import zipfile
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import people_files
import pytest
import weights_files as files

from nst_jax.errors import UserError
from nst_jax.networks import CAFFE, TORCHVISION, VGGS, Preprocessing
from nst_jax.weights import read_weights
from nst_jax.weights.convert import convert
from nst_jax.weights.store import save_weights, sha256

AVERAGE = np.array([123.68, 116.779, 103.939])
MATCONVNET = Preprocessing("RGB", 255.0, (123.68, 116.779, 103.939))

FORMATS = {
    "keras published": (files.keras_published, None, CAFFE),
    "keras with top": (partial(files.keras_published, top=True), None, CAFFE),
    "keras whole model": (files.keras_model, None, CAFFE),
    "keras 3": (files.keras3, None, CAFFE),
    "keras 3 by layer name": (partial(files.keras3, named=True), None, CAFFE),
    "keras 3 nested": (partial(files.keras3, inside="layers/functional/"), None, CAFFE),
    "pth of torchvision": (files.pth, "torchvision", TORCHVISION),
    "pth from caffe": (files.pth, "caffe", CAFFE),
    "pth before 1.6": (partial(files.pth, legacy=True), "caffe", CAFFE),
    "safetensors": (files.safetensors, "torchvision", TORCHVISION),
    "safetensors from caffe": (files.safetensors, "caffe", CAFFE),
    "onnx from keras": (partial(files.onnx, keras=True), None, CAFFE),
    "onnx from torch": (files.onnx, "torchvision", TORCHVISION),
    "matconvnet": (partial(files.mat, average=AVERAGE.reshape(1, 1, 3)), None, MATCONVNET),
    "matconvnet before beta 10": (partial(files.mat, average=np.tile(AVERAGE, (4, 4, 1)), old=True), None, MATCONVNET),
}


@pytest.mark.parametrize("architecture", VGGS)
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_arrays_back(tmp_path, form, architecture):
    write, convention, preprocessing = FORMATS[form]
    src, dst = tmp_path / "weights.bin", tmp_path / "out.h5"  # the name tells nothing
    params = files.params_of(architecture)
    write(src, params)
    convert(src, dst, convention=convention, licence="CC BY 4.0")
    held = read_weights(dst)
    assert files.same(held.params, params)
    assert (held.network, held.dtype, held.licence) == (files.narrow(architecture), "float32", "CC BY 4.0")
    assert held.source.startswith("weights.bin (")
    assert held.source_sha256 == sha256(src)
    how = held.preprocessing
    assert (how.channel_order, how.range) == (preprocessing.channel_order, preprocessing.range)
    np.testing.assert_allclose((how.mean, how.std), (preprocessing.mean, preprocessing.std), rtol=1e-12)


LAYOUTS = {"HWIO": people_files.npz, "OIHW": people_files.gatys, "OHWI": people_files.channels_last}


@pytest.mark.parametrize("channels", [(64, 3, 8, 2, 16), (3, 3, 3, 3, 4), (7, 1, 9, 3, 8)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_kernels_tell_the_widths_of_a_network(tmp_path, layout, channels):
    params = files.params_of("vgg11", channels=channels)
    LAYOUTS[layout](tmp_path / "src", params)
    made = convert(tmp_path / "src", tmp_path / "out.h5", convention="caffe")
    assert made.network == files.narrow("vgg11", channels)
    assert files.same(read_weights(tmp_path / "out.h5").params, params)


def test_the_small_files_are_numbered_as_torchvision_numbers_them():
    names = [name for _, name in files.torch_names(files.params_of("vgg16"))]
    assert [int(name.partition(".")[2]) for name in names] == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]


def test_the_same_source_gives_the_same_bytes(tmp_path):
    files.keras_published(tmp_path / "src", files.params_of("vgg11"))
    convert(tmp_path / "src", tmp_path / "a.h5", dtype="float16")
    convert(tmp_path / "src", tmp_path / "b.h5", dtype="float16")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize("write", [files.pth, files.onnx, files.safetensors], ids=["pth", "onnx", "safetensors"])
def test_a_file_that_cannot_tell_its_convention_asks_for_it(tmp_path, write):
    write(tmp_path / "src", files.params_of("vgg11"))
    with pytest.raises(UserError, match=r"--convention torchvision .* --convention caffe"):
        convert(tmp_path / "src", tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    "form", ["keras published", "pth of torchvision", "pth before 1.6", "safetensors", "matconvnet"]
)
@pytest.mark.parametrize("keep", [0.3, 0.7])
def test_a_file_cut_short_is_refused(tmp_path, form, keep):
    write, convention, _ = FORMATS[form]
    src = tmp_path / "src"
    write(src, files.params_of("vgg11"))
    src.write_bytes(src.read_bytes()[: int(src.stat().st_size * keep)])
    _refused(src, "cut short", convention)


def test_an_onnx_cut_short_is_refused(tmp_path):
    files.onnx(tmp_path / "src", files.params_of("vgg11"), keras=True)
    (tmp_path / "src").write_bytes((tmp_path / "src").read_bytes()[:-400])
    _refused(tmp_path / "src", "cut short")


def _refused(src: Path, match: str, convention=None) -> None:
    """Expect a one-line refusal and no file."""
    dst = src.parent / "out.h5"
    with pytest.raises(UserError, match=match) as caught:
        convert(src, dst, convention=convention)
    assert "\n" not in str(caught.value)
    assert str(src) in str(caught.value)
    assert [path for path in src.parent.iterdir() if path != src] == []


def _zip(path: Path, inside: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inside, b"x")


def _without(path: Path, conv: str) -> None:
    params = files.params_of("vgg16")
    del params[conv]
    files.keras_published(path, params)


def _misshapen(path: Path) -> None:
    shapes = VGGS["vgg16"].param_shapes()
    params = {conv: {leaf: np.zeros(s, np.float16) for leaf, s in leaves.items()} for conv, leaves in shapes.items()}
    params["conv3_2"]["kernel"] = params["conv3_2"]["kernel"][..., :-1]
    files.keras_published(path, params)


def _uneven(path: Path) -> None:
    params = files.params_of("vgg11")
    params["conv5_2"] = {leaf: array[..., :-1] for leaf, array in params["conv5_2"].items()}
    files.keras_published(path, params)


def _nan(path: Path) -> None:
    params = files.params_of("vgg16")
    params["conv3_2"]["bias"][0] = np.nan
    files.safetensors(path, params)


def _half_norm(path: Path) -> None:
    from safetensors.numpy import save_file

    state = files.torch_state(files.params_of("vgg11"))
    save_file({**state, "features.1.running_mean": np.ones(2, np.float32)}, path)


def _group_norm(path: Path) -> None:
    from safetensors.numpy import save_file

    state = files.torch_state(files.params_of("vgg11"))
    save_file({**state, "features.1.weight": np.ones(2), "features.1.bias": np.ones(2)}, path)


def _dense_features(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"features.0.weight": np.ones((2, 2)), "features.0.bias": np.ones(2)}, path)


def _ours(path: Path) -> None:
    from nst_jax.weights import Weights

    save_weights(path, Weights(files.params_of("vgg11"), files.narrow("vgg11")))


def _no_layers(path: Path) -> None:
    from scipy.io import savemat

    savemat(path, {"picture": np.ones(3)})


REFUSALS = {
    "text": (lambda path: path.write_text("not weights"), "no known format"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "directory": (lambda path: path.mkdir(), "is a directory"),
    "missing": (lambda path: None, "no such file"),
    "other zip": (partial(_zip, inside="a.txt"), "unzip it"),
    "keras archive": (partial(_zip, inside="model.weights.h5"), r"\.keras archive"),
    "matlab 7.3": (lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64"), "save it again with -v7"),
    "other matlab": (_no_layers, "no MatConvNet VGG"),
    "other hdf5": (lambda path: h5py.File(path, "w").close(), "holds 0 convolutions"),
    "a convolution missing": (partial(_without, conv="conv5_3"), r"holds 12 convolutions, expected 8 \(vgg11\)"),
    "wrong shape": (_misshapen, r"conv3_2/kernel is \(3, 3, 256, 255\), expected \(3, 3, 256, 256\)"),
    "a block of two widths": (_uneven, r"complete vgg11: conv1_1/kernel is \(3, 3, 3, 2\), expected \(3, 3, 3, 64\)"),
    "no channels": (
        lambda path: files.keras_published(path, files.params_of("vgg11", channels=(0, 3, 4, 5, 5))),
        r"conv1_1/kernel is \(3, 3, 3, 0\), expected \(3, 3, 3, 64\)",
    ),
    "kernels that look alike": (
        lambda path: files.keras_published(path, files.params_of("vgg11", channels=(3,) * 5)),
        r"a vgg11 whose kernels, all \(3, 3, 3, 3\), could lie in several orders: export it as ONNX",
    ),
    "NaN": (_nan, "not a complete vgg16: conv3_2/bias holds NaN"),
    "half a batch normalization": (_half_norm, r"features.1.running_mean \(2,\) between its convolutions"),
    "another normalization": (
        _group_norm,
        r"features.1.weight \(2,\).* between its convolutions",
    ),
    "no convolutions": (_dense_features, r"holds 0 convolutions, .*; found features.0.bias \(2,\), features.0.weight"),
    "ours already": (_ours, "already in nst_jax's format"),
    "onnx without biases": (lambda path: files.onnx(path, files.params_of("vgg11"), biases=False), "no constant bias"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_other_files_are_refused_in_one_line(tmp_path, case):
    write, match = REFUSALS[case]
    src = tmp_path / "src"
    write(src)
    _refused(src, match)


def test_a_pickle_that_runs_code_is_not_opened(tmp_path):

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "src").write_bytes(pickle.dumps(Trap(), protocol=2))
    _refused(tmp_path / "src", "holds 0 convolutions")
    assert not (tmp_path / "sprung").exists()


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    files.onnx(tmp_path / "src", files.params_of("vgg11"), keras=True)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"needs onnx: pip install 'nst-jax\[convert\]'"):
        convert(tmp_path / "src", tmp_path / "out.h5")


def test_the_source_is_never_overwritten(tmp_path):
    files.keras_published(tmp_path / "src.h5", files.params_of("vgg11"))
    before = (tmp_path / "src.h5").read_bytes()
    with pytest.raises(UserError, match=r"is an input .*; give the result another name"):
        convert(tmp_path / "src.h5", tmp_path / "src.h5")
    assert (tmp_path / "src.h5").read_bytes() == before
