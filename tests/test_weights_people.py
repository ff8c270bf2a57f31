"""The weights that people have: each gives the features that an independent forward of the original gives."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import norm_files
import numpy as np
import people_files
import pytest
import reference
import weights_files as files

from nst_jax.errors import UserError
from nst_jax.networks import CAFFE, TORCHVISION, Preprocessing, features
from nst_jax.weights import load_encoder, read_weights
from nst_jax.weights.convert import convert

MEAN = (103.939, 116.779, 123.68)
IMAGE = np.random.default_rng(3).random((35, 33, 3))
LAYERS = ("relu1_1", "conv3_1", "relu5_2")
APPLY = jax.jit(partial(features, layers=LAYERS))


@pytest.fixture(scope="module")
def params():
    return files.params_of("vgg11")


def expected(params, how: Preprocessing, norms=None, epsilon: float = 0.0) -> dict[str, np.ndarray]:
    """Compute features in float64 from the arrays that went into a file, layer by layer as they stood there."""
    x = reference.preprocess(IMAGE, how.channel_order, how.range, np.array(how.mean), np.array(how.std))
    found = {}
    for conv, leaves in params.items():
        if conv != "conv1_1" and conv[6] == "1":
            x = reference.pool(x)
        x = reference.conv(x, leaves["kernel"].astype(float), leaves["bias"].astype(float))
        if norms:
            gamma, beta, mean, variance = (norms[conv][k].astype(float) for k in norm_files.KERAS_NORM)
            x = (x - mean) / np.sqrt(variance + epsilon) * gamma + beta
        found[conv] = x
        x = found[conv.replace("conv", "relu")] = np.maximum(x, 0)
    return {name: found[name] for name in LAYERS}


def check(path, want: dict[str, np.ndarray]) -> None:
    encoder = replace(load_encoder(path), digest="", source="")  # files of one network share a program
    got = APPLY(encoder, jnp.asarray(IMAGE, jnp.float32))
    for name, feature in want.items():
        np.testing.assert_allclose(got[name], feature, rtol=1e-3, atol=2e-4 * np.abs(feature).max(), err_msg=name)


@pytest.mark.parametrize("case", people_files.FILES)
def test_a_file_gives_the_features_of_its_network(tmp_path, params, case):
    write, convention = people_files.FILES[case]
    src, dst = tmp_path / "src", tmp_path / "dst.h5"
    write(src, params)
    if convention:
        with pytest.raises(UserError, match=r"--convention torchvision .* --convention caffe"):
            convert(src, dst)
    convert(src, dst, convention=convention)  # type: ignore[arg-type]
    assert files.same(read_weights(dst).params, params)
    check(dst, expected(params, TORCHVISION if convention == "torchvision" else CAFFE))


@pytest.mark.parametrize("architecture", ["vgg13", "vgg16", "vgg19"])
@pytest.mark.parametrize("case", people_files.FILES)
def test_a_file_of_every_architecture_is_recognised(tmp_path, case, architecture):
    write, convention = people_files.FILES[case]
    params = files.params_of(architecture)
    write(tmp_path / "src", params)
    convert(tmp_path / "src", tmp_path / "dst.h5", convention=convention)  # type: ignore[arg-type]
    held = read_weights(tmp_path / "dst.h5")
    assert held.network == files.narrow(architecture)
    assert files.same(held.params, params)


def test_half_precision_is_read(tmp_path, params):
    people_files.half(tmp_path / "src", params)
    convert(tmp_path / "src", tmp_path / "dst.h5", convention="torchvision")
    rounded = {c: {k: a.astype(np.float16) for k, a in leaves.items()} for c, leaves in params.items()}
    assert files.same(read_weights(tmp_path / "dst.h5").params, rounded)


@pytest.mark.parametrize("scale", [255.0, 1.0])
def test_a_first_convolution_of_1x1_is_the_preprocessing(tmp_path, params, scale):
    people_files.adain(tmp_path / "src", params, MEAN, scale)
    with pytest.raises(UserError, match="leave --convention out"):
        convert(tmp_path / "src", tmp_path / "dst.h5", convention="caffe")
    made = convert(tmp_path / "src", tmp_path / "dst.h5")
    assert (made.preprocessing.channel_order, made.preprocessing.range) == ("BGR", scale)
    assert made.notes == "preprocessing taken from a first convolution of 1x1"
    check(tmp_path / "dst.h5", expected(params, Preprocessing("BGR", scale, MEAN)))


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_a_preprocessing_of_three_scales_is_understood(order):
    from nst_jax.weights.fold import as_preprocessing

    mean, std = np.array([0.1, 0.5, 0.9]), np.array([0.5, 1.0, 2.0])
    kernel = np.diag(1 / std) if order == "RGB" else np.diag(1 / std)[::-1]
    how = as_preprocessing(kernel, -mean / std)
    want = reference.preprocess(IMAGE, order, 1.0, mean, std)
    got = reference.preprocess(IMAGE, how.channel_order, how.range, np.array(how.mean), np.array(how.std))
    np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_allclose(IMAGE @ kernel - mean / std, want, rtol=1e-12)
    with pytest.raises(UserError, match="mixes the channels"):
        as_preprocessing(np.ones((3, 3)), mean)


@pytest.mark.parametrize("case", norm_files.FILES)
def test_batch_normalization_is_folded(tmp_path, params, case):
    write, epsilon = norm_files.FILES[case]
    write(tmp_path / "src", params)
    with pytest.raises(UserError, match="--convention"):
        convert(tmp_path / "src", tmp_path / "dst.h5")
    made = convert(tmp_path / "src", tmp_path / "dst.h5", convention="torchvision")
    assert made.notes == "batch normalization folded into kernels and biases"
    check(tmp_path / "dst.h5", expected(params, TORCHVISION, norm_files.norms_of(params), epsilon))


def test_a_convolution_without_a_bias_takes_that_of_its_normalization(tmp_path, params):
    norm_files.onnx(tmp_path / "src", params, biases=False)
    convert(tmp_path / "src", tmp_path / "dst.h5", convention="torchvision")
    bare = {c: {"kernel": p["kernel"], "bias": 0 * p["bias"]} for c, p in params.items()}
    check(tmp_path / "dst.h5", expected(bare, TORCHVISION, norm_files.norms_of(params), 1e-3))


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (partial(norm_files.safetensors, skip=True), "features.2 does not stand right behind"),
        (partial(norm_files.keras2, between=True), "block1_conv1_relu stands between"),
        (partial(norm_files.keras2, config=True, first="relu"), "the activation of block1_conv1 stands between"),
    ],
    ids=["PyTorch", "Keras", "Keras' activations"],
)
def test_batch_normalization_that_does_not_fold_is_refused(tmp_path, params, write, said):
    write(tmp_path / "src", params)
    with pytest.raises(UserError, match=said) as caught:
        convert(tmp_path / "src", tmp_path / "dst.h5", convention="torchvision")
    assert str(caught.value).isprintable()
    assert not (tmp_path / "dst.h5").exists()


def two(path, params, first: str, second: str) -> None:
    from safetensors.numpy import save_file

    other = files.params_of("vgg13", seed=9)
    state = {f"{first}{k}": a for k, a in files.torch_state(params).items()}
    save_file({**state, **{f"{second}{k}": a for k, a in files.torch_state(other).items()}}, path)


@pytest.mark.parametrize(("first", "second"), [("net.", "loss.vgg."), ("", "vgg."), ("a.b.", "a.c.")])
def test_of_two_networks_the_prefix_chooses(tmp_path, params, first, second):
    two(tmp_path / "src", params, first, second)
    for number, prefix in enumerate((first, second)):
        with pytest.raises(UserError, match="choose one with --prefix") as caught:
            convert(tmp_path / "src", tmp_path / "dst.h5", convention="torchvision")
        assert f"'{prefix}'" in str(caught.value)
        for spelled in {prefix, prefix.rstrip(".")}:
            made = convert(tmp_path / "src", tmp_path / "dst.h5", convention="torchvision", prefix=spelled)
            assert made.network.name == ("vgg11", "vgg13")[number]
    with pytest.raises(UserError, match="no convolutions with the prefix 'other'; expected one of '"):
        convert(tmp_path / "src", tmp_path / "dst.h5", convention="torchvision", prefix="other")
