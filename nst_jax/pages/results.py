"""`nst_jax.report`: results that a program holds, as a run folder."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nst_jax import images, record
from nst_jax.axis import plain
from nst_jax.batch.solve import Results
from nst_jax.metrics import held_out, style_side
from nst_jax.pages import write
from nst_jax.recipe import DEFAULT
from nst_jax.runs import folder, manifest, tables
from nst_jax.runs.spec import Lane
from nst_jax.runs.state import Finished
from nst_jax.types import ImageLike
from nst_jax.vgg import Encoder


def report(
    results: Results,
    out: str | Path,
    *,
    encoder: Encoder | None = None,
    content: ImageLike | None = None,
    style: ImageLike | None = None,
) -> Path:
    """Write pictures, tables and the page of a sweep into a folder, over what is there; give the page's path.

    Args:
        results: from `solve_batch`.
        out: the folder.
        encoder, content, style: if all are given, held-out metrics of each lane against these two pictures.

    Raises:
        UserError: another process is writing there.
    """
    out = Path(out)
    sweep = results.sweep
    with folder.locked(out):
        finished, lanes = {}, []
        side = None if encoder is None or style is None else style_side(encoder, style)
        for number, solution in enumerate(results.solutions):
            settings = sweep.settings(number)
            lane = Lane(number, sweep.index[number], settings, 0, 0, DEFAULT)
            images.save(out / lane.image, solution.image)
            end = record.ending(solution)
            row = {**settings, **end["terms"], "stopped": end["stopped"], "best_step": end["best_step"]}
            if encoder is not None and content is not None and side is not None:
                found = jax.device_get(held_out(encoder, solution.image, content, side))
                row |= {name: float(f"{float(x):.9g}") for name, x in found.items()}
            finished[number] = Finished({k: np.asarray(v) for k, v in solution.history.items()}, row, 0.0)
            lanes.append(_described(lane))
        described: dict[str, Any] = {
            "format": manifest.FORMAT,
            "versions": record.versions(),
            "device": record.device_name(),
            "git": manifest.git_state(),
            "axes": plain(sweep.axes),
            "lanes": lanes,
        }
        text = json.dumps(described, indent=1, allow_nan=False) + "\n"
        folder.write_whole(out / "manifest.json", lambda file: file.write(text.encode()))
        tables.write(out, finished)
        return write(out)


def _described(lane: Lane) -> dict[str, Any]:
    return {
        "lane": lane.number,
        "name": lane.name,
        "settings": lane.settings,
        "index": lane.index,
        "image": lane.image,
    }
