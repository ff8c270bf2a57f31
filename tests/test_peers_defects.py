"""Defects that other style transfer programs have had, each kept out of this one by a test."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from measured import distance

import nst_jax
from nst_jax import losses, ops
from nst_jax.losses import GramMatrix, Place
from nst_jax.networks import TORCHVISION, features, preprocess
from nst_jax.problem import total
from nst_jax.recipe import Recipe, tidied
from nst_jax.weights.normalize import mean_activations, normalize

RNG = np.random.default_rng(11)
CONTENT, STYLE, OTHER, IMAGE = (jnp.asarray(RNG.random((16, 16, 3)), jnp.float32) for _ in range(4))
RECIPE = Recipe(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), beta=10.0)


def test_new_targets_reach_a_compiled_step(tiny):
    # A step compiled as a method with `self` static kept the first frame's targets for all frames.
    traces = []

    @jax.jit
    def loss(problem, image):
        traces.append(1)
        return total(tiny.encoder, problem, image)[0]

    recipe = replace(RECIPE, beta=0.0, tv=0.0)
    for content in (CONTENT, OTHER):
        problem = nst_jax.pose(tiny.encoder, content, STYLE, recipe=recipe)
        assert float(loss(problem, content)) < 1e-8
        assert float(loss(problem, IMAGE)) > 1e-2
    assert len(traces) == 1


def test_targets_are_arrays_not_work_of_every_step(tiny):
    # Targets rebuilt inside the jitted step cost a network pass each step. Ours do not depend on the pictures any more.
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=RECIPE)
    shapes = {name: gram.shape for name, gram in problem.terms["style"].targets.items()}
    assert shapes == {"relu1_1": (2, 2), "relu2_1": (3, 3)}
    text = str(jax.make_jaxpr(lambda x: total(tiny.encoder, problem, x)[0])(IMAGE))
    assert text.count("conv_general_dilated") == 3  # conv1_1, conv1_2, conv2_1, once each


def test_the_embedded_weights_are_fed_bgr_of_0_to_255_less_the_mean():
    # Keras' files fed RGB in [0, 1] with ImageNet's standard deviation.
    encoder = nst_jax.load_encoder()
    red = jnp.zeros((2, 2, 3)).at[..., 0].set(1.0)
    seen = preprocess(red, encoder.preprocessing)
    assert np.asarray(seen[0, 0]) == pytest.approx([0 - 103.939, 0 - 116.779, 255 - 123.68], abs=1e-3)


def test_preprocessing_travels_with_the_weights(tiny):
    encoder = replace(tiny.encoder, preprocessing=TORCHVISION)
    image = np.asarray(IMAGE, float)
    x = (image - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    kernel, bias = tiny.kernels["conv1_1"]
    want = bias + sum(x[4 + i, 5 + j] @ kernel[1 + i, 1 + j] for i in (-1, 0, 1) for j in (-1, 0, 1))
    found = features(encoder, IMAGE, ["conv1_1"])["conv1_1"]
    assert np.asarray(found[4, 5]) == pytest.approx(want, rel=1e-4)


def test_normalised_weights_are_normalised(tiny):
    # A switch called normalize scaled the loss, and so its gradient, by its own square, and normalised nothing.
    pictures = [CONTENT, STYLE]
    scaled = normalize(tiny.encoder, pictures)
    means = mean_activations(scaled, pictures)
    alive = mean_activations(tiny.encoder, pictures)
    for name in ("conv1_1", "conv1_2", "conv2_1"):
        assert means[name][alive[name] > 0] == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("factor", [1.0, 100.0])
def test_a_weight_multiplies_the_gradient_once(tiny, factor):
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=replace(RECIPE, tv=0.0))

    def gradient(beta):
        weighed = nst_jax.vary(problem, alpha=0, beta=beta)
        return np.asarray(jax.jit(jax.grad(lambda x: total(tiny.encoder, weighed, x)[0]))(IMAGE))

    assert gradient(factor) == pytest.approx(factor * gradient(1.0), rel=1e-4)


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_the_image_comes_back_however_few_steps_were_taken(tiny, steps):
    # Pictures were saved only at the last scheduled call, which an optimizer that stops early never makes.
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=RECIPE)
    found = nst_jax.solve(tiny.encoder, problem, steps=steps, descent=nst_jax.Adam(lr=0.05), precision="float32")
    assert found.image.shape == CONTENT.shape
    assert np.isfinite(np.asarray(found.image)).all()
    assert len(found.history["total"]) == steps + 1
    best = float(total(tiny.encoder, problem, found.image)[0])
    assert best == pytest.approx(float(found.history["total"].min()), rel=1e-3)


def test_an_optimizer_that_breaks_gives_back_the_best_image(tiny):
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=RECIPE)
    descent = nst_jax.Transformation(optax.sgd(1e30), bounded=False)
    found = nst_jax.solve(tiny.encoder, problem, steps=20, descent=descent, precision="float32")
    assert found.stopped == "non-finite"
    assert np.isfinite(np.asarray(found.image)).all()
    assert np.isfinite(float(total(tiny.encoder, problem, found.image)[0]))


@pytest.mark.parametrize("kind", ["squares", "johnson", "absolute", "mean-squares", "nine-point", "keras"])
def test_total_variation_counts_rows_and_columns_and_not_channels(kind):
    # It differenced the last two of (height, width, channel).
    def variation(image):
        return distance(losses.VARIATION[kind], image, image)

    colours = jnp.broadcast_to(jnp.asarray([0.0, 0.5, 1.0]), (6, 6, 3))
    assert float(variation(colours)) == 0
    ramp = jnp.broadcast_to(jnp.arange(6.0)[:, None, None] / 6, (6, 6, 3))
    down, right = variation(ramp), variation(ramp.swapaxes(0, 1))
    assert float(down) > 0
    assert float(down) == pytest.approx(float(right), rel=1e-5)


def test_grams_do_not_mix_the_images_of_a_batch(tiny):
    # Two frames were flattened into one Gram.
    pair = jnp.stack([CONTENT, OTHER])
    together = jax.vmap(ops.gram)(pair)
    alone = jnp.stack([ops.gram(CONTENT), ops.gram(OTHER)])
    assert np.asarray(together) == pytest.approx(np.asarray(alone), rel=1e-5)
    problem = nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=RECIPE)
    gradient = jax.jit(jax.grad(lambda x: total(tiny.encoder, problem, x)[0]))
    lanes = np.asarray(jax.jit(jax.vmap(gradient))(pair))
    for lane, image in zip(lanes, pair, strict=True):
        want = np.asarray(gradient(image))
        assert lane == pytest.approx(want, rel=1e-3, abs=1e-4 * float(np.abs(want).max()))


def test_layers_weigh_as_in_the_paper():
    # Keras' example divides every layer by the image's size: in ours that is a kind of its own, not the default.
    gram, target = jnp.full((4, 4), 2.0), jnp.zeros((4, 4))
    paper = 16 * 4 / (4 * 4**2)
    for place in (Place(1, 4, 1), Place(64, 4, 4096)):
        assert float(GramMatrix().distance(gram, target, place)) == paper
    assert float(GramMatrix("gram-keras").distance(gram, target, Place(64, 4, 4096))) != pytest.approx(paper)


def test_a_preset_of_the_paper_has_the_papers_numbers():
    # A switch for the paper's own numbers silently took the implementation's.
    from nst_jax.presets import find

    paper = find("gatys2015")
    assert (paper.alpha, paper.beta, paper.pooling, paper.init) == (1.0, 1e3, "avg", "noise")
    assert paper.content_layers == ("conv4_2",)
    assert (paper.content_loss, paper.style_loss, paper.layer_weights) == ("half-sum", "gram", ())
    assert find("gatys-notebook") != paper


def test_every_number_of_a_recipe_changes_the_problem(tiny):
    # An option was parsed and never used.
    read = {"optimizer": "adam", "init": "blend:0.5"}  # what else must be chosen for some to be read
    changed = {
        "alpha": 2.0, "beta": 3.0, "tv": 1.0, "lr": 0.5, "lr_schedule": "cosine", "ema": 0.9, "seed": 5, "steps": 7,
        "layer_weights": (1.0, 2.0), "init": "grey", "optimizer": "lbfgs", "pooling": "max", "padding": "reflect",
        "content_loss": "sum", "style_loss": "gram-mean", "tv_loss": "absolute", "content_layers": ("relu1_1",),
        "style_layers": ("conv1_1", "conv2_1"), "bucket": 32, "remat": True, "precision": "tf32", "tile": 16,
        "canvas": "pyramid", "units": "paper", "colour": "keep-luminance", "mmd_c": 3.0,
        "transforms": True, "smoothing": "softmax", "temperature": 2.0,
        "projections": 8, "patch": 2, "pair_precision": "bfloat16",
    }  # fmt: skip
    needs = {"mmd_c": {"style_loss": "mmd-poly"}, "temperature": {"smoothing": "softmax"}}
    needs |= {"pair_precision": {"optimizer": "lbfgs"}}
    needs |= {"projections": {"style_loss": "sliced"}, "patch": {"style_loss": "nearest"}}
    # those of sizes and of several scales, which are for stylize; weights name the encoder
    elsewhere = {"size", "style_size", "scales", "scale_ratio", "min_scale", "style_scaling", "coarse_steps"}
    elsewhere |= {"resample", "rounding", "style_shares", "frame", "guides", "style_sizes", "steps_ratio"}
    assert changed.keys() | elsewhere | {"first_steps", "weights"} == Recipe.__dataclass_fields__.keys()
    for name, value in changed.items():
        base, other = (posed(tiny, {**read, **needs.get(name, {}), **more}) for more in ({}, {name: value}))
        same = jax.tree.structure(base) == jax.tree.structure(other) and all(
            np.array_equal(a, b) for a, b in zip(jax.tree.leaves(base), jax.tree.leaves(other), strict=True)
        )
        assert not same, name


def posed(tiny, changes):
    recipe = tidied(replace(RECIPE, **changes))
    return nst_jax.pose(tiny.encoder, CONTENT, STYLE, recipe=recipe)
