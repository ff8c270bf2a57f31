"""Turn somebody else's weights file into ours."""

from pathlib import Path
from typing import Literal

import numpy as np

from nst_jax.errors import UserError
from nst_jax.networks import CAFFE, TORCHVISION, VGGS
from nst_jax.weights.read_keras import read_keras
from nst_jax.weights.read_matconvnet import read_matconvnet
from nst_jax.weights.read_onnx import read_onnx
from nst_jax.weights.read_torch import read_pth, read_safetensors
from nst_jax.weights.sources import Found, detect
from nst_jax.weights.store import Dtype, Weights, check_tree, save_weights, sha256

Convention = Literal["caffe", "torchvision"]
CONVENTIONS = {"caffe": CAFFE, "torchvision": TORCHVISION}
READERS = {
    "hdf5": read_keras,
    "torch": read_pth,
    "safetensors": read_safetensors,
    "onnx": read_onnx,
    "matlab": read_matconvnet,
}


def convert(
    src: str | Path,
    dst: str | Path,
    *,
    convention: Convention | None = None,
    dtype: Dtype = "float32",
    source: str = "",
    licence: str = "",
) -> Weights:
    """Read the convolutions of a VGG-11, 13, 16 or 19 and write them as a weights file.

    Args:
        convention: what the weights want to see; needed where the file cannot tell, wins where it can.
        dtype: of the kernels on disk. float32 loses nothing; float16 halves the file and moves each
            number by at most 2^-11 of itself.
        source: said in the file; the name and kind of `src` if nothing is given.

    Raises:
        UserError: a file that is not a VGG, or whose convention must be said.
    """
    src, dst = Path(src), Path(dst)
    if src.exists() and dst.exists() and src.samefile(dst):
        raise UserError(f"{dst} is the file to convert: give the result another name")
    found = READERS[detect(src)](src)
    params, architecture = name_convs(found, src)
    preprocessing = CONVENTIONS[convention] if convention else found.preprocessing
    if preprocessing is None:
        raise UserError(
            f"{src} ({found.layout}) cannot tell what pictures it wants: say --convention torchvision "
            "(RGB in [0, 1], torchvision's own) or --convention caffe (BGR 0 to 255, neural-style-pt's)"
        )
    source = source or f"{src.name} ({found.layout})"
    weights = Weights(params, architecture, preprocessing, dtype, source, sha256(src), licence)
    save_weights(dst, weights)
    return weights


def name_convs(found: Found, src: Path) -> tuple[dict[str, dict[str, np.ndarray]], str]:
    """Recognise the architecture by its number of convolutions and name them conv1_1, ...

    Raises:
        UserError: no such number, or wrong shapes.
    """
    by_count = {len(vgg.convs): architecture for architecture, vgg in VGGS.items()}
    architecture = by_count.get(len(found.convs))
    if architecture is None:
        expected = ", ".join(f"{count} ({name})" for count, name in by_count.items())
        raise UserError(f"{src} ({found.layout}) holds {len(found.convs)} convolutions, expected {expected}")
    names = VGGS[architecture].convs
    params = {
        name: {"kernel": np.asarray(kernel, np.float32), "bias": np.asarray(bias, np.float32)}
        for name, (kernel, bias) in zip(names, found.convs, strict=True)
    }
    check_tree(params, architecture, src)
    return params, architecture
