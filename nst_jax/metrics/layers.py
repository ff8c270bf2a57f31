"""Which layers of a network the metrics look at, and their activations."""

import dataclasses

from nst_jax.networks import Encoder, Network, features
from nst_jax.types import Features, Image, Sides

LEVELS = 5
"""How many depths of a network the published measures look at: relu1_1 to relu5_1 of a VGG."""


def held_out_layers(network: Network) -> tuple[str, tuple[str, ...]]:
    """Name the layers that content and style are measured at: not those that a recipe optimises by default."""
    style = network.chosen("held_out")
    return network.held_out_content or style[-1], style


def least_side(network: Network) -> int:
    """Give the side in pixels below which the metrics have nothing to look at."""
    content, style = held_out_layers(network)
    return network.least_side((content, *style))


def levels(network: Network) -> tuple[str, ...]:
    """Name the layers, at most five, that published measures look at: of a VGG relu1_1 to relu5_1.

    Of another network they are those that it compares styles at, evenly thinned, its deepest among them.
    """
    names = network.by_depth(network.chosen("style"))
    count = min(LEVELS, len(names))
    return tuple(names[((i + 1) * len(names) + count - 1) // count - 1] for i in range(count))


def features_of(encoder: Encoder, image: Image, layers: tuple[str, ...], sides: Sides | None) -> dict[str, Features]:
    """Compute the named activations as all metrics see them, whatever a recipe says of the network."""
    # Always float32, max pooling and zero padding, so that numbers compare between devices and recipes.
    network = encoder.network.configured(pooling="max", padding="zero", remat=False)
    return features(dataclasses.replace(encoder, network=network, plans={}), image, layers, sides=sides)
