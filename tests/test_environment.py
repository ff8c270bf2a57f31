"""What the environment asks of jax: one line where it cannot be had, and no wait without an end."""

import atexit
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import pytest
from run_files import SMALL, draw, narrow_weights

from nst_jax import backend
from nst_jax.cli import joining
from nst_jax.cli.main import main
from nst_jax.errors import UserError

slow = pytest.mark.slow
ENVIRONMENTS = [
    ("JAX_PLATFORMS=cuda", "jax finds no device"),
    pytest.param("JAX_PLATFORMS=nonsense", "Unable to initialize backend 'nonsense'", marks=slow),
    pytest.param("JAX_PLATFORMS=cpu,nonsense", "JAX_PLATFORMS being 'cpu,nonsense'", marks=slow),
    pytest.param("XLA_FLAGS=--xla_no_such_flag=1", "Unknown flag in XLA_FLAGS: --xla_no_such_flag=1", marks=slow),
    pytest.param("XLA_FLAGS=--xla_cpu_enable_fast_math=maybe", "Couldn't interpret value maybe", marks=slow),
    pytest.param("JAX_ENABLE_X64=maybe", "invalid truth value 'maybe'", marks=slow),
    pytest.param("JAX_NUM_CPU_DEVICES=x", "jax does not start", marks=slow),
    pytest.param("OMPI_COMM_WORLD_SIZE=2", "though the environment has OMPI_COMM_WORLD_SIZE=2", marks=slow),
    pytest.param("SLURM_STEP_NUM_TASKS=2 SLURM_JOB_ID=1 SLURM_PROCID=x", "cannot be joined", marks=slow),
    pytest.param("SLURM_STEP_NUM_TASKS=2 SLURM_JOB_ID=1 SLURM_NTASKS=2", "cannot be joined", marks=slow),
    pytest.param("OMPI_COMM_WORLD_SIZE=2 OMPI_MCA_orte_hnp_uri=zzz", "cannot be joined", marks=slow),
    pytest.param("TPU_WORKER_HOSTNAMES=a,b", "cannot be joined", marks=slow),
    pytest.param("PMI_SIZE=2", "cannot be joined", marks=slow),
]
HERE = {"PYTHONPATH": str(Path(__file__).parents[1])}


def run(place: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """Sweep in a process of its own."""
    draw(place / "c.png", 1)
    command = [sys.executable, "-m", "nst_jax", "sweep", "c.png", "c.png", "-o", "run", "--beta", "1,2", "--no-cache"]
    command += [*SMALL, *narrow_weights(place), *words]
    env = os.environ | HERE | environment
    return subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize(("variables", "message"), ENVIRONMENTS)
def test_an_environment_that_cannot_be_had_is_one_line(tmp_path, variables, message) -> None:
    done = run(tmp_path, **dict(word.split("=", 1) for word in variables.split()))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("address", "processes", "process", "message"),
    [
        ("nonsense", 2, 1, "expected HOST:PORT"),
        (":1234", 2, 1, "expected HOST:PORT"),
        ("localhost:99999", 2, 1, "expected HOST:PORT"),
        ("localhost:-1", 2, 1, "expected HOST:PORT"),
        ("localhost:1\x1b[2J", 2, 1, "expected HOST:PORT"),
        ("no host\0.invalid:1234", 2, 1, "no such host"),
        ("a" * 300 + ":1234", 2, 1, "no such host"),
        ("localhost:1234", 2, 2, "--process is 2 of 2"),
        ("localhost:1234", 0, 0, "--process is 0 of 0"),
        ("localhost:1234", 2, -1, "--process is -1 of 2"),
        ("240.0.0.1:1234", 2, 0, "process 0 cannot listen there"),
        ("localhost:1234", None, 0, "belong together"),
        ("", 2, 0, "belong together"),
    ],
)
def test_an_address_that_nobody_can_have_is_refused_at_once(address, processes, process, message) -> None:
    whom = joining.Several(coordinator=address, processes=processes, process=process)
    with pytest.raises(UserError, match=message) as refused:
        joining.join(whom, say=print, stop=lambda: False)
    assert str(refused.value).isprintable()


@pytest.fixture
def endless(monkeypatch) -> list[object]:
    """Let jax wait for ever for others; give what would be done at the end of the process."""
    left: list[object] = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **__: threading.Event().wait())
    monkeypatch.setattr(atexit, "register", left.append)
    for name, seconds in (("WAIT", 0.3), ("TELL", 0.05), ("POLL", 0.01)):
        monkeypatch.setattr(joining, name, seconds)
    return left


def test_who_does_not_come_is_not_waited_for_for_ever(endless) -> None:
    said: list[str] = []
    with pytest.raises(UserError, match="not all of the processes of the cluster came within 0 s"):
        joining.join(joining.Several(distributed=True), say=said.append, stop=lambda: False)
    assert said[0].startswith("waiting for the processes of the cluster")
    assert endless == [backend.leave]


def test_waiting_can_be_stopped(endless) -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        joining.join(joining.Several(distributed=True), say=print, stop=lambda: time.monotonic() - began > 0.05)


def test_what_a_cluster_fails_of_is_one_line(monkeypatch, tmp_path, capsys) -> None:
    def fail(**_) -> None:
        raise KeyError("SLURM_\nPROCID")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    draw(tmp_path / "c.png", 1)
    picture = str(tmp_path / "c.png")
    assert main(["sweep", picture, picture, "-o", str(tmp_path / "run"), "--beta", "1,2", "--distributed"]) == 2
    said = capsys.readouterr().err
    assert "several processes cannot be joined" in said
    assert len(said.splitlines()) == 1


@slow
@pytest.mark.parametrize("process", ["0", "1"])
def test_a_process_whose_others_never_come_ends(tmp_path, process) -> None:
    draw(tmp_path / "c.png", 1)
    words = ["sweep", "c.png", "c.png", "-o", "run", "--beta", "1,2", "--no-cache", "--coordinator", "localhost:45633"]
    words += ["--processes", "2", "--process", process]
    code = f"from nst_jax.cli import joining, main\njoining.WAIT = 2.0\nimport sys; sys.exit(main.main({words!r}))"
    env = os.environ | HERE
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "not all of 2 processes at localhost:45633 came" in done.stderr.splitlines()[-1]
    assert time.monotonic() - began < 30
