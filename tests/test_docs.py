"""Every page: its links lead somewhere, its pictures are small, and the index of the experiments is whole."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted({ROOT / "README.md", *ROOT.glob("*.md"), *ROOT.glob("[a-z]*/**/*.md")} - set(ROOT.glob("runs/**/*.md")))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
LARGEST = 300_000


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


def test_every_page_of_docs_is_linked_from_another():
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in LINK.findall(page.read_text())
    }
    assert set((ROOT / "docs").glob("*.md")) <= linked
