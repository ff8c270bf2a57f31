"""How far apart pictures, or parts of them, lie in the layers that are held out: Gaussians and their distance."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax import Encoder, images
from nst_jax.arithmetic import in_float32
from nst_jax.metrics import held_out_layers
from nst_jax.metrics.distance import Spread, bures, flat, spread_of
from nst_jax.metrics.layers import features_of
from nst_jax.types import Features, Image


@partial(jax.jit, static_argnums=2)
@in_float32()
def _seen(encoder: Encoder, image: Image, layers: tuple[str, ...]) -> dict[str, Features]:
    return features_of(encoder, image, layers, None)


_spread = jax.jit(in_float32()(lambda x, inside: spread_of(flat(x), inside)))
_bures = jax.jit(in_float32()(bures))


def seen(encoder: Encoder, image: np.ndarray) -> dict[str, Features]:
    """Compute the features (h, w, c) of a picture (h, w, 3) at the layers that are held out."""
    return _seen(encoder, jnp.asarray(image, jnp.float32), held_out_layers(encoder.network)[1])


def spreads(found: Mapping[str, Any], where: np.ndarray | None = None) -> dict[str, Spread]:
    """Summarise features by layer, or those of them that lie `where` (h, w) of the picture, by more than half."""
    out = {}
    for name, x in found.items():
        inside = None
        if where is not None:
            inside = (
                images.fit(where.astype(np.float32)[..., None], (x.shape[0], x.shape[1]), filter="box")[..., 0] > 0.5
            )
        out[name] = _spread(x, None if inside is None else jnp.asarray(inside.ravel()))
    return out


def squared(x: Spread, y: Spread) -> float:
    """Give the squared 2-Wasserstein distance of two Gaussians, in the units of the features."""
    return float(_bures(x, y)) * float(jnp.sum(y.mean**2) + y.trace)


def relative(x: dict[str, Spread], y: dict[str, Spread]) -> float:
    """Give the mean over layers of the squared distance, divided by that of y from blank features."""
    return float(np.mean([float(_bures(x[name], y[name])) for name in y]))
