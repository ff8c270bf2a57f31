"""`nst_jax.report`: results that a program holds, as a run folder."""

import json
import shlex
from pathlib import Path
from typing import Any

import jax

from nst_jax import images, record
from nst_jax.axis import plain
from nst_jax.batch.solving import Results
from nst_jax.batch.store import Finished, Store
from nst_jax.files import write_whole
from nst_jax.metrics import held_out, style_side
from nst_jax.networks import Encoder
from nst_jax.pages import write
from nst_jax.recipe import DEFAULT
from nst_jax.runs import folder, manifest, tables
from nst_jax.runs.finish import rounded, row
from nst_jax.runs.spec import Lane
from nst_jax.types import ImageLike


def report(
    results: Results,
    out: str | Path,
    *,
    encoder: Encoder | None = None,
    content: ImageLike | None = None,
    style: ImageLike | None = None,
) -> Path:
    """Write pictures, tables and the page of a sweep into a folder, over what is there; give the page's path.

    Each picture holds what it was made from: `nst-jax rerun` makes it again, given the files of the content and the
    style, unless a loss, a network, a canvas or a descent of your own made it: then it says so.

    Args:
        results: from `solve_batch`.
        out: the folder.
        encoder, content, style: if all are given, held-out metrics of each lane against these two pictures.

    Raises:
        UserError: another process is writing there.
    """
    out = Path(out)
    sweep = results.sweep
    with Store(out / folder.STATE).locked():
        finished, lanes = {}, []
        side = None if encoder is None or style is None else style_side(encoder, style)
        for number, solution in enumerate(results.solutions):
            lane = Lane(number, sweep.index[number], sweep.settings(number), 0, 0, DEFAULT)
            images.save(out / lane.image, solution.image, metadata=record.metadata(solution))
            metrics = {}
            if encoder is not None and content is not None and side is not None:
                metrics = rounded(jax.device_get(held_out(encoder, solution.image, content, side)))
            finished[number] = Finished(solution.history, row(lane.settings, solution, metrics), 0.0, {})
            lanes.append(_described(lane, out))
        described: dict[str, Any] = {
            "format": manifest.FORMAT,
            "versions": record.versions(),
            "device": record.device_name(),
            "git": manifest.git_state(),
            "axes": plain(sweep.axes),
            "lanes": lanes,
        }
        text = json.dumps(described, indent=1, allow_nan=False) + "\n"
        write_whole(out / "manifest.json", lambda file: file.write(text.encode()))
        tables.write(out, finished)
        return write(out)


def _described(lane: Lane, out: Path) -> dict[str, Any]:
    return {
        "lane": lane.number,
        "name": lane.name,
        "settings": lane.settings,
        "index": lane.index,
        "image": lane.image,
        "command": shlex.join(["nst-jax", "rerun", lane.image, "--content", "CONTENT", "--style", "STYLE"]),
    }
