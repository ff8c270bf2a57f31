"""How a test session compiles: cheaply, and each large program once for all of its processes; helpers, no tests.

What is set is in the environment, which xdist's workers and the processes that tests start inherit.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jax

CHEAP = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
)
"""XLA's own passes all run, so that a program's operations, copies and memory are those of a user's. What is left out
is the work on loops that tests run a few times: most of what compiling takes."""

PLAINLY = {
    "xla_backend_optimization_level": "3",
    "xla_llvm_disable_expensive_passes": "False",
    "xla_cpu_use_fusion_emitters": "True",
}
"""Compiler options that undo CHEAP for one program."""

WORTH_KEEPING = 0.3
"""Seconds of compiling; a small program takes longer to be written down than to be compiled again."""


def prepare(*, cheaply: bool) -> Path | None:
    """Set a session up, before its first computation; give the store of compiled programs to be removed at its end.

    A store that is configured already is used, and stays.
    """
    if cheaply and _known(CHEAP):
        os.environ["XLA_FLAGS"] = " ".join((*CHEAP, os.environ.get("XLA_FLAGS", "")))
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return None
    store = tempfile.mkdtemp(prefix="nst_jax-compiled-")
    for name, value in (("compilation_cache_dir", store), ("persistent_cache_min_compile_time_secs", WORTH_KEEPING)):
        os.environ[f"JAX_{name.upper()}"] = str(value)
        jax.config.update(f"jax_{name}", value)  # this process has read its environment already
    return Path(store)


def _known(flags: tuple[str, ...]) -> bool:
    """Ask another process whether XLA takes these flags: one that it does not know would end this one."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": " ".join(flags)}
    command = [sys.executable, "-c", "import jax; jax.devices()"]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0


def remove(store: Path | None) -> None:
    """Remove a session's store."""
    if store:
        shutil.rmtree(store, ignore_errors=True)


def without_store() -> dict[str, str]:
    """Give the environment of a process that keeps compiled programs where it would for its user."""
    kept = ("JAX_COMPILATION_CACHE", "JAX_PERSISTENT_CACHE")
    return {name: value for name, value in os.environ.items() if not name.startswith(kept)}
