"""Make trajectories.npz: where PyTorch's Adam and L-BFGS get to from the same start, in float64.

Run from the repository's root, with PyTorch installed: `python -m tests.golden.make_trajectories`

The objective is `benchmarks.torch_reference`'s default (content relu4_2, style relu1_1 ... relu5_1 with w_l = 1/5,
max pooling, no total variation), the start is the content image.

Keys of trajectories.npz:
    content            uint8 (96, 128, 3)   temple.jpg; divide by 255
    style              uint8 (96, 128, 3)   great_wave.jpg
    alpha, beta, lr    float64              weights of the loss; Adam's learning rate in units of [0, 1]
    betas              float64 (2,)         Adam's decay rates; epsilon is 1e-8
    weights_sha256     str                  of weights/vgg16.h5
    adam               float64 (101,)       loss before each of 100 steps, clamped to [0, 1], and after the last
    adam_terms         float64 (2,)         alpha x content and beta x style after the last step
    lbfgs              float64 (n,)         loss of each evaluation of 50 iterations (lr 1, history 100, strong Wolfe)
    lbfgs_terms        float64 (2,)         alpha x content and beta x style of its last image
"""

import hashlib
from pathlib import Path

import numpy as np
import torch

from benchmarks import torch_reference as reference
from benchmarks import torch_solvers as solvers
from tests.golden.make_losses import WEIGHTS, picture, tensor

STEPS, ITERATIONS, LR, BETA = 100, 50, 0.01, 1.0


def main() -> None:
    """Write trajectories.npz beside this file."""
    objective = reference.Objective(beta=BETA)
    content, style = picture("temple.jpg", (128, 96)), picture("great_wave.jpg", (128, 96))
    network = reference.load(WEIGHTS, "conv5_1", reference.Variant(), "cpu", torch.float64)
    goal = reference.targets(network, objective, tensor(content), tensor(style))
    loss = reference.loss_function(network, objective, goal, reference.Variant())

    def ends(image: torch.Tensor) -> np.ndarray:
        found = reference.terms(network, objective, goal, image)
        styles = sum(found[f"style/{name}"] for name in objective.style_layers) / len(objective.style_layers)
        return np.array([float(found["content/relu4_2"]), BETA * float(styles)])

    image, run = solvers.adam(loss, tensor(content), LR, reference.Variant())
    adam = [float(run(1)) for _ in range(STEPS)]
    adam_terms = ends(image.detach())
    moved, lbfgs = solvers.lbfgs(loss, tensor(content), ITERATIONS, "strong_wolfe")
    lbfgs_terms = ends(moved)
    out = {
        "content": content,
        "style": style,
        "alpha": objective.alpha,
        "beta": BETA,
        "lr": LR,
        "betas": np.array(solvers.BETAS),
        "weights_sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
        "adam": np.array([*adam, adam_terms.sum()]),
        "adam_terms": adam_terms,
        "lbfgs": np.array(lbfgs),
        "lbfgs_terms": lbfgs_terms,
    }
    np.savez_compressed(Path(__file__).with_name("trajectories.npz"), **out)  # type: ignore
    print(f"Adam {adam[0]:.6g} -> {adam_terms}; L-BFGS {lbfgs_terms} in {len(lbfgs)} evaluations")


if __name__ == "__main__":
    main()
