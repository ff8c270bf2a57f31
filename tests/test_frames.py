"""Results and run folders as data frames: their rows, with pandas or a stand-in, and one line without it."""

import sys
from types import ModuleType

import jax.numpy as jnp
import numpy as np
import pytest
import run_folders

from nst_jax.axis import Axis
from nst_jax.batch.solving import Results
from nst_jax.batch.sweep import Sweep
from nst_jax.errors import UserError
from nst_jax.optimize import Solution
from nst_jax.pages import folder


class Frame(dict):
    """Stand in for a data frame: columns of equal lengths by name."""

    def __init__(self, columns):
        super().__init__(columns)
        assert len({len(column) for column in self.values()}) <= 1


@pytest.fixture(params=["stand-in", "pandas"])
def pandas(request, monkeypatch) -> None:
    if request.param == "pandas":
        pytest.importorskip("pandas")
    else:
        module = ModuleType("pandas")
        module.DataFrame = Frame  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pandas", module)


def results() -> Results:
    """Make two lanes, one of which broke at its second step."""
    image = jnp.zeros((2, 3, 3))
    whole = {"total": np.array([4, 3, 2], np.float32), "content": np.array([1, 2, 0.5], np.float32)}
    broken = {"total": np.array([4, np.nan], np.float32), "content": np.array([1, 0.25], np.float32)}
    axes = (Axis(("beta", "lr"), ((1.0, 0.1), (2.0, 0.2))),)
    solutions = (
        Solution(image, image, whole, best_step=2, evaluations=3),
        Solution(image + 1, image, broken, best_step=0, stopped="non-finite", evaluations=2),
    )
    return Results(Sweep((None, None), axes, ((0,), (1,))), solutions)  # type: ignore[arg-type]


def columns(frame) -> dict[str, list]:
    return {str(name): list(frame[name]) for name in frame}


@pytest.mark.usefixtures("pandas")
def test_a_row_a_lane() -> None:
    assert columns(results().to_dataframe()) == {
        "lane": [0, 1],
        "beta": [1.0, 2.0],
        "lr": [0.1, 0.2],
        "total": [2.0, 4.0],
        "content": [0.5, 1.0],
        "stopped": ["steps", "non-finite"],
        "best_step": [2, 0],
        "steps": [2, 1],
        "evaluations": [3, 2],
    }


@pytest.mark.usefixtures("pandas")
def test_a_judge_adds_its_measures() -> None:
    found = columns(results().to_dataframe(lambda image: {"light": np.float32(image.mean())}))
    assert found["light"] == [0.0, 1.0]
    assert list(found)[-1] == "light"
    with pytest.raises(UserError, match="calls a measure 'beta', which is another column"):
        results().to_dataframe(lambda image: {"beta": 0.0})


@pytest.mark.usefixtures("pandas")
def test_a_run_folder_is_a_table_too(tmp_path) -> None:
    path = run_folders.make(tmp_path / "run", {"beta": [10.0, 1e3], "init": ["content", "noise"]}, missing={3}, steps=4)
    found = columns(folder.read(path).to_dataframe())
    assert found["lane"] == [0, 1, 2, 3]
    assert found["beta"] == [10.0, 10.0, 1e3, 1e3]
    assert found["init"] == ["content", "noise", "content", "noise"]
    assert found["steps"] == [3, 3, 3, 3]
    assert found["total"][:3] == [100, 99, 98]
    assert found["stopped"][:3] == ["steps"] * 3
    assert found["ssim"][2] == pytest.approx(2 / 7)
    for name in ("total", "ssim", "stopped"):  # the lane that has not finished
        assert found[name][3] is None or found[name][3] != found[name][3]


def test_without_pandas_one_line_says_what_to_do(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    run = folder.read(run_folders.make(tmp_path / "run", {"beta": [1.0]}, steps=1))
    for made in (results(), run):
        with pytest.raises(
            UserError, match=r"^a data frame needs pandas, which is not here \(.*\): pip install pandas$"
        ):
            made.to_dataframe()
