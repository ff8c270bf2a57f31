"""Build what is timed: a warmed-up `run(steps)` of ours or of PyTorch, on the same pictures, weights and objective."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import nst_jax
from nst_jax import compiler, networks, optimize
from nst_jax.batch.memory import needed_bytes
from nst_jax.problem import prepared
from nst_jax.recipe import Optimizer, Precision, plain

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "weights/vgg16.h5"
LAST = "conv5_1"
"""The deepest layer of the default recipe: relu1_1 ... relu5_1 for style, relu4_2 for content."""


@dataclass
class Contender:
    """One program, ready: `run(steps)` moves its images, waits for the device and returns the last loss.

    `memory` and `text` tell its bytes and how it reads, where that can be told.
    """

    run: Callable[[int], float]
    memory: Callable[[], int | None]
    text: Callable[[], str] = str


def pictures(size: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Give content images (batch, size, size, 3), each another view of one photograph, and one style image."""
    content, style = (_read(name, size) for name in ("temple.jpg", "great_wave.jpg"))
    return np.stack([np.roll(content, 16 * i, axis=1) for i in range(batch)]), style


def _read(name: str, size: int) -> np.ndarray:
    with Image.open(ROOT / "examples/images" / name) as file:
        return np.asarray(file.convert("RGB").resize((size, size)), np.float32) / 255


def ours(
    size: int, batch: int, precision: Precision, steps: int, remat: bool = False, optimizer: Optimizer = "adam"
) -> Contender:
    """Compile `steps` steps of nst_jax.optimize, for one problem or vmapped over a batch of them."""
    # As torch_reference.Objective has it; the steps never end.
    recipe = plain(beta=1e3, remat=remat, optimizer=optimizer, precision=precision, steps=10**6)
    content, style = pictures(size, batch)
    encoder = nst_jax.load_encoder()
    problems = [nst_jax.pose(encoder, image, jnp.asarray(style), recipe=recipe) for image in jnp.asarray(content)]
    problem = problems[0] if batch == 1 else jax.tree.map(lambda *leaves: jnp.stack(leaves), *problems)
    problem = prepared(problem, jax.default_backend())
    begin = jax.jit(optimize.begin if batch == 1 else jax.vmap(optimize.begin))
    chunk = partial(optimize.advance, length=steps)
    chunk = chunk if batch == 1 else jax.vmap(chunk, in_axes=(None, 0, 0))
    encoder = networks.prepare(replace(encoder, network=problem.network), precision, (size, size))
    state = begin(problem)
    program = jax.jit(chunk, donate_argnums=2, compiler_options=compiler.options())
    compiled = program.lower(encoder, problem, state).compile()

    def run(count: int) -> float:
        nonlocal state
        assert count == steps, "the number of steps is compiled in"
        state, terms = compiled(encoder, problem, state)
        return float(jax.block_until_ready(terms)["total"][..., -1].sum())

    return Contender(run, lambda: needed_bytes(compiled), lambda: compiled.as_text() or "")


def theirs(size: int, batch: int, variant, device: str) -> Contender:
    """Build one PyTorch variant of the same step (imports torch)."""
    import torch

    from benchmarks import torch_reference as reference
    from benchmarks.torch_solvers import adam

    reference.set_precision(variant.precision)
    before = torch.cuda.memory_allocated() if device == "cuda" else 0  # what other contenders hold
    layout = torch.channels_last if variant.channels_last else torch.contiguous_format
    content, style = pictures(size, batch)

    def tensor(images: np.ndarray) -> torch.Tensor:
        x = torch.tensor(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), device=device)
        return x.contiguous(memory_format=layout)

    objective = reference.Objective()
    network = reference.load(WEIGHTS, LAST, variant, device)
    goal = reference.targets(network, objective, tensor(content), tensor(style[None]))
    loss = reference.loss_function(network, objective, goal, variant)
    _, step = adam(loss, tensor(content), lr=nst_jax.DEFAULT.lr, variant=variant)

    def run(count: int) -> float:
        reference.set_precision(variant.precision)
        return float(step(count))

    return Contender(run, lambda: torch.cuda.max_memory_allocated() - before if device == "cuda" else None)
