"""Keep compiled programs between runs, in the user's cache directory."""

import warnings
from pathlib import Path

import jax
import platformdirs


def enable(folder: Path | None = None) -> Path:
    """Switch jax's persistent compilation cache on, unless its user has configured one already."""
    if chosen := getattr(jax.config, "jax_compilation_cache_dir", None):
        return Path(chosen)
    # On a full disk, or with a damaged entry, a program is compiled anew: that is no line for a user.
    warnings.filterwarnings("ignore", r"Error (writing|reading) persistent compilation cache entry")
    path = folder or Path(platformdirs.user_cache_dir("nst_jax", appauthor=False)) / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return path
