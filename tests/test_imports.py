"""Data flows one way: a module imports only what stands above it, between packages and inside of each."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import nst_jax

PACKAGE = Path(nst_jax.__file__).parent
ORDER = [
    "errors", "temporary", "files", "printing", "plain", "packaged", "types", "arithmetic", "backend", "compiler",
    "value", "blend", "recipe", "axis", "presets", "settings", "images", "masks", "colour", "ops", "networks",
    "weights", "losses", "pixels", "meanings", "metrics", "canvases", "descents", "gradients", "problem", "guides",
    "objective", "renewal", "numbers", "targets", "saved", "posing", "units", "optimize", "scales", "saving",
    "record", "made", "absent", "frame", "batch", "cache", "runs", "pages", "cli",
]  # fmt: skip
INSIDE = {
    "images": [
        "digest", "arrays", "profile", "resampling", "transparency", "scaling", "strips", "shaper", "levels", "deep",
        "reading", "writing",
    ],
    "ops": [
        "statistic", "bands", "margin", "gram", "ordered", "pool", "narrow", "winograd", "joined", "cholesky", "bures",
        "conv", "remat",
        "shaped", "windows",
    ],
    "networks": ["network", "vgg", "branched", "inception", "known", "encoder"],
    "losses": [
        "loss", "content", "gram", "covariance", "mean_std", "gram_mean_std", "mmd_poly", "mmd_gauss", "shifted",
        "cross_layer", "long_range", "w2", "variation", "samples", "sliced", "histogram", "nearest", "remd",
        "contextual", "self_similarity", "laplacian", "matting", "around", "relative", "mixture", "blend",
        "smoothed", "regions", "chosen",
    ],
    "metrics": [
        "planes", "edges", "spectrum", "filters", "chroma", "distance", "layers", "holdout", "resemblance",
        "divergence",
        "judge",
    ],
    "canvases": ["canvas", "logits", "pixels", "fourier", "pyramid", "transforms"],
    "descents": ["descent", "adam", "transformation", "pairs", "lbfgs"],
    "gradients": ["gradient", "windows", "rows", "whole", "tiles"],
    "batch": [
        "sweep", "encoders", "pairing", "lanes", "memory", "program", "elsewhere", "planning", "seals", "store",
        "run", "solving",
    ],
    "runs": [
        "folder", "spec", "seek", "animate", "inputs", "ready", "finish", "reading", "pictures", "manifest", "tables",
        "publish", "waiting", "work", "room", "together", "single",
    ],
    "pages": ["folder", "sheet", "plots", "data", "page", "results"],
    "cli": [
        "axes", "styles", "strokes", "values", "interrupt", "streams", "scripts", "minutes", "progress",
        "lanes_progress", "preset", "tools", "dialects", "written", "elsewhere", "joining", "single", "shared",
        "planned", "running", "helps", "style", "stylize", "texture", "invert", "rerun", "demo", "sweep", "batch",
        "translate", "units", "weights", "main",
    ],
}  # fmt: skip
"""Each package's own order; of `weights` by its file."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> tuple[str, ...]:
    return path.relative_to(PACKAGE).with_suffix("").parts


def imported(path: Path) -> set[tuple[str, ...]]:
    """Name the modules of the package that a file imports, by parts below nst_jax; relative imports too."""
    found = set()
    package = ["nst_jax", *dotted(path)[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            whole = importlib.util.resolve_name(name, ".".join(package)) if node.level else name
            if whole.split(".")[0] != "nst_jax":
                continue
            base = tuple(whole.split(".")[1:])
            # `from nst_jax.cli import interrupt` names a module, `from nst_jax.errors import UserError` does not
            found |= {(*base, a.name) if _is_module((*base, a.name)) else base for a in node.names}
        if isinstance(node, ast.Import):
            found |= {tuple(a.name.split(".")[1:]) for a in node.names if a.name.startswith("nst_jax.")}
    return {parts for parts in found if parts}


def _is_module(parts: tuple[str, ...]) -> bool:
    place = PACKAGE.joinpath(*parts)
    return place.is_dir() or place.with_suffix(".py").exists()


def below(path: Path) -> list[str]:
    """List what a file imports that does not stand above it."""
    room, *rest = dotted(path)
    inside = rest[0] if rest else ""
    wrong = []
    for parts in imported(path):
        other, *within = parts
        if other != room:
            wrong += [".".join(parts)] if ORDER.index(other) > ORDER.index(room) else []
        elif room in INSIDE and within and inside != "__init__":
            order = INSIDE[room]
            wrong += [".".join(parts)] if order.index(within[0]) >= order.index(inside) else []
    return wrong


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_what_stands_above_it(path):
    room, *inside = dotted(path)
    if room in ("__init__", "__main__"):
        return
    assert room in ORDER, f"give {room} its place in ORDER"
    if room in INSIDE and inside[0] != "__init__":
        assert inside[0] in INSIDE[room], f"give {inside[0]} its place in {room}"
    assert not below(path), f"{path.name} of {room} imports {below(path)}, which does not stand above it"


def test_relative_imports_and_those_inside_a_package_are_seen():
    assert ("images", "strips") in imported(PACKAGE / "images" / "writing.py")
    assert ("batch", "program") in imported(PACKAGE / "batch" / "run.py")


def test_the_package_and_the_command_line_start_without_jax():
    code = "import sys, nst_jax, nst_jax.cli.main; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there_and_documented():
    for name in nst_jax.__all__:
        assert getattr(nst_jax, name).__doc__ or name in ("FEATURES", "GRAM", "MOMENTS"), name
    assert set(nst_jax.__all__) <= set(dir(nst_jax))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nst_jax.nothing
