"""The device report: what it needs, that a part which fails or takes too long ends no other, and its tables."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import device_parts, device_report
from benchmarks.device_report import DONE, FAILED, LATE, Part, Run

ROOT = Path(__file__).parents[1]
REFUSED = """
import sys


class Refuse:
    names = {"matplotlib", "tyro", "pooch", "requests", "platformdirs", "filelock", "torch"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


sys.meta_path.insert(0, Refuse())
"""
"""Rich is not refused: Flax imports it."""


@pytest.fixture
def bare(tmp_path) -> dict[str, str]:
    """Give the environment of processes that have no PyTorch, nor what a device's path does without."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(REFUSED)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])}


def test_the_benchmarks_need_little(bare):
    names = "batching, contenders, device, device_parts, device_report, racers, speed, time_to_quality"
    code = f"from benchmarks import {names}; import nst_jax; nst_jax.load_encoder(); nst_jax.solve_batch"
    subprocess.run([sys.executable, "-c", code], env=bare, cwd=ROOT, check=True)
    refused = subprocess.run([sys.executable, "-c", "import pooch"], env=bare, capture_output=True, check=False)
    assert refused.returncode == 1


@pytest.mark.slow
def test_the_same_at_toy_sizes(bare, tmp_path):
    command = [ROOT / "benchmarks/device.sh", "--smoke"]
    environment = {**bare, "OUT": str(tmp_path / "out"), "PYTHON": sys.executable}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    report = (tmp_path / "out/report.md").read_text()
    assert done.returncode == 0, report
    whole = json.loads((tmp_path / "out/report.json").read_text())
    assert [part["title"] for part in whole["parts"]] == [part.title for part in device_report.parts(True, tmp_path)]
    assert {run["state"] for part in whole["parts"] for run in part["runs"]} == {DONE}
    assert "| 32x32 | 2 | bfloat16 | nst_jax |" in report
    assert "| 32x32 | 2 | nst_jax batch |" in report
    assert "| temple + great_wave | content | fast |" in report
    assert "PyTorch is not installed" in (tmp_path / "out/log.txt").read_text()
    assert gzip.decompress((tmp_path / "out/step.trace.json.gz").read_bytes())


def test_the_limits_leave_time_to_spare(tmp_path):
    assert sum(part.limit for part in device_report.parts(False, tmp_path)) <= 580


def test_a_part_that_fails_or_takes_too_long_ends_no_other(monkeypatch, tmp_path):
    cpu = ("--device", "cpu")
    plan = [
        Part("Fails", 60, [Run(("device_parts", "nothing"))]),
        Part("Takes too long", 0.2, [Run(("speed", *cpu)), Run(("batching", *cpu))]),
        Part("Works", 100, [Run(("device_parts", "machine", *cpu))]),
    ]
    monkeypatch.setattr(device_report, "parts", lambda smoke, folder: plan)
    monkeypatch.setenv("OUT", str(tmp_path))
    assert device_report.main([]) == 1
    states = [run.state for part in plan for run in part.runs]
    assert states == [FAILED, LATE, device_report.SKIPPED, DONE]
    report = (tmp_path / "report.md").read_text()
    assert "invalid choice: 'nothing'" in report
    assert "matmul bfloat16" in report
    found = json.loads((tmp_path / "report.json").read_text())["parts"]
    assert [run["state"] for part in found for run in part["runs"]] == states
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.txt", "report.json", "report.md"]


def test_what_a_stopped_run_had_written_is_reported(tmp_path):
    (tmp_path / "out.json").write_text(json.dumps({"facts": {"chip": "a"}, "tables": [], "ok": True}))
    run = Run(("device_parts", "machine"), state=LATE)
    assert device_report.taken(run, tmp_path / "out.json")
    assert not device_report.taken(run, tmp_path / "out.json")
    report = device_report.markdown([Part("Device", 1, [run])], "today")
    assert report.splitlines()[0] == "# Device report, today"
    assert "chip a" in report
    assert "stopped at its time limit" in report


def test_a_profile_worked_by_hand():
    def event(name: str, tid: int, us: float, **args: str) -> dict:
        return {"ph": "X", "pid": 1, "tid": tid, "name": name, "dur": us, "args": args}

    named = {"ph": "M", "pid": 1, "tid": 7, "name": "thread_name", "args": {"name": "Stream #1(Compute)"}}
    kernels = [event("conv", 7, 3), event("conv", 7, 4), event("relu", 7, 1)]
    above = [event("conv.1", 8, 7, hlo_op="conv.1"), event("python", 9, 50)]
    found = device_parts.operations([named, *kernels, *above])
    assert found == {"conv": (pytest.approx(7e-6), 2), "relu": (pytest.approx(1e-6), 1)}
    assert list(device_parts.operations(above)) == ["conv.1"]  # no streams on a CPU


def test_tests_are_counted_as_they_end():
    log = "tests/a.py::one PASSED [ 33%]\ntests/a.py::two[x y] FAILED [ 66%]\ntests/a.py::three SKIPPED (why) [ 99%]\n"
    found = device_parts.counted([Path("a.py")], [log], [None])
    assert found["tables"][0]["rows"] == [["a.py", "1", "1", "1", "not ended"]]
    assert found["ok"]
    ended = device_parts.counted([Path("a.py")], [log + "FAILED tests/a.py::two[x y] - Assert\n"], [1])
    assert ended["tables"][1]["rows"] == [["tests/a.py::two[x y] - Assert"]]
    assert not ended["ok"]
