"""VGG's names, preprocessing, prepared kernels and summaries; what every network must do is in test_families.py."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import TINY_CHANNELS

import nst_jax
from nst_jax import networks, ops
from nst_jax.errors import UserError
from nst_jax.networks import CAFFE, TORCHVISION, VGG, VGGS, Encoder

VGG16 = VGGS["vgg16"]


def test_layer_names_alternate_before_and_after_the_relu():
    names = [layer.name for layer in VGG16.layers]
    assert names[:4] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2"]
    assert names[-1] == "relu5_3"
    assert len(names) == 26
    assert "relu4_4" in [layer.name for layer in VGGS["vgg19"].layers]
    assert "relu4_4" not in names


def test_an_unknown_layer_names_its_neighbour():
    with pytest.raises(UserError, match="did you mean 'relu4_2'"):
        VGG16.layer("rellu4_2")
    with pytest.raises(UserError, match=r"relu4_4.*vgg16"):
        VGG16.layer("relu4_4")
    with pytest.raises(UserError, match=r"'zzz' is not in vgg16: use one of conv1_1, \.\.\., relu5_3"):
        VGG16.layer("zzz")


@pytest.mark.parametrize(
    ("layers", "side"),
    [(["relu1_1"], 2), (["conv3_1", "relu1_1"], 8), (["relu5_1", "image"], 32), (["image"], 1), ([], 1)],
)
def test_least_side_leaves_two_positions(layers, side):
    assert VGG16.least_side(layers) == side


def test_preprocessing_is_keras_caffe_mode():
    image = jnp.asarray([[[1.0, 0.5, 0.0]]])  # red 255, green 127.5, blue 0
    np.testing.assert_allclose(
        networks.preprocess(image, CAFFE)[0, 0], [0 - 103.939, 127.5 - 116.779, 255 - 123.68], atol=1e-4
    )


def test_preprocessing_is_torchvisions():
    image = jnp.asarray([[[1.0, 0.5, 0.0]]])
    expected = [(1 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    np.testing.assert_allclose(networks.preprocess(image, TORCHVISION)[0, 0], expected, atol=1e-6)


def test_an_unknown_channel_order_is_refused():
    with pytest.raises(UserError, match="RGB or BGR"):
        replace(CAFFE, channel_order="GBR")


def random_encoder(name: str, channels: tuple[int, ...] = TINY_CHANNELS) -> Encoder:
    network = VGG(name, VGGS[name].blocks, channels)
    rng = np.random.default_rng(0)
    params = {
        name: {
            k: jnp.asarray(rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1])), jnp.float32)
            for k, shape in leaves.items()
        }
        for name, leaves in network.param_shapes().items()
    }
    return Encoder(params=params, network=network, preprocessing=CAFFE)


def test_features_are_the_same_plain_jitted_and_vmapped():
    encoder = random_encoder("vgg11")
    images = jnp.float32(np.random.default_rng(2).random((3, 32, 36, 3)))
    layers = ("relu1_1", "conv3_2", "relu5_1")

    def f(image):
        return networks.features(encoder, image, layers)

    plain = [f(image) for image in images]
    assert list(plain[0]) == list(layers)
    jitted = [jax.jit(f)(image) for image in images]
    lanes = jax.vmap(f)(images)
    for i in range(3):
        for name in layers:
            np.testing.assert_allclose(jitted[i][name], plain[i][name], rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(lanes[name][i], plain[i][name], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("platform", "expected"), [("cpu", "float32"), ("gpu", "bfloat16"), ("tpu", "bfloat16")])
def test_auto_precision_is_the_best_of_the_platform(platform, expected):
    assert networks.resolve_precision("auto", platform) == expected
    assert networks.resolve_precision("tf32", platform) == "tf32"
    assert networks.resolve_precision("auto", platform, "tf32") == ("float32" if platform == "cpu" else "tf32")


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("tf32", 1e-5), ("bfloat16", 3e-2)])
def test_prepared_kernels_give_the_same_features(precision, tolerance):
    # tf32 is a mode of Nvidia's matrix units: on a CPU it is float32.
    encoder = random_encoder("vgg11", (4, 4, 8, 8, 8))
    image = jnp.float32(np.random.default_rng(3).random((32, 32, 3)))
    layers = ("relu1_1", "relu4_2", "relu5_1")
    plain = networks.features(encoder, image, layers)
    prepared = networks.features(networks.prepare(encoder, precision, (32, 32)), image, layers)
    for name in layers:
        error = jnp.linalg.norm((prepared[name] - plain[name]).ravel()) / jnp.linalg.norm(plain[name].ravel())
        assert error < tolerance, name


def again(encoder: Encoder, remat: bool = True) -> Encoder:
    return replace(encoder, network=encoder.network.configured(pooling="max", padding="zero", remat=remat))


def spread(features, mask, given):
    return jnp.sort(features.reshape(-1, features.shape[-1]), 0)


def same(sums):
    return sums


SORTED = ops.Statistic(spread, same, additive=False)
"""A statistic that needs the whole layer at once."""


@pytest.mark.parametrize("prepared", [False, True])  # on a CPU conv1_1 then runs in bands
@pytest.mark.parametrize("remat", [False, True])
def test_summaries_are_of_the_activations(tiny, run, prepared, remat):
    image = jnp.asarray(np.random.default_rng(5).random((16, 16, 3)), jnp.float32)
    layers = ("conv1_1", "relu1_1", "conv1_2", "relu2_1", "relu2_2")
    encoder = again(networks.prepare(tiny.encoder, "float32", (16, 16)) if prepared else tiny.encoder, remat)
    expected = networks.features(tiny.encoder, image, layers)
    wanted: dict[str, ops.Summaries] = {
        name: (ops.Summary(ops.GRAM), ops.Summary(ops.MOMENTS, given=x[0, 0])) for name, x in expected.items()
    }
    wanted["relu1_1"] += (ops.Summary(SORTED),)

    found, made = run(lambda x: networks.summarise(encoder, x, layers[1:3], wanted), image)
    assert found.keys() == set(layers[1:3])
    for name, x in expected.items():
        assert len(made[name]) == len(wanted[name])
        for summary, statistic in zip(wanted[name], made[name], strict=True):
            for a, b in zip(jax.tree.leaves(statistic), jax.tree.leaves(summary(x)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_the_first_layer_computed_again_takes_less_memory():
    encoder = networks.prepare(nst_jax.load_encoder(), "float32", (128, 128))
    wanted: dict[str, ops.Summaries] = dict.fromkeys(("relu1_1", "relu4_1"), (ops.Summary(ops.GRAM),))

    def memory(remat):
        def loss(x):
            _, made = networks.summarise(again(encoder, remat), x, (), wanted)
            return sum(jnp.sum(gram**2) for (gram,) in made.values())

        found = jax.jit(jax.grad(loss)).lower(jnp.zeros((128, 128, 3))).compile().memory_analysis()
        assert found is not None
        return found.temp_size_in_bytes

    assert memory(True) < 0.8 * memory(False)
