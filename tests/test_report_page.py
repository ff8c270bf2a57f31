"""The page in a real browser: headless Chromium through playwright, skipped where either is missing."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import run_folders

from nst_jax import pages

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the path")

HOSTILE = '</script><img src=x onerror="window.hacked = 1">&amp;\'.jpg'
AXES = {"beta": [10.0**k for k in range(1, 7)], "alpha": [0.1, 1.0, 10.0, 100.0, 1000.0], "seed": [0, 1]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Path:
    """Make a page of 6 x 5 x 2 lanes, the last of them unfinished."""
    return pages.write(run_folders.make(tmp_path_factory.mktemp("page") / "sweep", AXES, missing={59}))


@pytest.fixture
def visit(browser) -> Iterator[Any]:
    """Open a page; at the end nothing may have been logged as an error or asked from a network."""
    troubles: list[str] = []
    contexts = []

    def open_page(path: Path, width: int = 1300, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda r: None if re.match("file:|data:", r.url) else troubles.append(r.url))
        page.on("requestfailed", lambda r: troubles.append(f"failed: {r.url}"))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _lane(page: Any) -> int:
    return int(page.locator("#which").inner_text())


def _shown(page: Any, pane: str = "a") -> tuple[int, ...]:
    """Read the colour in the middle of a picture that the page shows."""
    script = """async name => {
      const image = document.querySelector(`#pane-${name} img`); await image.decode();
      const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
      const context = canvas.getContext("2d"); context.drawImage(image, 0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3); }"""
    return tuple(page.evaluate(script, pane))


def _clip(page: Any) -> float:
    return float(re.findall(r"([\d.]+)%", page.locator("#pane-a").evaluate("n => n.style.clipPath"))[0])


def _transform(image: Any) -> list[float]:
    """Read the shift, in pixels, and the scale of a picture."""
    return [float(n) for n in re.findall(r"-?[\d.]+", image.evaluate("n => n.style.transform"))]


def test_sliders_move_the_picture_and_all_that_belongs_to_it(visit, sweep) -> None:
    page = visit(sweep)
    assert page.locator("#sliders input").count() == 3
    assert (_lane(page), _shown(page)) == (0, run_folders.colour(0))
    page.get_by_role("slider", name="beta").fill("2")
    page.get_by_role("slider", name="alpha").fill("3")
    page.get_by_role("slider", name="seed").fill("1")
    assert (_lane(page), _shown(page)) == (27, run_folders.colour(27))
    assert page.locator("#caption").inner_text() == "beta 1000 · alpha 100 · seed 1"
    assert page.get_by_role("slider", name="alpha").get_attribute("aria-valuetext") == "100"
    assert page.locator("#command").inner_text().endswith("--number 27")
    assert page.locator("tr[aria-selected=true] button").inner_text() == "0027"
    assert page.locator("#readout").inner_text().startswith("1.26e25 at step 19")
    assert page.url.endswith("#0027")


def test_a_link_opens_at_its_lanes(visit, sweep) -> None:
    page = visit(sweep)
    page.goto(sweep.as_uri() + "#0013,0044")
    page.reload()
    assert (_lane(page), _shown(page, "b")) == (13, run_folders.colour(44))


def test_a_click_in_the_grid_selects_and_an_unfinished_lane_says_so(visit, sweep) -> None:
    page = visit(sweep)
    assert page.locator(".thumb").count() == 30
    page.get_by_role("button", name="beta 1000 · alpha 10 · seed 0").click()
    assert _shown(page) == run_folders.colour(24)
    page.get_by_role("slider", name="seed").fill("1")
    page.get_by_role("button", name="beta 1e6 · alpha 1000 · seed 1, not finished").click()
    assert _lane(page) == 59
    assert page.locator("#pane-a").inner_text() == "not finished"
    assert "58 of 60" not in page.locator("#facts").inner_text()
    assert page.locator("#facts").inner_text().startswith("59 of 60 pictures finished")


def test_arrow_keys_move_along_the_axes(visit, sweep) -> None:
    page = visit(sweep)
    page.locator("#stage").focus()
    for key, lane in [
        ("ArrowRight", 10),
        ("ArrowRight", 20),
        ("ArrowDown", 22),
        ("Shift+ArrowRight", 23),
        ("ArrowLeft", 13),
        ("ArrowUp", 11),
        ("ArrowUp", 11),
    ]:
        page.keyboard.press(key)
        assert _lane(page) == lane
    assert _shown(page) == run_folders.colour(11)
    page.locator(".thumb[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.lane") == "21"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press("ArrowRight")
    assert _lane(page) == 23
    assert "Shift" in page.locator("#keys").inner_text()


def test_the_divider_drags_and_the_pictures_swap(visit, sweep) -> None:
    page = visit(sweep)
    assert page.locator("#divider").is_hidden()
    page.locator("#compare").click()
    page.locator(".thumb").nth(9).click()
    left, right = _lane(page), 0
    assert (_shown(page), _shown(page, "b")) == (run_folders.colour(left), run_folders.colour(right))
    box, stage = page.locator("#divider").bounding_box(), page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] * 0.25, box["y"] + 60, steps=4)
    page.mouse.up()
    assert _clip(page) == pytest.approx(75, abs=0.5)
    page.mouse.move(stage["x"] + stage["width"] * 0.9, box["y"] + 60)
    assert _clip(page) == pytest.approx(75, abs=0.5)
    page.locator("#divider").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#divider").get_attribute("aria-valuenow") == "27"
    page.keyboard.press("x")
    assert (_lane(page), _shown(page, "b")) == (right, run_folders.colour(left))
    assert page.locator("#chart .chosen").count() == 2
    page.keyboard.press("Escape")
    assert page.locator("#divider").is_hidden()


def test_zoom_keeps_the_point_under_the_pointer_and_pans(visit, sweep) -> None:
    page = visit(sweep)
    image, stage = page.locator("#pane-a img"), page.locator("#stage").bounding_box()
    x, y = round(stage["x"]) + 100, round(stage["y"]) + 50
    page.mouse.dblclick(x, y)
    assert _transform(image) == pytest.approx([stage["x"] - x, stage["y"] - y, 2])
    page.mouse.down()
    page.mouse.move(x - 30, y - 10)
    page.mouse.up()
    assert _transform(image) == pytest.approx([stage["x"] - x - 30, stage["y"] - y - 10, 2])
    for _ in range(3):
        page.locator("#zoom").click()
    assert _transform(image) == []


def test_columns_sort_both_ways_and_rows_select(visit, sweep) -> None:
    page = visit(sweep)

    def column(k: int) -> list[str]:
        return page.locator(f"tbody td:nth-child({k})").all_inner_texts()

    assert column(1) == [f"{lane:04d}" for lane in range(60)]
    header = page.get_by_role("button", name="total")
    header.click()
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    values = column(5)
    # total falls with the lane; the unfinished lane stays at the end either way
    assert (values[0], values[-2], values[-1]) == ("42", "100", "–")
    page.get_by_role("button", name="total").click()
    assert (column(5)[0], column(5)[-1]) == ("100", "–")
    page.get_by_role("button", name="ssim").click()
    # lane 1 is nan: a word, after all numbers
    assert column(6)[0] == "0"
    assert column(6)[-2:] == ["nan", "–"]
    page.locator("tbody tr").nth(3).click()
    assert _lane(page) == int(column(1)[3])


def test_the_command_is_copied_or_else_selected(visit, sweep) -> None:
    page = visit(sweep, permissions=["clipboard-read", "clipboard-write"])
    page.locator(".thumb").nth(7).click()
    page.locator("#copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#command").inner_text()
    assert "--number 12" in page.locator("#command").inner_text()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
    page.locator("#copy").click()
    page.get_by_role("button", name="Selected").wait_for()
    assert page.evaluate("getSelection().toString()") == page.locator("#command").inner_text()


def test_the_chart_answers_the_pointer(visit, sweep) -> None:
    page = visit(sweep)
    page.locator("#chart").hover(position={"x": 53, "y": 100})
    assert page.locator("#readout").inner_text().startswith("1 at step 0")
    page.get_by_label("Term of the loss").select_option("style")
    page.mouse.move(5, 5)
    assert page.locator("#readout").inner_text().startswith("3 at step 19")
    page.get_by_label("Term of the loss").select_option("variation")
    assert "nothing above zero" in page.locator("#chart").inner_text()


def test_the_chart_begins_with_the_total(visit, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(run_folders, "TERMS", ("content", "style", "total", "variation", "style/relu1_1"))
    page = visit(pages.write(run_folders.make(tmp_path / "run", {"beta": [1, 2]})))
    assert page.get_by_label("Term of the loss").input_value() == "total"
    assert page.locator("#readout").inner_text().startswith("3 at step 19")


def test_no_line_of_the_command_ends_within_an_option(visit, sweep) -> None:
    page = visit(sweep, 390)
    for width in range(300, 390, 10):
        page.set_viewport_size({"width": width, "height": 800})
        lines = page.locator("#command .option").evaluate_all("nodes => nodes.map(n => n.getClientRects().length)")
        assert lines == [1, 1]


def test_numbers_can_stand_under_the_pictures(visit, sweep) -> None:
    page = visit(sweep)
    page.get_by_label("Number under each picture").select_option("total")
    assert page.locator(".thumb small").all_inner_texts()[:3] == ["100", "90", "80"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scroll(visit, sweep, scheme: str) -> None:
    page = visit(sweep, 390, color_scheme=scheme, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    stage, grid = page.locator("#stage").bounding_box(), page.locator("#grid").bounding_box()
    assert grid["y"] > stage["y"] + stage["height"]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 20, 22)"
    assert dark == (scheme == "dark")
    page.locator(".thumb").nth(1).tap()
    page.locator("#compare").tap()
    assert page.locator("#divider").bounding_box()["width"] >= 44
    session = page.context.new_cdp_session(page)
    y = stage["y"] + stage["height"] / 2
    for kind, points in [
        ("touchStart", [{"x": 195, "y": y}]),
        ("touchMove", [{"x": 150, "y": y}]),
        ("touchMove", [{"x": 78, "y": y}]),
        ("touchEnd", []),
    ]:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert _clip(page) == pytest.approx(80, abs=1)


def test_hostile_names_are_shown_not_run(visit, tmp_path) -> None:
    run = run_folders.make(tmp_path / "a b#%", {"content": [HOSTILE, "b.jpg"], "style": ["c.jpg", "d.jpg"]})
    page = visit(pages.write(run))
    assert page.evaluate("window.hacked") is None
    assert HOSTILE in page.locator("#caption").inner_text()
    assert page.locator("h1").inner_text() == "a b#%"
    assert page.evaluate("document.documentElement.scrollWidth") == 1300


def test_pictures_beside_the_page_are_found(visit, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("nst_jax.pages.page.INLINE", 0)
    page = visit(pages.write(run_folders.make(tmp_path / "run #1", {"beta": [1, 2, 3]})))
    page.get_by_role("slider", name="beta").fill("2")
    assert page.locator("#pane-a img").get_attribute("src") == "lanes/0002.png"
    assert page.evaluate("document.querySelector('#pane-a img').decode().then(() => true)")


@pytest.mark.parametrize("axes", [{}, {"seed": [0]}])
def test_a_single_picture_has_no_grid(visit, tmp_path, axes) -> None:
    page = visit(pages.write(run_folders.make(tmp_path / "run", axes)))
    assert page.locator("#axes").is_hidden()
    assert _shown(page) == run_folders.colour(0)


def test_a_step_among_256_lanes_is_quick(visit, tmp_path) -> None:
    axes = {"beta": list(range(16)), "alpha": list(range(16))}
    page = visit(pages.write(run_folders.make(tmp_path / "run", axes, steps=200, size=(8, 8))))
    script = """() => { const start = performance.now(); for (let k = 1; k < 11; k++) select(k * 20);
      return (performance.now() - start) / 10; }"""
    assert page.evaluate(script) < 150  # milliseconds, on a busy machine; about 20 on an idle one
