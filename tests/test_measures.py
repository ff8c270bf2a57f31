"""The measures of pictures that need no download: against slow judges, by hand, and by what they promise."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from measured import narrow_encoder
from scipy import ndimage

from nst_jax import metrics
from nst_jax.errors import UserError
from nst_jax.metrics import divergence, judge, resemblance
from nst_jax.networks import INCEPTION_V3, VGGS, Encoder, Layer, Network

RNG = np.random.default_rng(0)
SIDE = 48


def features(h: int, w: int, c: int = 5) -> jnp.ndarray:
    """Draw features (h, w, c) as after a ReLU, the first channel dead."""
    x = np.maximum(RNG.standard_normal((h, w, c)) + 0.3, 0)
    x[..., 0] = 0
    return jnp.asarray(x, jnp.float32)


def picture(h: int = SIDE, w: int = SIDE, sigma: float = 1.5) -> np.ndarray:
    """Draw a smooth picture (h, w, 3) in [0, 1]."""
    x = ndimage.gaussian_filter(RNG.standard_normal((h, w, 3)), (sigma, sigma, 0))
    return ((x - x.min()) / (x.max() - x.min())).astype(np.float32)


def checkers(h: int = SIDE, w: int = SIDE) -> np.ndarray:
    return (np.indices((h, w)).sum(0) % 2 * 2 - 1)[..., None].astype(np.float32)


# --- content fidelity, global effects, local patterns ---


def cosine(x, y) -> float:
    return float(np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y)))


def patches(x: np.ndarray) -> np.ndarray:
    h, w, _ = x.shape
    return np.array([x[i : i + 3, j : j + 3].ravel() for i in range(h - 2) for j in range(w - 2)])


def patterns_judge(x: np.ndarray, style: np.ndarray) -> float:
    p, q = patches(x), patches(style)
    alike = np.array([[cosine(a, b) for b in q] for a in p])
    own = np.array([[cosine(a, b) for b in q] for a in q])
    different = min(len({int(k) for k in own.argmax(1)}), len(p))
    return alike.max(1).mean() / 2 + len({int(k) for k in alike.argmax(1)}) / different / 2


@pytest.mark.parametrize("block", [2**23, 1, 7 * 6 * 30])
def test_patterns_agree_with_the_judge_in_tiles_of_any_size(block, monkeypatch) -> None:
    monkeypatch.setattr(resemblance, "BLOCK", block)
    x, style = features(8, 9), features(7, 6)
    found = metrics.local_patterns({"a": x}, {"a": resemblance.patches_of(style)})
    assert found == pytest.approx(patterns_judge(np.asarray(x, np.float64), np.asarray(style, np.float64)), rel=1e-5)


def test_patterns_are_one_of_the_style_and_half_of_one_patch() -> None:
    style = features(7, 6)
    known = {"a": resemblance.patches_of(style)}
    assert metrics.local_patterns({"a": style}, known) == pytest.approx(1, abs=1e-6)
    assert metrics.local_patterns({"a": style[:5, 1:]}, known) == pytest.approx(1, abs=1e-6)  # all that a crop can take
    same = jnp.tile(style[2:5, 2:5], (3, 3, 1))[:3, :3]
    assert metrics.local_patterns({"a": same}, known) == pytest.approx(1, abs=1e-6)  # one patch of one that fits
    assert metrics.local_patterns({"a": jnp.ones((9, 9, 5))}, known) < 0.9 / 2 + 1 / 20
    assert np.isfinite(metrics.local_patterns({"a": jnp.zeros((9, 9, 5))}, known))


def test_fidelity_and_effects_agree_with_the_judge() -> None:
    x, y, z = {"a": features(6, 5), "b": features(3, 4)}, {"a": features(6, 5), "b": features(3, 4)}, features(9, 7)
    wanted = np.mean([cosine(np.float64(x[k]), np.float64(y[k])) for k in x])
    assert metrics.content_fidelity(x, y) == pytest.approx(wanted, rel=1e-5)
    image, style = picture(20, 30), picture(16, 16)
    f, g = (np.asarray(a, np.float64).reshape(-1, 5) for a in (x["a"], z))
    textures = cosine(f.T @ f, g.T @ g)
    shares = [[np.histogram(p[..., c], 128, (0, 1))[0] for c in range(3)] for p in (image, style)]
    wanted = textures / 2 + np.mean([cosine(np.float64(a), b) for a, b in zip(*shares, strict=True)]) / 2
    found = metrics.global_effects(
        resemblance.whole_of(jnp.asarray(image), {"a": x["a"]}), resemblance.whole_of(jnp.asarray(style), {"a": z})
    )
    assert found == pytest.approx(wanted, rel=1e-5)


def test_colours_are_those_of_the_whole_scale() -> None:
    # Bins of each picture's own range would call a dark and a light ramp alike.
    ramp = jnp.asarray(np.tile(np.linspace(0, 1, 40)[:, None, None], (1, 40, 3)), jnp.float32)
    dark, light = (resemblance.whole_of(x, {"a": jnp.ones((2, 2, 1))}) for x in (ramp * 0.4, 0.6 + ramp * 0.4))
    assert metrics.global_effects(dark, light) == pytest.approx(0.5, abs=1e-6)
    assert metrics.global_effects(dark, dark) == pytest.approx(1, abs=1e-6)


# --- effect ---


def divergence_judge(x: divergence.Gaussian, y: divergence.Gaussian) -> float:
    inverse, gap = np.linalg.inv(y.covariance), y.mean - x.mean
    volume = np.log(np.linalg.det(y.covariance) / np.linalg.det(x.covariance))
    return (np.trace(inverse @ x.covariance) + gap @ inverse @ gap - len(gap) + volume) / 2


def test_effect_agrees_with_the_judge_and_by_hand() -> None:
    basis = divergence.Basis({"a": np.linalg.qr(RNG.standard_normal((5, 3)))[0]}, {"a": 1e-3})
    x, y = features(6, 5), features(4, 9)
    p, q = (divergence.projected({"a": divergence.moments(z)}, basis) for z in (x, y))
    flat = np.asarray(x, np.float64).reshape(-1, 5) @ basis.components["a"]
    np.testing.assert_allclose(p["a"].covariance, np.cov(flat.T, bias=True) + 1e-3 * np.eye(3), rtol=1e-4, atol=1e-6)
    assert metrics.effects(p, q)["a"] == pytest.approx(-np.log(divergence_judge(p["a"], q["a"])), rel=1e-6)
    # N(1, 1) from N(0, 1) is 1/2; N(0, e^2) from N(0, 1) is (e^2 - 1 - 2) / 2
    one = divergence.Gaussian(np.zeros(1), np.eye(1))
    assert metrics.effects({"a": one._replace(mean=np.ones(1))}, {"a": one})["a"] == pytest.approx(np.log(2))
    wide = one._replace(covariance=np.eye(1) * np.e**2)
    assert metrics.effects({"a": wide}, {"a": one})["a"] == pytest.approx(-np.log((np.e**2 - 3) / 2))
    assert metrics.effects({"a": one}, {"a": one})["a"] == pytest.approx(-np.log(divergence.NEAREST))
    assert metrics.effect({"a": wide, "b": wide}, {"a": one, "b": one}) == pytest.approx(
        (0.7468 + 0.2557) * -np.log((np.e**2 - 3) / 2)
    )


# --- edges ---


def square(at: int, contrast: float = 1.0) -> np.ndarray:
    x = np.full((SIDE, SIDE, 3), 0.2)
    x[at : at + 20, at : at + 20] += 0.5 * contrast
    return x


def test_edges_of_a_square_stay_within_a_pixel_and_at_any_contrast() -> None:
    assert metrics.edge_f1(square(10), square(10)) == 1
    assert metrics.edge_f1(square(10, 0.3), square(10)) == 1
    assert metrics.edge_f1(1 - square(10), square(10)) == pytest.approx(1, abs=0.02)
    assert metrics.edge_f1(square(11), square(10)) > 0.9
    assert metrics.edge_f1(square(14), square(10)) < 0.2
    assert metrics.edge_f1(square(12), square(10), tolerance=2) > 0.9 > metrics.edge_f1(square(12), square(10))


def test_edges_by_hand() -> None:
    # Of three found two are near, of two wanted one has some near: P = 2/3, R = 1/2, F = 4/7 at both thresholds.
    found, wanted = np.zeros((2, 9, 9), bool), np.zeros((2, 9, 9), bool)
    found[:, 0, [0, 2, 8]] = True
    wanted[:, [1, 8], [1, 0]] = True
    assert metrics.edge_f1(found, wanted) == pytest.approx(4 / 7)


def test_edges_where_there_are_none() -> None:
    flat = np.full((SIDE, SIDE, 3), 0.5)
    assert metrics.edge_f1(flat, flat) == 1
    assert metrics.edge_f1(flat, square(10)) == metrics.edge_f1(square(10), flat) == 0
    assert np.isnan(metrics.edge_f1(np.where(square(9) > 0.5, np.nan, 0), square(10)))
    with pytest.raises(UserError, match="48x48 and 48x40"):
        metrics.edge_f1(square(10), square(10)[:40])


# --- the spectrum ---


@pytest.mark.parametrize(("h", "w"), [(128, 128), (97, 160)])
@pytest.mark.parametrize("slope", [0.0, -1.0, -2.0])
def test_slope_of_coloured_noise(h, w, slope) -> None:
    frequency = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None])
    frequency[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(RNG.standard_normal((h, w))) * frequency ** (slope / 2)).real
    x = 0.5 + 0.1 * noise / noise.std()
    assert metrics.spectrum_slope(np.repeat(x[..., None], 3, axis=2)) == pytest.approx(slope, abs=0.2)


def test_blur_steepens_and_flat_is_level() -> None:
    sharp, soft = picture(64, 64, 0.5), picture(64, 64, 2)
    assert metrics.spectrum_slope(soft) < metrics.spectrum_slope(sharp) - 1
    assert metrics.spectrum_slope(np.full((64, 64, 3), 0.5)) == pytest.approx(0, abs=1e-6)
    with pytest.raises(UserError, match="at least 32x32 pixels, got 40x31"):
        metrics.spectrum_slope(picture(31, 40))


@pytest.mark.parametrize(("h", "w"), [(64, 64), (65, 81)])
def test_checkerboard_is_one_in_noise_and_seen_in_every_phase(h, w) -> None:
    noise = 0.5 + 0.1 * RNG.standard_normal((h, w, 3))
    assert metrics.checkerboard(noise) == pytest.approx(1, abs=0.4)
    assert metrics.checkerboard(np.full((h, w, 3), 0.3)) == pytest.approx(1, abs=1e-6)
    rows, columns = ((np.indices((h, w))[k] % 2)[..., None] for k in (0, 1))
    only_red = np.array([1, 0, 0])[None, None]
    for pattern in (checkers(h, w), rows, columns, checkers(h, w) * only_red):
        weak, strong = (metrics.checkerboard(noise + a * pattern) for a in (0.05, 0.2))
        assert 2 < weak < strong


# --- colours ---


def test_speckle_agrees_with_the_judge_and_sees_no_grey() -> None:
    x = np.asarray(picture(20, 31, 0.4), np.float64)
    u = x @ np.array([-0.147, -0.288, 0.436])
    v = x @ np.array([0.615, -0.515, -0.1])
    high = [c - ndimage.gaussian_filter(c, 1.5, mode="reflect", truncate=4) for c in (u, v)]
    assert metrics.chroma_speckle(x) == pytest.approx(255 * np.sqrt(np.mean(high[0] ** 2 + high[1] ** 2)), rel=1e-9)
    assert metrics.chroma_speckle(np.repeat(x[..., :1], 3, axis=2)) < 0.1  # the printed rows do not quite sum to 0
    assert metrics.chroma_speckle(ndimage.gaussian_filter(x, (3, 3, 0))) < metrics.chroma_speckle(x) / 3
    assert metrics.chroma_speckle(picture(12, 12)[:3, :3]) >= 0  # smaller than the window


def test_colours_by_hand() -> None:
    x = np.asarray(picture(12, 12), np.float64)
    assert metrics.colour_w2(x, x) == pytest.approx(0, abs=1e-6)
    assert metrics.colour_w2(x + np.array([[[0.3, 0, 0.4]]]), x[::-1]) == pytest.approx(0.5)
    assert metrics.colour_w2(np.zeros((2, 2, 3)), np.ones((3, 3, 3))) == pytest.approx(3**0.5)
    # Grey of deviation s and 3 s about one mean: sqrt(3) 2 s.
    grey = np.repeat(RNG.standard_normal((9, 9, 1)), 3, axis=2)
    grey -= grey.mean()
    assert metrics.colour_w2(grey, 3 * grey) == pytest.approx(2 * 3**0.5 * grey[..., 0].std())
    assert np.isnan(metrics.colour_w2(x * np.nan, x))


# --- oriented filters ---


def filters_judge(x: np.ndarray) -> np.ndarray:
    y = np.asarray(x, np.float64) @ np.array([0.299, 0.587, 0.114])
    (h, w), found = y.shape, []
    wide = np.pad(y, [(32, -(-(n + 64) // 32) * 32 - n - 32) for n in (h, w)], mode="symmetric")
    spectrum, (v, u) = np.fft.fft2(wide), np.meshgrid(*(np.fft.fftfreq(n) for n in wide.shape), indexing="ij")
    f, theta = np.hypot(u, v) + 1e-300, np.arctan2(v, u)
    for wave in (4, 8, 16, 32):
        for k in range(4):
            band = np.exp(-(np.log(f * wave) ** 2) / 2 / np.log(0.65) ** 2) * abs(np.cos(theta - np.pi * k / 4)) ** 3
            answer = np.sort(np.fft.ifft2(spectrum * band).real[32 : 32 + h, 32 : 32 + w], axis=None)
            found.append([answer[int((n + 0.5) / 256 * h * w)] for n in range(256)])
    return np.array(found)


def test_filters_agree_with_the_judge() -> None:
    image, style = picture(33, 40), picture(36, 32)
    x, y = filters_judge(image), filters_judge(style)
    wanted = np.mean(((x - y) ** 2).mean(1) / ((y**2).mean(1) + 1 / 255**2 / 12))
    assert metrics.filters_distance(image, style) == pytest.approx(wanted, rel=1e-4)


def test_filters_see_strokes_and_not_where_they_are() -> None:
    x = np.repeat(0.5 + 0.3 * np.sin(np.arange(64) * 2 * np.pi / 8)[:, None, None], 64, axis=1) * np.ones((1, 1, 3))
    assert metrics.filters_distance(x, x) == 0
    assert metrics.filters_distance(x[::-1, ::-1], x) == pytest.approx(0, abs=1e-6)
    assert metrics.filters_distance(np.roll(x, 3, axis=0), x) < 0.1
    assert metrics.filters_distance(np.swapaxes(x, 0, 1), x) > 1
    assert metrics.filters_distance(np.full((32, 32, 3), 0.5), picture()) == pytest.approx(1, abs=0.02)


# --- all of them ---


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return narrow_encoder(RNG)


CONTENT, STYLE = picture(), picture(sigma=0.7) ** 2
PHOTOGRAPHS = (picture(), picture())


@pytest.fixture(scope="module")
def judged(encoder) -> metrics.Judge:
    return metrics.Judge(encoder, CONTENT, STYLE, photographs=PHOTOGRAPHS)


def test_a_judge_gives_every_measure_and_they_are_those_of_the_functions(encoder, judged) -> None:
    image = picture()
    found = judged(image)
    assert list(found) == list(metrics.MEANINGS)
    held = metrics.held_out(encoder, image, CONTENT, STYLE)
    assert set(held) <= set(found)
    for name, value in held.items():
        assert found[name] == pytest.approx(float(value), rel=1e-4), name
    alone = {
        "edge_f1": metrics.edge_f1(image, CONTENT),
        "filters_distance": metrics.filters_distance(image, STYLE),
        "colour_w2": metrics.colour_w2(image, STYLE),
        "chroma_speckle": metrics.chroma_speckle(image),
        "checkerboard": metrics.checkerboard(image),
        "spectrum_slope": metrics.spectrum_slope(image),
        "spectrum_gap": abs(metrics.spectrum_slope(image) - metrics.spectrum_slope(STYLE)),
        "chroma_speckle_ratio": metrics.chroma_speckle(image) / metrics.chroma_speckle(STYLE),
    }
    assert {name: found[name] for name in alone} == pytest.approx(alone)


def test_the_documents_say_what_the_program_says() -> None:
    text = (Path(__file__).parents[1] / "docs/measures.md").read_text()
    rows = re.findall(r"^\| `(\w+)`(\*?) \| (\w+) \| (.*?) \|", text, re.MULTILINE)
    assert [(name, better, what) for name, _, better, what in rows] == [
        (name, meaning.better, meaning.text) for name, meaning in metrics.MEANINGS.items()
    ]
    held = {"content_distance", "style_bures", "style_sliced", "ssim", "colour_distance", "total_variation"}
    assert {name for name, star, *_ in rows if star} == held


def test_the_target_is_better_than_another_picture(judged) -> None:
    of_content = ("content_distance", "ssim", "edge_f1", "content_fidelity")
    of_style = ("style_bures", "style_sliced", "global_effects", "local_patterns", "effect", "filters_distance")
    content, style, other = judged(CONTENT), judged(STYLE), judged(np.float32(RNG.random((SIDE, SIDE, 3))))
    best = {"content_fidelity": 1, "global_effects": 1, "local_patterns": 1, "ssim": 1, "edge_f1": 1}
    for names, at in ((of_content, content), ((*of_style, "colour_w2", "spectrum_gap"), style)):
        for name in names:
            higher = metrics.MEANINGS[name].better == "higher"
            assert (at[name] > other[name]) if higher else (at[name] < other[name]), name
            if name != "effect":
                assert at[name] == pytest.approx(best.get(name, 0), abs=1e-4), name
    assert style["effect"] == pytest.approx(sum(divergence.CALIBRATION) * -np.log(divergence.NEAREST), rel=0.2)
    assert style["chroma_speckle_ratio"] == pytest.approx(1)


def test_a_broken_picture_has_no_finite_measure(judged) -> None:
    broken = CONTENT.copy()
    broken[3, 3, 0] = np.nan
    assert [name for name, value in judged(broken).items() if np.isfinite(value)] == []


def test_a_judge_refuses_what_it_cannot_see(encoder, judged) -> None:
    with pytest.raises(UserError, match="resize one"):
        judged(picture(SIDE, SIDE + 2))
    with pytest.raises(UserError, match="the style is 40x31: all measures of vgg16 need at least 32x32 pixels"):
        metrics.Judge(encoder, CONTENT, picture(31, 40))


def test_the_basis_is_that_of_the_photographs_and_found_once(encoder) -> None:
    basis = metrics.basis_of(encoder)
    assert metrics.basis_of(encoder) is basis
    assert list(basis.components) == ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    for along in basis.components.values():
        np.testing.assert_allclose(along.T @ along, np.eye(along.shape[1]), atol=1e-12)
    assert metrics.basis_of(encoder, PHOTOGRAPHS) is not basis


@pytest.mark.parametrize("network", [*VGGS.values(), INCEPTION_V3], ids=lambda network: network.name)
def test_levels_are_a_networks_own(network: Network) -> None:
    found = metrics.levels(network)
    assert list(found) == list(network.by_depth(found))
    assert len(set(found)) == 5
    assert judge.least_judged(network) >= network.least_side(found)
    if network.name.startswith("vgg"):
        assert resemblance.content_layers(network) == ("relu4_1", "relu5_1")
        assert resemblance.global_layers(network) == ("relu2_1", "relu3_1", "relu4_1", "relu5_1")
        assert resemblance.local_layers(network) == ("relu3_1", "relu4_1")
        assert divergence.effect_layers(network) == ("relu1_1", "relu2_1", "relu3_1")


def test_levels_of_more_and_of_fewer_layers_end_at_the_deepest() -> None:
    class Deep(Network):
        name = "deep"

    for count in (1, 2, 4, 5, 7, 11):
        network = Deep()
        network.layers = tuple(Layer(f"a{i:02}", 3) for i in range(count))
        found = metrics.levels(network)
        assert len(set(found)) == min(5, count)
        assert found[-1] == f"a{count - 1:02}"
        for layers in (resemblance.content_layers, resemblance.global_layers, resemblance.local_layers):
            assert layers(network)
