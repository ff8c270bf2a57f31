"""Make losses.npz: every term and gradient of the objective in PyTorch float64, on real pictures and weights.

Run from the repository's root, with PyTorch installed: `python -m tests.golden.make_losses`

Keys of losses.npz:
    content       uint8 (64, 96, 3)   temple.jpg; divide by 255
    style         uint8 (56, 80, 3)   great_wave.jpg, another size on purpose
    image         uint8 (64, 96, 3)   the content with fixed noise: where everything below is evaluated
    positions     int64 (200, 3)      (row, column, channel) of the gradient entries kept
    alpha, beta, tv   float64         weights of `<pooling>/<kind>/total`; every w_l is 1/5
    weights_sha256    str             of weights/vgg16.h5
    term/tv                                 float64, sum of squared neighbour differences of image / 255
    <pooling>/term/content/<layer>          float64, layer relu4_2 or conv4_2; pooling max or avg
    <pooling>/term/style/<layer>            float64, layer relu1_1 ... relu5_1 and conv1_1 ... conv5_1
    <pooling>/<kind>/total                  float64, kind relu (relu4_2, reluN_1) or conv (conv4_2, convN_1)
    <pooling>/<kind>/grad                   float64 (200,), of the total with respect to image in [0, 1]
    <pooling>/<kind>/grad_norm              float64, Euclidean norm over the whole image
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import torch_reference as reference

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "weights/vgg16.h5"
ALPHA, BETA, TV = 1.0, 1.0, 1e6  # all three terms of the total of one order of magnitude


def picture(name: str, size: tuple[int, int]) -> np.ndarray:
    """Read examples/images/NAME at `size` (width, height): uint8 (height, width, 3)."""
    with Image.open(ROOT / "examples/images" / name) as file:
        return np.asarray(file.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def tensor(image: np.ndarray) -> torch.Tensor:
    """Turn uint8 (h, w, 3) into float64 (1, 3, h, w) in [0, 1]."""
    return torch.tensor(np.ascontiguousarray(image.transpose(2, 0, 1)[None] / 255.0), dtype=torch.float64)


def evaluate(pictures: dict[str, np.ndarray], positions: np.ndarray, kind: str, pooling: str) -> dict[str, object]:
    """Compute the terms, the total and its gradient for layers before (conv) or after (relu) the ReLU."""
    objective = reference.Objective(
        content_layers=(f"{kind}4_2",),
        style_layers=tuple(f"{kind}{block}_1" for block in range(1, 6)),
        alpha=ALPHA,
        beta=BETA,
        tv=TV,
        pooling=pooling,
    )
    network = reference.load(WEIGHTS, "conv5_1", reference.Variant(), "cpu", torch.float64)
    goal = reference.targets(network, objective, tensor(pictures["content"]), tensor(pictures["style"]))
    image = tensor(pictures["image"]).requires_grad_()
    found = {name: value.item() for name, value in reference.terms(network, objective, goal, image).items()}
    total = reference.total(network, objective, goal, image)
    total.backward()
    assert image.grad is not None
    grad = image.grad[0].permute(1, 2, 0).numpy()
    return {
        "term/tv": found.pop("tv"),
        **{f"{pooling}/term/{name}": value for name, value in found.items()},
        f"{pooling}/{kind}/total": total.item(),
        f"{pooling}/{kind}/grad": grad[tuple(positions.T)],
        f"{pooling}/{kind}/grad_norm": np.linalg.norm(grad),
    }


def main() -> None:
    """Write losses.npz beside this file."""
    rng = np.random.default_rng(0)
    content, style = picture("temple.jpg", (96, 64)), picture("great_wave.jpg", (80, 56))
    noisy = np.clip(content + rng.normal(0, 25, content.shape), 0, 255).round().astype(np.uint8)
    pictures = {"content": content, "style": style, "image": noisy}
    positions = np.stack([rng.integers(0, n, 200) for n in content.shape], axis=1)
    out: dict[str, object] = {"positions": positions, "alpha": ALPHA, "beta": BETA, "tv": TV, **pictures}
    out["weights_sha256"] = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    for kind in ("relu", "conv"):
        for pooling in ("max", "avg"):
            out |= evaluate(pictures, positions, kind, pooling)
    np.savez_compressed(Path(__file__).with_name("losses.npz"), **out)  # type: ignore


if __name__ == "__main__":
    main()
