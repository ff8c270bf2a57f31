"""Each preset against a formula written from its source, in NumPy float64 and apart from this package's terms.

Features come from the judge's network; what a source does to them is spelled out as the source has it.
"""

import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from measured import distance
from PIL import Image

import nst_jax
from nst_jax import images, losses, scales, settings
from nst_jax.errors import UserError
from nst_jax.losses import W2, GramMatrix, Place
from nst_jax.networks import VGGS
from nst_jax.presets import PRESETS, adapted, find
from nst_jax.problem import total
from nst_jax.recipe import STYLE_LAYERS, Recipe, check

RNG = np.random.default_rng(5)
# 32 pixels: the least for block 5; a width that does not halve evenly
CONTENT, STYLE, IMAGE = (RNG.random((32, 38, 3)).astype(np.float32) for _ in range(3))


def raw_gram(f):
    """F F^T of (h, w, c), divided by nothing."""
    f = f.reshape(-1, f.shape[-1]).T
    return f @ f.T


def mse(a, b):
    return np.mean((a - b) ** 2)


def gatys2015(x, c, s, image):
    # eqs. 1, 4, 5 as printed; pictures of one size
    style = 0.0
    for block in range(1, 6):
        a, b = x[f"conv{block}_1"], s[f"conv{block}_1"]
        n, m = a.shape[-1], a.shape[0] * a.shape[1]
        style += 1 / 5 * ((raw_gram(a) - raw_gram(b)) ** 2).sum() / (4 * n**2 * m**2)
    return 1.0 * 0.5 * ((x["conv4_2"] - c["conv4_2"]) ** 2).sum() + 1e3 * style


def gatys_notebook(x, c, s, image):
    # GramMatrix: torch.bmm(F, F^T).div_(h * w); style_weights = [1e3 / n**2 for n in channels]; nn.MSELoss
    total = 1.0 * mse(x["relu4_2"], c["relu4_2"])
    for name in STYLE_LAYERS:
        m, n = x[name].shape[0] * x[name].shape[1], x[name].shape[-1]
        total += 1e3 / n**2 * mse(raw_gram(x[name]) / m, raw_gram(s[name]) / m)
    return total


def gatys2017(x, c, s, image):
    total = 1e6 * mse(x["relu4_2"], c["relu4_2"])
    for name in STYLE_LAYERS:
        m = x[name].shape[0] * x[name].shape[1]
        total += 1e9 / 5 * mse(raw_gram(x[name]) / m, raw_gram(s[name]) / m)
    return total


def johnson_terms(x, c, s):
    # G:div(input:nElement()); MSECriterion
    total = 5.0 * mse(x["relu4_2"], c["relu4_2"])
    for name in STYLE_LAYERS:
        total += 1e2 * mse(raw_gram(x[name]) / x[name].size, raw_gram(s[name]) / s[name].size)
    return total


def jcjohnson(x, c, s, image):
    # TVLoss:updateGradInput is the gradient of this; rows and columns {1, -2}
    p = 255 * image
    tv = sum(
        0.5 * ((p[i, j] - p[i, j + 1]) ** 2 + (p[i, j] - p[i + 1, j]) ** 2).sum()
        for i in range(p.shape[0] - 1)
        for j in range(p.shape[1] - 1)
    )
    return johnson_terms(x, c, s) + 1e-3 * tv


def photoreal(x, c, s, image):
    return jcjohnson(x, c, s, image) + 5.0 * 2e5 * reference.matting(image, np.asarray(CONTENT, np.float64))


def absolute(image):
    p = 255 * image
    return np.abs(p[1:] - p[:-1]).sum() + np.abs(p[:, 1:] - p[:, :-1]).sum()


def neural_style_pt(x, c, s, image):
    return johnson_terms(x, c, s) + 1e-3 * absolute(image)


def anishathalye(x, c, s, image):
    # 2 * l2_loss(a) / size is the mean of squares; style_layers_weights are 1 / 5
    p = 255 * image
    total = 5.0 * mse(x["relu4_2"], c["relu4_2"])
    for name in STYLE_LAYERS:
        total += 5e2 / 5 * mse(raw_gram(x[name]) / x[name].size, raw_gram(s[name]) / s[name].size)
    return total + 1e2 * (mse(p[1:], p[:-1]) + mse(p[:, 1:], p[:, :-1]))


def gordic(x, c, s, image):
    # gram_matrix divides by ch * h * w; MSELoss(reduction='sum'), averaged over the layers
    style = np.mean([((raw_gram(x[n]) / x[n].size - raw_gram(s[n]) / s[n].size) ** 2).sum() for n in STYLE_LAYERS])
    return 1e5 * mse(x["relu4_2"], c["relu4_2"]) + 3e4 * style + 1.0 * absolute(image)


def crowson(x, c, s, image):
    total = 0.015 * mse(x["relu4_2"], c["relu4_2"])
    for name, weight in zip(STYLE_LAYERS, (256, 64, 16, 4, 1), strict=True):
        total += weight / 341 * reference.w2(x[name], s[name])
    p = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    s1, s2, s3, s4 = slice(1, -1), slice(2, None), slice(None, -1), slice(1, None)
    d1, d2 = mse(p[s1, s2], p[s1, s1]) / 3, mse(p[s2, s1], p[s1, s1]) / 3
    d3, d4 = mse(p[s4, s4], p[s3, s3]) / 12, mse(p[s4, s3], p[s3, s4]) / 12
    return total + 2.0 * 2 * (d1 + d2 + d3 + d4)


def keras(x, c, s, image):
    rows, cols = image.shape[:2]
    total = 2.5e-8 * ((x["relu5_2"] - c["relu5_2"]) ** 2).sum()
    for name in STYLE_LAYERS:
        difference = raw_gram(s[name]) - raw_gram(x[name])
        total += 1e-6 / 5 * (difference**2).sum() / (4.0 * 3**2 * (rows * cols) ** 2)
    p = 255 * image
    a = (p[: rows - 1, : cols - 1] - p[1:, : cols - 1]) ** 2
    b = (p[: rows - 1, : cols - 1] - p[: rows - 1, 1:]) ** 2
    return total + 1e-6 * ((a + b) ** 1.25).sum()


def spst(x, c, s, image):
    # weights_Gram_matrices = [1e3 / n**2], the others w * n**2 * 1000 / 100; each over numel()
    total = 1.0 * mse(x["relu4_2"], c["relu4_2"])
    for name in STYLE_LAYERS:
        (m, n), (a, b) = (x[name].shape[0] * x[name].shape[1], x[name].shape[-1]), (x[name], s[name])
        total += 1e3 / n**2 * mse(raw_gram(a) / m, raw_gram(b) / m)
        # but for what keeps a flat channel's derivative finite: 1e-5 of the style's mean square beside the variance
        a_std, b_std = (np.sqrt(f.var((0, 1)) + 1e-5 * np.mean(b**2)) for f in (a, b))
        total += 1e4 * mse(a.mean((0, 1)), b.mean((0, 1))) + 1e4 * mse(a_std, b_std)
    return total


SOURCES = {
    "default": lambda x, c, s, image: (
        0.5 * ((x["relu4_2"] - c["relu4_2"]) ** 2).sum()
        + 1e3 / 5 * sum(reference.style_loss(x[name], s[name]) for name in STYLE_LAYERS)
    ),
    "gatys2015": gatys2015,
    "gatys-notebook": gatys_notebook,
    "gatys2017-normalised": gatys2017,
    "jcjohnson": jcjohnson,
    "neural-style-pt": neural_style_pt,
    "photoreal": photoreal,
    "anishathalye": anishathalye,
    "gordic": gordic,
    "crowson": crowson,
    "keras": keras,
    "spst": spst,
}
"""What each source computes from the features of image, content and style and from the image itself."""

OURS = ("default", "fast", "best", "print")
"""Presets without a source; `default` has the formulas of the judge."""


def test_every_preset_has_its_formula():
    assert set(PRESETS) - set(OURS) == set(SOURCES) - {"default"}


@pytest.mark.parametrize("name", SOURCES)
def test_presets_are_their_sources_formulas(tiny, name):
    recipe = adapted(name, scales=1)  # an objective is one of a scale
    if name == "default":
        recipe = replace(recipe, **FORMULAS)
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=recipe)
    loss, _ = total(tiny.encoder, problem, jnp.asarray(IMAGE))
    found, c, s = (tiny.features(x, recipe.pooling, recipe.padding) for x in (IMAGE, CONTENT, STYLE))
    assert float(loss) == pytest.approx(SOURCES[name](found, c, s, np.float64(IMAGE)), rel=2e-4)


FORMULAS = {
    "alpha": 1.0, "beta": 1e3, "tv": 0.0, "content_layers": ("relu4_2",), "style_layers": STYLE_LAYERS,
    "layer_weights": (), "content_loss": "half-sum", "style_loss": "gram", "units": "paper",
}  # fmt: skip
"""What the judge of `default` has, so that tuning its numbers does not look like a change of formulas."""


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_have_a_finite_gradient(tiny, name):
    check(PRESETS[name])
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=adapted(name, scales=1))
    value = jax.jit(jax.grad(lambda x, p: total(tiny.encoder, p, x)[0]))
    assert np.isfinite(np.asarray(value(jnp.full_like(CONTENT, 0.5), problem))).all()
    grad = np.asarray(value(jnp.asarray(CONTENT), problem))
    assert np.isfinite(grad).all()
    assert np.abs(grad).max() > 0


@pytest.mark.parametrize("name", ["fast", "best"])
def test_fast_is_the_default_cut_short_and_best_takes_longer_by_the_distance_that_won(name):
    recipe, default = PRESETS[name], PRESETS["default"]
    loss = "w2" if name == "best" else default.style_loss
    assert replace(recipe, steps=default.steps) == replace(default, style_loss=loss)
    assert (recipe.steps < default.steps) == (name == "fast")
    assert (recipe.steps > default.steps) == (name == "best")


def test_crowsons_sizes_and_steps_are_the_sources():
    recipe = PRESETS["crowson"]
    found = scales.plan((384, 512), (512, 512), recipe, VGGS["vgg16"].least_side(recipe.style_layers))
    assert [max(scale.content) for scale in found] == [128, 181, 256, 362, 512]
    assert [scale.steps(recipe) for scale in found] == [1000, 500, 500, 500, 500]
    assert recipe.ema == 0.99


def test_spsts_scales_and_steps_are_the_sources():
    recipe = PRESETS["spst"]
    found = scales.plan((6144, 8192), (6144, 8192), recipe, VGGS["vgg16"].least_side(recipe.style_layers))
    assert [max(scale.content) for scale in found] == [1024, 2048, 4096, 8192]
    assert [scale.steps(recipe) for scale in found] == [600, 200, 66, 30]


@pytest.mark.parametrize(
    ("name", "filter", "whole"),
    [
        ("neural-style-pt", Image.Resampling.BILINEAR, int),
        ("gatys-notebook", Image.Resampling.BILINEAR, int),
        ("jcjohnson", Image.Resampling.BOX, int),
        ("crowson", Image.Resampling.BICUBIC, round),
        ("keras", Image.Resampling.NEAREST, int),
    ],
)
def test_presets_bring_pictures_to_their_sizes_as_their_sources_do(name, filter, whole):
    levels = np.random.default_rng(3).integers(64, 192, (149, 192, 3), np.uint8)
    want = np.asarray(Image.fromarray(levels).resize((100, whole(149 * 100 / 192)), filter))
    found = images.resize(levels, images.sizing(replace(PRESETS[name], size=100)))
    assert found.shape == want.shape
    np.testing.assert_allclose(found * 255, want, atol=0.51 if name == "keras" else 1.51)


def test_find_names_the_nearest():
    assert find("jcjohnson") == PRESETS["jcjohnson"]
    with pytest.raises(UserError, match="no preset is called 'jcjonson': did you mean 'jcjohnson'"):
        find("jcjonson")
    with pytest.raises(UserError, match="use one of default, fast, best, print, gatys2015"):
        find("zzz")


@pytest.mark.parametrize(
    ("name", "rate"), [("jcjohnson", 10), ("neural-style-pt", 1), ("gordic", 10), ("anishathalye", 10)]
)
def test_adams_rate_is_the_sources(name, rate):
    assert adapted(name, optimizer="adam").lr == rate / 255
    check(adapted(name, optimizer="adam"))


@pytest.mark.parametrize("deciders", [{"optimizer": "adam"}, {"optimizer": "lbfgs"}, {"scales": 1}, {"init": "noise"}])
@pytest.mark.parametrize("name", PRESETS)
def test_an_adapted_preset_is_valid_and_changes_only_what_it_must(name, deciders):
    found = adapted(name, **deciders)
    check(found)
    assert {key: getattr(found, key) for key in deciders} == deciders
    idle = {"lr", "ema", "lr_schedule", "coarse_steps", "first_steps", "scale_ratio", "style_scaling", "min_scale"}
    idle |= {"steps_ratio"}
    kept = {f.name for f in fields(Recipe)} - idle - {"seed", *deciders}
    assert {key: getattr(found, key) for key in kept} == {key: getattr(PRESETS[name], key) for key in kept}
    if all(getattr(PRESETS[name], key) == choice for key, choice in deciders.items()):
        assert found == PRESETS[name]


# --- the formulas one by one ---


def f32(x):
    return jnp.asarray(x, jnp.float32)


def variation(image, kind):
    return distance(losses.VARIATION[kind], image, image)


def w2(x, s):
    return distance(W2(), x, s)


@pytest.mark.parametrize(("kind", "want"), [("half-sum", 7), ("sum", 14), ("mean", 14 / 4)])
def test_content_kinds_by_hand(kind, want, run):
    x, y = f32([[[1, 2], [0, 3]]]), jnp.zeros((1, 2, 2))
    assert float(run(lambda x, y: distance(losses.CONTENT[kind], x, y), x, y)) == pytest.approx(want)


@pytest.mark.parametrize(
    ("kind", "want"), [("gram", 1), ("gram-mean", 4), ("gram-johnson", 4 / 9), ("gram-keras", 36 * (6 / 24) ** 2 / 36)]
)
def test_style_kinds_by_hand(kind, want, run):
    # sum of squares 9 x 2^2 = 36, three channels
    a, b = jnp.full((3, 3), 3.0), jnp.ones((3, 3))
    found = run(lambda a, b: GramMatrix(kind).distance(a, b, Place(6, 3, 24)), a, b)
    assert float(found) == pytest.approx(want)


TV_BY_HAND = {
    # one channel (0, 1; 0, 0.5): right 1, 0.5; down 0, -0.5
    "squares": 1 + 0.25 + 0.25,
    "johnson": 0.5 * 255**2,
    "absolute": 255 * 2,
    "mean-squares": 255**2 * (1.25 / 6 + 0.25 / 6),
    "keras": 255**2.5,
}


@pytest.mark.parametrize("kind", TV_BY_HAND)
def test_total_variations_by_hand(kind, run):
    image = jnp.zeros((2, 2, 3)).at[..., 0].set(f32([[0, 1], [0, 0.5]]))
    found = run(lambda image: variation(image, kind), image)
    assert float(found) == pytest.approx(TV_BY_HAND[kind], rel=1e-5)


@pytest.mark.parametrize("kind", [*TV_BY_HAND, "nine-point"])
def test_total_variations_leave_the_channel_axis_alone_and_have_a_gradient_on_flat_pictures(kind):
    colours = jnp.broadcast_to(f32([0, 0.5, 1]), (4, 5, 3))
    value, grad = jax.value_and_grad(lambda x: variation(x, kind))(colours)
    assert float(value) == 0
    assert not np.asarray(grad).any()


def test_nine_point_of_a_gentle_slope_is_the_mean_of_squares():
    # On a plane each stencil's diagonals add up to what its straight differences do.
    plane = f32(np.broadcast_to(np.arange(60)[:, None, None] * 0.01, (60, 40, 3)))
    assert float(variation(plane, "nine-point")) == pytest.approx(0.01**2, rel=0.05)


# --- mean and covariance ---

WIDE, NARROW = RNG.normal(1, 2, (9, 8, 4)), RNG.normal(0, 1, (6, 7, 4)) @ RNG.normal(0, 1, (4, 4))


def test_w2_is_that_of_the_judge(run):
    found = run(w2, f32(WIDE), f32(NARROW))
    assert float(found) == pytest.approx(reference.w2(WIDE, NARROW), rel=1e-3)


def test_w2_by_hand():
    # one channel: (m - m_s)^2 + (sd - sd_s)^2 = (2 - 0)^2 + (3 - 1)^2
    x, s = f32([[[5.0], [-1.0]]]), f32([[[1.0], [-1.0]]])
    assert float(w2(x, s)) == pytest.approx(8, rel=1e-3)


def test_w2_gradient_is_that_of_finite_differences(run):
    positions = np.stack([RNG.integers(0, n, 12) for n in WIDE.shape], 1)
    want = reference.gradient(lambda x: reference.w2(x, NARROW), WIDE, positions)
    got = np.asarray(run(jax.grad(w2), f32(WIDE), f32(NARROW)))
    assert got[tuple(positions.T)] == pytest.approx(want, rel=1e-2, abs=1e-3 * np.abs(want).max())


def test_w2_is_zero_at_the_target_and_blind_to_the_order_of_positions():
    value, grad = jax.value_and_grad(w2)(f32(WIDE), f32(WIDE))
    assert abs(float(value)) < 1e-4
    assert np.abs(grad).max() < 1e-4
    shuffled = RNG.permutation(WIDE.reshape(-1, 4)).reshape(12, 6, 4)
    assert abs(float(w2(f32(shuffled), f32(WIDE)))) < 1e-4


def test_w2_has_a_finite_gradient_with_dead_and_repeated_channels():
    x = np.repeat(WIDE[..., :2], 2, axis=-1)
    x[..., 3] = 0
    for style in (np.zeros_like(x), x):
        value, grad = jax.value_and_grad(w2)(f32(1e3 * x), f32(style))
        assert np.isfinite(float(value))
        assert np.isfinite(np.asarray(grad)).all()


def test_units_are_static_so_a_sweep_does_not_change_them(tiny):
    recipe = Recipe(content_layers=("relu1_1",), style_layers=("relu1_1",), style_loss="gram-mean", content_loss="mean")
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=recipe)
    structure = jax.tree.structure(problem)
    assert jax.tree.structure(nst_jax.vary(problem, alpha=3)) == structure
    other = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=replace(recipe, style_loss="gram-johnson"))
    assert jax.tree.structure(other) != structure


def test_no_preset_of_another_program_moves_with_the_default():
    """Read the recipe's file with other defaults: what each preset relies on stays what it is."""
    other = {
        "alpha": "7.0", "beta": "7.0", "tv": "7.0", "units": '"relative"', "content_loss": '"mean"',
        "style_loss": '"w2"', "tv_loss": '"nine-point"', "content_layers": '("relu3_1",)',
        "style_layers": '("relu1_2",)', "init": '"grey"',
        "size": "64", "style_size": "32", "colour": '"match-mk"', "resample": '"box"', "rounding": '"down"',
        "scales": "3", "steps": "7", "canvas": '"fourier"', "optimizer": '"adam"', "lr": "0.5", "pooling": '"avg"',
        "padding": '"reflect"', "weights": '"vgg19"', "precision": '"float32"', "smoothing": '"constant"',
        "bucket": "32", "scale_ratio": "2.5", "min_scale": "16", "ema": "0.3",
    }  # fmt: skip
    path = Path(nst_jax.__file__).parent
    text = (path / "recipe.py").read_text()
    for name, value in other.items():
        text, count = re.subn(rf"^(    {name}: [^=\n]+) = .+$", rf"\1 = {value}", text, count=1, flags=re.MULTILINE)
        assert count == 1, name
    code = (
        "import sys, types, json, dataclasses\n"
        "import nst_jax\n"
        "found = types.ModuleType('nst_jax.recipe'); sys.modules['nst_jax.recipe'] = found\n"
        "exec(compile(sys.stdin.read(), 'recipe', 'exec'), found.__dict__)\n"
        "from nst_jax import presets, settings\n"
        "print(json.dumps({name: {k: v for k, v in vars(r).items() if not settings.idle_in(r, k)}\n"
        "                  for name, r in presets.PRESETS.items()}))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    moved = json.loads(run.stdout)
    assert moved["default"]["beta"] == 7.0
    for name in set(PRESETS) - set(OURS):
        read = {k: v for k, v in vars(PRESETS[name]).items() if not settings.idle_in(PRESETS[name], k)}
        assert moved[name] == json.loads(json.dumps(read)), name
