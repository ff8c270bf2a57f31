"""The same command on several devices and in several processes: each lane as it is on one."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
from run_files import begin, draw, finish, results

from nst_jax import images

EIGHT = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Give a folder with pictures and the run of ten lanes on one device."""
    folder = tmp_path_factory.mktemp("devices")
    draw(folder / "c.png", 1, 32, 24)
    draw(folder / "s.png", 2, 40, 32)
    finish(begin(folder, "one", "sweep", *SWEEP))
    return folder


SWEEP = (
    "../c.png",
    "../s.png",
    "--beta",
    "1e1:1e3:5log",
    "--tv",
    "0,10",
    "--steps",
    "20",
    "--optimizer",
    "adam",
    "--no-metrics",
)


def assert_close(found: Path, expected: Path) -> None:
    """Check that two runs have the same files, and pictures that differ by rounding at most."""
    assert list(results(found)) == list(results(expected))
    pictures = sorted(expected.glob("lanes/*.png"))
    assert len(pictures) == 10
    for picture in pictures:
        a, b = (images.read(folder / "lanes" / picture.name).rgb for folder in (found, expected))
        np.testing.assert_allclose(a, b, atol=1.01 / 255)


def test_eight_devices(place) -> None:
    said = finish(begin(place, "eight", "sweep", *SWEEP, **EIGHT))
    assert "10 lanes of 32x24 in 2 chunks of 8" in said
    assert_close(place / "eight/run", place / "one/run")


def test_two_processes_share_the_lanes(place) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = ("--coordinator", f"127.0.0.1:{port}", "--processes", "2", "--process")
    both = [begin(place, "two", "sweep", *SWEEP, *cluster, str(i)) for i in range(2)]
    first, second = (finish(process) for process in both)
    assert "5 lanes of 32x24 in 1 chunks of 5" in first
    assert "5 lanes of 32x24 in 1 chunks of 5" in second
    assert "index.html  10 lanes" in first
    assert "index.html" not in second
    assert_close(place / "two/run", place / "one/run")
