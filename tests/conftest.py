"""Fixtures that several test files share: a tiny seeded VGG, and the three ways to run a pure function."""

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import compiling
import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import configuration
from PIL import Image

from nst_jax import compiler, images
from nst_jax.batch import lanes
from nst_jax.descents import LBFGS
from nst_jax.networks import VGG, Encoder, Preprocessing

# benchmarks/ and experiments/ are not installed; at the end, so that the installed package is the one tested
sys.path.append(str(Path(__file__).parents[1]))

# A broadcast between arrays of different ranks is written out, or it is a mistake.
jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples every time, no clock, and nothing left in the tree.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("same")
configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "nst_jax-hypothesis")

STORE = pytest.StashKey[Path | None]()
"""Where the session keeps compiled programs, if it is to be removed at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--optimized", action="store_true", help="compile as for a user; cheaply by default")


def pytest_configure(config: pytest.Config) -> None:
    # Tracing makes many objects that live on: looking through all of them again and again was a tenth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20)
    if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker inherits what its session has set
        config.stash[STORE] = compiling.prepare(cheaply=not config.getoption("optimized"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lines = (Path(__file__).parent / "slow.txt").read_text().splitlines()
    long = {line for line in lines if line and not line.startswith("#")}
    for item in items:
        name = item.nodeid.removeprefix("tests/")
        if name in long:
            item.add_marker("slow")


def pytest_unconfigure(config: pytest.Config) -> None:
    compiling.remove(config.stash.get(STORE, None))


TINY_CHANNELS = (2, 3, 4, 4, 4)
TINY_VGG = VGG("vgg16", (2, 2, 3, 3, 3), TINY_CHANNELS)
ODD = Preprocessing("BGR", 2.0, (0.1, 0.5, 0.9), (0.5, 1.0, 2.0))
"""No symmetry between the channels, so that any mix-up of order, mean or std shows."""


@dataclass(frozen=True)
class Tiny:
    """A VGG-16 of a few channels: the encoder, and the same network for the NumPy judge."""

    encoder: Encoder
    kernels: reference.Kernels

    def features(self, image: np.ndarray, pooling: str = "max", padding: str = "zero") -> dict[str, np.ndarray]:
        """Compute every activation of an RGB image in [0, 1] in float64."""
        x = reference.preprocess(image, ODD.channel_order, ODD.range, np.array(ODD.mean), np.array(ODD.std))
        # blocks for which the image is too small are left out
        kernels = {name: k for name, k in self.kernels.items() if 2 ** int(name[4]) <= min(image.shape[:2])}
        return reference.features(kernels, x, pooling, padding)


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    kernels = reference.random_kernels(TINY_VGG.blocks, TINY_CHANNELS, seed=3)
    params = {
        name: {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}
        for name, (kernel, bias) in kernels.items()
    }
    # the judge gets what the encoder got: rounded to float32
    kernels = {name: (np.asarray(p["kernel"], float), np.asarray(p["bias"], float)) for name, p in params.items()}
    return Tiny(Encoder(params=params, network=TINY_VGG, preprocessing=ODD), kernels)


@pytest.fixture
def hosted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CPU keep pairs that belong in the host's memory as a GPU does, in a memory of their own."""
    prepared = LBFGS.prepared
    monkeypatch.setattr(LBFGS, "prepared", lambda self, precision, _: prepared(self, precision, "gpu"))


def _vmapped(function: Callable, *args: Any) -> Any:
    """Run as the second of two lanes, beside one of other numbers: lanes must not see each other."""

    def beside(x: Any) -> jax.Array:
        x = jnp.asarray(x)
        other = x + 1 if jnp.issubdtype(x.dtype, jnp.integer) else 0.5 * jnp.flip(x) + jnp.asarray(0.25, x.dtype)
        return jnp.stack([other, x])

    out = jax.jit(jax.vmap(function))(*jax.tree.map(beside, args))
    return jax.tree.map(lambda x: x[1], out)


ROOM = 3 * 2**30
"""Bytes of a process, above which what it compiled is forgotten; the session's store still has the large programs."""


@pytest.fixture(autouse=True, scope="module")
def room() -> Iterator[None]:
    """Keep a worker small: each compiled program stays in memory until it is forgotten."""
    yield
    if sys.platform == "linux" and int(Path("/proc/self/statm").read_text().split()[1]) * 4096 > ROOM:
        jax.clear_caches()
        gc.collect()


WAYS = {
    "plain": lambda function, *args: function(*args),
    "jit": lambda function, *args: jax.jit(function)(*args),
    "vmap": _vmapped,
}


@pytest.fixture(params=WAYS)
def run(request: pytest.FixtureRequest) -> Callable:
    """Give `run(function, *pytrees)`: the same call plain, jitted and vmapped."""
    return WAYS[request.param]


@pytest.fixture
def optimized(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compile the solver as for a user: for a test in which the last digits count."""
    monkeypatch.setattr(compiler, "CPU", {**compiler.CPU, **compiling.PLAINLY})
    compiler.options.cache_clear()
    lanes.advancing_lanes.jitted.cache_clear()
    yield
    compiler.options.cache_clear()
    lanes.advancing_lanes.jitted.cache_clear()


@pytest.fixture
def strict_ranks() -> Iterator[None]:
    """Refuse implicit broadcasts between arrays of different ranks."""
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a working directory with all that the pages speak of."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    (tmp_path / "paintings").mkdir()
    for name in ("photo.jpg", "painting.jpg", "drawing.jpg", "photos/a.jpg", "photos/b.jpg", "paintings/c.jpg"):
        levels = 80 if "painting" in name else 256  # so that there is a way to go
        Image.fromarray(rng.integers(0, levels, (40, 48, 3), dtype=np.uint8)).save(tmp_path / name)
    halves = np.zeros((40, 48), np.uint8)
    halves[:, 24:] = 255
    Image.fromarray(halves).save(tmp_path / "mask.png")
    (tmp_path / "examples").symlink_to(Path(__file__).parents[1] / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def small_vgg() -> Encoder:
    """Give the fewest layers that a recipe without any setting asks for."""
    network = VGG("vgg", (1, 1, 2, 2, 1), (2, 2, 2, 2, 2))
    kernels = reference.random_kernels(network.blocks, network.channels, seed=3)
    params = {
        name: {"kernel": jnp.float32(kernel), "bias": jnp.float32(bias)} for name, (kernel, bias) in kernels.items()
    }
    return Encoder(params=params, network=network)


@pytest.fixture
def pictures(desk: Path) -> dict[str, np.ndarray]:
    """Give the content and the style that are on the desk."""
    return {"content": images.read(desk / "photo.jpg").rgb, "style": images.read(desk / "painting.jpg").rgb}
