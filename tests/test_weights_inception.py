"""Inception V3 and GoogLeNet out of everybody's files, and into ours: cut, in 8 bits, and refused in one line."""

import dataclasses
import json
from pathlib import Path

import inception_files as files
import inception_judge
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst_jax.errors import UserError
from nst_jax.networks import GOOGLENET, INCEPTION, INCEPTION_V3, Preprocessing
from nst_jax.weights import load_encoder, read_weights, save_weights
from nst_jax.weights.convert import convert

NARROW, NARROW_GOOGLENET = files.narrow(INCEPTION_V3), files.narrow(GOOGLENET)
RAW = files.draw(NARROW)
WITH_GAMMA = files.draw(NARROW, gamma=True)
GOOGLENETS = files.draw(NARROW_GOOGLENET, gamma=True)
CUT = NARROW.cut("mixed3")
"""As deep as features are compared: everything below has another shape in some layer."""
X = np.random.default_rng(1).random((59, 63, 3)).astype(np.float32)


def published(path):
    files.keras(path, RAW)


WRITERS = {
    "Keras, without the top": (published, RAW, {}),
    "Keras, a whole model": (lambda p: files.keras(p, RAW, inside="model_weights", top=True), RAW, {}),
    "Keras, numbers from 95 on": (lambda p: files.keras(p, RAW, first=95), RAW, {}),
    "Keras, the first without a number": (lambda p: files.keras(p, RAW, first=0), RAW, {}),
    "torchvision": (lambda p: files.torch(p, WITH_GAMMA, NARROW), WITH_GAMMA, {"convention": "inception"}),
    "torchvision, names sorted, of a parallel model": (
        lambda p: files.torch(p, WITH_GAMMA, NARROW, "module.", shuffled=True),
        WITH_GAMMA,
        {"convention": "inception"},
    ),
}


def same(found, raw, epsilon: float = 1e-3) -> None:
    """Compare every kernel and bias with those folded by hand."""
    for name, arrays in raw.items():
        a = arrays.get("gamma", 1.0) / np.sqrt(arrays["variance"].astype(float) + epsilon)
        np.testing.assert_allclose(found[name]["kernel"], arrays["kernel"] * a, rtol=1e-5, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(found[name]["bias"], arrays["beta"] - arrays["mean"] * a, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", WRITERS)
def test_an_inception_v3_is_read_whoever_wrote_it(name, tmp_path):
    write, raw, options = WRITERS[name]
    write(tmp_path / "src")
    made = convert(tmp_path / "src", tmp_path / "dst.h5", **options)
    assert made.network == NARROW
    assert made.preprocessing == INCEPTION
    assert made.notes == "batch normalization folded into kernels and biases"
    same(made.params, raw)
    held = read_weights(tmp_path / "dst.h5")
    assert held == dataclasses.replace(made, params=held.params)
    same(held.params, raw)


def test_a_googlenet_of_torchvision_is_read(tmp_path):
    files.torch(tmp_path / "src", GOOGLENETS, NARROW_GOOGLENET)
    with pytest.raises(UserError, match=r"say --convention inception .* or --convention unit"):
        convert(tmp_path / "src", tmp_path / "dst.h5")
    made = convert(tmp_path / "src", tmp_path / "dst.h5", convention="inception")
    assert made.network == NARROW_GOOGLENET
    same(made.params, GOOGLENETS)
    encoder = load_encoder(tmp_path / "dst.h5")
    network = encoder.network
    asked = ("conv3", "mixed4a")
    found = jax.jit(lambda p, x: network.apply(p, x, asked))(encoder.params, jnp.asarray(X))
    want = files.judged(GOOGLENETS, inception_judge.googlenet, X, "mixed4a")
    for layer in asked:
        np.testing.assert_allclose(found[layer], want[layer], rtol=1e-4, atol=1e-4 * want[layer].max())


def test_the_features_are_those_of_the_network_with_its_normalization(tmp_path):
    files.keras(tmp_path / "src.h5", RAW)
    convert(tmp_path / "src.h5", tmp_path / "dst.h5", last="mixed3", convention="unit")
    encoder = load_encoder(tmp_path / "dst.h5")
    assert encoder.network == CUT
    assert encoder.preprocessing == Preprocessing()
    asked = ("conv5", "mixed2", "mixed3")
    found = jax.jit(lambda p, x: encoder.network.apply(p, x, asked))(encoder.params, jnp.asarray(X))
    want = files.judged(RAW, inception_judge.inception_v3, X, "mixed3")
    for layer in asked:
        np.testing.assert_allclose(found[layer], want[layer], rtol=1e-4, atol=1e-4 * want[layer].max())


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0), ("uint16", 1e-4), ("uint8", 2e-2), ("float16", 2e-3)])
def test_a_model_of_tensorflow_js_is_read_quantised_or_not(dtype, error, tmp_path):
    source = files.tfjs(tmp_path, RAW, dtype)
    with pytest.raises(UserError, match="cannot tell what pictures it wants"):
        convert(source, tmp_path / "dst.h5")
    made = convert(source, tmp_path / "dst.h5", convention="unit")
    assert made.network == NARROW
    for name, arrays in RAW.items():
        a = 1 / np.sqrt(arrays["variance"].astype(float) + 1e-3)
        kernel = arrays["kernel"] * a
        assert np.abs(made.params[name]["kernel"] - kernel).max() <= 1e-6 + 2 * error * np.abs(kernel).max()


def test_eight_bits_are_kept_with_scale_and_offset(tmp_path):
    source = files.tfjs(tmp_path, RAW, "uint8")
    made = convert(source, tmp_path / "dst.h5", convention="unit", dtype="uint8", last="mixed3")
    plain = convert(source, tmp_path / "plain.h5", convention="unit", last="mixed3")
    held = read_weights(tmp_path / "dst.h5")
    assert (held.dtype, held.network, held.epsilon) == ("uint8", CUT, 1e-3)
    assert "8-bit values of the source" in held.notes
    assert "cut behind mixed3" in held.notes
    for name, arrays in held.params.items():
        for leaf, array in arrays.items():
            np.testing.assert_array_equal(array, plain.params[name][leaf])
            np.testing.assert_array_equal(array, made.params[name][leaf])
    kernel = held.packed["conv1"]["kernel"]
    assert kernel.stored.dtype == np.uint8
    np.testing.assert_array_equal(kernel.stored, files.quantised(RAW["conv1"]["kernel"], "uint8")[0])
    save_weights(tmp_path / "again.h5", held)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "dst.h5").read_bytes()


def test_eight_bits_are_not_made_up(tmp_path):
    source = files.tfjs(tmp_path / "float", RAW)
    with pytest.raises(UserError, match="holds float32: dtype uint8 is for files that are quantised"):
        convert(source, tmp_path / "dst.h5", convention="unit", dtype="uint8")
    source = files.tfjs(tmp_path / "quantised", RAW, "uint8")
    held = convert(source, tmp_path / "dst.h5", convention="unit", dtype="uint8", last="conv2")
    with pytest.raises(UserError, match="no 8-bit values"):
        save_weights(tmp_path / "dst.h5", dataclasses.replace(held, packed={}))
    moved = {name: {leaf: 2 * a for leaf, a in arrays.items()} for name, arrays in held.params.items()}
    with pytest.raises(UserError, match="was changed since it was quantised"):
        save_weights(tmp_path / "dst.h5", dataclasses.replace(held, params=moved))


def without_the_last(raw: files.Raw) -> files.Raw:
    return dict(list(raw.items())[:-1])


def changed(raw: files.Raw, name: str, kernel: np.ndarray) -> files.Raw:
    return {**raw, name: {**raw[name], "kernel": kernel}}


def edited(path: Path, **changes) -> None:
    held = json.loads(path.read_text())
    held.update(changes)
    path.write_text(json.dumps(held))


def other_strides(source: Path) -> None:
    held = json.loads(source.read_text())
    layers = held["modelTopology"]["model_config"]["config"]["layers"]
    layers[0]["config"]["strides"] = [1, 1]
    source.write_text(json.dumps(held))


def other_names(source: Path) -> None:
    held = json.loads(source.read_text())
    for weight in held["weightsManifest"][0]["weights"]:
        weight["name"] = weight["name"].replace("conv2d", "conv_dw").replace("batch_normalization", "conv_dw_bn")
    source.write_text(json.dumps(held))


def first_shard(source: Path) -> Path:
    return source.parent / "group1-shard1of3.bin"


BAD_TFJS = {
    "a shard is missing": (lambda s: first_shard(s).unlink(), "its shard group1-shard1of3.bin is missing: put all 3"),
    "a shard is short": (
        lambda s: first_shard(s).write_bytes(first_shard(s).read_bytes()[:-7]),
        r"hold \d+ bytes, expected \d+: copy or download all 3 again",
    ),
    "a shard elsewhere": (
        lambda s: edited(s, weightsManifest=[{"paths": ["../../etc/passwd"], "weights": []}]),
        "expected the name of a file beside it",
    ),
    "no weights": (lambda s: edited(s, weightsManifest=None), "has no weightsManifest"),
    "a graph model": (lambda s: edited(s, format="graph-model"), "graph model, expected a layers model"),
    "other strides": (other_strides, r"holds no inception_v3: conv2d_1 has strides \[1, 1\], expected \[2, 2\]"),
    "another network": (other_names, r"expected 8 \(vgg11\).*94 \(inception_v3\)"),
    "no JSON": (lambda s: s.write_text("{nothing"), "cut short or damaged"),
    "something else": (lambda s: s.write_text('{"a": 1}'), "has no weightsManifest"),
}


@pytest.mark.parametrize("name", BAD_TFJS)
def test_a_bad_model_of_tensorflow_js_is_refused_in_one_line(name, tmp_path):
    edit, said = BAD_TFJS[name]
    source = files.tfjs(tmp_path, RAW, "uint8")
    edit(source)
    with pytest.raises(UserError, match=said) as caught:
        convert(source, tmp_path / "dst.h5", convention="unit")
    assert "\n" not in str(caught.value)
    assert str(source) in str(caught.value)
    assert not (tmp_path / "dst.h5").exists()


BAD = {
    "a layer less": (
        lambda p: files.keras(p, without_the_last(RAW)),
        {},
        "is not a complete inception_v3: missing mixed10_4_1/kernel",
    ),
    "a layer less of torchvision": (
        lambda p: files.torch(p, without_the_last(WITH_GAMMA), NARROW),
        {"convention": "inception"},
        "is not a complete inception_v3: missing mixed10_4_1/kernel",
    ),
    "a kernel of another shape": (
        lambda p: files.keras(p, changed(RAW, "mixed4_2_2", np.zeros((7, 1, 4, 4), np.float32))),
        {},
        "is not a complete inception_v3: ",
    ),
    "no such layer to cut behind": (published, {"last": "mixed11"}, "layer 'mixed11' is not in inception_v3"),
    "Keras 3": (lambda p: files.keras_3(p, RAW), {}, r"model\.save\('model\.h5'\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_whole_network_is_refused_in_one_line(name, tmp_path):
    write, options, said = BAD[name]
    write(tmp_path / "src")
    with pytest.raises(UserError, match=said) as caught:
        convert(tmp_path / "src", tmp_path / "dst.h5", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "dst.h5").exists()
