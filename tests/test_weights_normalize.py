"""Normalising changes each feature by one factor per channel, and makes the mean activation 1."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import weights_files as files
from PIL import Image

from nst_jax import images
from nst_jax.errors import UserError
from nst_jax.networks import Encoder, features
from nst_jax.weights import Weights, load_encoder, read_weights, save_weights
from nst_jax.weights.normalize import mean_activations, normalize, normalize_file

VGG11 = files.narrow("vgg11")
LAYERS = [layer.name for layer in VGG11.layers]


@pytest.fixture(scope="module")
def encoder():
    params = files.params_of("vgg11", seed=3)
    for leaves in params.values():
        leaves["bias"] = np.abs(leaves["bias"])  # most filters fire
    params["conv3_1"]["bias"][1] = -1e6  # this one never does
    return Encoder(
        params={c: {k: jnp.asarray(a) for k, a in leaves.items()} for c, leaves in params.items()}, network=VGG11
    )


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(1)
    return [jnp.asarray(rng.random(shape), jnp.float32) for shape in ((33, 40, 3), (48, 35, 3))]


@pytest.fixture(scope="module", params=["max", "avg"])
def pooling(request):
    return request.param


@pytest.fixture(scope="module")
def scaled(encoder, pictures, pooling):
    return normalize(encoder, pictures, pooling=pooling)


@pytest.fixture(scope="module")
def both(encoder, scaled, pooling):
    """Apply the network and its normalised self alike: two functions of a picture, with one pooling."""
    apply = jax.jit(lambda encoder, picture: features(encoder, picture, LAYERS))
    return [partial(apply, replace(one, network=replace(VGG11, pooling=pooling))) for one in (encoder, scaled)]


def test_features_change_by_one_positive_factor_per_channel(both, pictures):
    first, second = pictures
    factors = {}
    for picture in (first, second[:33, :35], second[5:38, :35]):
        before, after = (np_tree(network(picture)) for network in both)
        for name in LAYERS:
            live = np.abs(before[name]).max((0, 1)) > 0
            # the factor that fits best, then how well it fits
            fit = (after[name] * before[name]).sum((0, 1)) / np.where(live, (before[name] ** 2).sum((0, 1)), 1)
            want = fit * before[name]
            np.testing.assert_allclose(after[name], want, rtol=0, atol=1e-4 * np.abs(want).max(), err_msg=name)
            assert (fit[live] > 0).all()
            seen = factors.setdefault(name.replace("relu", "conv"), fit)
            shared = live & (seen > 0)
            np.testing.assert_allclose(fit[shared], seen[shared], rtol=1e-3, err_msg=name)


def np_tree(found) -> dict[str, np.ndarray]:
    return {name: np.asarray(feature, np.float64) for name, feature in found.items()}


def test_every_live_filter_fires_by_one_on_average_over_all_positions(both, pictures):
    found = [np_tree(both[1](picture)) for picture in pictures]
    dead = 0
    for name in (name for name in LAYERS if name.startswith("relu")):
        # positions weigh alike, so the larger picture weighs more
        mean = np.concatenate([f[name].reshape(-1, f[name].shape[-1]) for f in found]).mean(0)
        dead += int((mean == 0).sum())
        np.testing.assert_allclose(mean[mean > 0], 1, rtol=1e-4, err_msg=name)
    assert dead >= 1


def test_a_filter_that_never_fires_stays_as_it_is(scaled):
    assert scaled.params["conv3_1"]["bias"][1] == -1e6
    assert all(np.isfinite(a).all() for leaves in scaled.params.values() for a in leaves.values())


def test_no_pictures_are_refused(encoder):
    with pytest.raises(UserError, match="no pictures to normalize over"):
        normalize(encoder, [])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(4)
    for name in ("a.png", "b.JPG"):
        Image.fromarray(rng.integers(0, 256, (60, 45, 3), np.uint8)).save(tmp_path / "pictures" / name)
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    return tmp_path / "pictures"


def test_a_file_is_normalized_into_another(tmp_path, folder, encoder):
    params = {c: {k: np.asarray(a) for k, a in leaves.items()} for c, leaves in encoder.params.items()}
    save_weights(tmp_path / "src.h5", Weights(params, VGG11, source="here", licence="CC BY 4.0"))
    assert normalize_file(tmp_path / "src.h5", tmp_path / "dst.h5", folder, size=40) == 2
    held = read_weights(tmp_path / "dst.h5")
    assert held.notes == "each filter scaled to mean activation 1 over 2 pictures, 40 px, max pooling"
    assert (held.source, held.licence, held.dtype) == ("here", "CC BY 4.0", "float32")
    read = [jnp.asarray(images.resize(images.read(folder / name).rgb, 40)) for name in ("a.png", "b.JPG")]
    assert read[0].shape == (40, 30, 3)
    for conv, mean in mean_activations(load_encoder(tmp_path / "dst.h5"), read).items():
        np.testing.assert_allclose(mean[mean > 0], 1, rtol=1e-4, err_msg=conv)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no pictures"):
        normalize_file("vgg16", tmp_path / "dst.h5", tmp_path)
    with pytest.raises(UserError, match="is not a directory"):
        normalize_file("vgg16", tmp_path / "dst.h5", tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []
