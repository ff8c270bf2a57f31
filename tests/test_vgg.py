"""Architecture tables, names, preprocessing, and the network as a pure function."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

import nst_jax
from nst_jax import ops, vgg
from nst_jax.errors import UserError

# Convolution parameters of Simonyan and Zisserman's configurations A, B, D and E; the published totals of 133, 133,
# 138 and 144 million include 123,642,856 in the fully connected layers.
PARAMETERS = {"vgg11": 9_220_480, "vgg13": 9_404_992, "vgg16": 14_714_688, "vgg19": 20_024_384}


@pytest.mark.parametrize("architecture", vgg.ARCHITECTURES)
def test_parameter_counts_are_those_of_the_paper(architecture):
    shapes = vgg.param_shapes(architecture)
    assert (
        sum(int(np.prod(shape)) for leaves in shapes.values() for shape in leaves.values()) == PARAMETERS[architecture]
    )
    assert len(shapes) == sum(vgg.ARCHITECTURES[architecture])


def test_layer_names_alternate_before_and_after_the_relu():
    names = vgg.layer_names("vgg16")
    assert names[:4] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2")
    assert names[-1] == "relu5_3"
    assert len(names) == 26
    assert "relu4_4" in vgg.layer_names("vgg19")
    assert "relu4_4" not in names


def test_an_unknown_layer_names_its_neighbour():
    with pytest.raises(UserError, match="did you mean 'relu4_2'"):
        vgg.check_layers(["rellu4_2"], "vgg16")
    with pytest.raises(UserError, match=r"relu4_4.*vgg16"):
        vgg.check_layers(["relu4_4"], "vgg16")


@pytest.mark.parametrize(
    ("layers", "side"), [(["relu1_1"], 2), (["conv3_1", "relu1_1"], 8), (["relu5_1"], 32), ([], 2)]
)
def test_smallest_side_leaves_two_positions(layers, side):
    assert vgg.smallest_side(layers) == side


def test_preprocessing_is_keras_caffe_mode():
    image = jnp.asarray([[[1.0, 0.5, 0.0]]])  # red 255, green 127.5, blue 0
    np.testing.assert_allclose(
        vgg.preprocess(image, vgg.CAFFE)[0, 0], [0 - 103.939, 127.5 - 116.779, 255 - 123.68], atol=1e-4
    )


def test_preprocessing_is_torchvisions():
    image = jnp.asarray([[[1.0, 0.5, 0.0]]])
    expected = [(1 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    np.testing.assert_allclose(vgg.preprocess(image, vgg.TORCHVISION)[0, 0], expected, atol=1e-6)


def test_an_unknown_channel_order_is_refused():
    with pytest.raises(UserError, match="RGB or BGR"):
        dataclasses.replace(vgg.CAFFE, channel_order="GBR")


def random_encoder(architecture: str, channels: tuple[int, ...], monkeypatch) -> vgg.Encoder:
    monkeypatch.setattr(vgg, "CHANNELS", channels)
    rng = np.random.default_rng(0)
    params = {
        name: {
            k: jnp.asarray(rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1])), jnp.float32)
            for k, shape in leaves.items()
        }
        for name, leaves in vgg.param_shapes(architecture).items()
    }
    return vgg.Encoder(params=params, architecture=architecture)


@pytest.mark.parametrize("architecture", vgg.ARCHITECTURES)
@pytest.mark.parametrize(("pooling", "padding"), [("max", "zero"), ("avg", "reflect"), ("max", "replicate")])
def test_features_are_those_of_the_slow_judge(architecture, pooling, padding, monkeypatch):
    encoder = random_encoder(architecture, (2, 3, 4, 4, 4), monkeypatch)
    image = np.random.default_rng(1).random((34, 39, 3))
    kernels = {
        n: (np.asarray(p["kernel"], np.float64), np.asarray(p["bias"], np.float64)) for n, p in encoder.params.items()
    }
    x = reference.preprocess(image, "BGR", 255.0, np.array(vgg.CAFFE.mean), np.array(vgg.CAFFE.std))
    expected = reference.features(kernels, x, pooling, padding)
    found = vgg.features(encoder, jnp.float32(image), vgg.layer_names(architecture), pooling=pooling, padding=padding)
    assert list(found) == list(vgg.layer_names(architecture))
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=2e-4, atol=2e-3, err_msg=name)


def test_features_are_the_same_plain_jitted_and_vmapped(monkeypatch):
    encoder = random_encoder("vgg11", (2, 3, 4, 4, 4), monkeypatch)
    images = jnp.float32(np.random.default_rng(2).random((3, 32, 36, 3)))
    layers = ("relu1_1", "conv3_2", "relu5_1")

    def f(image):
        return vgg.features(encoder, image, layers)

    plain = [f(image) for image in images]
    jitted = [jax.jit(f)(image) for image in images]
    lanes = jax.vmap(f)(images)
    for i in range(3):
        for name in layers:
            np.testing.assert_allclose(jitted[i][name], plain[i][name], rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(lanes[name][i], plain[i][name], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("platform", "expected"), [("cpu", "float32"), ("gpu", "bfloat16"), ("tpu", "bfloat16")])
def test_auto_precision_is_the_best_of_the_platform(platform, expected):
    assert vgg.resolve_precision("auto", platform) == expected
    assert vgg.resolve_precision("tf32", platform) == "tf32"


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("tf32", 1e-5), ("bfloat16", 3e-2)])
def test_prepared_kernels_give_the_same_features(precision, tolerance, monkeypatch):
    # tf32 is a mode of Nvidia's matrix units: on a CPU it is float32.
    encoder = random_encoder("vgg11", (4, 4, 8, 8, 8), monkeypatch)
    image = jnp.float32(np.random.default_rng(3).random((32, 32, 3)))
    layers = ("relu1_1", "relu4_2", "relu5_1")
    plain = vgg.features(encoder, image, layers)
    prepared = vgg.features(vgg.prepare(encoder, precision, (32, 32)), image, layers)
    for name in layers:
        error = jnp.linalg.norm((prepared[name] - plain[name]).ravel()) / jnp.linalg.norm(plain[name].ravel())
        assert error < tolerance, name


def test_summaries_are_of_the_activations(tiny, run):
    image = jnp.asarray(np.random.default_rng(5).random((16, 16, 3)), jnp.float32)
    layers = ("conv1_1", "relu1_1", "conv1_2", "relu2_1", "relu2_2")

    def look(x):
        return vgg.features_and(tiny.encoder, x, layers[1:3], dict.fromkeys(layers, ops.GRAM), remat=True)

    expected = vgg.features(tiny.encoder, image, layers)
    found, made = run(look, image)
    assert found.keys() == set(layers[1:3])
    for name in layers:
        np.testing.assert_allclose(made[name], ops.gram(expected[name]), rtol=1e-4, atol=1e-4)


def test_the_first_layer_computed_again_takes_less_memory():
    encoder = vgg.prepare(nst_jax.load_encoder(), "float32", (128, 128))

    def memory(remat):
        def loss(x):
            _, made = vgg.features_and(encoder, x, (), dict.fromkeys(("relu1_1", "relu4_1"), ops.GRAM), remat=remat)
            return sum(jnp.sum(gram**2) for gram in made.values())

        found = jax.jit(jax.grad(loss)).lower(jnp.zeros((128, 128, 3))).compile().memory_analysis()
        assert found is not None
        return found.temp_size_in_bytes

    assert memory(True) < 0.8 * memory(False)
