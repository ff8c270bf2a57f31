"""What a page says to type: its fences, and its commands with few steps on small pictures; helpers, no tests."""

import re
import shlex
from pathlib import Path
from typing import Any

import run_files

FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = [
    *("--size", "32", "--steps", "1", "--content-layers", "relu2_2", "--style-layers", "relu1_1", "relu2_1"),
    *("--quiet", "--no-cache"),
]
MAKERS = ("stylize", "sweep", "batch", "texture")
"""Commands that make pictures."""


def snippets(language: str, text: str) -> list[str]:
    """List the fences of a language."""
    return [body for found, body in FENCE.findall(text) if found == language]


def commands(text: str) -> list[str]:
    """List the lines of every shell fence, those that go on joined, comments left out."""
    lines = "\n".join(snippets("sh", text)).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def run(code: str, names: dict[str, Any], page: Path) -> dict[str, Any]:
    """Run Python in a namespace; a traceback names the page."""
    exec(compile(code, str(page), "exec"), names)
    return names


def small(line: str, place: Path) -> list[str]:
    """Give the arguments of a line of `nst-jax`, with few steps, small pictures and a narrow network."""
    argv = shlex.split(line)[1:]
    narrow = run_files.narrow_weights(place)
    if argv[0] in MAKERS:
        argv = [a for i, a in enumerate(argv) if not {"--size", "--steps"} & {a, argv[i - 1]}]
        if "--preset" in argv or "inception_v3" in argv:  # their own layers
            argv += ["--size", "96" if "inception_v3" in argv else "40", *SMALL[2:4], "--quiet", "--no-cache"]
        else:
            layers = "--style-layers" in argv
            idle = {"--content-layers", "relu2_2"} if argv[0] == "texture" else set()
            argv += [
                a for a in SMALL if a not in idle and not (layers and a in ("--style-layers", "relu1_1", "relu2_1"))
            ]
        argv = argv if "--weights" in argv else [*argv, *narrow]
        argv = [
            file for a in argv for file in (sorted(map(str, Path().glob(a))) if "*" in a else [a])
        ]  # as a shell does
    if argv[0] in ("sweep", "batch"):
        argv += ["--no-metrics"]
    return argv
