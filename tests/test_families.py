"""Families as products: every loss and every network of the tables below meets every promise of its kind.

A new member is tested by being listed: a loss in `losses.CONTENT`, `STYLE` or `VARIATION` and with its judge here, a
network in `NETWORKS`.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import inception_judge
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from measured import distance

import nst_jax
from nst_jax import losses, networks, ops
from nst_jax.errors import UserError
from nst_jax.losses import Loss
from nst_jax.networks import GOOGLENET, INCEPTION_V3, VGG, VGGS, Branched, Network
from nst_jax.ops import bands
from nst_jax.problem import total

RNG = np.random.default_rng(20)
PIXELS = 140
"""Of the picture that the features below come from, a number of its own so that no two numbers can be mixed up."""


def f32(x: Any) -> jax.Array:
    return jnp.asarray(x, jnp.float32)


# --- losses ---


@dataclass(frozen=True)
class Compared:
    """A loss with features (h, w, c) to measure, a target, and features at which nothing is left to lose."""

    loss: Loss
    found: np.ndarray
    target: np.ndarray
    best: np.ndarray


FEATURES, OTHERS = RNG.normal(1, 1, (5, 7, 4)), RNG.normal(0, 1, (5, 7, 4)) @ (np.eye(4) + 0.3 * RNG.random((4, 4)))
SMALLER, PICTURE = OTHERS[:4, :6], RNG.random((6, 5, 3))
FLAT = np.broadcast_to([0.25, 0.5, 1.0], PICTURE.shape)

DRAWN = {kind for kind, loss in losses.CONTENT.items() if loss.layers(("",)) == ("image",)}
"""Content losses of the picture itself."""
WIDE, CALM = RNG.random((13, 14, 3)), RNG.random((13, 14, 3))

LOSSES = {
    **{
        f"content/{kind}": Compared(loss, WIDE, CALM, CALM)
        if kind in DRAWN
        else Compared(loss, FEATURES, OTHERS, OTHERS)
        for kind, loss in losses.CONTENT.items()
    },
    **{f"style/{kind}": Compared(loss, FEATURES, SMALLER, SMALLER) for kind, loss in losses.STYLE.items()},
    **{f"variation/{kind}": Compared(loss, PICTURE, PICTURE, FLAT) for kind, loss in losses.VARIATION.items()},
    "smoothed/softmax": Compared(
        losses.Smoothed(losses.GramMatrix("gram-mean"), "softmax", 2.0), FEATURES, SMALLER, SMALLER
    ),
    "smoothed/softmax content": Compared(losses.Smoothed(losses.Content()), FEATURES, OTHERS, OTHERS),
    "smoothed/constant": Compared(losses.Smoothed(losses.GramMatrix(), "constant"), FEATURES, SMALLER, SMALLER),
}
ADDITIVE = [name for name, case in LOSSES.items() if case.loss.statistic.additive]


def grams(x, y):
    return ((reference.gram(x) - reference.gram(y)) ** 2).sum()


def covariance(x, y):
    (m, a), (n, b) = reference.moments(x), reference.moments(y)
    return ((a - b) ** 2).sum() / (4 * x.shape[-1] ** 2) + ((m - n) ** 2).sum()


def sliced(x, y):
    place = losses.Place(0, x.shape[-1], 0, size=x.shape[:2])
    v, _, _ = losses.STYLE["sliced"].renewed(None, f32(y.reshape(-1, y.shape[-1])), jax.random.key(0), place)
    return reference.sliced(x, y, np.asarray(v).reshape(-1, x.shape[-1]))


def mmd_gauss(x, y):
    given = losses.STYLE["mmd-gauss"].given(f32(y))
    return ((reference.waves(x, *given) - reference.waves(y, *given)) ** 2).sum()


def steps(x):
    """Differences of neighbours below and to the right, of levels 0-255."""
    return 255 * (x[1:] - x[:-1]), 255 * (x[:, 1:] - x[:, :-1])


def corners(x):
    """Squared differences of the pixels that have both neighbours."""
    down, right = steps(x)
    return down[:, :-1] ** 2 + right[:-1] ** 2


def nine_point(x):
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    straight = [np.mean((p[1:-1, 2:] - x) ** 2), np.mean((p[2:, 1:-1] - x) ** 2)]
    diagonal = [np.mean((p[1:, 1:] - p[:-1, :-1]) ** 2), np.mean((p[1:, :-1] - p[:-1, 1:]) ** 2)]
    return 2 / 3 * sum(straight) + 1 / 6 * sum(diagonal)


def softmax(x, deviations):
    p = np.exp(x / deviations - np.max(x / deviations))
    return x.size * p / p.sum()


JUDGES: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "content/half-sum": reference.content_loss,
    "content/sum": lambda x, y: ((x - y) ** 2).sum(),
    "content/mean": lambda x, y: ((x - y) ** 2).mean(),
    "content/laplacian": reference.laplacian,
    "content/self-similarity": reference.self_similarity,
    "content/matting": reference.matting,
    "style/gram": reference.style_loss,
    "style/gram-mean": lambda x, y: grams(x, y) / x.shape[-1] ** 2,
    "style/gram-johnson": lambda x, y: grams(x, y) / x.shape[-1] ** 4,
    "style/gram-keras": lambda x, y: grams(x, y) * (x.shape[0] * x.shape[1]) ** 2 / (4 * 3**2 * PIXELS**2),
    "style/covariance": covariance,
    "style/mean-std": lambda x, y: reference.spread_distance(x, y) / x.shape[-1],
    "style/gram-mean-std": lambda x, y: (
        grams(x, y) / x.shape[-1] ** 2 + 10 * reference.spread_distance(x, y) / x.shape[-1]
    ),
    "style/w2": reference.w2,
    "style/mmd-poly": reference.mmd_poly,
    "style/mmd-gauss": mmd_gauss,
    "style/shifted": lambda x, y: reference.style_loss(x - y.mean(), y - y.mean()),
    "style/cross-layer": reference.style_loss,  # of the first layer; of two: test_losses.py
    "style/long-range": reference.long_range,
    "style/sliced": sliced,
    "style/histogram": lambda x, y: reference.sliced(x, y, np.eye(x.shape[-1])),
    "style/nearest": reference.nearest,
    "style/contextual": reference.contextual,
    "style/remd": reference.remd,
    "variation/squares": lambda x, _: reference.total_variation(x),
    "variation/johnson": lambda x, _: 0.5 * corners(x).sum(),
    "variation/absolute": lambda x, _: sum(np.abs(d).sum() for d in steps(x)),
    "variation/mean-squares": lambda x, _: sum((d**2).mean() for d in steps(x)),
    "variation/nine-point": lambda x, _: nine_point(x),
    "variation/keras": lambda x, _: (corners(x) ** 1.25).sum(),
    "smoothed/softmax": lambda x, y: grams(softmax(x, 2 * y.std()), softmax(y, 2 * y.std())) / x.shape[-1] ** 2,
    "smoothed/softmax content": lambda x, y: reference.content_loss(softmax(x, y.std()), softmax(y, y.std())),
    "smoothed/constant": lambda x, y: reference.style_loss(x / 1000, y / 1000),
}
"""Each loss in NumPy float64, of features and the target's features."""

ROUNDING = {"style/w2": 1e-4, "style/contextual": 1e-3, "content/matting": 1e-4}
"""Relative error in float32; 1e-5 where nothing stands: W2 has a matrix' root between, the contextual loss divides by
the smallest of many distances, and what keeps the matting Laplacian finite is not 0 at the content."""
KINKED = ("content/self-similarity", "style/contextual")
"""Losses whose derivative is not 0 at the target: absolute values, and likelihoods that other features raise."""
OWN_UNIT = tuple(
    [f"content/{name}" for name in ("self-similarity", "matting")]
    + [f"style/{name}" for name in ("sliced", "histogram", "nearest", "contextual", "remd")]
)
"""Losses whose unit is not quite what this very blank picture loses, or that have none."""


def value(name: str, x: Any, y: Any, mask: Any = None) -> jax.Array:
    return distance(LOSSES[name].loss, x, y, mask=mask, pixels=PIXELS)


def test_every_loss_has_a_judge():
    assert JUDGES.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_that_of_the_judge(name, run):
    case = LOSSES[name]
    found = run(lambda x, y: value(name, x, y), f32(case.found), f32(case.target))
    assert found.dtype == jnp.float32
    assert found.shape == ()
    assert float(found) == pytest.approx(JUDGES[name](case.found, case.target), rel=ROUNDING.get(name, 1e-5))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_has_the_gradient_of_finite_differences(name, run):
    case, rounding = LOSSES[name], ROUNDING.get(name, 1e-5)
    positions = np.stack([RNG.integers(0, n, 10) for n in case.found.shape], 1)
    want = reference.gradient(lambda x: JUDGES[name](x, case.target), case.found, positions)
    got = np.asarray(run(jax.grad(lambda x, y: value(name, x, y)), f32(case.found), f32(case.target)))
    assert got[tuple(positions.T)] == pytest.approx(want, rel=10 * rounding + 1e-3, abs=rounding * np.abs(want).max())


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_is_lost_at_the_target(name, run):
    case, rounding = LOSSES[name], ROUNDING.get(name, 1e-5)
    both = jax.value_and_grad(lambda x, y: value(name, x, y))
    least, slope = run(both, f32(case.best), f32(case.target))
    elsewhere, steep = both(f32(case.found), f32(case.target))
    assert abs(float(least)) < rounding * float(elsewhere)
    if name not in KINKED:
        assert np.abs(slope).max() < 10 * rounding * np.abs(steep).max()


SINGULAR = {
    "constant": lambda x: np.full_like(x, 0.5),
    "black": np.zeros_like,
    "dead channel": lambda x: x * np.array([0.0, *np.ones(x.shape[-1] - 1)]),
    "repeated channel": lambda x: x[..., [0, 0, *range(2, x.shape[-1])]],
    "far from 0": lambda x: x + 1e3 * (np.arange(x.shape[-1]) > 0),
}


@pytest.mark.parametrize("kind", SINGULAR)
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_has_a_finite_gradient_on_singular_features(name, kind):
    case = LOSSES[name]
    both = jax.jit(jax.value_and_grad(lambda x, y: value(name, x, y)))
    odd = f32(SINGULAR[kind](case.found))
    target = f32(SINGULAR[kind](case.target))
    for x, y in ((odd, f32(case.target)), (f32(case.found), target), (odd, target)):
        found, slope = both(x, y)
        assert np.isfinite(float(found))
        assert np.isfinite(np.asarray(slope)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_mask_of_ones_is_no_mask(name, run):
    case = LOSSES[name]
    x, y, ones = f32(case.found), f32(case.target), jnp.ones(case.found.shape[:2])
    without = jax.value_and_grad(lambda x, y: value(name, x, y))(x, y)
    # the second of two lanes, the other of which has another mask
    within = run(jax.value_and_grad(lambda x, y, mask: value(name, x, y, mask)), x, y, ones)
    for a, b in zip(within, without, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * float(np.abs(b).max()))


@pytest.mark.parametrize("name", ADDITIVE)
def test_what_a_mask_leaves_out_does_not_count(name, run):
    case = LOSSES[name]
    x, y = f32(case.found), f32(case.target)
    mask = jnp.zeros(x.shape[:2]).at[:3, 1:].set(1)
    found, slope = run(jax.value_and_grad(lambda x, y, mask: value(name, x, y, mask)), x, y, mask)
    # as many positions as the whole has, for a loss that weighs by them
    at = losses.Place(x.shape[0] * x.shape[1], x.shape[-1], PIXELS, case.loss.given(y))
    target = case.loss.target(y, None, at.given)
    part = case.loss.distance(case.loss.statistic(x[:3, 1:], None, at.given), target, at)
    assert float(found) == pytest.approx(float(part), rel=ROUNDING.get(name, 1e-5))
    assert not np.asarray(slope)[3:].any()
    assert not np.asarray(slope)[:, 0].any()
    assert np.asarray(slope)[:3, 1:].all()


def close(found: Any, expected: Any, rounding: float = 1e-5) -> None:
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rounding, atol=rounding * float(np.abs(b).max()))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ADDITIVE)
def test_sums_of_parts_add_up_and_their_order_does_not_matter(name, masked, run):
    case = LOSSES[name]
    x, given, statistic = f32(case.found), case.loss.given(f32(case.target)), case.loss.statistic
    mask = f32(RNG.random(x.shape[:2])) if masked else None
    whole = run(lambda x, mask: statistic.sums(x, mask, given), x, mask)
    upper, lower = (
        statistic.sums(x[rows], None if mask is None else mask[rows], given) for rows in (slice(2), slice(2, None))
    )
    close(jax.tree.map(jnp.add, upper, lower), whole)
    order = RNG.permutation(x.shape[0] * x.shape[1])

    def moved(x):
        return x.reshape(len(order), *x.shape[2:])[order].reshape(x.shape[1], x.shape[0], *x.shape[2:])

    close(statistic(moved(x), mask if mask is None else moved(mask), given), statistic.finish(whole))


FRAMED = ("style/long-range", "style/nearest", *(f"content/{name}" for name in DRAWN))
"""Losses that see how a picture goes on beyond its border: four of it are another picture."""
RANKED = {"style/sliced": 0.05, "style/histogram": 0.05}
"""Losses that take the style at as many ranks as the picture has, and how much they may change with these."""


@pytest.mark.parametrize("name", [name for name in LOSSES if not name.startswith("variation/") and name not in FRAMED])
def test_an_extensive_loss_grows_with_the_picture_and_no_other_does(name):
    case = LOSSES[name]
    small = [f32(x) for x in (case.found, case.target)]
    large = [jnp.tile(x, (2, 2, 1)) for x in small]
    rounding = RANKED.get(name, ROUNDING.get(name, 1e-5))
    one, four = distance(case.loss, *small, pixels=PIXELS), distance(case.loss, *large, pixels=4 * PIXELS)
    assert float(four) == pytest.approx(float(one) * (4 if case.loss.extensive else 1), rel=rounding)


@pytest.mark.parametrize("name", LOSSES)
def test_in_relative_units_a_blank_picture_is_1_from_the_target(name):
    """Every picture of another roughness is as many times 1 from a flat one; the rest is 0 at the target."""
    case = LOSSES[name]
    relative, y = losses.Relative(case.loss), f32(case.target)
    rounding = ROUNDING.get(name, 1e-5)
    whole = distance(case.loss, f32(case.found), y, pixels=PIXELS)
    found = distance(relative, f32(case.found), y, pixels=PIXELS)
    if name.startswith("variation/"):  # the content is as rough as itself, pixel by pixel
        itself = distance(relative, f32(case.found), y, pixels=math.prod(case.found.shape[:2]))
        assert float(itself) == pytest.approx(1, rel=rounding)
        return
    blank = distance(case.loss, jnp.zeros_like(f32(case.found)), y, pixels=PIXELS)
    if name in OWN_UNIT:
        assert 0 < float(found) < 10
    else:
        assert float(found) == pytest.approx(float(whole / blank), rel=10 * rounding)
    assert np.isfinite(float(distance(relative, f32(case.found), jnp.zeros_like(y), pixels=PIXELS)))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_static_and_compares_by_value(name):
    loss = LOSSES[name].loss
    assert copy.copy(loss) == loss
    assert hash(copy.copy(loss)) == hash(loss)
    assert [other for other in LOSSES if LOSSES[other].loss == loss] == [name]


def posed(tiny, loss: Loss, layers: tuple[str, ...], remat: bool = False) -> nst_jax.Problem:
    """Pose a problem of which this loss is the only term."""
    size = (9, 8) if loss.least() < 9 else (13, 12)
    content, style = (np.random.default_rng(k).random((*size, 3), np.float32) for k in (0, 1))
    only = {"content": None, "style": None, "variation": None, "only": nst_jax.Compare(loss, layers, "style")}
    return nst_jax.pose(tiny.encoder, content, style, recipe=nst_jax.Recipe(remat=remat), terms=only)


def layers_of(name: str) -> tuple[str, ...]:
    drawn = name.startswith("variation/") or name.removeprefix("content/") in DRAWN
    return ("image",) if drawn else ("relu1_1", "relu1_2")


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_a_term_by_itself_also_in_bands_and_under_a_mask_of_ones(tiny, monkeypatch, name):
    # 9 rows of 8 positions with 2 channels in bands of 4: the last one overlaps
    monkeypatch.setattr(bands, "BAND_BYTES", 4 * 8 * 2 * 4)
    loss, layers = LOSSES[name].loss, layers_of(name)
    plain, banded = (posed(tiny, loss, layers, remat) for remat in (False, True))
    ones = {layer: jnp.ones(plain.init.shape[:2]) for layer in layers}
    masked = replace(banded, terms={"only": replace(banded.terms["only"], masks=ones)})
    step = jax.value_and_grad(lambda x, p: total(tiny.encoder, p, x)[0])
    want = step(plain.init, plain)
    assert float(want[0]) > 0
    close(step(plain.init, banded), want, 10 * ROUNDING.get(name, 1e-5))
    if loss.statistic.by_position:
        with pytest.raises(UserError, match="has no masked form"):
            step(plain.init, masked)
    else:
        close(step(plain.init, masked), want, 10 * ROUNDING.get(name, 1e-5))


# --- networks ---


@dataclass(frozen=True)
class Net:
    """A network of its full size with the number of its parameters, and a tiny one with its judge.

    Attributes:
        network: whose table has the published number of parameters.
        parameters: published.
        tiny: the same with few channels.
        choices: ways to configure the tiny one.
        averaging: the same with one channel and no maxima, so that every pixel of a field has a part in its position.
        judge: (params, x, network) -> every activation in float64.
        picture: (h, w) that is large enough for every layer, odd and even.
        framed: (side, rows, columns) of a square, and of a part of it that is a picture.
    """

    network: Network
    parameters: int
    tiny: Network
    choices: tuple[dict[str, Any], ...]
    averaging: Network
    judge: Callable[[Any, np.ndarray, Any], dict[str, np.ndarray]]
    picture: tuple[int, int] = (34, 39)
    framed: tuple[int, int, int] = (48, 35, 41)


def vgg_judge(params: Any, x: np.ndarray, network: VGG) -> dict[str, np.ndarray]:
    kernels = {name: (np.asarray(p["kernel"], float), np.asarray(p["bias"], float)) for name, p in params.items()}
    return reference.features(kernels, x, network.pooling, network.padding)


VGG_CHOICES = tuple(
    {"pooling": pooling, "padding": padding, "remat": remat}
    for pooling, padding, remat in (("max", "zero", False), ("avg", "reflect", False), ("max", "replicate", True))
)


def vgg(name: str, parameters: int) -> Net:
    whole = VGGS[name]
    return Net(
        whole,
        parameters,
        replace(whole, channels=(2, 3, 4, 4, 4)),
        VGG_CHOICES,
        replace(whole, channels=(1,) * 5, pooling="avg"),
        vgg_judge,
    )


def branched(whole: Branched, parameters: int, judge: Callable, tiny: str, averaging: str, **sizes: Any) -> Net:
    """List a network of blocks; its tiny one, and the one of averages, are cut behind a layer each."""
    whole = replace(whole, smallest=1)
    small, flat = whole.cut(tiny), whole.cut(averaging)

    def judged(params: Any, x: np.ndarray, network: Branched) -> dict[str, np.ndarray]:
        found = judge(inception_judge.layers_of(params), x, network.pooling, network.last)
        return {layer.name: found[layer.name] for layer in network.layers}

    return Net(
        whole,
        parameters,
        small.widened([2 + k % 3 for k in range(len(small.convs))]),
        tuple({"pooling": pooling, "padding": "zero", "remat": False} for pooling in ("max", "avg")),
        replace(flat.widened([1] * len(flat.convs)), pooling="avg"),
        judged,
        **sizes,
    )


NETWORKS = {
    # Convolution parameters of Simonyan and Zisserman's configurations A, B, D and E; the published totals of 133, 133,
    # 138 and 144 million include 123,642,856 in the fully connected layers.
    "vgg11": vgg("vgg11", 9_220_480),
    "vgg13": vgg("vgg13", 9_404_992),
    "vgg16": vgg("vgg16", 14_714_688),
    "vgg19": vgg("vgg19", 20_024_384),
    # Keras' 21,802,784 without the top hold a mean and a variance for each of 17,216 outputs, which fold away.
    "inception_v3": branched(
        INCEPTION_V3,
        21_802_784 - 2 * 17_216,
        inception_judge.inception_v3,
        "mixed4",
        "mixed3",
        picture=(59, 66),
        framed=(72, 61, 67),
    ),
    # torchvision's 6,624,904 hold a classifier of 1,025,000, and two numbers for each of 7,280 outputs.
    "googlenet": branched(
        GOOGLENET,
        6_624_904 - 1_025_000 - 7_280,
        inception_judge.googlenet,
        "mixed5a",
        "mixed4a",
        picture=(66, 71),
        framed=(80, 67, 70),
    ),
}

CHOICES = [(name, k) for name, net in NETWORKS.items() for k in range(len(net.choices))]


def leaves(network: Network) -> list[tuple[int, ...]]:
    return jax.tree.leaves(network.param_shapes(), is_leaf=lambda x: isinstance(x, tuple))


def drawn(network: Network, positive: bool = False) -> Any:
    """Draw arrays for a network; if asked, positive kernels and no biases, so that no ReLU bends anything."""
    rng = np.random.default_rng(3)

    def draw(shape: tuple[int, ...]) -> jax.Array:
        if positive:
            return f32((rng.random(shape) + 0.5) * (len(shape) > 1))
        return f32(rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1])))

    return jax.tree.map(draw, network.param_shapes(), is_leaf=lambda x: isinstance(x, tuple))


def names(network: Network) -> tuple[str, ...]:
    return tuple(layer.name for layer in network.layers)


def test_every_published_network_is_listed():
    assert NETWORKS.keys() >= networks.NETWORKS.keys()


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_a_network_has_as_many_parameters_as_published(net):
    assert sum(int(np.prod(shape)) for shape in leaves(net.network)) == net.parameters


@pytest.mark.parametrize(("name", "choice"), CHOICES)
def test_features_are_those_of_the_slow_judge(name, choice):
    net = NETWORKS[name]
    network = net.tiny.configured(**net.choices[choice])
    params, x = drawn(network), np.random.default_rng(1).normal(size=(*net.picture, 3))
    want = net.judge(params, x, network)
    found = jax.jit(lambda params, x: network.apply(params, x, names(network)))(params, f32(x))
    assert found.keys() == set(names(network))
    for name, values in found.items():
        np.testing.assert_allclose(values, want[name], rtol=2e-4, atol=2e-4 * np.abs(want[name]).max(), err_msg=name)


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_positions_are_those_that_the_network_makes(net):
    network = net.tiny
    params = drawn(network)
    least = network.least_side(names(network))
    for size in ((least, least), (least + 1, 2 * least - 1), (3 * least, least + least // 2 + 1)):
        made = jax.eval_shape(lambda x: network.apply(params, x, names(network)), jnp.zeros((*size, 3)))
        shapes = {name: x.shape for name, x in made.items()}
        assert shapes == {layer.name: (*layer.positions(size), layer.channels) for layer in network.layers}
        assert min(min(shape[:2]) for shape in shapes.values()) >= 2
    for layer in network.layers:
        small = network.least_side((layer.name,))
        assert min(layer.positions((small, small))) == 2
        assert min(layer.positions((small - 1, small - 1))) < 2


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_the_reach_of_a_layer_is_the_field_of_its_positions(net):
    network = net.averaging
    params = drawn(network, positive=True)
    least = network.least_side(names(network))
    longest = max(2 * layer.reach + 3 * layer.stride for layer in network.layers)
    for axis in (0, 1):  # a strip of as few pixels as it may have the other way, one row or column of which is lit
        lit = np.eye(longest)[:, :, None] if axis == 0 else np.eye(longest)[:, None]
        shape = (longest, least) if axis == 0 else (least, longest)
        pictures = np.broadcast_to(lit[..., None], (longest, *shape, 3))
        found = jax.jit(jax.vmap(lambda x: network.apply(params, x, names(network))))(f32(pictures))
        for layer in network.layers:
            # it is linear: a position answers to what its gradient is not 0 for
            answers = np.any(np.asarray(found[layer.name]) != 0, axis=(2 - axis, 3))
            middle = answers.shape[1] // 2
            seen = np.flatnonzero(answers[:, middle])
            first = middle * layer.stride + layer.first - layer.reach
            odd = (seen[-1] + 1 - seen[0] - layer.stride) % 2  # then it cannot reach as far on both sides
            assert (seen[0] - odd, seen[-1] + 1) == (first, first + layer.stride + 2 * layer.reach), layer.name
            assert first > 0
            assert seen[-1] + 1 < longest


@pytest.mark.parametrize("name", [name for name, net in NETWORKS.items() if net.network.margins])
def test_what_is_beyond_the_sides_does_not_count(name):
    net = NETWORKS[name]
    network = net.tiny
    params, asked = drawn(network), names(network)[-1:] + names(network)[2:4]
    side, h, w = net.framed
    x = np.random.default_rng(2).normal(size=(side, side, 3))
    want = jax.jit(lambda x: network.apply(params, x, asked))(f32(x[:h, :w]))
    found = jax.jit(lambda x, sides: network.apply(params, x, asked, sides))(f32(x), np.array((h, w), np.int32))
    for layer, values in found.items():
        rows, columns = network.layer(layer).positions((h, w))
        close(values[:rows, :columns], want[layer], 1e-4)
        assert not np.asarray(values)[rows:].any()
        assert not np.asarray(values)[:, columns:].any()


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_summaries_are_of_the_features(net):
    network = net.tiny
    params, x = drawn(network), f32(np.random.default_rng(4).normal(size=(*net.picture, 3)))
    asked, other = names(network)[0], names(network)[-3]
    mask = f32(RNG.random(network.layer(other).positions(net.picture)))
    wanted = {asked: (ops.Summary(ops.GRAM),), other: (ops.Summary(ops.GRAM), ops.Summary(ops.GRAM, mask))}
    features, made = jax.jit(lambda x: network.summarise(params, {}, x, (asked,), wanted))(x)
    want = jax.jit(lambda x: network.apply(params, x, (asked, other)))(x)
    assert features.keys() == {asked}
    close(features[asked], want[asked], 1e-4)
    close(made[asked], (ops.gram(want[asked]),), 1e-4)
    close(made[other], (ops.gram(want[other]), ops.GRAM(want[other], mask)), 1e-4)


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_a_network_names_its_own_layers_in_order_of_depth(net):
    network = net.network
    known = names(network)
    assert len(set(known)) == len(known)
    assert [layer.reach for layer in network.layers] == sorted(layer.reach for layer in network.layers)
    for kind in ("style", "content", "held_out"):
        assert set(network.chosen(kind)) <= set(known)
    assert copy.copy(network) == network
    assert hash(copy.copy(network)) == hash(network)
    assert net.tiny != network
