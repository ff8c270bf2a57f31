"""Rescale a network so that every filter fires equally on average, as Gatys et al. did with theirs."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax import images
from nst_jax.compiler import late_jit
from nst_jax.errors import UserError
from nst_jax.files import check_output, shown
from nst_jax.networks import VGG, Encoder, features
from nst_jax.recipe import Padding, Pooling
from nst_jax.types import Image
from nst_jax.weights.load import find_weights, load_encoder
from nst_jax.weights.store import Dtype, Weights, read_weights, save_weights


def normalize(
    encoder: Encoder, pictures: Iterable[Image], *, pooling: Pooling = "max", padding: Padding = "zero"
) -> Encoder:
    """Give every filter mean activation 1 over pictures and positions; filters that never fire stay as they are.

    With m_l[c] the mean of relu_l[..., c]: kernel_l[..., i, c] * m_(l-1)[i] / m_l[c] and bias_l[c] / m_l[c]. ReLU and
    pooling, max or average, commute with a positive scale, so each feature changes by the factor 1 / m_l[c] alone.

    Source: Gatys, Ecker and Bethge, Image Style Transfer Using Convolutional Neural Networks (2016), section 2.

    Raises:
        UserError: no pictures.
    """
    means = mean_activations(encoder, pictures, pooling, padding)
    params: dict[str, dict[str, jax.Array]] = {}
    before = np.ones(3)
    for conv, mean in means.items():
        after = np.where(mean > 0, mean, 1.0)
        kernel = np.asarray(encoder.params[conv]["kernel"], np.float64) * before[:, None] / after
        bias = np.asarray(encoder.params[conv]["bias"], np.float64) / after
        params[conv] = {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}
        before = after
    return encoder.replace(params=params, plans={}, digest="")  # type: ignore[attr-defined]


def mean_activations(
    encoder: Encoder, pictures: Iterable[Image], pooling: Pooling = "max", padding: Padding = "zero"
) -> dict[str, np.ndarray]:
    """Average each filter's activation after its ReLU over all positions of all pictures: `{"conv1_1": (c,), ...}`.

    Raises:
        UserError: no pictures.
    """
    network = encoder.network
    if not isinstance(network, VGG):
        raise UserError(f"the network is {network.name}: expected a VGG, whose filters can be scaled one by one")
    encoder = dataclasses.replace(encoder, network=network.configured(pooling=pooling, padding=padding, remat=False))
    convs = network.convs
    relus = [conv.replace("conv", "relu") for conv in convs]

    @late_jit(once=True)
    def one(encoder: Encoder, picture: Image) -> list[jax.Array]:
        found = features(encoder, picture, relus)
        return [feature.mean((0, 1)) for feature in found.values()]

    sums: list[np.ndarray] = [np.zeros(())] * len(convs)
    positions = np.zeros(len(convs))
    for picture in pictures:
        h, w, _ = picture.shape
        areas = [rows * columns for rows, columns in (network.layer(conv).positions((h, w)) for conv in convs)]
        means = one(encoder, picture)
        sums = [s + np.asarray(m, np.float64) * n for s, m, n in zip(sums, means, areas, strict=True)]
        positions += areas
    if not positions.any():
        raise UserError("there are no pictures to normalize over: give at least one")
    return {conv: s / n for conv, s, n in zip(convs, sums, positions, strict=True)}


def normalize_file(
    src: str | Path,
    dst: str | Path,
    folder: str | Path,
    *,
    size: int = 512,
    pooling: Pooling = "max",
    dtype: Dtype = "float32",
) -> int:
    """Normalize the weights `src` over the pictures in `folder`, `size` pixels long, into `dst`; count the pictures.

    Raises:
        UserError: no such folder, no pictures in it, or one that cannot be read.
    """
    paths = _pictures(Path(folder))
    path = find_weights(src)
    check_output(dst, [path, *paths])
    held = read_weights(path)
    # read one at a time: a folder of photographs need not fit into memory
    pictures = (jnp.asarray(_read(path, size)) for path in paths)
    scaled = normalize(load_encoder(src), pictures, pooling=pooling)
    notes = f"each filter scaled to mean activation 1 over {len(paths)} pictures, {size} px, {pooling} pooling"
    params = {conv: {k: np.asarray(a) for k, a in leaves.items()} for conv, leaves in scaled.params.items()}
    done: Weights = dataclasses.replace(held, params=params, dtype=dtype, notes=notes)
    save_weights(dst, done)
    return len(paths)


def _read(path: Path, size: int) -> np.ndarray:
    """Read a picture, on neutral ground where it is transparent."""
    picture = images.read(path)
    return images.resize(images.compose(picture.rgb, picture.alpha), size)


def _pictures(folder: Path) -> list[Path]:
    if not os.path.isdir(folder):
        raise UserError(f"{shown(folder)} is not a directory, expected one with pictures")
    paths = sorted(path for path in folder.iterdir() if images.is_picture(path))
    if not paths:
        raise UserError(f"{shown(folder)} holds no pictures, expected files such as .png or .jpg: give another folder")
    return paths
