"""The folder of a run: where its state lies, and what a killed process leaves in it."""

import re
from pathlib import Path

STATE = "state"
"""Subfolder for what only a resumed run reads."""


def clean(folder: Path) -> None:
    """Remove what a killed process left half written; only for who holds the lock."""
    for path in folder.rglob(".nst_jax-*.tmp*"):
        if path.is_file() and re.fullmatch(r"\.nst_jax-.*\.tmp(\.mp4)?", path.name):
            path.unlink(missing_ok=True)
