"""Fetch Keras' published weights into the user's cache, whole and checked or not at all."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import requests

from nst_jax import temporary
from nst_jax.errors import UserError
from nst_jax.files import one_line, shown
from nst_jax.weights.convert import convert
from nst_jax.weights.load import cache_dir
from nst_jax.weights.store import read_weights

BASE_URL = "https://storage.googleapis.com/tensorflow/keras-applications"
LICENCE = "CC BY 4.0"
TIMEOUT = (10, 60)
"""Seconds for the connection, and between two pieces of the answer."""
PIECE, LARGEST = 2**20, 2**30
"""Bytes held in memory at once, and bytes after which a server is not believed."""


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


def fetch(
    name: str, *, base_url: str = BASE_URL, cache: Path | None = None, say: Callable[[str], object] = lambda _: None
) -> Path:
    """Download, check and convert published weights; return the path of the .h5, at once if it is there already.

    `say` gets a line before a download.

    Raises:
        UserError: an unknown name, no connection, another file than the published one, a cache that cannot be
            written; nothing is left behind then.
    """
    if name not in PUBLISHED:
        raise UserError(f"no published weights are called '{shown(name)}': use {' or '.join(PUBLISHED)}")
    published = PUBLISHED[name]
    cache = cache_dir() if cache is None else cache
    target = cache / f"{published.name}.h5"
    if _is_whole(target):
        return target
    url = f"{base_url}/{published.path}"
    by_hand = f"get it another way and run `nst-jax weights convert FILE {shown(target)}`"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary.clean(cache)
        say(f"{name}: 60 to 80 MB to download")
        with temporary.beside(cache) as (raw, file):
            md5 = _download(url, file, by_hand)
            file.close()
            if md5 != published.md5:
                raise UserError(f"{shown(url)} has md5 {md5}, expected {published.md5}: try again, or {by_hand}")
            convert(raw, target, source=url, licence=LICENCE)
    except OSError as error:
        raise UserError(f"cannot write into {shown(cache)}: {one_line(error)}") from error
    return target


def _is_whole(path: Path) -> bool:
    try:
        read_weights(path)
    except UserError:
        return False
    return True


def _download(url: str, file: BinaryIO, by_hand: str) -> str:
    """Stream an answer into a file, never whole in memory; return its md5."""
    md5, size = hashlib.md5(usedforsecurity=False), 0
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT) as answer:
            answer.raise_for_status()
            for piece in answer.iter_content(PIECE):
                size += len(piece)
                if size > LARGEST:
                    raise UserError(f"{shown(url)} goes on after {LARGEST} bytes, expected 60 to 80 million: {by_hand}")
                md5.update(piece)
                file.write(piece)
            whole = int(answer.headers.get("Content-Length", size))
            if size < whole and "Content-Encoding" not in answer.headers:
                raise requests.exceptions.ChunkedEncodingError
    except requests.RequestException as error:
        raise UserError(f"cannot download {shown(url)} ({_reason(error)}): {by_hand}") from error
    return md5.hexdigest()


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off before the end"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no answer for {TIMEOUT[1]} seconds"
    return "no connection"
