"""Held-out metrics against a slow NumPy judge, numbers worked by hand, and properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from measured import narrow_encoder

from nst_jax import metrics, pixels
from nst_jax.errors import UserError
from nst_jax.networks import VGGS, Encoder, features
from nst_jax.recipe import DEFAULT, STYLE_LAYERS

RNG = np.random.default_rng(0)


def _map(h: int, w: int, c: int) -> jax.Array:
    """Make features (h, w, c) with correlated channels of different means, some of them dead, as after a ReLU."""
    x = RNG.standard_normal((h, w, c)) @ RNG.standard_normal((c, c)) + RNG.standard_normal(c)[None, None]
    x[..., : c // 4] = 0
    return jnp.asarray(np.maximum(x, 0), jnp.float32)


def _picture(h: int, w: int) -> jax.Array:
    return jnp.asarray(RNG.random((h, w, 3)), jnp.float32)


# --- the judge: float64, straight from the equations ---


def content_judge(f, p):
    return sum((a - b) ** 2 for a, b in zip(f.flat, p.flat, strict=True)) / sum(b**2 for b in p.flat)


def bures_judge(x, y):
    x, y = (a.reshape(-1, a.shape[-1]) for a in (x, y))
    root = _root(np.cov(x.T, bias=True))
    cross = np.trace(_root(root @ np.cov(y.T, bias=True) @ root))
    spread = np.trace(np.cov(x.T, bias=True)) + np.trace(np.cov(y.T, bias=True)) - 2 * cross
    return (((x.mean(0) - y.mean(0)) ** 2).sum() + spread) / (y**2).sum(1).mean()


def _root(a):
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def sliced_judge(x, y, directions, levels):
    x, y = (a.reshape(-1, a.shape[-1]) for a in (x, y))
    total = 0.0
    for v in directions.T:
        a, b = sorted(x @ v), sorted(y @ v)
        for k in range(levels):
            u = (k + 0.5) / levels
            total += (a[int(u * len(a))] - b[int(u * len(b))]) ** 2
    return total / levels / directions.shape[1] / (y**2).mean()


def ssim_judge(image, other):
    x, y = (a @ np.array(pixels.LUMINANCE) for a in (image, other))
    r = np.arange(-5, 6)
    window = np.exp(-(r[:, None] ** 2 + r[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            m, n = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - m) ** 2).sum(), (window * (b - n) ** 2).sum()
            cov = (window * (a - m) * (b - n)).sum()
            values.append((2 * m * n + 1e-4) * (2 * cov + 9e-4) / ((m**2 + n**2 + 1e-4) * (va + vb + 9e-4)))
    return np.mean(values)


def colour_judge(image, other):
    p, q = (np.histogramdd(a.reshape(-1, 3), bins=8, range=[(0, 1)] * 3)[0] / (a.size // 3) for a in (image, other))
    return 0.5 * sum((a - b) ** 2 / (a + b) for a, b in zip(p.flat, q.flat, strict=True) if a + b)


def variation_judge(x):
    total, (h, w, _) = 0.0, x.shape
    for i in range(h):
        for j in range(w):
            total += ((x[i + 1, j] - x[i, j]) ** 2).sum() if i + 1 < h else 0
            total += ((x[i, j + 1] - x[i, j]) ** 2).sum() if j + 1 < w else 0
    return total / (h * w)


def _directions(c: int, projections: int, seed: int = 0) -> np.ndarray:
    """Repeat the seeded draw of `sliced_distance`: the judge checks the distance, not the random numbers."""
    key, _ = jax.random.split(jax.random.key(seed))
    v = np.float64(jax.random.normal(key, (c, projections)))
    return v / np.linalg.norm(v, axis=0, keepdims=True)


CASES = {
    "content": (metrics.content_distance, content_judge, (_map(4, 5, 6), _map(4, 5, 6))),
    "bures": (metrics.bures_distance, bures_judge, (_map(6, 7, 8), _map(5, 9, 8))),
    "bures, fewer positions than channels": (metrics.bures_distance, bures_judge, (_map(2, 3, 12), _map(3, 3, 12))),
    "sliced": (
        metrics.sliced_distance,
        lambda x, y: sliced_judge(x, y, _directions(8, 64), 42),
        (_map(6, 7, 8), _map(5, 5, 8)),
    ),
    "ssim": (pixels.ssim, ssim_judge, (_picture(14, 16), _picture(14, 16))),
    "colour": (pixels.colour_distance, colour_judge, (_picture(20, 30), _picture(16, 16))),
    "variation": (pixels.total_variation, variation_judge, (_picture(5, 7),)),
}


@pytest.mark.parametrize("how", ["plain", "jit", "vmap"])
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_the_judge(name: str, how: str) -> None:
    function, judge, arrays = CASES[name]
    with jax.numpy_rank_promotion("raise"):
        if how == "plain":
            found = function(*arrays)
        elif how == "jit":
            found = jax.jit(function)(*arrays)
        else:
            found = jax.vmap(function)(*(jnp.stack([a, a[::-1]]) for a in arrays))[0]
    assert found.shape == ()
    np.testing.assert_allclose(found, judge(*map(np.float64, arrays)), rtol=2e-5)


def test_content_by_hand() -> None:
    # ((3 - 1)^2 + 0) / (1 + 4) = 4 / 5
    found = metrics.content_distance(jnp.array([[[3.0, 2.0]]]), jnp.array([[[1.0, 2.0]]]))
    assert found == pytest.approx(0.8)


def test_bures_by_hand() -> None:
    # One channel: x in {0, 2} has mean 1 and sigma 1, y in {2, 8} has mean 5 and sigma 3.
    # ((1 - 5)^2 + (1 - 3)^2) / (5^2 + 3^2) = 20 / 34
    found = metrics.bures_distance(jnp.array([[[0.0], [2.0]]]), jnp.array([[[2.0], [8.0]]]))
    assert found == pytest.approx(20 / 34, rel=1e-6)


def test_sliced_by_hand() -> None:
    # One channel, so every direction is +-1: quantiles (0, 0, 2, 2) and (2, 4, 6, 8) at four levels.
    # ((2^2 + 4^2 + 4^2 + 6^2) / 4) / ((4 + 16 + 36 + 64) / 4) = 72 / 120; along -1 each list is reversed.
    x, y = jnp.array([[[2.0], [0.0]]]), jnp.array([[[8.0], [2.0]], [[6.0], [4.0]]])
    assert metrics.sliced_distance(x, y) == pytest.approx(0.6, rel=1e-6)


def test_ssim_by_hand() -> None:
    # Flat pictures of 0.2 and 0.6: (2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4); no contrast leaves c2 / c2 = 1.
    found = pixels.ssim(jnp.full((11, 11, 3), 0.2), jnp.full((11, 11, 3), 0.6))
    # float32 leaves 1e-7 of the squares in the variances, beside a c2 of 9e-4.
    assert found == pytest.approx(0.2401 / 0.4001, rel=3e-4)


def test_colour_by_hand() -> None:
    # Half of the pixels share a cell: 1/2 (0.5^2 / 1.5 + 0.5^2 / 0.5) = 1/3. White belongs to the last cell.
    black, half = jnp.zeros((2, 2, 3)), jnp.zeros((2, 2, 3)).at[0].set(1.0)
    assert pixels.colour_distance(black, half) == pytest.approx(1 / 3, rel=1e-6)
    assert pixels.colour_distance(black, 1 - black) == pytest.approx(1)


def test_variation_by_hand() -> None:
    # One bright channel of one pixel among 2x2: one step down and one across, over four pixels.
    assert pixels.total_variation(jnp.zeros((2, 2, 3)).at[0, 0, 1].set(1.0)) == pytest.approx(0.5)


@pytest.mark.parametrize("function", [metrics.content_distance, metrics.bures_distance, metrics.sliced_distance])
def test_blank_is_one_and_target_is_zero(function) -> None:
    # Random directions meet the mean of |y|^2 / c only on average.
    tolerance = 0.25 if function is metrics.sliced_distance else 1e-5
    target = _map(6, 6, 8)
    assert function(jnp.zeros_like(target), target) == pytest.approx(1, abs=tolerance)
    assert function(target, target) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("function", [metrics.bures_distance, metrics.sliced_distance])
def test_style_ignores_where(function) -> None:
    target = _map(6, 6, 8)
    moved = target.reshape(36, 8)[RNG.permutation(36)].reshape(4, 9, 8)
    assert function(moved, target) == pytest.approx(0, abs=1e-6)
    assert metrics.content_distance(moved.reshape(6, 6, 8), target) > 0.1


def test_bures_sees_only_two_moments_and_sliced_sees_more() -> None:
    # {-1, 1} and {-sqrt 2, 0, 0, sqrt 2} share mean and variance.
    two, four = jnp.array([[[-1.0], [1.0]]]), jnp.array([[[-(2**0.5)], [0.0], [0.0], [2**0.5]]])
    assert metrics.bures_distance(two, four) == pytest.approx(0, abs=1e-6)
    assert metrics.sliced_distance(two, four) == pytest.approx(((2**0.5 - 1) ** 2 + 1) / 2, rel=1e-5)


def test_sliced_draws_when_there_are_many_positions() -> None:
    x, y = _map(40, 40, 4), _map(40, 40, 4)
    whole, drawn = metrics.sliced_distance(x, y), metrics.sliced_distance(x, y, positions=800)
    assert drawn != whole
    assert drawn == pytest.approx(float(whole), rel=0.2)
    assert metrics.sliced_distance(x, x, positions=800) == 0
    assert metrics.sliced_distance(x, y, seed=1) != whole


def test_ssim_is_symmetric_one_at_equality_and_negative_for_an_inverse() -> None:
    x, y = _picture(16, 12), _picture(16, 12)
    assert pixels.ssim(x, y) == pytest.approx(float(pixels.ssim(y, x)), rel=1e-5)
    assert pixels.ssim(x, x) == pytest.approx(1, abs=1e-6)
    assert pixels.ssim(x, 1 - x) < -0.5


def test_sizes_that_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="16x12 and 12x16"):
        pixels.ssim(_picture(12, 16), _picture(16, 12))
    with pytest.raises(UserError, match="at least 11x11 pixels, got 16x10"):
        pixels.ssim(_picture(10, 16), _picture(10, 16))


@pytest.fixture
def encoder() -> Encoder:
    return narrow_encoder(RNG)


NAMES = ["content_distance", "style_bures", "style_sliced", "ssim", "colour_distance", "total_variation"]


def test_held_out_gives_each_metric_of_the_right_layers(encoder) -> None:
    image, content, style = _picture(32, 32), _picture(32, 32), _picture(36, 40)
    found = metrics.held_out(encoder, image, content, style)
    assert sorted(found) == sorted(NAMES)
    layers = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    f, p, c = (
        {name: np.float64(value) for name, value in features(encoder, x, (*layers, "relu3_2")).items()}
        for x in (image, style, content)
    )
    bures = np.mean([bures_judge(f[name], p[name]) for name in layers])
    assert found["content_distance"] == pytest.approx(content_judge(f["relu3_2"], c["relu3_2"]), rel=1e-4)
    assert found["style_bures"] == pytest.approx(bures, rel=1e-3)
    assert found["ssim"] == pytest.approx(ssim_judge(np.float64(image), np.float64(content)), rel=1e-4)


def test_a_style_summarised_once_gives_the_same_numbers(encoder) -> None:
    image, content, style = _picture(32, 32), _picture(32, 32), _picture(36, 40)
    side = metrics.style_side(encoder, style)
    assert tuple(side) == metrics.held_out_layers(encoder.network)[1]
    assert metrics.held_out(encoder, image, content, side) == metrics.held_out(encoder, image, content, style)


def test_held_out_layers_are_not_optimised() -> None:
    taken = {*STYLE_LAYERS, *DEFAULT.content_layers}
    for name in ("vgg16", "vgg19"):
        content, style = metrics.held_out_layers(VGGS[name])
        assert content == "relu3_2"
        assert not taken & {content, *style}
    for network in VGGS.values():
        content, style = metrics.held_out_layers(network)
        assert {content, *style} <= {layer.name for layer in network.layers}


def test_held_out_at_the_targets_and_over_lanes(encoder) -> None:
    content, style = 0.3 * _picture(32, 32), _picture(36, 40)
    lanes = jnp.stack([content, style[:32, :32], content.at[3, 3, 0].set(jnp.nan)])
    found = jax.vmap(metrics.held_out, in_axes=(None, 0, None, None))(encoder, lanes, content, style)
    assert found["content_distance"][0] == 0
    assert found["ssim"][0] == pytest.approx(1, abs=1e-6)
    # A crop of the style has nearly its statistics, a dark content has not; a broken lane has no finite metric and
    # breaks no other lane.
    assert found["style_bures"][1] < 0.2 * found["style_bures"][0]
    assert [name for name in NAMES if np.isfinite(found[name][2])] == []
    alone = metrics.held_out(encoder, lanes[1], content, style)
    for name in NAMES:
        assert found[name][1] == pytest.approx(float(alone[name]), rel=1e-4)


def test_a_margin_changes_no_number_where_positions_are_drawn(encoder) -> None:
    image, content, style = _picture(131, 129), _picture(131, 129), _picture(133, 150)  # more than 16384 positions
    plain = metrics.held_out(encoder, image, content, style)
    padded = metrics.held_out(encoder, image, content, style, bucket=64)
    for name in NAMES:
        assert padded[name] == pytest.approx(float(plain[name]), rel=1e-5, abs=1e-6), name
    broken = metrics.held_out(encoder, image.at[3, 3, 0].set(jnp.nan), content, style, bucket=64)
    assert [name for name in NAMES if np.isfinite(broken[name])] == []


def test_held_out_refuses_a_result_of_another_size(encoder) -> None:
    with pytest.raises(UserError, match="resize one"):
        metrics.held_out(encoder, _picture(32, 32), _picture(32, 48), _picture(32, 32))
