"""What is read from outside is checked against its types: each field missing, of other types, too large."""

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nst_jax import images, record
from nst_jax.cli.main import main
from nst_jax.errors import UserError
from nst_jax.plain import parsed, validated
from nst_jax.recipe import DEFAULT, Recipe

SHA = "ab" * 32
WHOLE: dict[str, Any] = json.loads(
    json.dumps(
        {
            **record.describe(
                Recipe(layer_weights=(0.1,) * 5, init="noise", seed=3),
                {
                    "content": {"path": "/there/c.png", "sha256": SHA},
                    "style": {"pixels": SHA, "shape": [3, 4]},
                    "init": {"path": "i.png", "sha256": SHA},
                },
                SHA,
            ),
            "command": ["stylize"],
            "result": {
                "stopped": "steps",
                "steps": 3,
                "scale": 0,
                "scales": 1,
                "best_step": 2,
                "terms": {"total": 1.0},
            },
        }
    )
)
WRONG: tuple[Any, ...] = (
    *(None, True, 0.5, -1, 10**12, 10**400, float("inf"), float("nan"), "", "text\x1b[31m\n", "\0", "x" * 9999),
    *([], [1], ["a"], {}, {"a": 1}, [[[]]]),
)
LEFT_OUT_IS_DEFAULT = {("recipe", name) for name in WHOLE["recipe"]} | {
    ("result", "scale"),
    ("result", "scales"),
    ("result", "terms", "total"),
    ("inputs", "init"),
    *(("versions", name) for name in WHOLE["versions"]),
}


def places(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the place of every value, those of tables and lists too."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield (*above, key)
        yield from places(value, (*above, key))


def changed(place: tuple[Any, ...], *value: Any) -> dict[str, Any]:
    """Copy the whole record with another value at a place, or with none there."""
    new = copy.deepcopy(WHOLE)
    at: Any = new
    for key in place[:-1]:
        at = at[key]
    if value:
        at[place[-1]] = value[0]
    else:
        del at[place[-1]]
    return new


def outcome(held: Any) -> str:
    """Read a record: nothing where it is taken, else the refusal, which is one short line."""
    try:
        found = record.from_metadata({record.KEY: held if isinstance(held, str) else json.dumps(held)}, Path("x.png"))
        record.interrupted_at(found)
    except UserError as error:
        said = str(error)
        assert said.isprintable()
        assert 20 < len(said) < 500
        return said
    return ""


PLACES = sorted(places(WHOLE), key=str)


def test_a_whole_record_is_taken() -> None:
    assert outcome(WHOLE) == ""
    assert record.recipe_of(WHOLE) == Recipe(layer_weights=(0.1,) * 5, init="noise", seed=3)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_every_field_of_a_record_is_checked(place) -> None:
    refused = outcome(changed(place))
    in_list = isinstance(place[-1], int)
    if place not in LEFT_OUT_IS_DEFAULT and not in_list:
        assert refused, "missing"
    right = changed(place)
    taken = [value for value in WRONG if not outcome(changed(place, value))]
    kinds = {type(value) for value in taken}
    original: Any = WHOLE
    for key in place:
        original = original[key]
    allowed = {float: {float, int}, int: {int}, str: {str}, bool: {bool}, list: {list}, dict: {dict}}
    nullable = place[:2] in (("result", "scale"), ("result", "scales"), ("result", "terms"))
    assert kinds <= allowed[type(original)] | ({type(None)} if nullable else set()), taken
    assert not any(isinstance(x, int | float) and not isinstance(x, bool) and (x > 1e38 or x != x) for x in taken)
    assert outcome({**right, "more": 1})


TEXTS = {
    "nothing": "",
    "no JSON": "{",
    "deep lists": "[" * 100_000,
    "deep tables": '{"a":' * 500 + "1" + "}" * 500,
    "many digits": '{"format": 2, "recipe": {"size": ' + "9" * 100_000 + "}}",
    "not a number": '{"format": 2, "device": NaN}',
    "infinite": '{"format": 2, "recipe": {"beta": 1e999}}',
    "half a letter": '{"format": 2, "device": "\\ud800"}',
    "two": "{}{}",
    "another format": '{"format": [2]}',
    "a list": "[2]",
    "a name with an end of line": '{"format": 2, "a\\nb": 1}',
}


@pytest.mark.parametrize("case", TEXTS)
def test_what_is_no_record_is_refused_in_one_line(case) -> None:
    assert outcome(TEXTS[case])


@pytest.mark.parametrize("name", vars(DEFAULT))
def test_a_recipe_of_a_program_is_checked_as_one_of_a_file(name) -> None:
    def refusal(value: Any) -> str:
        try:
            validated({name: value}, Recipe)
        except UserError as error:
            return str(error)
        return ""

    said = [refusal(value) for value in WRONG]
    assert sum(map(bool, said)) >= 10
    assert all(line.startswith(name) for line in said if line)


def test_what_programs_hold_becomes_plain_data() -> None:
    recipe = Recipe(
        beta=np.float32(2.0),  # type: ignore[arg-type]
        steps=np.int64(3),  # type: ignore[arg-type]
        style_layers=["relu1_1", "relu2_1"],  # type: ignore[arg-type]
        layer_weights=np.array([0.5, 1.0]),  # type: ignore[arg-type]
    )
    assert recipe == Recipe(beta=2.0, steps=3, style_layers=("relu1_1", "relu2_1"), layer_weights=(0.5, 1.0))
    assert (type(recipe.beta), type(recipe.steps), type(recipe.layer_weights)) == (float, int, tuple)
    assert hash(recipe)


HOSTILE = {
    "a size that no picture has": {"size": 20000},
    "a bucket that no picture has": {"bucket": 1_000_000},
    "steps for years": {"steps": 10**9},
    "as many scales": {"scales": 10**9},
    "scales that hardly differ": {"scales": "auto", "scale_ratio": 1.0000001},
    "layers for ever": {"style_layers": ["relu1_1"] * 10_000},
    "a size that is not the picture's": {"size": 16000},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_rerun_of_a_hostile_picture_is_refused_at_once(tmp_path, capsys, case) -> None:
    images.save(tmp_path / "c.png", np.zeros((4, 4, 3), np.float32))
    held = copy.deepcopy(WHOLE)
    held["recipe"] |= {"init": "content", "seed": 0, "layer_weights": []} | HOSTILE[case]
    held["inputs"] = {name: {"path": str(tmp_path / "c.png"), "sha256": SHA} for name in ("content", "style")}
    images.save(tmp_path / "x.png", np.zeros((4, 4, 3), np.float32), metadata=record.as_metadata(held))
    before, began = sorted(tmp_path.iterdir()), time.perf_counter()
    assert main(["rerun", str(tmp_path / "x.png")]) == 2
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert next(iter(HOSTILE[case])) in said.err or "scale_ratio" in said.err
    assert time.perf_counter() - began < 5
    assert sorted(tmp_path.iterdir()) == before


def test_json_is_read_as_it_is_defined() -> None:
    assert parsed('{"a": [1, 2.5, "\\udce9"]}', "it") == {"a": [1, 2.5, "\udce9"]}
    with pytest.raises(UserError, match="it is no JSON that can be read"):
        parsed(b"\xff\xfe", "it")
