"""The page of a run: one HTML file that needs no network, made from the files in `source` and `data` as JSON."""

import html
import json
import re
from pathlib import Path

from nst_jax.files import write_whole
from nst_jax.pages.data import data_of, title_of
from nst_jax.pages.folder import Run, Small

SOURCE = Path(__file__).with_name("source")
SCRIPTS = (
    *("data", "state", "stage", "strip", "settings", "multiples", "peek", "colours", "axes"),
    *("measures", "curves", "table", "recipe", "keys", "main"),
)
"""The script's files, in their order: together they are one."""


def write_page(run: Run, pictures: dict[int, Small], sources: dict[int, Small]) -> Path:
    """Write `index.html`; `pictures` are small copies by lane, and `sources` of what they were made from, by number."""
    # "<" never appears in the data, so no file name can end the script element.
    data = json.dumps(data_of(run, pictures, sources), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    blanks = {
        "title": html.escape(title_of(run)),
        "style": _source("style.css"),
        "script": "".join(_source(f"{name}.js") for name in SCRIPTS),
        "data": data,
    }
    page = re.sub(rf"\{{\{{({'|'.join(blanks)})\}}\}}", lambda match: blanks[match[1]], _source("page.html"))
    path = run.folder / "index.html"
    write_whole(path, lambda file: file.write(page.encode()))
    return path


def _source(name: str) -> str:
    return (SOURCE / name).read_text(encoding="utf-8")
