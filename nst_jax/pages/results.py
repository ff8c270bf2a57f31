"""`nst_jax.report`: results that a program holds, as a run folder."""

import json
from pathlib import Path
from typing import Any

import jax

from nst_jax import images, record
from nst_jax.axis import plain
from nst_jax.batch.solving import Results
from nst_jax.batch.store import Finished, Store
from nst_jax.files import check_outputs, quoted, write_whole
from nst_jax.metrics import held_out, style_side
from nst_jax.networks import Encoder
from nst_jax.pages import write
from nst_jax.recipe import DEFAULT
from nst_jax.runs import folder, manifest, pictures, reading, tables
from nst_jax.runs.finish import rounded
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
        encoder, content, style: if all are given, held-out metrics of each lane against these two pictures, which the
            page shows.

    Raises:
        UserError: another process is writing there, or a file that would replace the weights.
    """
    out = Path(out)
    sweep = results.sweep
    given = {"content": content, "style": style}
    arrays = {role: images.entering(picture, role) for role, picture in given.items() if picture is not None}
    copies = {role: pictures.Shown(role, role, picture) for role, picture in arrays.items()}
    lanes = [Lane(i, sweep.index[i], sweep.settings(i), 0, 0, DEFAULT) for i in range(len(sweep))]
    inputs = [path for solution in results.solutions for path in record.files(solution.record)]
    check_outputs(folder.outputs(out, (lane.image for lane in lanes)), inputs)
    with Store(out / folder.STATE).locked():
        finished = {}
        side = None if encoder is None or style is None else style_side(encoder, style)
        for lane, solution in zip(lanes, results.solutions, strict=True):
            images.save(out / lane.image, solution.image, metadata=record.metadata(solution))
            metrics = {}
            if encoder is not None and content is not None and side is not None:
                metrics = rounded(jax.device_get(held_out(encoder, solution.image, content, side)))
            finished[lane.number] = Finished(solution.history, record.row(lane.settings, solution, metrics), 0.0, {})
        described: dict[str, Any] = {
            "format": reading.FORMAT,
            "versions": record.versions(),
            "device": record.device_name(),
            "git": manifest.git_state(),
            "axes": plain(sweep.axes),
            "pictures": pictures.described(copies),
            "lanes": [_described(lane, len(copies)) for lane in lanes],
        }
        text = json.dumps(described, indent=1, allow_nan=False) + "\n"
        write_whole(out / "manifest.json", lambda file: file.write(text.encode()))
        pictures.write(out, copies)
        tables.write(out, finished)
        return write(out)


def _described(lane: Lane, pictures: int) -> dict[str, Any]:
    return {
        "lane": lane.number,
        "name": lane.name,
        "settings": lane.settings,
        "index": lane.index,
        "image": lane.image,
        "command": quoted(["nst-jax", "rerun", lane.image, "--content", "CONTENT", "--style", "STYLE"]),
        "pictures": list(range(pictures)),
    }
