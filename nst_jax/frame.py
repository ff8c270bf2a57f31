"""Tables as pandas has them, where it is installed: it is no dependency."""

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nst_jax.errors import UserError

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingImports, reportMissingModuleSource]


def frame(rows: Sequence[Mapping[str, Any]]) -> "DataFrame":
    """Make a data frame of rows; columns are in the order in which they come, and empty where a row has none.

    Raises:
        UserError: pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        raise UserError(f"a data frame needs pandas, which is not here ({error}): pip install pandas") from None
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return pandas.DataFrame({name: [row.get(name) for row in rows] for name in columns})
