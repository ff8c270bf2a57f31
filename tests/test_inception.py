"""Inception V3 and GoogLeNet: their tables, the embedded weights, and what comes with them."""

import csv
from dataclasses import replace

import inception_judge
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import nst_jax
from nst_jax import images, networks, ops
from nst_jax.cli.main import main
from nst_jax.errors import UserError
from nst_jax.networks import GOOGLENET, INCEPTION_V3, VGGS, Branched, Encoder
from nst_jax.packaged import find
from nst_jax.weights import find_weights, read_weights

BLOCKS = {
    "conv1": 960,
    "conv2": 9_312,
    "conv3": 18_624,
    "conv4": 5_360,
    "conv5": 138_816,
    "mixed0": 256_368,
    "mixed1": 277_968,
    "mixed2": 285_648,
    "mixed3": 1_153_920,
    "mixed4": 1_298_944,
    "mixed5": 1_692_736,
    "mixed6": 1_692_736,
    "mixed7": 2_143_872,
    "mixed8": 1_699_584,
    "mixed9": 5_047_872,
    "mixed10": 6_080_064,
}
"""Keras' parameters of every block: kernels, and beta, mean and variance of the normalization behind each."""


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_has_as_many_parameters_as_keras_counts(name):
    (block,) = (block for block in INCEPTION_V3.blocks if block.name == name)
    shapes = INCEPTION_V3.param_shapes()
    own = [shapes[conv] for conv, _ in block.numbered()]
    assert sum(int(np.prod(s["kernel"])) + 3 * s["bias"][0] for s in own) == BLOCKS[name]


def test_sides_at_299_and_224_are_the_published_ones():
    at = {layer.name: layer.positions((299, 299))[0] for layer in INCEPTION_V3.layers}
    assert [at[f"conv{k}"] for k in range(1, 6)] == [149, 147, 147, 73, 71]
    assert [at[f"mixed{k}"] for k in range(11)] == [35] * 3 + [17] * 5 + [8] * 3
    sides = [layer.positions((224, 224))[0] for layer in GOOGLENET.layers]
    assert sides == [112, 56, 56, 28, 28, 14, 14, 14, 14, 14, 7, 7]


def narrow(network: Branched, width: int = 3) -> Encoder:
    network = network.widened([width] * len(network.convs))
    rng = np.random.default_rng(0)
    params = {
        name: {k: jnp.asarray(rng.normal(size=s) * np.sqrt(2 / np.prod(s[:-1])), jnp.float32) for k, s in each.items()}
        for name, each in network.param_shapes().items()
    }
    return Encoder(params=params, network=network)


def test_the_whole_of_inception_v3_is_that_of_the_judge():
    encoder = narrow(INCEPTION_V3, 2)
    x = np.random.default_rng(1).normal(size=(107, 112, 3))
    want = inception_judge.inception_v3(inception_judge.layers_of(encoder.params), x)
    found = jax.jit(lambda p, x: encoder.network.apply(p, x, tuple(want)))(encoder.params, jnp.asarray(x, jnp.float32))
    for name, values in found.items():
        np.testing.assert_allclose(values, want[name], rtol=1e-4, atol=1e-4 * np.abs(want[name]).max(), err_msg=name)


def test_prepared_kernels_give_the_same_gradient():
    encoder = narrow(INCEPTION_V3.cut("mixed0"), 32)  # so wide that convolutions of 3x3 take Winograd's way
    prepared = networks.prepare(encoder, "float32", (59, 63))
    wanted: dict[str, ops.Summaries] = {"conv3": (ops.Summary(ops.GRAM),)}

    def loss(encoder, x):
        features, ((gram,),) = (part.values() for part in networks.summarise(encoder, x, ("mixed0",), wanted))
        return sum(jnp.mean(f**2) for f in features) + jnp.mean(gram)

    x = jnp.asarray(np.random.default_rng(2).random((59, 63, 3)), jnp.float32)
    (a, da), (b, db) = (jax.jit(jax.value_and_grad(loss, 1))(e, x) for e in (encoder, prepared))
    assert float(b) == pytest.approx(float(a), rel=1e-4)
    np.testing.assert_allclose(db, da, rtol=1e-3, atol=1e-4 * float(jnp.abs(da).max()))


def test_kernels_in_bfloat16_give_nearly_the_same_features():
    encoder = narrow(INCEPTION_V3.cut("conv5"), 4)
    x = jnp.asarray(np.random.default_rng(2).random((59, 63, 3)), jnp.float32)
    plain = networks.features(encoder, x, ("conv5",))["conv5"]
    prepared = networks.prepare(encoder, "bfloat16", (59, 63))
    found, _ = jax.jit(lambda e, x: networks.summarise(e, x, ("conv5",), {}))(prepared, x)
    assert found["conv5"].dtype == jnp.bfloat16
    error = found["conv5"].astype(jnp.float32) - plain
    assert float(jnp.linalg.norm(error.ravel())) < 0.03 * float(jnp.linalg.norm(plain.ravel()))


@pytest.mark.parametrize(
    ("network", "name", "said"),
    [
        (INCEPTION_V3, "relu3_1", "in vgg16: the nearest here is 'conv5'"),
        (INCEPTION_V3, "relu4_1", "in vgg16: the nearest here is 'mixed0'"),
        (INCEPTION_V3, "mixed4a", "in googlenet: the nearest here is 'mixed3'"),
        (INCEPTION_V3, "mixd3", "did you mean 'mixed3'"),
        (INCEPTION_V3.cut("mixed5"), "mixed7", "end at mixed5"),
        (GOOGLENET, "mixed2", "in inception_v3: the nearest here is 'mixed3b'"),
        (VGGS["vgg16"], "mixed2", "in inception_v3: the nearest here is 'relu4_3'"),
    ],
)
def test_a_layer_of_another_network_is_answered_with_the_nearest(network, name, said):
    with pytest.raises(UserError, match=said):
        network.layer(name)


def test_a_picture_below_75_pixels_is_too_small_for_inception_v3():
    assert INCEPTION_V3.least_side(("conv1",)) == 75
    assert INCEPTION_V3.least_side(("mixed10",)) == 107
    assert INCEPTION_V3.least_side(("image",)) == 1
    encoder = replace(narrow(INCEPTION_V3.cut("mixed4")), source="narrow")
    small = np.full((74, 90, 3), 0.5, np.float32)
    with pytest.raises(UserError, match=r"90x74.*at least 75 pixels a side"):
        nst_jax.pose(encoder, small, small)


def test_what_a_recipe_cannot_have_of_it_is_refused():
    with pytest.raises(UserError, match="padding is reflect: the network inception_v3"):
        INCEPTION_V3.configured(pooling="max", padding="reflect", remat=False)
    with pytest.raises(UserError, match="remat is True"):
        INCEPTION_V3.configured(pooling="avg", padding="zero", remat=True)


def test_layers_come_with_the_network():
    held = read_weights(find_weights("inception_v3"))
    assert isinstance(held.network, Branched)
    assert held.network == INCEPTION_V3.cut("mixed5")
    assert held.network.chosen("style") == ("conv3", "conv5", "mixed0", "mixed2", "mixed4")
    assert held.network.chosen("content") == ("mixed2",)
    assert not set(held.network.chosen("held_out")) & {*held.network.chosen("style"), *held.network.chosen("content")}
    shallow = INCEPTION_V3.cut("mixed1")
    assert shallow.chosen("style") == ("conv3", "conv5", "mixed0")
    assert shallow.chosen("content") == ("mixed1",)


def statistics(pictures: list[np.ndarray], last: str) -> dict[str, tuple[np.ndarray, ...]]:
    """Measure mean and log variance in front of every normalization, beside those stored, by layer."""
    held = read_weights(find_weights("inception_v3"))
    sums: dict[str, list[np.ndarray]] = {}
    for picture in pictures:
        left = iter(held.packed.items())

        def conv(x, stride=1, valid=False, left=left):
            name, packed = next(left)
            y = inception_judge.correlate(x, packed["kernel"].unpack().astype(np.float32), stride, valid)
            sums.setdefault(name, []).append(np.stack([y.mean((0, 1)), (y**2).mean((0, 1))]))
            mean, variance, beta = (packed[role].unpack().astype(np.float32) for role in ("mean", "variance", "beta"))
            return np.maximum((y - mean) / np.sqrt(variance + held.epsilon) + beta, 0)

        inception_judge.inception_v3(conv, picture, last=last)
    found: dict[str, list[tuple[np.ndarray, ...]]] = {}
    for name, each in sums.items():
        mean, square = np.mean(each, 0)
        stored = held.packed[name]["mean"].unpack(), held.packed[name]["variance"].unpack()
        logs = (np.log(v + held.epsilon) for v in (square - mean**2, stored[1]))
        found.setdefault(name.split("_")[0], []).append((mean, stored[0], *logs))
    return {name: tuple(np.concatenate(parts) for parts in zip(*each, strict=True)) for name, each in found.items()}


def pictures(size: int, *names: str) -> list[np.ndarray]:
    folder = find("images", "examples/images")
    return [images.resize(images.read(folder / f"{name}.jpg").rgb, size) for name in names]


def correlations(measured: dict[str, tuple[np.ndarray, ...]]) -> dict[str, tuple[float, float]]:
    return {
        name: (float(np.corrcoef(mean, stored)[0, 1]), float(np.corrcoef(log, kept)[0, 1]))
        for name, (mean, stored, log, kept) in measured.items()
    }


def test_stored_statistics_of_the_first_layers_are_those_of_photographs():
    shown = pictures(144, "astronaut", "chelsea", "temple")
    measured = statistics(shown, "mixed1")
    for name, both in correlations(measured).items():
        assert min(both) > 0.9, (name, both)
    ratio = np.exp(np.median(measured["conv1"][2] - measured["conv1"][3]))
    assert 0.8 < ratio < 1.25
    # the test can tell: of pictures from -1 to 1 they are not
    wrong = statistics([2 * x - 1 for x in shown], "conv2")
    assert correlations(wrong)["conv1"][0] < 0.6
    assert np.exp(np.median(wrong["conv1"][2] - wrong["conv1"][3])) > 3


@pytest.mark.slow
def test_stored_statistics_of_every_layer_are_those_of_photographs():
    names = "astronaut", "chelsea", "temple", "summertime", "great_wave", "village_street_auvers", "composition_viii"
    for name, both in correlations(statistics(pictures(256, *names), "mixed5")).items():
        assert min(both) > 0.9, (name, both)


def test_a_recipe_takes_the_layers_of_the_network():
    encoder = narrow(INCEPTION_V3.cut("mixed2"), 2)
    content, style = (np.random.default_rng(k).random((75, 80, 3), np.float32) for k in (0, 1))
    problem = nst_jax.pose(encoder, content, style, recipe=nst_jax.Recipe(beta=1e3))
    assert tuple(problem.terms["style"].targets) == ("conv3", "conv5", "mixed0", "mixed2")
    assert tuple(problem.terms["content"].targets) == ("mixed2",)
    with pytest.raises(UserError, match="layer 'relu4_2' is not in inception_v3 but in vgg16: the nearest here is"):
        nst_jax.pose(encoder, content, style, recipe=nst_jax.Recipe(style_layers=("relu4_2",)))


@pytest.mark.slow
def test_the_embedded_inception_v3_makes_pictures_again_and_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for k, name in enumerate(("content.png", "style.png")):
        pixels = np.random.default_rng(k).integers(0, 256, (96, 100, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(name)
    argv = ["content.png", "style.png", "--size", "0", "--steps", "4", "--weights", "inception_v3", "--beta", "1e6"]
    assert main(["stylize", *argv, "-o", "a.png"]) == 0
    assert main(["rerun", "a.png", "-o", "b.png"]) == 0
    assert (images.read("a.png").rgb == images.read("b.png").rgb).all()
    assert main(["sweep", *argv, "-o", "run", "--tv", "0,1"]) == 0
    rows = list(csv.DictReader((tmp_path / "run" / "summary.csv").read_text().splitlines()))
    assert len(rows) == 2
    for row in rows:
        assert {"style/conv3", "style/mixed4", "content/mixed2"} <= row.keys()
        assert np.isfinite(float(row["style_bures"]))
