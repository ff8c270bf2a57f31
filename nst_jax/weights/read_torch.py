"""Read PyTorch state dicts of VGG: torchvision's .pth and timm's safetensors."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nst_jax.errors import UserError
from nst_jax.networks import TORCHVISION
from nst_jax.weights.sources import Found, damaged, need


def read_pth(path: Path) -> Found:
    """Read a .pth by torch.load(weights_only=True), which runs no code from the file.

    torchvision's weights (RGB, [0, 1]) and those converted from Caffe (BGR, 0 to 255) look the same: the
    convention cannot be told.

    Raises:
        UserError: not a state dict of a VGG, or one that holds more than tensors.
    """
    torch = need("torch")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than a state dict of tensors: torch.save model.state_dict() and convert that"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise damaged(path, "a PyTorch file") from error
    state = state.get("state_dict", state) if isinstance(state, Mapping) else {}
    tensors = {k: v for k, v in state.items() if isinstance(v, torch.Tensor) and "features." in k}
    return Found(_features({k: v.float().numpy() for k, v in tensors.items()}, path), None, "PyTorch state dict")


def read_safetensors(path: Path) -> Found:
    """Read a safetensors file in torchvision's layout, so in its convention (timm's vgg19.tv_in1k).

    Raises:
        UserError: not safetensors, or no VGG inside.
    """
    safetensors = need("safetensors")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            named = {k: file.get_tensor(k).astype(np.float32) for k in file.keys() if "features." in k}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise damaged(path, "a safetensors file") from error
    return Found(_features(named, path), TORCHVISION, "safetensors")


def _features(named: Mapping[str, np.ndarray], path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Order `features.N.weight` (c_out, c_in, 3, 3) and `features.N.bias` by N."""
    if any(name.endswith("running_mean") for name in named):
        raise UserError(f"{path} is a VGG with batch normalization, expected one without (not a vgg16_bn)")
    slots: dict[int, dict[str, np.ndarray]] = {}
    for name, array in named.items():
        if match := re.search(r"(?:^|\.)features\.(\d+)\.(weight|bias)$", name):
            slots.setdefault(int(match[1]), {})[match[2]] = array
    for index, slot in slots.items():
        if len(slot) < 2 or slot["weight"].ndim != 4:
            raise UserError(f"{path}: features.{index} is no convolution with a bias, so this is no VGG")
    return [(slots[n]["weight"].transpose(2, 3, 1, 0), slots[n]["bias"]) for n in sorted(slots)]
