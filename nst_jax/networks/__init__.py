"""Networks as values, and their weights: a table of named layers, a pure function, an encoder that holds the arrays."""

from nst_jax.networks.encoder import (
    CAFFE,
    TORCHVISION,
    Encoder,
    Preprocessing,
    features,
    fingerprint,
    prepare,
    preprocess,
    resolve_precision,
    summarise,
)
from nst_jax.networks.network import PICTURE, Layer, Network
from nst_jax.networks.vgg import VGG, VGGS

__all__ = [
    "CAFFE", "PICTURE", "TORCHVISION", "VGG", "VGGS", "Encoder", "Layer", "Network", "Preprocessing", "features",
    "fingerprint", "prepare", "preprocess", "resolve_precision", "summarise",
]  # fmt: skip
