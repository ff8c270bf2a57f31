"""Adam and L-BFGS over the pixels in PyTorch, without a host sync where PyTorch allows it."""

from collections.abc import Callable

import torch

from benchmarks.torch_reference import Variant

BETAS = (0.9, 0.99)
"""Adam's decay rates, those of nst_jax."""


def adam(
    loss: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, lr: float, variant: Variant
) -> tuple[torch.Tensor, Callable[[int], torch.Tensor]]:
    """Give the image and `run(steps)`, which moves it by Adam in [0, 1] and returns the last loss."""
    image = start.clone(memory_format=torch.preserve_format).requires_grad_()
    optimizer = torch.optim.Adam([image], lr=lr, betas=BETAS, fused=True, capturable=variant.graph)

    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        value = loss(image)
        value.backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        return value.detach()

    if variant.graph:
        step = _captured(step)

    def run(steps: int) -> torch.Tensor:
        value = torch.full((), float("nan"))
        for _ in range(steps):
            value = step()
        return value

    return image, run


def _captured(step: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """Record one step as a CUDA graph, after three on a side stream as PyTorch asks."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        value = step()

    def replay() -> torch.Tensor:
        graph.replay()
        return value

    return replay


def lbfgs(
    loss: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, steps: int, line_search: str | None = None
) -> tuple[torch.Tensor, list[float]]:
    """Minimise by L-BFGS as neural-style-pt configures it (lr 1, history 100, no tolerances, no clamp).

    `line_search` may be "strong_wolfe". Returns the image and the loss of every evaluation.
    """
    image = start.clone(memory_format=torch.contiguous_format).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [image],
        lr=1,
        max_iter=steps,
        max_eval=100 * steps,
        history_size=100,
        tolerance_grad=-1,
        tolerance_change=-1,
        line_search_fn=line_search,
    )
    history: list[float] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(image)
        value.backward()
        history.append(float(value.detach()))
        return value

    optimizer.step(closure)
    return image.detach(), history
