"""Show a run folder: a labelled contact sheet, loss plots and one self-contained page. Reads files, imports no jax."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from nst_jax.report.folder import read, shrink
from nst_jax.report.page import write_page
from nst_jax.report.plots import write_plots
from nst_jax.report.sheet import write_sheet

__all__ = ["write"]


def write(folder: Path) -> Path:
    """Write `sheet.jpg`, `loss.png` (if there is a history) and `index.html` into a run folder; give the page's path.

    An unfinished run is shown as far as it is: a lane without a picture is an empty place.

    Raises:
        UserError: no manifest in the folder, or one that this version cannot read.
    """
    run = read(Path(folder))
    pictures = {lane.lane: picture for lane in run.lanes if (picture := shrink(run.folder / lane.image))}
    write_sheet(run, pictures)
    write_plots(run)
    return write_page(run, pictures)


class _Report(ModuleType):
    """This module, which can also be called: Python binds a subpackage's name in its package, over any function."""

    def __call__(self, results: Any, out: str | Path, **pictures: Any) -> Path:
        """Write results that a program holds as a run folder: `nst_jax.report.results.report`."""
        from nst_jax.report.results import report

        return report(results, out, **pictures)


sys.modules[__name__].__class__ = _Report
