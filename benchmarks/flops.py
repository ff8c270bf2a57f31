"""Count the arithmetic that a step of style transfer cannot avoid."""

import math

from nst_jax.networks import VGGS


def conv_flops(last: str, height: int, width: int, architecture: str = "vgg16") -> int:
    """Count 2 x 2 x multiply-adds of all convolutions up to `last`: forward and gradient towards the input.

    One 3x3 convolution at p positions takes 9 c_in c_out p multiply-adds. Grams, pools and the optimizer, a few
    per cent, are left out, and a method that needs fewer multiplications (Winograd) is credited with the full count.
    """
    count, network = 0, VGGS[architecture]
    for name, shapes in network.param_shapes().items():
        count += math.prod(shapes["kernel"]) * math.prod(network.layer(name).positions((height, width)))
        if name == last.replace("relu", "conv"):
            return 2 * 2 * count
    raise ValueError(f"{last} is not a layer of {architecture}")
