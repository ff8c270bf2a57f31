"""Fetching, against a server on loopback: whole and checked, or nothing."""

import hashlib
import http.server
import socket
import threading
from contextlib import contextmanager

import pytest
import weights_files as files

from nst_jax.errors import UserError
from nst_jax.weights import fetch as module
from nst_jax.weights import read_weights
from nst_jax.weights.fetch import PUBLISHED, Published, fetch
from nst_jax.weights.load import FETCHED


@contextmanager
def server(body: bytes, claimed: int | None = None, status: int = 200):
    """Serve `body` at every path, claiming its length to be `claimed`; give the URL and the paths asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if claimed is None else claimed))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))  # seconds until it sees that it is to end
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}", asked
        finally:
            running.shutdown()
            thread.join()


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Publish a small VGG-19 under Keras' name; give its bytes and arrays."""
    params = files.params_of("vgg19")
    files.keras_published(tmp_path / "raw.h5", params)
    body = (tmp_path / "raw.h5").read_bytes()
    (tmp_path / "raw.h5").unlink()
    md5 = hashlib.md5(body).hexdigest()
    monkeypatch.setitem(module.PUBLISHED, "vgg19", Published(PUBLISHED["vgg19"].path, md5, "vgg19"))
    return body, params


def test_a_good_file_is_converted_and_the_raw_one_removed(published, tmp_path, capfd):
    body, params = published
    with server(body) as (url, asked):
        path = fetch("vgg19", base_url=url, cache=tmp_path / "cache")
        assert asked == ["/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"]
        assert fetch("vgg19", base_url=url, cache=tmp_path / "cache") == path
        assert len(asked) == 1, "what is there already is not fetched again"
    assert list((tmp_path / "cache").iterdir()) == [path]
    held = read_weights(path)
    assert files.same(held.params, params)
    assert held.source == f"{url}{asked[0]}"
    assert (held.source_sha256, held.licence) == (hashlib.sha256(body).hexdigest(), "CC BY 4.0")
    assert capfd.readouterr() == ("", "")


def test_a_damaged_file_in_the_cache_is_fetched_again(published, tmp_path):
    body, params = published
    (tmp_path / "vgg19.h5").write_bytes(b"half a file")
    with server(body) as (url, _):
        assert files.same(read_weights(fetch("vgg19", base_url=url, cache=tmp_path)).params, params)


def refused(tmp_path, url: str, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        fetch("vgg19", base_url=url, cache=tmp_path / "cache")
    message = str(caught.value)
    assert "\n" not in message
    assert url in message
    assert f"nst-jax weights convert FILE {tmp_path / 'cache' / 'vgg19.h5'}" in message
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_cut_short_is_refused(published, tmp_path):
    body, _ = published
    with server(body[:-1000], claimed=len(body)) as (url, _):
        refused(tmp_path, url, "broke off before the end")


def test_another_file_is_refused(published, tmp_path):
    body, _ = published
    with server(body[:-1000]) as (url, _):
        refused(
            tmp_path, url, f"has md5 {hashlib.md5(body[:-1000]).hexdigest()}, expected {hashlib.md5(body).hexdigest()}"
        )


def test_a_refusing_server_is_told(published, tmp_path):
    with server(b"gone", status=404) as (url, _):
        refused(tmp_path, url, "the server answered 404")


def test_no_network_says_what_to_download(published, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        refused(tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}", r"vgg19_.*_notop\.h5 \(no connection\)")


def test_a_file_that_passes_the_hash_and_is_no_vgg_leaves_nothing(published, tmp_path, monkeypatch):
    body = b"not weights at all"
    monkeypatch.setitem(PUBLISHED, "vgg19", Published("x.h5", hashlib.md5(body).hexdigest(), "vgg19"))
    with server(body) as (url, _), pytest.raises(UserError, match="no known format"):
        fetch("vgg19", base_url=url, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_told(published, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write into"):
        fetch("vgg19", base_url="http://127.0.0.1:9", cache=tmp_path / "file" / "cache")


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(UserError, match="no published weights are called 'vgg17': use vgg19 or vgg16"):
        fetch("vgg17", cache=tmp_path)


def test_the_published_files_are_those_of_keras():
    assert {name: (p.md5, p.path.partition("/")[0]) for name, p in PUBLISHED.items()} == {
        "vgg19": ("253f8cb515780f3b799900260a226db6", "vgg19"),
        "vgg16": ("6d6bbae143d832006294945121d1f1fc", "vgg16"),
    }
    assert tuple(p.name for p in PUBLISHED.values()) == FETCHED
