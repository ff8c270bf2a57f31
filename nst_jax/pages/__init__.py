"""Show a run folder: a labelled contact sheet, loss plots and one self-contained page. Reads files, imports no jax."""

from pathlib import Path

from PIL import Image

from nst_jax.pages.folder import Small, read, shrink
from nst_jax.pages.page import write_page
from nst_jax.pages.plots import write_plots
from nst_jax.pages.sheet import write_sheet

__all__ = ["write"]


def write(folder: Path) -> Path:
    """Write `sheet.jpg`, `loss.png` (if there is a history) and `index.html` into a run folder; give the page's path.

    An unfinished run is shown as far as it is: a lane without a picture is an empty place.

    Raises:
        UserError: no manifest in the folder, or one that this version cannot read.
    """
    run = read(Path(folder))
    found = {lane.lane: small for lane in run.lanes if (small := shrink(run.folder, lane.image))}
    sources = {i: small for i, source in enumerate(run.sources) if (small := shrink(run.folder, source.image))}
    write_sheet(run, _copies(found), _copies(sources))
    write_plots(run)
    return write_page(run, found, sources)


def _copies(found: dict[int, Small]) -> dict[int, Image.Image]:
    return {key: small.copy for key, small in found.items()}
