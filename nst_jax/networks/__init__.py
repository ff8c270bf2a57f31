"""Networks as values, and their weights: a table of named layers, a pure function, an encoder that holds the arrays."""

from nst_jax.networks.branched import Branched
from nst_jax.networks.encoder import (
    CAFFE,
    INCEPTION,
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
from nst_jax.networks.inception import GOOGLENET, INCEPTION_V3
from nst_jax.networks.known import NETWORKS, Table
from nst_jax.networks.network import PICTURE, Layer, Network
from nst_jax.networks.vgg import VGG, VGGS

__all__ = [
    "CAFFE", "GOOGLENET", "INCEPTION", "INCEPTION_V3", "NETWORKS", "PICTURE", "TORCHVISION", "VGG", "VGGS", "Branched",
    "Encoder", "Layer", "Network", "Preprocessing", "Table", "features", "fingerprint", "prepare", "preprocess",
    "resolve_precision", "summarise",
]  # fmt: skip
