"""The same style transfer in PyTorch, as fast as we can write it: the opponent, not a straw man.

Objective, on B independent images (B, 3, h, w) in [0, 1] at once (the losses of the images are added):

    L = alpha 1/2 sum (C - G)^2 + beta sum_l w_l 1/(4 N^2) sum (Gram_S / M_S - Gram_G / M_G)^2
        + tv (sum of squared differences between neighbouring pixels)

Settings that make it fast, all on by default:
    - weights frozen (no weight gradients), the network stops at the deepest layer asked for;
    - channel order, range and std folded into conv1_1's kernel, the mean subtracted once a step;
    - ReLU in place unless the layer is wanted before its ReLU;
    - a Gram with its own backward, F (G + G^T) / M, one matrix product instead of autograd's two;
    - cudnn.benchmark on; Adam fused into one kernel; no host sync inside a step;
    - eager or torch.compile (max-autotune-no-cudagraphs), contiguous or channels_last, chosen by `Variant`;
    - `graph`: the whole step (forward, backward, Adam, clamp) replayed as one CUDA graph.
Precision: `float32` (TF32 off), `tf32` (convolutions and matrix products), `bfloat16` (kernels and
activations; image, Grams, losses and optimizer in float32).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F

CAFFE = {"channel_order": "BGR", "range": 255.0, "mean": (103.939, 116.779, 123.68), "std": (1.0, 1.0, 1.0)}


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Which layers weigh how much; empty `layer_weights` means 1 / (number of layers) each."""

    content_layers: tuple[str, ...] = ("relu4_2",)
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    layer_weights: tuple[float, ...] = ()
    alpha: float = 1.0
    beta: float = 1e3
    tv: float = 0.0
    pooling: str = "max"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to run the step."""

    precision: str = "float32"
    channels_last: bool = False
    compiled: bool = False
    graph: bool = False

    @property
    def name(self) -> str:
        """Say it in the words of the table."""
        words = (
            "compile" if self.compiled else "eager",
            "channels_last" if self.channels_last else "contiguous",
        )
        return "torch " + " ".join((*words, "CUDA graph") if self.graph else words)


def variants(device: str, precision: str) -> tuple[Variant, ...]:
    """List what runs beside ours on `device`: eager and compiled, both layouts; on a GPU, CUDA graphs."""
    plain = [
        Variant(precision=precision, channels_last=last, compiled=compiled)
        for compiled in (False, True)
        for last in (False, True)
    ]
    graphs = [
        Variant(precision=precision, channels_last=True, compiled=compiled, graph=True) for compiled in (False, True)
    ]
    return tuple(plain + graphs) if device == "cuda" else tuple(plain)


class Gram(torch.autograd.Function):
    """F F^T / M of features (b, c, h, w) -> (b, c, c), accumulated and returned in float32."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        f = x.flatten(2)
        return _product(f, f.transpose(1, 2)) / f.shape[2]

    @staticmethod
    def backward(ctx, *grads: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        f, g = x.flatten(2), grads[0]
        s = ((g + g.transpose(1, 2)) / f.shape[2]).to(f.dtype)
        # The transposed product writes channels_last, the layout that the next kernel wants.
        last = x.is_contiguous(memory_format=torch.channels_last)
        out = (f.transpose(1, 2) @ s).transpose(1, 2) if last else s @ f
        return out.unflatten(2, x.shape[2:])


def _product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Multiply (b, c, m) by (b, m, c) into float32; only CUDA's bfloat16 product takes an output type."""
    if a.dtype == torch.bfloat16 and a.is_cuda:
        return torch.bmm(a, b, out_dtype=torch.float32)
    return torch.bmm(a, b) if a.dtype != torch.bfloat16 else torch.bmm(a.float(), b.float())


Layers = list[tuple[str, torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Network:
    """Convolutions (`conv1_1`, kernel OIHW, bias) up to the deepest one needed, and the mean to subtract."""

    layers: Layers
    mean: torch.Tensor


def load(path: Path | None, last: str, variant: Variant, device: str, dtype: torch.dtype | None = None) -> Network:
    """Read a converted .h5 (random VGG16 weights without one) up to the convolution `last`.

    The network takes RGB in [0, 1] less the mean: order, range and std are folded into conv1_1's kernel.
    """
    how, arrays = _read(path) if path else (CAFFE, _random())
    dtype = dtype or (torch.bfloat16 if variant.precision == "bfloat16" else torch.float32)
    memory = torch.channels_last if variant.channels_last else torch.contiguous_format
    order = slice(None, None, -1 if how["channel_order"] == "BGR" else 1)
    layers: Layers = []
    for name in list(arrays)[: list(arrays).index(last) + 1]:
        kernel, bias = arrays[name]
        if name == "conv1_1":
            kernel = (kernel * (how["range"] / np.asarray(how["std"], float))[:, None])[:, :, order]
        k = torch.tensor(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), device=device, dtype=dtype)
        layers.append((name, k.to(memory_format=memory), torch.tensor(bias, device=device, dtype=dtype)))
    mean = np.ascontiguousarray((np.asarray(how["mean"], float) / how["range"])[order])
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    return Network(layers, torch.tensor(mean, device=device, dtype=wide).view(1, 3, 1, 1))


Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


def _read(path: Path) -> tuple[dict, Arrays]:
    """Read the preprocessing and every kernel (3, 3, c_in, c_out) and bias (c_out,), as float64."""
    with h5py.File(path) as file:
        names = sorted(str(name) for name in file if str(name).startswith("conv"))
        arrays = {n: (np.asarray(file[f"{n}/kernel"], float), np.asarray(file[f"{n}/bias"], float)) for n in names}
        return {key: file.attrs[key] for key in CAFFE}, arrays


def _random() -> Arrays:
    rng, c_in, found = np.random.default_rng(0), 3, {}
    for block, (count, c) in enumerate(zip((2, 2, 3, 3, 3), (64, 128, 256, 512, 512), strict=True), 1):
        for index in range(1, count + 1):
            kernel = rng.normal(0, np.sqrt(2 / (9 * c_in)), (3, 3, c_in, c))
            found[f"conv{block}_{index}"] = (kernel, np.zeros(c))
            c_in = c
    return found


def features(network: Network, image: torch.Tensor, wanted: Sequence[str], pooling: str) -> dict[str, torch.Tensor]:
    """Compute the named activations (b, c, h_l, w_l) of images (b, 3, h, w)."""
    x = (image - network.mean).to(network.layers[0][1].dtype)
    pool = {"max": F.max_pool2d, "avg": F.avg_pool2d}[pooling]
    found: dict[str, torch.Tensor] = {}
    for name, kernel, bias in network.layers:
        if name.endswith("_1") and name != "conv1_1":
            x = pool(x, 2)
        x = F.conv2d(x, kernel, bias, padding=1)
        if name in wanted:
            found[name] = x
            x = F.relu(x)
        else:
            x = F.relu_(x)
        relu = name.replace("conv", "relu")
        if relu in wanted:
            found[relu] = x
    return found


def deepest(objective: Objective) -> str:
    """Name the last convolution that the objective needs."""
    return max((*objective.content_layers, *objective.style_layers), key=lambda name: name[4:]).replace("relu", "conv")


@dataclass(frozen=True)
class Targets:
    """What to match: features (b, c, h_l, w_l) and Grams (b, c, c) in float32 (or float64)."""

    content: Mapping[str, torch.Tensor]
    style: Mapping[str, torch.Tensor]


@torch.no_grad()
def targets(network: Network, objective: Objective, content: torch.Tensor, style: torch.Tensor) -> Targets:
    """Compute the targets of content images (b, 3, h, w) and style images (b, 3, h', w')."""
    c = features(network, content, objective.content_layers, objective.pooling)
    s = features(network, style, objective.style_layers, objective.pooling)
    return Targets({k: _wide(v) for k, v in c.items()}, {k: Gram.apply(v) for k, v in s.items()})  # type: ignore


def _wide(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype == torch.float64 else x.float()


def terms(network: Network, objective: Objective, goal: Targets, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute every unweighted loss, added over the images: `content/relu4_2`, `style/relu1_1`, ..., `tv`."""
    wanted = (*objective.content_layers, *objective.style_layers)
    found = features(network, image, wanted, objective.pooling)
    out: dict[str, torch.Tensor] = {}
    for name in objective.content_layers:
        out[f"content/{name}"] = 0.5 * (_wide(found[name]) - goal.content[name]).square().sum()
    for name in objective.style_layers:
        gram = Gram.apply(found[name])
        n = found[name].shape[1]
        out[f"style/{name}"] = (gram - goal.style[name]).square().sum() / (4 * n * n)  # type: ignore
    down, right = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
    out["tv"] = down.square().sum() + right.square().sum()
    return out


def total(network: Network, objective: Objective, goal: Targets, image: torch.Tensor) -> torch.Tensor:
    """Compute L of the images, added."""
    found = terms(network, objective, goal, image)
    count = len(objective.style_layers)
    layer_weights = objective.layer_weights or (1 / count,) * count
    loss = objective.alpha * sum(found[f"content/{name}"] for name in objective.content_layers)
    for w, name in zip(layer_weights, objective.style_layers, strict=True):
        loss = loss + objective.beta * w * found[f"style/{name}"]
    return loss + objective.tv * found["tv"] if objective.tv else loss  # type: ignore


def set_precision(precision: str) -> None:
    """Turn TF32 on or off and let cuDNN search for its fastest algorithms."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def loss_function(
    network: Network, objective: Objective, goal: Targets, variant: Variant
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Bind the objective to its constants, compiled if the variant says so."""

    def loss(image: torch.Tensor) -> torch.Tensor:
        return total(network, objective, goal, image)

    if not variant.compiled:
        return loss
    mode = "max-autotune-no-cudagraphs" if network.mean.is_cuda else None
    return torch.compile(loss, mode=mode, dynamic=False)
