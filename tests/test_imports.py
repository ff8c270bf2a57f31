"""Data flows one way: a module imports only what stands above it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nst_jax

PACKAGE = Path(nst_jax.__file__).parent
ORDER = [
    "errors", "files", "packaged", "types", "recipe", "axis", "presets", "images", "ops", "vgg", "weights", "losses",
    "pixels", "metrics", "problem", "units", "lbfgs", "compiler", "optimize", "scales", "batch", "cache", "record",
    "runs", "pages", "cli",
]  # fmt: skip


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def home(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Name the first-level modules of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "nst_jax":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("nst_jax.")}
    return {name for name in found if name in ORDER}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_what_stands_above_it(path):
    name = home(path)
    if name in ("__init__", "__main__"):
        return
    assert name in ORDER, f"give {name} its place in ORDER"
    below = {other for other in imported(path) if ORDER.index(other) > ORDER.index(name)}
    assert not below, f"{path.name} of {name} imports {below}, which stands below it"


def test_the_package_and_the_command_line_start_without_jax():
    code = "import sys, nst_jax, nst_jax.cli.main; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there_and_documented():
    for name in nst_jax.__all__:
        assert getattr(nst_jax, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nst_jax.nothing
