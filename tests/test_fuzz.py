"""Whatever a recipe, a record, a file of options or a command line holds: it is taken, or one line refuses it."""

import contextlib
import copy
import io
import json
import subprocess
import sys
from dataclasses import asdict, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_records
import weights_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_files import narrow_weights

from nst_jax import images, record
from nst_jax.cli import batch, rerun, running, single, stylize, sweep
from nst_jax.cli.main import main
from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT, Recipe, check
from nst_jax.settings import span

NAMES = [field.name for field in fields(Recipe)]
OPTIONS = sorted(
    {field.name for kind in (batch.Batch, rerun.Rerun, running.Running, single.Single, stylize.Stylize, sweep.Sweep)
     for field in fields(kind)} | {*NAMES, "preset", "help", "help_all", "version", "nonsense"}
)  # fmt: skip
WORDS = st.sampled_from(
    [
        *("1", "0", "-1", "1e99", "nan", "inf", "1e1:1e5:9log", "1:2:3", "0..3", "3..1", "1,2,x", "a+b,c", "auto"),
        *("blend:2", "adam", "w2", "relu1_1", "conv9_9", "noise", "content.png", "none.png", "", ",", "=", "--", "-"),
        *("\x1b[31m", "\0", "9" * 400, "ä\n", "\udce9", "x" * 5000, "../..", "1_000", "٣", "1e-400", "True"),
    ]
)
NUMBERS = st.one_of(st.integers(), st.integers(-(10**400), 10**400), st.floats(), st.booleans(), st.none())
PLAIN = st.recursive(
    st.one_of(NUMBERS, st.text(max_size=20), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


def bounded(examples: int) -> Any:
    """Take so many examples."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]
    return settings(max_examples=examples, suppress_health_check=checks)


def refusal(error: UserError) -> str:
    """Give a refusal, which is one line of moderate length that prints."""
    said = str(error)
    assert said.isprintable(), said
    assert 10 < len(said) < 1500, said
    return said


def told(argv: list[str]) -> int:
    """Run a command in this process; a refusal is one line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(argv)
    if code:
        lines = err.getvalue().splitlines()
        assert (code, len(lines)) == (2, 1), err.getvalue()
        assert lines[0].startswith("nst-jax: ")
        assert lines[0].isprintable(), lines[0]
    return code


def recipe(given: dict[str, Any]) -> None:
    """Make a recipe of anything, and lanes of it."""
    try:
        made = Recipe(**given)
        check(made)
        again = json.loads(json.dumps({"recipe": asdict(made)}))
        assert record.recipe_of(again) == made
        span(given, ())
    except UserError as error:
        refusal(error)


PLAUSIBLE = {
    name: st.one_of(st.just(getattr(DEFAULT, name)), PLAIN, st.just([getattr(DEFAULT, name)]), WORDS) for name in NAMES
}
RECIPES = st.fixed_dictionaries({}, optional=PLAUSIBLE)
RECORDS = st.lists(st.tuples(st.sampled_from(test_records.PLACES), PLAIN), min_size=1, max_size=3)
TABLES = st.dictionaries(st.one_of(st.sampled_from(OPTIONS), st.text(max_size=8)), PLAIN, max_size=5)
FLAGS = st.lists(
    st.tuples(st.sampled_from(OPTIONS), st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=3)), max_size=4
)
COMMANDS = st.sampled_from(
    [
        *(["stylize"], ["sweep"], ["batch"], ["rerun"], ["units"], ["translate"], [], ["nonsense"]),
        *(["weights", "verify"], ["weights", "convert"], ["weights", "list"], ["weights", "normalize"]),
    ]
)


@bounded(60)
@given(RECIPES)
def test_any_recipe(given) -> None:
    recipe(given)


@pytest.mark.slow
@bounded(5000)
@given(RECIPES)
def test_more_recipes(given) -> None:
    recipe(given)


def changed_record(changes: list[tuple[tuple[Any, ...], Any]]) -> dict[str, Any]:
    """Put values at places of a record, as far as they still are there."""
    held = copy.deepcopy(test_records.WHOLE)
    for place, value in changes:
        at: Any = held
        with contextlib.suppress(KeyError, IndexError, TypeError):
            for key in place[:-1]:
                at = at[key]
            at[place[-1]] = value
    return held


def rerun_of(path: Path, text: str) -> None:
    """Make a picture with a record, and again; its inputs are nowhere, so that nothing is painted."""
    with contextlib.suppress(UserError):
        images.save(path, np.zeros((4, 4, 3), np.float32), metadata={record.KEY: text})
    assert told(["rerun", str(path), "--quiet", "--no-cache"]) == 2


@bounded(60)
@given(RECORDS)
def test_any_record(changes) -> None:
    test_records.outcome(changed_record(changes))


@bounded(20)
@given(RECORDS)
def test_rerun_of_any_picture(tmp_path, changes) -> None:
    rerun_of(tmp_path / "x.png", json.dumps(changed_record(changes)))


@bounded(20)
@given(st.one_of(st.text(max_size=200), PLAIN.map(json.dumps)))
def test_rerun_of_any_text(tmp_path, text) -> None:
    rerun_of(tmp_path / "x.png", text)


@pytest.mark.slow
@bounded(3000)
@given(RECORDS)
def test_rerun_of_many_pictures(tmp_path, changes) -> None:
    rerun_of(tmp_path / "x.png", json.dumps(changed_record(changes)))


def toml(value: Any) -> str:
    """Write a value as TOML does."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(k))} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True).replace("\\ud", "\\\\ud")
    return "1979-05-27" if value is None else str(value).lower()


def options_of(path: Path, text: str) -> None:
    """Read a file of options; its pictures are nowhere, so that nothing is painted."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert told(["sweep", str(path), "--quiet"]) == 2


@bounded(25)
@given(TABLES)
def test_any_file_of_options(tmp_path, table) -> None:
    known = {"content": "c.png", "style": "s.png", "out": "run"}
    options_of(tmp_path / "o.toml", "\n".join(f"{toml(k)} = {toml(v)}" for k, v in {**known, **table}.items()))


@bounded(30)
@given(st.text(max_size=200))
def test_any_text_as_a_file_of_options(tmp_path, text) -> None:
    options_of(tmp_path / "o.toml", text)


@pytest.mark.slow
@bounded(2000)
@given(TABLES)
def test_more_files_of_options(tmp_path, table) -> None:
    known = {"content": "c.png", "style": "s.png", "out": "run"}
    options_of(tmp_path / "o.toml", "\n".join(f"{toml(k)} = {toml(v)}" for k, v in {**known, **table}.items()))


def line(command: list[str], words: list[str], flags: list[tuple[str, list[str]]]) -> list[str]:
    """Write a command line."""
    options = [word for name, values in flags for word in (f"--{name.replace('_', '-')}", *values)]
    return [*command, *words, *options]


@bounded(15)
@given(COMMANDS, st.lists(WORDS, max_size=3), FLAGS)
def test_any_command_line(tmp_path, monkeypatch, command, words, flags) -> None:
    monkeypatch.chdir(tmp_path)
    told(line(command, words, flags))


@pytest.mark.slow
@bounded(2000)
@given(COMMANDS, st.lists(WORDS, max_size=3), FLAGS)
def test_more_command_lines(tmp_path, monkeypatch, command, words, flags) -> None:
    monkeypatch.chdir(tmp_path)
    told(line(command, words, flags))


def seeds(folder: Path, what: str) -> None:
    """Write whole files for the fuzzer to begin from."""
    (folder / "corpus").mkdir()
    if what == "record":
        (folder / "corpus/record").write_text(json.dumps(test_records.WHOLE))
        return
    params = weights_files.params_of("vgg11")
    narrow_weights(folder / "corpus")
    np.savez(folder / "corpus/a.npz", allow_pickle=False, **weights_files.flat(params))
    for name, write in (("b.pth", weights_files.pth), ("c.safetensors", weights_files.safetensors)):
        write(folder / "corpus" / name, params)
    weights_files.keras3(folder / "corpus/d.h5", params)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["record", "weights"])
def test_readers_under_a_fuzzer_that_sees_what_they_reach(tmp_path, what) -> None:
    if find_spec("atheris") is None:
        pytest.skip("atheris is not there for this Python")
    seeds(tmp_path, what)
    words = [sys.executable, str(Path(__file__).with_name("fuzz_readers.py")), what, "20", str(tmp_path)]
    # Through a shell: Linux counts the peak memory of a process from that of the one that it was forked from.
    apart = ["sh", "-c", '"$@"; exit $?', "sh", *words]
    done = subprocess.run(apart, capture_output=True, text=True, errors="replace", timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done" in done.stderr
