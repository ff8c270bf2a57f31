"""The embedded network computes what VGG16 computes: against PyTorch in float64, stored and live."""

import runpy
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst_jax.networks import VGGS, features
from nst_jax.weights import load_encoder

GOLDEN = Path(__file__).parent / "golden"
LAYERS = [layer.name for layer in VGGS["vgg16"].layers]
APPLY = jax.jit(partial(features, layers=LAYERS))


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "features.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def computed(golden):
    image = jnp.asarray(golden["image"], jnp.float32) / 255
    found = APPLY(load_encoder(), image)
    return {name: np.asarray(feature, np.float64) for name, feature in found.items()}


def distance(got: np.ndarray, want: np.ndarray) -> float:
    """Relative distance in norm."""
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


@pytest.mark.parametrize("name", LAYERS)
def test_features_of_a_picture_are_those_of_pytorch(name, golden, computed):
    got = computed[name]
    assert got.shape == tuple(golden[f"{name}/shape"])
    assert distance(got.reshape(-1)[golden[f"{name}/places"]], golden[f"{name}/values"]) < 1e-4
    total, squares = golden[f"{name}/sums"]
    assert (got**2).sum() == pytest.approx(squares, rel=2e-4)
    # activations before a ReLU cancel in the sum, so it is measured by what it could be at most
    assert abs(got.sum() - total) < 1e-4 * np.sqrt(got.size * squares)


@pytest.mark.parametrize("padding", ["zero", "reflect", "replicate"])
@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_features_are_those_of_pytorch_in_every_variant(golden, pooling, padding):
    pytest.importorskip("torch")
    image = golden["image"][:50, :37]
    want = runpy.run_path(str(GOLDEN / "make_features.py"))["torch_features"](image, pooling, padding)
    picture = jnp.asarray(image, jnp.float32) / 255
    encoder = load_encoder()
    network = encoder.network.configured(pooling=pooling, padding=padding, remat=False)
    got = features(replace(encoder, network=network), picture, LAYERS)
    assert list(want) == list(got)
    assert {name: distance(np.asarray(got[name], np.float64), want[name]) for name in want} == pytest.approx(
        dict.fromkeys(want, 0.0), abs=1e-4
    )
