"""Fetch Keras' published weights into the user's cache, whole and checked or not at all."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests  # what pooch downloads with

from nst_jax.errors import UserError
from nst_jax.weights.convert import convert
from nst_jax.weights.load import cache_dir
from nst_jax.weights.store import read_weights

BASE_URL = "https://storage.googleapis.com/tensorflow/keras-applications"
LICENCE = "CC BY 4.0"


@dataclass(frozen=True)
class Published:
    """One published file: where, its md5 as Keras gives it, and the name its conversion goes by here."""

    path: str
    md5: str
    name: str


PUBLISHED = {
    "vgg19": Published(
        "vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "253f8cb515780f3b799900260a226db6",
        "vgg19",
    ),
    "vgg16": Published(
        "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "6d6bbae143d832006294945121d1f1fc",
        "vgg16-float32",  # plain vgg16 is the embedded file
    ),
}


def fetch(name: str, *, base_url: str = BASE_URL, cache: Path | None = None) -> Path:
    """Download, check and convert published weights; return the path of the .h5, at once if it is there already.

    Raises:
        UserError: an unknown name, no connection, another file than the published one, a cache that cannot be
            written; nothing is left behind then.
    """
    if name not in PUBLISHED:
        raise UserError(f"no published weights are called '{name}': use {' or '.join(PUBLISHED)}")
    published = PUBLISHED[name]
    cache = cache_dir() if cache is None else cache
    target = cache / f"{published.name}.h5"
    if _is_whole(target):
        return target
    url = f"{base_url}/{published.path}"
    by_hand = f"get it another way and run `nst-jax weights convert FILE {target}`"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as folder:
            raw = _download(url, Path(folder), by_hand)
            if (md5 := pooch.file_hash(str(raw), alg="md5")) != published.md5:
                raise UserError(f"{url} has md5 {md5}, expected {published.md5}: try again, or {by_hand}")
            convert(raw, target, source=url, licence=LICENCE)
    except OSError as error:
        raise UserError(f"cannot write into {cache}: {error.strerror or error}") from error
    return target


def _is_whole(path: Path) -> bool:
    try:
        read_weights(path)
    except UserError:
        return False
    return True


def _download(url: str, folder: Path, by_hand: str) -> Path:
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # it would tell the hash of the file, which is ours to judge
    try:
        return Path(pooch.retrieve(url, known_hash=None, fname="raw.h5", path=folder))
    except requests.RequestException as error:
        reason = "no connection"
        if error.response is not None:
            error.response.close()  # pooch streams, and leaves the socket of a refused request open
            reason = f"the server answered {error.response.status_code}"
        elif isinstance(error, requests.exceptions.ChunkedEncodingError):
            reason = "the connection broke off before the end"
        raise UserError(f"cannot download {url} ({reason}): {by_hand}") from error
    finally:
        logger.setLevel(level)
