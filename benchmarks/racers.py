"""Who races in time_to_quality: generators that move the pixels of one objective slice by slice."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.quality import LBFGS


class Moment(NamedTuple):
    """Where a contender stands after a slice: evaluations of the full size so far, and its picture (h, w, 3)."""

    evaluations: float
    image: np.ndarray


def objective(shape: tuple[int, int], init: str, network=None):
    """Give the preset `jcjohnson` in the formulas that both sides compute, for pictures of `shape` (h, w).

    The same objective but for the total variation of the last row and column. `network` is vgg16 by default.
    """
    from nst_jax.networks import VGGS
    from nst_jax.presets import JCJOHNSON
    from nst_jax.recipe import PLAIN
    from nst_jax.units import convert

    return replace(convert(JCJOHNSON, PLAIN, shape, network or VGGS["vgg16"]), init=init)


def in_the_way_of(recipe, preset: str, steps: int | None):
    """Keep the objective of `recipe` and move the pixels as a preset does."""
    from nst_jax.presets import find

    how = find(preset)
    moving = ("optimizer", "lr", "lr_schedule", "ema", "steps", "precision")
    fields = (*moving, "scales", "coarse_steps", "first_steps", "scale_ratio", "min_scale", "style_scaling")
    chosen = replace(recipe, **{name: getattr(how, name) for name in fields})
    return replace(chosen, steps=steps) if steps is not None else chosen


def ours(encoder, content: np.ndarray, style: np.ndarray, recipe) -> Iterator[Moment]:
    """Run nst_jax slice by slice, a slice being one compiled call; first give the start, everything compiled."""
    import jax

    from nst_jax import images, optimize, problem, scales
    from nst_jax.batch.program import Chunk, advance_chunk, solutions
    from nst_jax.batch.sweep import of_scales, swept_leaves
    from nst_jax.posing import Pair

    posed = scales.pose_scales(encoder, Pair(content, style), recipe)
    pixels = [p.init.shape[0] * p.init.shape[1] for p in posed]
    # One call a scale, of exactly the length that the race uses.
    calls = [
        optimize.length_of_call(int(p.steps), n, jax.default_backend()) for p, n in zip(posed, pixels, strict=True)
    ]
    brief = tuple(replace(p, steps=np.int32(steps - 1)) for p, steps in zip(posed, calls, strict=True))
    sweep, warm = (of_scales([lane], (), ((),)) for lane in (posed, brief))
    chunk = Chunk((0,), 1, swept_leaves(sweep.problems))
    for _ in advance_chunk(encoder, warm, chunk):
        pass
    yield Moment(0, np.asarray(problem.start(posed[-1])))
    done, counted, current = 0.0, 0, None
    for at in advance_chunk(encoder, sweep, chunk):
        counted, current = (counted, current) if at.scale == current else (0, at.scale)
        solution = solutions(at, sweep, chunk)[0]
        # An evaluation at a coarse scale costs its share of the pixels.
        done += (solution.evaluations - counted) * pixels[at.scale] / pixels[-1]
        counted = solution.evaluations
        yield Moment(done, images.fit(np.asarray(solution.image), (content.shape[0], content.shape[1])))


def theirs(name: str, content: np.ndarray, style: np.ndarray, start: np.ndarray, recipe, args) -> Iterator[Moment]:
    """Run PyTorch as neural-style-pt configures it, in its pixels of 0 to 255; first give the start, warmed up."""
    import torch

    from benchmarks import torch_reference as reference
    from benchmarks.contenders import WEIGHTS

    variant = reference.Variant(precision=args.torch_precision, compiled=args.torch_compile)
    reference.set_precision(variant.precision)

    def tensor(image: np.ndarray) -> torch.Tensor:
        return torch.tensor(np.ascontiguousarray(image.transpose(2, 0, 1)[None]), device=args.device)

    numbers = ("content_layers", "style_layers", "layer_weights", "alpha", "beta", "tv", "pooling")
    goal = reference.Objective(**{name: getattr(recipe, name) for name in numbers})
    network = reference.load(WEIGHTS, reference.deepest(goal), variant, args.device)
    targets = reference.targets(network, goal, tensor(content), tensor(style))
    loss = reference.loss_function(network, goal, targets, variant)
    pixels = (255 * tensor(start)).requires_grad_()
    for _ in range(2):
        loss(pixels / 255).backward()
    yield Moment(0, start)
    done, slice_of = 0, _lbfgs(loss, pixels) if name == LBFGS else _adam(loss, pixels)
    while done < args.torch_iterations:
        count = min(slice_length(done), args.torch_iterations - done)
        slice_of(count)
        done += count
        image = (pixels.detach()[0] / 255).permute(1, 2, 0).cpu().numpy()
        yield Moment(done, image)
        if not np.isfinite(image).all():
            return


def slice_length(done: int) -> int:
    """Choose how many iterations to take at once, few while the curve is steep; each is one evaluation."""
    return min(1 + done // 4, 10)


def _lbfgs(loss, pixels) -> Callable[[int], None]:
    """Take `count` iterations of L-BFGS with learning rate 1 and history 100, no tolerances, bounds or line search.

    `step` with `max_iter` leaves off before an evaluation and the next begins with it: slices add nothing.
    """
    import torch

    optimizer = torch.optim.LBFGS([pixels], lr=1, history_size=100, tolerance_grad=-1, tolerance_change=-1)

    def closure():
        optimizer.zero_grad()
        value = loss(pixels / 255)
        value.backward()
        return value

    def run(count: int) -> None:
        # max_eval, 5/4 of max_iter by default, would end a slice of one too soon
        optimizer.param_groups[0].update(max_iter=count, max_eval=count + 1)
        optimizer.step(closure)

    return run


def _adam(loss, pixels) -> Callable[[int], None]:
    """Take `count` iterations of Adam with a learning rate of 1 in 255 and PyTorch's decay rates."""
    import torch

    optimizer = torch.optim.Adam([pixels], lr=1)

    def run(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            loss(pixels / 255).backward()
            optimizer.step()

    return run
