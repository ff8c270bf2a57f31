"""The published networks, whose weights a file can hold."""

from nst_jax.networks.branched import Branched
from nst_jax.networks.inception import GOOGLENET, INCEPTION_V3
from nst_jax.networks.network import Network
from nst_jax.networks.vgg import VGG, VGGS

Table = VGG | Branched
"""A network by its table: named convolutions (`convs`) of some `channels`, `param_shapes` and `widened`."""

NETWORKS: dict[str, Table] = {**VGGS, INCEPTION_V3.name: INCEPTION_V3, GOOGLENET.name: GOOGLENET}

Network.relatives = tuple(sorted(NETWORKS.values(), key=lambda network: network.name != "vgg16"))
