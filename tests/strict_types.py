"""Make pictures and numbers of a narrow network and print them: a helper that runs as a process of its own, no test."""

import hashlib
import json
import sys
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

import nst_jax
from nst_jax import optimize, pixels
from nst_jax.metrics import held_out

SHALLOW = {"content_layers": ("relu2_2",), "style_layers": ("relu1_1", "relu2_1"), "size": 0, "steps": 3}
RECIPES = {
    "lbfgs": nst_jax.Recipe(**SHALLOW, padding="reflect", tv=1.0),
    "adam": nst_jax.Recipe(**SHALLOW, optimizer="adam", ema=0.9, lr_schedule="cosine", scales=2, init="noise", seed=3),
    "zoom": nst_jax.Recipe(**SHALLOW, optimizer="lbfgs-zoom", pooling="avg", style_loss="w2"),
}


def told(*arrays: object) -> str:
    """Give the digest of some arrays, their types among what counts."""
    found = hashlib.sha256()
    for array in jax.tree.leaves(arrays):
        found.update(f"{np.asarray(array).dtype}".encode() + np.asarray(array).tobytes())
    return found.hexdigest()[:16]


def numbers(weights: str, names: Sequence[str]) -> dict[str, str]:
    """Make a picture by each of these recipes; with `more` among them also a gradient, the metrics, and lanes."""
    draw = np.random.default_rng(3)
    content, style = (draw.uniform(0, 1, shape).astype(np.float32) for shape in ((24, 32, 3), (20, 20, 3)))
    encoder = nst_jax.load_encoder(weights)
    found = {}
    for name in (name for name in names if name in RECIPES):
        recipe = RECIPES[name]
        solution = nst_jax.stylize(encoder, content, style, recipe)
        found[name] = told(solution.image, solution.history)
    if "more" not in names:
        return found
    problem = nst_jax.pose(encoder, content, style, recipe=RECIPES["lbfgs"])
    found["gradient"] = told(jax.grad(lambda x: nst_jax.total(encoder, problem, x)[0])(content))
    found["step"] = told(optimize.begin(problem))
    found["metrics"] = told(
        held_out(encoder, content, content[::-1], style, bucket=16), pixels.ssim(*map(jnp.asarray, (content, content)))
    )
    results = nst_jax.solve_batch(encoder, nst_jax.grid(problem, beta=[1e2, 1e3]), watch=nst_jax.Watch(say=str))
    found["lanes"] = told([s.image for s in results.solutions])
    return found


if __name__ == "__main__":
    print(json.dumps(numbers(sys.argv[1], sys.argv[2:])))
