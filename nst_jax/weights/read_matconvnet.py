"""Read MatConvNet's .mat files: imagenet-vgg-verydeep-19.mat and its kin."""

import re
from pathlib import Path

import numpy as np

from nst_jax.errors import UserError
from nst_jax.networks import Preprocessing
from nst_jax.weights.sources import Found, damaged, need


def read_matconvnet(path: Path) -> Found:
    """Read the layers named conv1_1 ...: kernels (3, 3, c_in, c_out) for RGB, 0 to 255, minus the mean.

    The mean is the file's own `meta.normalization.averageImage`, (3,) or (h, w, 3), averaged over h and w.

    Raises:
        UserError: not MatConvNet's structure, or no mean.
    """
    loadmat = need("scipy.io").loadmat
    try:
        held = loadmat(path, struct_as_record=False, squeeze_me=True)
    except Exception as error:  # scipy meets a damaged file with whatever its parser stumbles over
        raise damaged(path, "a MATLAB 5 file") from error
    layers = np.atleast_1d(held.get("layers", []))
    convs = [_conv(layer) for layer in layers if re.fullmatch(r"conv\d_\d", str(getattr(layer, "name", "")))]
    meta = held.get("meta", None)
    normalization = getattr(meta, "normalization", held.get("normalization"))
    average = getattr(normalization, "averageImage", None)
    if not convs or average is None:
        raise UserError(f"{path} is no MatConvNet VGG: expected layers conv1_1 ... and an averageImage")
    r, g, b = np.asarray(average, np.float64).reshape(-1, 3).mean(0).tolist()
    return Found(convs, Preprocessing("RGB", 255.0, (r, g, b)), "MatConvNet .mat")


def _conv(layer) -> tuple[np.ndarray, np.ndarray]:
    # releases before beta 10 kept the two arrays in fields of their own
    kernel, bias = layer.weights if hasattr(layer, "weights") else (layer.filters, layer.biases)
    return kernel, bias.reshape(-1)
