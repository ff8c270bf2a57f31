"""Every page: its links lead somewhere, its pictures are small, and the index of the experiments is whole."""

import re
import tomllib
from operator import attrgetter
from pathlib import Path

import pytest
import yaml

import nst_jax
import nst_jax.metrics  # whose names the reference has too, with those of images

ROOT = Path(__file__).parents[1]
PAGES = sorted({ROOT / "README.md", *ROOT.glob("*.md"), *ROOT.glob("[a-z]*/**/*.md")} - set(ROOT.glob("runs/**/*.md")))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
LARGEST = 300_000
README = (ROOT / "README.md").read_text()
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))


def anchors(page: Path) -> set[str]:
    """List the anchors of a page's headings, as they are made of them where repositories are shown."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", h)).strip().lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert target == ROOT or ROOT in target.parents, link
        assert not anchor or anchor in anchors(target), link
        if target.suffix == ".jpg":
            assert target.stat().st_size < LARGEST, link


def test_the_citation_is_of_the_last_release_which_the_package_is_or_follows():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.findall(
        r"^## (\d+\.\d+\.\d+), (\d{4}-\d{2}-\d{2})$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert (citation["version"], str(citation["date-released"])) == released[0]
    here = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["license"] == here["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in here["authors"]]
    number, begun = (tuple(map(int, text.split(".")[:3])) for text in (citation["version"], here["version"]))
    assert here["version"] == citation["version"] or (begun > number and ".dev" in here["version"])


def test_every_page_of_docs_is_linked_from_another():
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in LINK.findall(page.read_text())
    }
    assert set((ROOT / "docs").glob("*.md")) <= linked


def test_the_reference_has_every_public_name_once_and_no_other():
    found = re.findall(r"^::: nst_jax\.(\S+)$", "\n".join(page.read_text() for page in REFERENCE), re.MULTILINE)
    assert sorted(name for name in found if "." not in name) == sorted(nst_jax.__all__)
    assert len(found) == len(set(found))
    for name in found:
        assert attrgetter(name)(nst_jax) is not None, name
    nav = re.findall(r"^  - (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(nav) == [page.name for page in REFERENCE]


def test_continuous_integration_runs_the_readmes_commands_and_every_check():
    held = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    test = held["jobs"]["test"]
    assert test["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert {"push", "pull_request"} <= held[True].keys()  # YAML 1.1 takes `on` for true
    runs = [step["run"] for step in test["steps"] if "run" in step]
    (first,) = [body for body in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL) if "demo" in body]
    assert runs[:2] == first.splitlines()
    local = (ROOT / ".ci" / "run").read_text()
    for check in ("ruff check .", "ruff format --check .", "pyright"):
        assert check in runs
        assert f"\n{check}" in local  # the same as on one's own machine
    assert {step["uses"].partition("@")[0] for step in test["steps"] if "uses" in step} == {
        "actions/checkout", "actions/setup-python",
    }  # fmt: skip
