"""Files that travel with the package."""

from pathlib import Path


def find(installed: str, checkout: str) -> Path:
    """Find a file under nst_jax/_data of an installed package, else under the root of a checkout."""
    package = Path(__file__).resolve().parent
    path = package / "_data" / installed
    return path if path.exists() else package.parent / checkout
