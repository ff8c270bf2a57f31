"""Turn somebody else's weights file into ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from nst_jax.errors import UserError
from nst_jax.files import check_output, check_outputs, shown
from nst_jax.networks import CAFFE, TORCHVISION
from nst_jax.weights.foreign import detect, opening
from nst_jax.weights.found import Found
from nst_jax.weights.read_keras import read_h5
from nst_jax.weights.read_matconvnet import read_matconvnet
from nst_jax.weights.read_numpy import read_npy, read_npz
from nst_jax.weights.read_onnx import read_onnx
from nst_jax.weights.read_safetensors import read_safetensors
from nst_jax.weights.read_torch import read_bare_pickle, read_pth
from nst_jax.weights.recognise import recognise
from nst_jax.weights.store import Dtype, Weights, save_weights, sha256

Convention = Literal["caffe", "torchvision"]
CONVENTIONS = {"caffe": CAFFE, "torchvision": TORCHVISION}
READERS = {
    "hdf5": (read_h5, "a Keras .h5 file"),
    "torch": (read_pth, "a PyTorch file"),
    "pickle": (read_bare_pickle, "a PyTorch file"),
    "safetensors": (read_safetensors, "a safetensors file"),
    "onnx": (read_onnx, "an ONNX model"),
    "matlab": (read_matconvnet, "a MATLAB 5 file"),
    "npz": (read_npz, "a NumPy file"),
    "npy": (read_npy, "a NumPy file"),
}


def convert(
    src: str | Path,
    dst: str | Path,
    *,
    convention: Convention | None = None,
    prefix: str | None = None,
    dtype: Dtype = "float32",
    source: str = "",
    licence: str = "",
) -> Weights:
    """Read the convolutions of a VGG-11, 13, 16 or 19, as wide as they are, and write them as a weights file.

    Args:
        convention: what the weights want to see; needed where the file cannot tell, wins where it can, save over a
            preprocessing that the network has as its first layer.
        prefix: what the names of the network begin with, in a file that holds several.
        dtype: of the kernels on disk. float32 loses nothing; float16 halves the file and moves each
            number by at most 2^-11 of itself.
        source: said in the file; the name and kind of `src` if nothing is given.

    Raises:
        UserError: a file that is not a VGG or holds several, or whose convention must be said.
    """
    src, dst = Path(src), Path(dst)
    check_output(dst, [src])
    with opened(src) as found:
        made = recognise(found, prefix)
        layout = found.layout
    check_outputs([dst], found.files)
    if made.own_preprocessing and convention:
        raise UserError(f"{shown(src)} has its preprocessing as its first layer: leave --convention out")
    preprocessing = CONVENTIONS[convention] if convention else made.preprocessing
    if preprocessing is None:
        raise UserError(
            f"{shown(src)} ({layout}) cannot tell what pictures it wants: say --convention torchvision "
            "(RGB in [0, 1], torchvision's own) or --convention caffe (BGR 0 to 255, neural-style-pt's)"
        )
    source = source or f"{shown(src.name)} ({layout})"
    about = {"source": source, "source_sha256": sha256(src), "licence": licence, "notes": made.notes}
    weights = Weights(made.params, made.network, preprocessing, dtype, **about)
    save_weights(dst, weights)
    return weights


@contextmanager
def opened(src: Path) -> Iterator[Found]:
    """Open a foreign weights file of any format; what is wrong with it is said in one line that names it.

    Raises:
        UserError: no plain file, no known format, damaged, or everything the reader and the caller refuse.
    """
    reader, layout = READERS[detect(src)]
    try:
        with opening(src, layout), reader(src) as found:
            yield found
    except UserError as error:
        if shown(src) in str(error) or "pip install" in str(error):
            raise
        raise UserError(f"{shown(src)} {error}") from error
