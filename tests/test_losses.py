"""Every term of the objective against the NumPy judge, numbers worked by hand, and properties."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import distance

import nst_jax
from nst_jax import images, losses, ops
from nst_jax.losses import Content, GramMatrix, Place, Variation

pytestmark = pytest.mark.usefixtures("strict_ranks")

PICTURES = Path(__file__).parents[1] / "examples/images"
RNG = np.random.default_rng(0)
F, G = RNG.normal(size=(5, 7, 4)), RNG.normal(size=(5, 7, 4))
SMALL = RNG.normal(size=(3, 4, 4))
PICTURE = RNG.random((6, 5, 3))


def f32(x) -> jax.Array:
    return jnp.asarray(x, jnp.float32)


def content(features, target):
    return distance(Content(), features, target)


def style(features, target):
    return distance(GramMatrix(), features, target)


def variation(image):
    return distance(Variation(), image, image)


CASES = {
    "content": (content, reference.content_loss, (F, G)),
    "style": (style, reference.style_loss, (F, G)),
    "style, pictures of two sizes": (style, reference.style_loss, (F, SMALL)),
    "total variation": (variation, reference.total_variation, (PICTURE,)),
}


@pytest.mark.parametrize("case", CASES)
def test_terms_are_those_of_the_judge(case, run):
    ours, judge, args = CASES[case]
    assert float(run(ours, *map(f32, args))) == pytest.approx(judge(*args), rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_finite_differences(case, run):
    ours, judge, args = CASES[case]
    x, rest = args[0], args[1:]
    positions = np.stack([RNG.integers(0, n, 12) for n in x.shape], 1)
    want = reference.gradient(lambda x: judge(x, *rest), x, positions)
    got = np.asarray(run(jax.grad(ours), *map(f32, args)))
    assert np.isfinite(got).all()
    assert got[tuple(positions.T)] == pytest.approx(want, rel=1e-3, abs=1e-5)


def test_content_by_hand():
    # 1/2 (1^2 + 2^2 + 0 + 3^2) = 7
    assert content(f32([[[1, 2], [0, 3]]]), jnp.zeros((1, 2, 2))) == 7.0


def test_gram_and_style_by_hand():
    # Two positions, two channels: f = (1, 2) and (3, 0). Sum of outer products ((10, 2), (2, 4)), divided by M = 2.
    features = f32([[[1, 2], [3, 0]]])
    assert ops.gram(features).tolist() == [[5, 1], [1, 2]]
    # against no style at all: (25 + 1 + 1 + 4) / (4 * 2^2) = 31 / 16
    assert GramMatrix().distance(ops.gram(features), jnp.zeros((2, 2)), Place(2, 2, 2)) == 31 / 16


def test_total_variation_by_hand():
    # down: 1^2 + 0.5^2 on one channel; right: 1^2 + 0.5^2
    image = jnp.zeros((2, 2, 3)).at[..., 0].set(f32([[0, 1], [1, 0.5]]))
    assert variation(image) == 2.5


def test_total_variation_leaves_the_channel_axis_alone():
    colours = jnp.broadcast_to(f32([0, 0.5, 1]), (4, 5, 3))
    assert variation(colours) == 0


def test_equal_sizes_give_the_papers_style_formula():
    # eq. 4 as printed: 1/(4 N^2 M^2) sum (G - A)^2, with G = F F^T not divided by anything
    f, g = F.reshape(-1, 4).T, G.reshape(-1, 4).T
    n, m = f.shape
    paper = ((f @ f.T - g @ g.T) ** 2).sum() / (4 * n**2 * m**2)
    assert float(style(f32(F), f32(G))) == pytest.approx(paper, rel=1e-5)


def test_a_tiled_picture_has_the_same_gram():
    # Each Gram is divided by its own number of positions: a texture four times as large is the same texture.
    assert np.asarray(ops.gram(f32(np.tile(F, (2, 2, 1))))) == pytest.approx(np.asarray(ops.gram(f32(F))), rel=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if len(CASES[case][2]) == 2])
def test_nothing_is_lost_at_the_target(case, run):
    ours, _, (x, _) = CASES[case]
    value, grad = run(jax.value_and_grad(ours), f32(x), f32(x))
    # compiled for two lanes, the two Grams may be added up in different orders
    assert float(value) < 1e-12
    assert np.abs(grad).max() < 1e-7


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31))
def test_gram_is_blind_to_the_order_of_positions_symmetric_and_not_negative(h, w, c, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(h, w, c))
    found = np.asarray(ops.gram(f32(x)))
    shuffled = rng.permutation(x.reshape(-1, c)).reshape(w, h, c)
    assert np.asarray(ops.gram(f32(shuffled))) == pytest.approx(found, rel=1e-4, abs=1e-5)
    assert np.array_equal(found, found.T)
    assert np.linalg.eigvalsh(np.float64(found)).min() > -1e-5 * max(1, np.abs(found).max())


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 10), st.integers(0, 2**31))
def test_scaling_features_scales_terms_by_their_power(k, seed):
    x, y = np.random.default_rng(seed).normal(size=(2, 3, 4, 3))
    assert float(content(f32(k * x), f32(k * y))) == pytest.approx(k**2 * float(content(f32(x), f32(y))), rel=1e-3)
    assert float(style(f32(k * x), f32(k * y))) == pytest.approx(k**4 * float(style(f32(x), f32(y))), rel=1e-3)


@pytest.mark.parametrize("ours", [ops.gram, lambda x: content(x, jnp.zeros((2, 2, 3)))])
def test_bfloat16_features_are_summed_in_float32(ours):
    assert ours(jnp.ones((2, 2, 3), jnp.bfloat16)).dtype == jnp.float32


def test_mmd_with_a_polynomial_kernel_goes_from_gram_matrices_to_means():
    x, y = jnp.asarray(F, jnp.float32), jnp.asarray(SMALL, jnp.float32)
    loss = losses.STYLE["mmd-poly"]
    target = loss.target(y, None, ())

    def at(c: float) -> float:
        where = Place(x.shape[0] * x.shape[1], x.shape[2], 0, (), {"c": c})
        return float(loss.distance(loss.statistic(x), target, where))

    assert at(0.0) == pytest.approx(reference.style_loss(F, SMALL), rel=1e-5)
    assert at(3.0) == pytest.approx(reference.mmd_poly(F, SMALL, 3.0), rel=1e-5)
    means = F.mean((0, 1)) - SMALL.mean((0, 1))
    far = 2e8 * (SMALL**2).sum(-1).mean() * (means**2).sum() / (4 * F.shape[-1] ** 2)
    assert at(1e8) == pytest.approx(far, rel=1e-4)


def test_products_of_two_layers_are_taken_on_the_finer_grid():
    rng = np.random.default_rng(5)
    pairs = [(rng.normal(1, 1, (3, 4, 5)), rng.normal(1, 1, (7, 8, 2))) for _ in range(2)]

    def products(deep, fine):
        total = np.zeros((5, 2))
        for i in range(7):
            for j in range(8):
                total += np.outer(deep[i * 3 // 7, j * 4 // 8], fine[i, j])
        return total / 56

    loss = losses.STYLE["cross-layer"]
    assert loss.reads("b", ("a", "b", "c")) == ("b", "a")
    assert loss.reads("a", ("a", "b", "c")) == ("a", "a")
    found, target = (loss.statistic.sums(tuple(f32(x) for x in pair), None, ()) for pair in pairs)
    found, target = (loss.statistic.finish(sums) for sums in (found, target))
    want = ((products(*pairs[0]) - products(*pairs[1])) ** 2).sum() / (4 * 5 * 2)
    assert float(loss.distance(found, target, Place(12, 5, 0))) == pytest.approx(want, rel=1e-5)


def test_a_problem_hands_a_loss_the_layers_that_it_reads(tiny):
    content, style = (np.random.default_rng(k).random((12, 10, 3), np.float32) for k in (0, 1))
    layers = ("relu1_2", "relu2_1", "relu3_1")
    compare = nst_jax.Compare(losses.STYLE["cross-layer"], layers, "style")
    problem = nst_jax.pose(tiny.encoder, content, style, terms={"own": compare, "content": None, "style": None})
    found = {name: float(x) for name, x in nst_jax.terms(tiny.encoder, problem, problem.init).items()}
    a, b = (tiny.features(x, "avg", "replicate") for x in (content, style))
    for layer, before in zip(layers, ("relu1_2", *layers), strict=False):
        fine, other = a[before], b[before]

        def products(deep, fine):
            rows, columns = (np.arange(fine.shape[i]) * deep.shape[i] // fine.shape[i] for i in (0, 1))
            return np.einsum("hwi,hwj->ij", deep[rows][:, columns], fine) / fine[..., 0].size

        want = ((products(a[layer], fine) - products(b[layer], other)) ** 2).sum() / (
            4 * fine.shape[-1] * a[layer].shape[-1]
        )
        assert found[f"own/{layer}"] == pytest.approx(want, rel=1e-4)


def exact_w2(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Compute W2 of features (positions, c) and its gradient by singular values, nothing added: N times the loss."""
    m, n = x - x.mean(0), y - y.mean(0)
    values, vectors = np.linalg.eigh(n.T @ n / len(n))
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    u, s, v = np.linalg.svd(m @ root, full_matrices=False)
    gap = x.mean(0) - y.mean(0)
    value = (gap**2).sum() + (m**2).sum() / len(m) + (n**2).sum() / len(n) - 2 * s.sum() / np.sqrt(len(m))
    return value, 2 / len(m) * (m + gap) - 2 / np.sqrt(len(m)) * (u @ v) @ root


@pytest.mark.parametrize(("dead", "allowed"), [("neither", 1e-3), ("picture", 1.5e-3), ("style", 5e-3)])
def test_w2_is_that_of_an_exact_root_on_features_of_vgg(dead, allowed):
    """As crowson's preset weighs its layers. Towards a dead channel the exact derivative is one of many, as long."""
    encoder = nst_jax.load_encoder()
    pictures = [f32(images.resize(images.read(PICTURES / name).rgb, 128)) for name in ("temple.jpg", "great_wave.jpg")]
    w = {"relu1_1": 256 / 341, "relu2_1": 64 / 341, "relu3_1": 16 / 341}
    found, target = (nst_jax.features(encoder, x, list(w)) for x in pictures)
    live, dying = [], []
    for layer, weight in w.items():
        x, y = (np.array(f[layer], np.float64) for f in (found, target))
        if dead != "neither":
            (x if dead == "picture" else y)[..., 3:6] = 0
        c = x.shape[-1]
        loss = jax.jit(jax.value_and_grad(lambda a, b: distance(losses.STYLE["w2"], a, b)))
        value, slope = loss(f32(x), f32(y))
        want, want_slope = exact_w2(x.reshape(-1, c), y.reshape(-1, c))
        assert float(value) == pytest.approx(want / c, rel=1e-3)
        both = weight * np.stack([np.asarray(slope, float).reshape(-1, c), want_slope / c])
        live.append(np.delete(both, [3, 4, 5], -1).reshape(2, -1))
        dying.append(both[..., 3:6].reshape(2, -1))
    got, want = np.concatenate(live, 1)
    assert np.linalg.norm(got - want) < allowed * np.linalg.norm(want)
    got, want = np.concatenate(dying, 1)
    assert np.linalg.norm(got) == pytest.approx(np.linalg.norm(want), rel=0.03)
