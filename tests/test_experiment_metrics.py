"""Which measures agree: rank correlations against SciPy's, and the table and figure of some rows."""

import csv

import numpy as np
import pytest
from scipy import stats

from experiments import metrics as experiment
from nst_jax.metrics import MEANINGS

RNG = np.random.default_rng(0)


def test_ranks_and_correlations_are_scipys() -> None:
    x = RNG.integers(0, 6, (30, 4)).astype(float)
    np.testing.assert_array_equal(experiment.ranks(x[:, 0]), stats.rankdata(x[:, 0]))
    np.testing.assert_allclose(experiment.agreement(x), np.asarray(stats.spearmanr(x)[0]), atol=1e-12)
    x[:, 2] = 1.0
    found = experiment.agreement(x)
    assert np.isnan(found[2]).all()
    assert np.isfinite(np.delete(np.delete(found, 2, 0), 2, 1)).all()


def test_what_is_given_is_taken_out() -> None:
    # The correlation of what least squares leave of two columns.
    x = RNG.standard_normal((200, 3)) @ RNG.standard_normal((3, 3))
    r = np.asarray(np.corrcoef(x.T))
    a, b = (x[:, k] - np.polyval(np.polyfit(x[:, 0], x[:, k], 1), x[:, 0]) for k in (1, 2))
    assert experiment.given(r, 0)[1, 2] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert np.isnan(experiment.given(r, 0)[0]).all()


def _rows(path, count: int, *, start: int = 0) -> None:
    """Write rows whose ssim rises as content_distance falls, and whose style_bures depends on the pair alone."""
    rows = []
    for i in range(start, start + count):
        pair = i % 2
        values = {name: float(RNG.random()) for name in MEANINGS}
        values |= {"content_distance": 1 / (i + 1), "ssim": i / 100, "style_bures": pair, "edge_f1": -i}
        values |= {} if pair else {"effect": 1.0}
        rows.append({"trial": f"t{i}", "content": "c", "style": f"s{pair}", **values})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_the_table_and_the_figure(tmp_path) -> None:
    tables = tmp_path / "a.csv", tmp_path / "b.csv"
    _rows(tables[0], 12)
    _rows(tables[1], 6, start=8)  # four of them are in the first table too
    names, pairs = experiment.read(tables)
    assert names == list(MEANINGS)
    assert [x.shape for x in pairs] == [(7, len(MEANINGS))] * 2
    assert experiment.main(experiment.Config(tables, tmp_path)) == 0
    assert (tmp_path / "metrics.jpg").read_bytes()[:2] == b"\xff\xd8"
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert len(rows) == 2 * len(MEANINGS)
    found = {row["measure"]: row for row in rows if row["ranks"] == "within a pair"}
    # More of ssim is better, and less of content_distance: they agree; a measure that says the pair says nothing.
    assert float(found["ssim"]["content_distance"]) == 1
    assert float(found["edge_f1"]["ssim"]) == -1
    assert np.isnan(float(found["style_bures"]["ssim"]))
    # One pair alone tells how effect agrees, the other's are constant.
    alone = experiment.agreement(pairs[1])[names.index("effect"), names.index("ssim")]
    assert float(found["effect"]["ssim"]) == pytest.approx(alone, rel=1e-5)


def test_without_rows_it_says_what_to_run(tmp_path, capsys) -> None:
    _rows(tmp_path / "a.csv", 3)
    assert experiment.main(experiment.Config((tmp_path / "a.csv",), tmp_path)) == 2
    assert "python -m experiments.all" in capsys.readouterr().out
    assert not (tmp_path / "metrics.csv").exists()
