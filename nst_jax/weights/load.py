"""From the name of a network, or the path of a weights file, to an encoder."""

import contextlib
import difflib
from pathlib import Path

import jax

from nst_jax import backend, packaged
from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.networks import Encoder
from nst_jax.weights.random import PREFIX, random_encoder
from nst_jax.weights.store import read_weights, sha256

DEFAULT = "vgg16"

EMBEDDED = (DEFAULT, "inception_v3")
"""The networks inside the package."""

FETCHED = ("vgg19", "vgg16-float32")
"""The networks that `nst-jax weights fetch` puts into the user's cache."""


def cache_dir() -> Path:
    """Say where fetched weights live; it need not exist."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("nst_jax", appauthor=False)) / "weights"


def embedded_path(name: str = DEFAULT) -> Path:
    """Find an embedded network: inside an installed package, or in weights/ of a checkout."""
    return packaged.find(f"{name}.h5", f"weights/{name}.h5")


def find_weights(weights: str | Path) -> Path:
    """Turn a name (vgg16, inception_v3, vgg19, any NAME.h5 in the cache) or a path into the path of an existing file.

    A name wins over a file so called in the working directory: a recipe means the same everywhere.

    Raises:
        UserError: saying how to get a known name, or the nearest name.
    """
    if str(weights).startswith(PREFIX):
        raise UserError(f"'{shown(str(weights))}' is drawn when it is used: no file holds it")
    path = Path(weights)
    if len(path.parts) > 1 or path.suffix:
        return path
    name = str(weights)
    if name in EMBEDDED:
        return embedded_path(name)
    cached = cache_dir() / f"{name}.h5"
    with contextlib.suppress(OSError, ValueError):  # a name that no file can have
        if name and cached.exists():
            return cached
    if name in FETCHED:
        fetch = name.removesuffix("-float32")
        raise UserError(f"'{name}' is not on this machine: run `nst-jax weights fetch {fetch}`")
    known = (*EMBEDDED, *FETCHED)
    near = difflib.get_close_matches(name[:100], known, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"use {', '.join(known)} or the path of an .h5 file"
    raise UserError(f"no weights are called '{shown(name)}': {hint}")


def load_encoder(weights: str | Path = DEFAULT) -> Encoder:
    """Load a network: an embedded one, vgg16 or inception_v3, one fetched by name, or a converted .h5 file.

    `random:vgg16:7` draws random weights with the seed 7 for a network of that name.

    Kernels are (rows, columns, c_in, c_out) float32, whatever the file stores.

    Raises:
        UserError: no such weights, a file that is not a complete network of its architecture, or no device.
    """
    backend.start()
    if str(weights).startswith(PREFIX):
        return random_encoder(str(weights))
    path = find_weights(weights)
    held = read_weights(path)
    name = str(weights)
    want = name.removesuffix("-float32")
    if name in (*EMBEDDED, *FETCHED) and held.network.name != want:
        raise UserError(
            f"{shown(path)} is a {held.network.name}, expected a {want}: run `nst-jax weights fetch {want}`"
        )
    return Encoder(
        params=jax.device_put(held.params),  # jnp.asarray would compile a copy for each shape
        network=held.network,
        preprocessing=held.preprocessing,
        digest=sha256(path),
        source=str(weights),
    )
