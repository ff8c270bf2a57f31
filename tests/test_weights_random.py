"""Networks with random weights: a pure function of name and seed, of He's variance, refused in one line otherwise."""

import re

import numpy as np
import pytest

import nst_jax
from nst_jax.errors import UserError
from nst_jax.networks import CAFFE, INCEPTION
from nst_jax.weights import find_weights, random
from nst_jax.weights.random import random_encoder


@pytest.fixture
def small(monkeypatch):
    """Draw narrow networks, so that the test is quick."""
    table = {name: network.widened((4,) * len(network.convs)) for name, network in random.NETWORKS.items()}
    monkeypatch.setattr(random, "NETWORKS", table)


@pytest.mark.parametrize("name", random.NETWORKS)
def test_weights_are_a_pure_function_of_network_and_seed(small, name):
    one, again, other = (random_encoder(f"random:{name}:{seed}") for seed in (7, 7, 8))
    assert one.source == f"random:{name}:7"
    assert (one.digest == again.digest, one.digest == other.digest) == (True, False)
    assert one.preprocessing == (CAFFE if name.startswith("vgg") else INCEPTION)
    for conv, p in one.params.items():
        np.testing.assert_array_equal(p["kernel"], again.params[conv]["kernel"])
        assert np.abs(np.asarray(p["kernel"]) - np.asarray(other.params[conv]["kernel"])).max() > 0
        assert not np.asarray(p["bias"]).any()


def test_the_variance_keeps_activations_their_size_and_the_numbers_stay_what_they_are():
    encoder = nst_jax.load_encoder("random:vgg11:0")
    kernel = np.asarray(encoder.params["conv4_1"]["kernel"])
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * kernel.shape[2])), rel=1e-2)
    np.testing.assert_allclose(np.asarray(encoder.params["conv1_1"]["kernel"])[0, 0, 0, :3], FIRST, rtol=1e-5)
    found = nst_jax.features(encoder, np.full((32, 32, 3), 0.7, np.float32), ["relu1_1", "relu5_2"])  # type: ignore
    sizes = [float(np.sqrt((np.asarray(x) ** 2).mean())) for x in found.values()]
    assert 0.1 < sizes[1] / sizes[0] < 10


FIRST = [-0.49841884, -0.04826974, 0.01041828]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("random:vgg6:0", "did you mean 'random:vgg16:0'"),
        ("random:resnet:0", "expected one of vgg11"),
        ("random:vgg16", "expected a seed"),
        ("random:vgg16:-1", "expected a seed"),
        ("random:vgg16:x", "expected a seed"),
        ("random:vgg16:4294967296", "below 2^32"),
    ],
)
def test_a_name_without_a_meaning_is_refused(name, said):
    with pytest.raises(UserError, match=re.escape(said)) as refused:
        nst_jax.load_encoder(name)
    assert len(str(refused.value).splitlines()) == 1


def test_no_file_holds_them():
    with pytest.raises(UserError, match="drawn when it is used"):
        find_weights("random:vgg16:0")
