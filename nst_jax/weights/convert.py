"""Turn somebody else's weights file into ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from nst_jax.errors import UserError
from nst_jax.files import check_output, check_outputs, shown
from nst_jax.networks import CAFFE, INCEPTION, TORCHVISION, Branched, Preprocessing
from nst_jax.weights.foreign import detect, opening
from nst_jax.weights.found import Found
from nst_jax.weights.read_keras import read_h5
from nst_jax.weights.read_matconvnet import read_matconvnet
from nst_jax.weights.read_numpy import read_npy, read_npz
from nst_jax.weights.read_onnx import read_onnx
from nst_jax.weights.read_safetensors import read_safetensors
from nst_jax.weights.read_tfjs import read_tfjs
from nst_jax.weights.read_torch import read_bare_pickle, read_pth
from nst_jax.weights.recognise import recognise
from nst_jax.weights.store import Dtype, Weights, save_weights, sha256

Convention = Literal["caffe", "torchvision", "inception", "unit"]
CONVENTIONS = {"caffe": CAFFE, "torchvision": TORCHVISION, "inception": INCEPTION, "unit": Preprocessing()}
ASKED = {
    "vgg": "--convention torchvision (RGB in [0, 1], torchvision's own) or --convention caffe (BGR 0 to 255, "
    "neural-style-pt's)",
    "branched": "--convention inception (RGB from -1 to 1, that of the published weights) or --convention unit (RGB in "
    "[0, 1], as it is)",
}
"""The conventions that networks of a kind have."""

READERS = {
    "hdf5": (read_h5, "a Keras .h5 file"),
    "torch": (read_pth, "a PyTorch file"),
    "pickle": (read_bare_pickle, "a PyTorch file"),
    "safetensors": (read_safetensors, "a safetensors file"),
    "onnx": (read_onnx, "an ONNX model"),
    "matlab": (read_matconvnet, "a MATLAB 5 file"),
    "npz": (read_npz, "a NumPy file"),
    "npy": (read_npy, "a NumPy file"),
    "tfjs": (read_tfjs, "a TensorFlow.js model"),
}


def convert(
    src: str | Path,
    dst: str | Path,
    *,
    convention: Convention | None = None,
    prefix: str | None = None,
    last: str | None = None,
    dtype: Dtype = "float32",
    source: str = "",
    licence: str = "",
) -> Weights:
    """Read the convolutions of a VGG, Inception V3 or GoogLeNet, as wide as they are, and write them as a weights file.

    Args:
        convention: what the weights want to see; needed where the file cannot tell, wins where it can, save over a
            preprocessing that the network has as its first layer.
        prefix: what the names of the network begin with, in a file that holds several.
        last: deepest layer of an Inception V3 or GoogLeNet to keep; by default all of them.
        dtype: of the kernels on disk. float32 loses nothing; float16 halves the file and moves each
            number by at most 2^-11 of itself; uint8 keeps the values of a file that is quantised to it.
        source: said in the file; the name and kind of `src` if nothing is given.

    Raises:
        UserError: a file that holds no such network or several, or whose convention must be said.
    """
    src, dst = Path(src), Path(dst)
    check_output(dst, [src])
    with opened(src) as found:
        made = recognise(found, prefix, last, pack=dtype == "uint8")
        layout = found.layout
    check_outputs([dst], found.files)
    if made.own_preprocessing and convention:
        raise UserError(f"{shown(src)} has its preprocessing as its first layer: leave --convention out")
    preprocessing = CONVENTIONS[convention] if convention else made.preprocessing
    if preprocessing is None:
        wanted = ASKED["branched" if isinstance(made.network, Branched) else "vgg"]
        raise UserError(f"{shown(src)} ({layout}) cannot tell what pictures it wants: say {wanted}")
    source = source or f"{shown(src.name)} ({layout})"
    about = {"source": source, "source_sha256": sha256(src), "licence": licence, "notes": made.notes}
    packed = {"packed": made.packed, "epsilon": made.epsilon}
    weights = Weights(made.params, made.network, preprocessing, dtype, **about, **packed)
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
