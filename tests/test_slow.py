"""The list of tests that `.ci/run slow` alone runs."""

from pathlib import Path

import pytest

LISTED = [line for line in (Path(__file__).parent / "slow.txt").read_text().splitlines() if not line.startswith("#")]


def test_every_test_that_is_listed_as_slow_is_one(request: pytest.FixtureRequest):
    files = {line.partition("::")[0] for line in LISTED}
    assert sorted(set(LISTED)) == LISTED
    for file in files:
        text = (Path(__file__).parent / file).read_text()
        names = {line.split("::")[1].partition("[")[0] for line in LISTED if line.startswith(f"{file}::")}
        assert all(f"def {name}(" in text for name in names), file
    marked = {item.nodeid.removeprefix("tests/") for item in request.session.items if item.get_closest_marker("slow")}
    whole = len({item.nodeid.partition("::")[0] for item in request.session.items}) > 90
    assert not whole or not marked or set(LISTED) <= marked
