"""What transparency hides never counts: not when a picture is read, not when it is resampled, not on a ground."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import alpha_of, file_of, noise, smooth
from PIL import Image

from nst_jax import images
from nst_jax.images.resampling import filtered

CASES = Path(__file__).parent / "cases"
QUICK = settings(max_examples=30, deadline=None)


def disc(height: int, width: int) -> np.ndarray:
    """Opaque in the middle, a soft edge, nothing outside."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    r = np.hypot((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5)
    return np.clip((0.35 - r) * 10 + 0.5, 0, 1).astype(np.float32)


def test_pictures_that_look_alike_are_read_alike():
    green, white = (images.read(CASES / f"style_hidden_{name}.png") for name in ("green", "white"))
    np.testing.assert_array_equal(green.rgb, white.rgb)
    np.testing.assert_array_equal(alpha_of(green), alpha_of(white))


FORMS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True, "exact": True}}


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_hidden_colours_of_every_format_never_count(tmp_path, form, grey):
    alpha = images.to_uint8(disc(20, 24))
    found = []
    for seed in (1, 2):
        levels = np.where(alpha[..., None] > 0, images.to_uint8(smooth(20, 24)), images.to_uint8(noise(20, 24, seed)))
        image = Image.fromarray(np.concatenate([levels, alpha[..., None]], -1))
        image = image.convert("LA") if grey and form != "WEBP" else image
        found.append(images.read(file_of(tmp_path, image, form, **FORMS[form])))
    np.testing.assert_array_equal(found[0].rgb, found[1].rgb)
    np.testing.assert_array_equal(images.to_uint8(alpha_of(found[0])), alpha)


@QUICK
@given(st.integers(1, 17), st.integers(1, 17), st.integers(0, 99), st.floats(0, 1))
def test_hidden_colours_never_leak_and_visible_ones_stay(height, width, seed, share):
    rng = np.random.default_rng(seed)
    alpha = (rng.random((height, width)) * (rng.random((height, width)) < share)).astype(np.float32)
    first, second = noise(height, width, seed), noise(height, width, seed + 100)
    second[alpha > 0] = first[alpha > 0]
    shape = (int(rng.integers(1, 20)), int(rng.integers(1, 20)))
    for function in (
        lambda x: images.visible(x, alpha),
        lambda x: images.compose(x, alpha),
        lambda x: images.compose(x, alpha, noise(height, width)),
        lambda x: images.fit(images.visible(x, alpha), shape, alpha=alpha),
        lambda x: images.resize(images.visible(x, alpha), 7, alpha=alpha),
    ):
        np.testing.assert_array_equal(function(first), function(second))
        assert function(first).min() >= 0
        assert function(first).max() <= 1
    if shape != (height, width):  # colours that nobody hid before are hidden then
        np.testing.assert_array_equal(images.fit(first, shape, alpha=alpha), images.fit(second, shape, alpha=alpha))
    np.testing.assert_array_equal(images.visible(first, alpha)[alpha > 0], first[alpha > 0])


def test_a_cut_out_has_no_edge_but_its_own():
    alpha = (disc(48, 48) > 0).astype(np.float32)
    filled = images.visible(np.where(alpha[..., None] > 0, smooth(48, 48), noise(48, 48)), alpha)
    steps = np.abs(np.diff(filled, axis=1)).max(), np.abs(np.diff(filled, axis=0)).max()
    assert max(steps) < 0.15  # of a ramp whose own step is 0.02, beside hidden noise of steps up to 1
    np.testing.assert_allclose(images.visible(np.full((9, 9, 3), 0.3), disc(9, 9)), 0.3, atol=1e-6)


def test_without_anything_to_hide_nothing_changes():
    image = noise(5, 6)
    assert images.visible(image, None) is image
    assert images.visible(image, np.ones((5, 6))) is image
    assert images.compose(image, None) is image
    np.testing.assert_allclose(images.compose(image, np.ones((5, 6)), 0.1), image, atol=1e-7)
    np.testing.assert_array_equal(images.visible(image, np.zeros((5, 6))), np.full((5, 6, 3), images.NEUTRAL))


def test_a_picture_lies_on_its_ground():
    image, alpha = np.full((1, 3, 3), 0.8, np.float32), np.array([[0, 0.25, 1]])
    np.testing.assert_allclose(images.compose(image, alpha)[0, :, 0], [0.5, 0.25 * 0.8 + 0.75 * 0.5, 0.8])
    np.testing.assert_allclose(images.compose(image, alpha, (1, 0, 0))[0, 0], [1, 0, 0])
    np.testing.assert_allclose(images.compose(image, alpha, np.zeros((1, 3, 3)))[0, 1], 0.2, atol=1e-7)


@pytest.mark.parametrize("shape", [(16, 24), (7, 9), (64, 96)])
def test_colours_are_resampled_by_their_opacity(shape):
    image, alpha = noise(32, 48), np.asarray(disc(32, 48) * 0.9 + 0.1, np.float32)
    want = filtered(image * alpha[..., None], shape, clip=False) / filtered(alpha, shape, clip=False)[..., None]
    np.testing.assert_allclose(images.fit(image, shape, alpha=alpha), want.clip(0, 1), atol=0.02)
    np.testing.assert_allclose(images.fit(image, shape, alpha=np.ones((32, 48))), images.fit(image, shape), atol=1e-5)


def test_an_edge_between_colour_and_nothing_keeps_its_colour():
    image = np.zeros((32, 32, 3), np.float32)
    image[:, :16] = (0.2, 0.4, 0.6)
    alpha = (image[..., 0] > 0).astype(np.float32)  # the black half is hidden
    small = images.fit(image, (9, 9), alpha=alpha)
    np.testing.assert_allclose(small, np.full((9, 9, 3), [0.2, 0.4, 0.6]), atol=1e-5)
