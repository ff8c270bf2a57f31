"""Networks with random weights: what a picture owes to a network's training, and what to its build."""

import difflib
import re
from dataclasses import replace

import jax
import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import CAFFE, INCEPTION, NETWORKS, VGGS, Encoder, fingerprint

PREFIX = "random:"


def random_encoder(weights: str) -> Encoder:
    """Draw the network that a name such as `random:vgg16:7` asks for: a pure function of the network and the seed 7.

    Kernels are normal with variance 2 / fan-in and biases are 0, so that activations keep their size through the ReLUs;
    pictures come as for the published weights. Convolution k of the network is drawn by itself, from (seed, k).

    Source: He, Zhang, Ren and Sun (2015), Delving deep into rectifiers, eq. 10.

    Raises:
        UserError: no such network, or no seed.
    """
    name, _, seed = weights.removeprefix(PREFIX).partition(":")
    if name not in NETWORKS:
        near = difflib.get_close_matches(name[:100], NETWORKS, 1)
        hint = f"did you mean '{PREFIX}{near[0]}:0'?" if near else f"expected one of {', '.join(NETWORKS)}"
        raise UserError(f"weights is '{shown(weights)}': {hint}")
    if not re.fullmatch(r"\d{1,10}", seed) or int(seed) >= 2**32:
        raise UserError(
            f"weights is '{shown(weights)}': expected a seed, a whole number below 2^32, such as {PREFIX}{name}:0"
        )
    network = NETWORKS[name]
    params = {}
    for k, (conv, shapes) in enumerate(network.param_shapes().items()):
        shape = shapes["kernel"]
        # This generator's normal numbers are the same in every version of NumPy.
        rng = np.random.RandomState(np.random.MT19937(np.random.SeedSequence([int(seed), k])))
        kernel = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
        params[conv] = {"kernel": kernel.astype(np.float32), "bias": np.zeros(shapes["bias"], np.float32)}
    drawn = Encoder(
        params=jax.device_put(params),
        network=network,
        preprocessing=CAFFE if name in VGGS else INCEPTION,
        source=f"{PREFIX}{name}:{int(seed)}",
    )
    return replace(drawn, digest=fingerprint(drawn))
