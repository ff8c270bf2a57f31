"""The tables of a run: Parquet beside CSV where pandas can write it."""

import numpy as np
import pytest

from nst_jax.batch.store import Finished
from nst_jax.runs import tables


def test_the_history_is_written_as_parquet_too(tmp_path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    terms = np.array([[4.0, 2.0, 1 / 3], [9.0, 8.0, np.nan]], np.float32)
    finished = {
        3: Finished({"total": terms[0], "variation": terms[1]}, {"beta": 1.0}, 0.0, {}),
        1: Finished({"total": terms[0, :2]}, {"beta": 2.0}, 0.0, {}),
    }
    tables.write(tmp_path, finished)
    found = pandas.read_parquet(tmp_path / "history.parquet")
    assert found.to_dict("list")["lane"] == [1, 1, 3, 3, 3]
    assert found["step"].tolist() == [0, 1, 0, 1, 2]
    np.testing.assert_array_equal(found["total"], np.concatenate([terms[0, :2], terms[0]]))
    np.testing.assert_array_equal(found["variation"], [np.nan, np.nan, *terms[1]])
    text = pandas.read_csv(tmp_path / "history.csv")
    np.testing.assert_allclose(text["total"], found["total"], rtol=1e-7)


def test_without_pandas_there_is_no_parquet(tmp_path, monkeypatch) -> None:
    (tmp_path / "history.parquet").write_text("of an earlier run")
    monkeypatch.setattr(tables.importlib.util, "find_spec", lambda name: None)
    tables.write(tmp_path, {0: Finished({"total": np.ones(2, np.float32)}, {}, 0.0, {})})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["history.csv", "summary.csv", "timings.csv"]
