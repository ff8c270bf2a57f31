"""Make features.npz: every named activation of weights/vgg16.h5 on one picture, by PyTorch in float64.

    python tests/golden/make_features.py

Shares no code with nst_jax: it reads the .h5 with h5py and knows VGG16 by its layer names. Of each layer the file
keeps 200 values at fixed places, the sum and the sum of squares; and the picture itself, since decoders of JPEG differ.
"""

from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

HERE = Path(__file__).parent
WEIGHTS = HERE.parents[1] / "weights" / "vgg16.h5"
PICTURE = HERE.parents[1] / "examples" / "images" / "chelsea.jpg"
SIZE = (99, 67)  # odd sides, so that each pooling has a row or a column to drop
MEAN_BGR = (103.939, 116.779, 123.68)
PAD_MODES = {"zero": "constant", "reflect": "reflect", "replicate": "replicate"}


def torch_features(
    image: np.ndarray, pooling: str = "max", padding: str = "zero", weights: Path = WEIGHTS
) -> dict[str, np.ndarray]:
    """Compute every activation (h, w, c), float64, of a uint8 RGB picture (h, w, 3)."""
    x = torch.tensor(image[..., ::-1].astype(np.float64) - MEAN_BGR).permute(2, 0, 1)[None]
    pool = {"max": F.max_pool2d, "avg": F.avg_pool2d}[pooling]
    found = {}
    with h5py.File(weights) as file:
        names = sorted(file)  # conv1_1 ... conv5_3
        for name, following in pairwise([*names, ""]):
            kernel = torch.tensor(np.array(file[f"{name}/kernel"], np.float64)).permute(3, 2, 0, 1)
            bias = torch.tensor(np.array(file[f"{name}/bias"], np.float64))
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode=PAD_MODES[padding]), kernel, bias)
            found[name] = x[0].permute(1, 2, 0).numpy()
            x = torch.relu(x)
            found[name.replace("conv", "relu")] = x[0].permute(1, 2, 0).numpy()
            if following[:5] != name[:5]:
                x = pool(x, 2)
    return found


def main() -> None:
    """Write features.npz beside this script."""
    image = np.asarray(Image.open(PICTURE).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS))
    held: dict[str, np.ndarray] = {"image": image}
    rng = np.random.default_rng(0)
    for name, feature in torch_features(image).items():
        places = rng.choice(feature.size, 200, replace=False).astype(np.int32)
        held[f"{name}/places"] = places
        held[f"{name}/values"] = feature.reshape(-1)[places]
        held[f"{name}/sums"] = np.array([feature.sum(), (feature**2).sum()])
        held[f"{name}/shape"] = np.array(feature.shape)
    np.savez_compressed(HERE / "features.npz", **held)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
