"""`solve_batch(folder=...)`: a stopped sweep goes on to the same bits, with a descent and a canvas of one's own too."""

import json
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

from nst_jax import (
    Adam,
    Canvas,
    Descent,
    Interrupted,
    Problem,
    Results,
    Sweep,
    Transformation,
    UserError,
    Watch,
    grid,
    optimize,
    pose,
    product,
    solve_batch,
    stylize,
)
from nst_jax.batch.store import Store, digest
from nst_jax.recipe import Recipe

RECIPE = Recipe(
    content_layers=("relu2_2",), style_layers=("relu1_1", "relu2_1"), beta=1e3, size=0, steps=5, optimizer="adam"
)
BETAS = [10.0, 100.0, 1000.0]
QUIET = Watch(say=lambda _: None)


@struct.dataclass
class Langevin(Descent):
    """Signed momentum with noise: a state of a key, of bfloat16, and of a Python number."""

    lr: Any = 0.03

    def init(self, x: Any, canvas: Canvas) -> Any:
        """Begin at rest."""
        rest = jax.tree.map(lambda leaf: jnp.zeros_like(leaf, jnp.bfloat16), x)
        return {"key": jax.random.key(3), "momentum": rest, "done": 0}

    def update(self, state: Any, at: Any) -> tuple[Any, Any]:
        """Step along the sign of the momentum."""
        key, now = jax.random.split(state["key"])
        momentum = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g.astype(m.dtype), state["momentum"], at.grad)
        noise = 0.1 * jax.random.normal(now)
        x = jax.tree.map(lambda x, m: x - self.lr * (jnp.sign(m.astype(jnp.float32)) + noise), at.x, momentum)
        return at.bounded(x), {"key": key, "momentum": momentum, "done": state["done"] + 1}


@dataclass(frozen=True)
class Split(Canvas):
    """A mean colour and what deviates from it."""

    gain: float = 2.0

    def encode(self, image: Any) -> Any:
        """Take the mean off."""
        mean = jnp.mean(image, (0, 1), keepdims=True)
        return {"mean": mean, "rest": (image - mean) / self.gain}

    def draw(self, x: Any, size: tuple[int, int]) -> Any:
        """Add it again."""
        return jnp.clip(x["mean"] + self.gain * x["rest"], 0, 1)


def picture(seed: int, height: int = 16, width: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (height, width, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def in_pieces_of_two(monkeypatch) -> None:
    monkeypatch.setattr(optimize, "length_of_call", lambda *_: 2)


@pytest.fixture(scope="module")
def problem(tiny) -> Problem:
    return pose(tiny.encoder, picture(1), picture(2), recipe=RECIPE)


def assert_same(found: Results, expected: Results) -> None:
    for a, b in zip(found.solutions, expected.solutions, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.last, b.last)
        assert a.history.keys() == b.history.keys()
        for name in a.history:
            np.testing.assert_array_equal(a.history[name], b.history[name])
        assert (a.best_step, a.stopped, a.evaluations) == (b.best_step, b.stopped, b.evaluations)
        assert json.dumps(a.record) == json.dumps(b.record)


def stopped(encoder, sweep: Sweep, folder, pieces: int) -> Interrupted:
    """Solve until the watch was asked so many times."""
    asked = iter([False] * (pieces - 1) + [True])
    with pytest.raises(Interrupted) as found:
        solve_batch(encoder, sweep, lanes=2, folder=folder, watch=replace(QUIET, stop=lambda: next(asked)))
    return found.value


@pytest.mark.parametrize(
    ("scales", "values"),
    [(1, {}), (1, {"descent": Langevin()}), (2, {"canvas": Split(), "descent": Langevin()})],
    ids=["adam", "own descent", "own canvas and descent at two scales"],
)
def test_a_stopped_sweep_goes_on_to_the_same_bits(tiny, tmp_path, scales, values) -> None:
    recipe = replace(RECIPE, scales=scales)
    sweep = grid(product(tiny.encoder, [picture(1)], [picture(2)], recipe=recipe, **values), beta=BETAS)
    whole = solve_batch(tiny.encoder, sweep, lanes=2, watch=QUIET)
    # three pieces a scale, two chunks: within a scale, then in the last chunk
    first = stopped(tiny.encoder, sweep, tmp_path, 2)
    assert first.at
    assert (first.at.scale, first.at.step, sorted(first.solutions)) == (0, 3, [0, 1])
    assert {s.stopped for s in first.solutions.values()} == {"running"}
    second = stopped(tiny.encoder, sweep, tmp_path, {1: 3, 2: 9}[scales])
    assert second.at
    assert (second.at.scale, second.at.step, sorted(second.solutions)) == (scales - 1, 3, [2])
    said = []
    found = solve_batch(tiny.encoder, sweep, lanes=2, folder=tmp_path, watch=Watch(say=said.append))
    assert said == ["going on: 2 of 3 lanes are finished"]
    assert_same(found, whole)
    assert list(tmp_path.glob("chunk-*.npz")) == []


def test_a_finished_sweep_is_read_and_not_solved_again(tiny, problem, tmp_path) -> None:
    sweep, shown = grid(problem, beta=BETAS), []
    whole = solve_batch(tiny.encoder, sweep, lanes=2, folder=tmp_path, watch=QUIET)
    watch = replace(QUIET, show=lambda *_: shown.append(1))
    assert_same(solve_batch(tiny.encoder, sweep, folder=tmp_path, watch=watch), whole)
    assert shown == []
    (tmp_path / "lane-0002.npz").unlink()
    assert_same(solve_batch(tiny.encoder, sweep, folder=tmp_path, watch=watch), whole)
    assert len(shown) == 3


def test_stylize_goes_on_too(tiny, tmp_path) -> None:
    recipe = replace(RECIPE, scales=2)
    whole = stylize(tiny.encoder, picture(1), picture(2), recipe)
    asked = iter([False, False, False, True])
    watch = replace(QUIET, stop=lambda: next(asked))
    with pytest.raises(Interrupted) as found:
        stylize(tiny.encoder, picture(1), picture(2), recipe, folder=tmp_path, watch=watch)
    assert found.value.at
    assert (found.value.at.scale, found.value.at.step) == (1, 1)
    again = stylize(tiny.encoder, picture(1), picture(2), recipe, folder=tmp_path)
    np.testing.assert_array_equal(again.image, whole.image)
    np.testing.assert_array_equal(again.history["total"], whole.history["total"])


def changed_start(problem: Problem) -> Problem:
    return problem.replace(init=problem.init * np.float32(0.5))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "other",
    [
        lambda p: grid(p, beta=[10.0, 100.0, 1001.0]),
        lambda p: grid(p, beta=BETAS[:2]),
        lambda p: grid(changed_start(p), beta=BETAS),
        lambda p: grid(p.replace(steps=np.int32(6)), beta=BETAS),
        lambda p: grid(p.replace(descent=Adam(np.float32(0.03))), beta=BETAS),
        lambda p: grid(p.replace(canvas=Split()), beta=BETAS),
        lambda p: grid(p.replace(precision="bfloat16"), beta=BETAS),
        lambda p: grid(p.replace(network=replace(p.network, pooling="max")), beta=BETAS),
    ],
    ids=["a number", "fewer lanes", "the start", "steps", "the rate", "the canvas", "the precision", "the network"],
)
def test_a_folder_of_another_sweep_is_refused(tiny, problem, tmp_path, other) -> None:
    Store(tmp_path).settle(digest(grid(problem, beta=BETAS)))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(UserError, match="holds the run of another sweep: give another folder") as refused:
        solve_batch(tiny.encoder, other(problem), folder=tmp_path, watch=QUIET)
    assert "\n" not in str(refused.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.startswith("lock")} == before


def test_a_digest_knows_what_functions_hold(problem) -> None:
    def of(descent: Descent) -> str:
        return digest(grid(problem.replace(descent=descent), beta=[1.0]))  # type: ignore[attr-defined]

    one, again, faster = (Transformation(optax.adam(rate)) for rate in (0.1, 0.1, 0.2))
    assert of(one) == of(again) != of(faster)
    assert of(Transformation(optax.adam(0.1, b1=0.8))) != of(one)
    assert of(Transformation(optax.adam(optax.linear_schedule(1, 0, 5)))) != of(
        Transformation(optax.adam(optax.linear_schedule(1, 0, 6)))
    )


def test_a_digest_does_not_depend_on_what_was_asked_of_a_value(problem) -> None:
    before = digest(grid(problem, beta=[1.0]))
    assert problem.network.convs  # kept in the value once it was asked for
    assert digest(grid(problem, beta=[1.0])) == before
