"""Every descent and every canvas by the same tests; a new one is tested by being listed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct
from jax.flatten_util import ravel_pytree
from objectives import NOBODY, Cliff, pose

import nst_jax
from nst_jax import canvases
from nst_jax.canvases import Canvas, Pixels
from nst_jax.descents import LBFGS, Adam, Descent, Transformation, Zoom


@struct.dataclass
class HeavyBall(Descent):
    """Momentum of a reader's own."""

    lr: Any = 0.05
    momentum: Any = 0.5

    def init(self, x, canvas):
        return jax.tree.map(jnp.zeros_like, x)

    def update(self, state, at):
        state = jax.tree.map(lambda m, g: self.momentum * m - self.lr * g, state, at.grad)
        return at.bounded(jax.tree.map(jnp.add, at.x, state)), state


@dataclass(frozen=True)
class Logits(Canvas):
    """A picture as the sigmoid of what moves, in two leaves."""

    def encode(self, image):
        x = jnp.clip(image, 0.01, 0.99)
        x = jnp.log(x / (1 - x))
        return {"red": x[..., 0], "rest": x[..., 1:]}

    def draw(self, x, size):
        return jax.nn.sigmoid(jnp.concatenate([x["red"][..., None], x["rest"]], -1))


@dataclass(frozen=True)
class Tiles(Canvas):
    """Each number is a square of pixels."""

    side: int = 2
    low = 0.0
    high = 1.0

    def encode(self, image):
        h, w, _ = image.shape
        return image.reshape(h // self.side, self.side, w // self.side, self.side, 3).mean((1, 3))

    def draw(self, x, size):
        return x.repeat(self.side, 0).repeat(self.side, 1)


SGD = optax.sgd(0.1)
DESCENTS: dict[str, Descent] = {
    "lbfgs": LBFGS(),
    "lbfgs of 3 pairs": LBFGS(memory=3),
    "adam": Adam(),
    "adam, cosine": Adam(lr=0.05, schedule="cosine"),
    "adam, averaged": Adam(lr=0.05, ema=0.9),
    "adam, fast and averaged": Adam(lr=0.2, ema=0.9),
    "zoom": Zoom(),
    "optax": Transformation(SGD),
    "own": HeavyBall(),
}
CANVASES: dict[str, Canvas] = {
    **canvases.CANVASES,
    "channels first": Pixels(channels_first=True),
    "logits": Logits(),
    "tiles": Tiles(),
}

PAIRS = [
    *((descent, "pixels") for descent in DESCENTS if descent != "adam, fast and averaged"),
    *((descent, canvas) for descent in ("lbfgs", "own") for canvas in CANVASES if canvas != "pixels"),
    *(("adam, fast and averaged", canvas) for canvas in CANVASES if canvas != "pixels"),
]
QUIET = nst_jax.Watch(say=lambda _: None)
STEPS = 60
"""Two calls of the compiled program."""


def two_lanes(descent: Descent, canvas: Canvas) -> nst_jax.Sweep:
    """Pose a bowl whose bottom is free, and one with a cliff before it."""
    problem = pose(Cliff(), descent, start=0.8, canvas=canvas)
    term = problem.terms["own"]
    edges = [replace(problem, terms={"own": replace(term, given={"image": np.float32(e)})}) for e in (-9, 0.6)]
    return nst_jax.stack(edges)


@pytest.mark.parametrize(("descent", "canvas"), PAIRS)
def test_a_descent_finds_the_bottom_survives_a_cliff_and_goes_on_after_a_stop(descent, canvas, tmp_path: Path):
    optimizer = DESCENTS[descent]
    sweep = two_lanes(optimizer, CANVASES[canvas])
    bowl, cliff = nst_jax.solve_batch(NOBODY, sweep, steps=STEPS, watch=QUIET).solutions

    losses = bowl.history["total"]
    assert losses[bowl.best_step] < 0.5 * losses[0]
    if getattr(optimizer, "ema", None) is None:
        assert bowl.best_step == int(np.nanargmin(losses))
    for found in (bowl, cliff):
        assert 0 <= found.image.min() <= found.image.max() <= 1
    assert cliff.image.min() > 0.6
    assert np.isfinite(cliff.history["total"][cliff.best_step])

    # a lane is the solo run, whatever its neighbour fell into
    alone = nst_jax.solve(NOBODY, sweep.problems[0], steps=STEPS)
    np.testing.assert_allclose(bowl.history["total"][:5], alone.history["total"][:5], rtol=1e-4)
    np.testing.assert_allclose(bowl.image, alone.image, atol=2e-3)

    once = nst_jax.Watch(say=lambda _: None, stop=lambda: True)
    with pytest.raises(nst_jax.Interrupted):
        nst_jax.solve_batch(NOBODY, sweep, steps=STEPS, folder=tmp_path, watch=once)
    assert list(tmp_path.glob("chunk-*.npz"))
    again = nst_jax.solve_batch(NOBODY, sweep, steps=STEPS, folder=tmp_path, watch=QUIET)
    read = nst_jax.solve_batch(NOBODY, sweep, steps=STEPS, folder=tmp_path, watch=QUIET)
    for results in (again, read):
        for a, b in zip((bowl, cliff), results.solutions, strict=True):
            np.testing.assert_array_equal(a.history["total"], b.history["total"])
            np.testing.assert_array_equal(a.image, b.image)
            assert (a.best_step, a.stopped, a.evaluations) == (b.best_step, b.stopped, b.evaluations)


every_canvas = pytest.mark.parametrize("canvas", CANVASES.values(), ids=CANVASES)


@every_canvas
def test_a_picture_comes_back_from_its_canvas(canvas):
    image = jnp.asarray(np.random.default_rng(0).uniform(0.05, 0.95, (3, 4, 3)), jnp.float32).repeat(2, 0).repeat(2, 1)
    np.testing.assert_allclose(canvas.draw(canvas.encode(image), image.shape[:2]), image, atol=1e-5)


@every_canvas
def test_its_gradient_is_that_of_finite_differences(canvas):
    image = jnp.asarray(np.random.default_rng(1).uniform(0.2, 0.8, (4, 4, 3)), jnp.float32)
    weights = jnp.asarray(np.random.default_rng(2).normal(size=image.shape), jnp.float32)
    x = canvas.encode(image)

    def loss(x):
        return jnp.sum(weights * canvas.draw(x, (4, 4)) ** 2)

    way = jax.tree.map(lambda leaf: jnp.asarray(np.random.default_rng(3).normal(size=leaf.shape), jnp.float32), x)
    slope = sum(jnp.sum(g * d) for g, d in zip(jax.tree.leaves(jax.grad(loss)(x)), jax.tree.leaves(way), strict=True))
    there, back = (loss(jax.tree.map(lambda a, d, s=s: a + s * d, x, way)) for s in (1e-2, -1e-2))
    assert float(slope) == pytest.approx(float(there - back) / 2e-2, rel=2e-2)


@every_canvas
def test_its_metric_is_symmetric_and_positive(canvas):
    x = canvas.encode(jnp.full((4, 4, 3), 0.5, jnp.float32))
    flat, unravel = ravel_pytree(x)
    rows = [ravel_pytree(canvas.metric(unravel(row)))[0] for row in jnp.eye(flat.size)]
    matrix = np.asarray(rows, np.float64)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert np.linalg.eigvalsh(matrix).min() > 0


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam", "ema": 0.5, "scales": 2}], ids=["lbfgs", "two scales"])
def test_a_picture_with_its_channels_first_is_the_same_picture(tiny, monkeypatch, settings):
    # As a TPU keeps it.
    content, style = np.random.default_rng(0).random((2, 32, 24, 3), np.float32)
    layers = {"content_layers": ("relu2_2",), "style_layers": ("relu1_1", "relu2_1")}
    recipe = nst_jax.Recipe(steps=5, **layers, **settings)
    plain = nst_jax.stylize(tiny.encoder, content, style, recipe)
    monkeypatch.setattr(Pixels, "prepared", lambda self, platform: Pixels(channels_first=True))
    first = nst_jax.stylize(tiny.encoder, content, style, recipe)
    np.testing.assert_allclose(first.image, plain.image, atol=1e-5)
    np.testing.assert_allclose(first.history["total"], plain.history["total"], rtol=1e-5)


def test_a_tpu_keeps_the_channels_first():
    assert Pixels().prepared("tpu").encode(jnp.zeros((4, 5, 3))).shape == (3, 4, 5)
    assert Pixels().prepared("gpu") == Pixels().prepared("cpu") == Pixels()
