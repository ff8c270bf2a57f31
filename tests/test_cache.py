"""The persistent compilation cache: in the user's cache directory, switchable, and never in the way."""

import subprocess
import sys

import numpy as np
from compiling import without_store
from PIL import Image

CODE = """
import sys
from pathlib import Path
from nst_jax import cache
import jax, jax.numpy as jnp
folder = cache.enable()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(jax.jit(lambda x: jnp.sin(x) @ x)(jnp.eye(8)).sum(), file=sys.stderr)
print(folder)
"""


def python(code: str, home, **more: str) -> str:
    environment = {**without_store(), "XDG_CACHE_HOME": str(home), **more}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_programs_are_kept_in_the_users_cache_directory(tmp_path):
    folder = python(CODE, tmp_path)
    assert folder == str(tmp_path / "nst_jax" / "compiled")
    kept = sorted(path.name for path in (tmp_path / "nst_jax" / "compiled").iterdir())
    assert kept
    python(CODE, tmp_path)
    again = sorted(path.name for path in (tmp_path / "nst_jax" / "compiled").iterdir())
    assert again == kept  # the second run compiled nothing new


def test_a_cache_that_the_user_configured_is_left_alone(tmp_path):
    own = tmp_path / "own"
    assert python(CODE, tmp_path, JAX_COMPILATION_CACHE_DIR=str(own)) == str(own)
    assert not (tmp_path / "nst_jax").exists()


def test_no_cache_keeps_nothing(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("c.png", "s.png"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / name)
    argv = ["stylize", "c.png", "s.png", "-o", "o.png", "--size", "16", "--steps", "1", "--no-cache"]
    layers = ["--content-layers", "relu1_1", "--style-layers", "relu1_1"]
    environment = {**without_store(), "XDG_CACHE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "nst_jax", *argv, *layers]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert not (tmp_path / "home" / "nst_jax").exists()
