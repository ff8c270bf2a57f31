"""The page in a real browser: headless Chromium through playwright, skipped where either is missing."""

import json
import re
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_folders
from PIL import Image

from nst_jax import pages

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the path")

HOSTILE = '</script><img src=x onerror="window.hacked = 1">&amp;\'.jpg'
AXES = {"beta": [10.0**k for k in range(1, 7)], "alpha": [0.1, 1.0, 10.0, 100.0, 1000.0], "seed": [0, 1]}
SOURCES = (("content", "temple.jpg"), ("style", "wave.jpg"), ("style", "night.jpg"), ("content mask", "sky.png"))


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
    folder = tmp_path_factory.mktemp("page") / "sweep"
    return pages.write(run_folders.make(folder, AXES, missing={59}, sources=SOURCES, snapshots=(0, 5, 10)))


@pytest.fixture
def visit(browser) -> Iterator[Any]:
    """Open a page; at the end nothing may have been logged as an error or asked from a network."""
    troubles: list[str] = []
    contexts = []

    def open_page(path: Path, width: int = 1400, **options: Any) -> Any:
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
    """Read the colour in the middle of a picture that lies in the page, whole."""
    script = """async name => {
      const image = document.querySelector(`#pane-${name} img`); await image.decode();
      const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
      const context = canvas.getContext("2d"); context.drawImage(image, 0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3); }"""
    return tuple(page.evaluate(script, pane))


def _seen(page: Any) -> tuple[int, ...]:
    """Read a pixel of the stage as the screen shows it, below its middle and left of it."""
    with Image.open(BytesIO(page.locator("#stage").screenshot())) as image:
        return tuple(np.asarray(image.convert("RGB"))[image.height * 3 // 4, image.width // 3].tolist())


def _clip(page: Any) -> float:
    return float(re.findall(r"([\d.]+)%", page.locator("#pane-a").evaluate("n => n.style.clipPath"))[0])


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
    page.goto(sweep.as_uri() + "#%,%zz")
    page.reload()
    assert _lane(page) == 0  # such an address names nothing
    page.goto(sweep.as_uri() + "#0013,0044")
    page.reload()
    assert (_lane(page), _shown(page, "b")) == (13, run_folders.colour(44))


def test_every_setting_is_a_thumbnail_and_any_two_axes_span_the_panels(visit, sweep) -> None:
    page = visit(sweep)
    assert page.locator(".thumb").count() == 60
    assert page.locator(".panel h3").all_inner_texts() == ["seed 0", "seed 1"]
    page.get_by_role("button", name="beta 1000 · alpha 10 · seed 1").click()
    assert _shown(page) == run_folders.colour(25)
    assert page.locator(".panel.on h3").inner_text() == "seed 1"
    page.get_by_role("button", name="beta 1e6 · alpha 1000 · seed 1, not finished").click()
    assert (_lane(page), page.locator("#pane-a").inner_text()) == (59, "not finished")
    assert page.locator("#facts").inner_text().startswith("59 of 60 pictures finished")
    page.locator("#down").select_option("seed")
    assert page.locator(".panel h3").all_inner_texts() == [f"alpha {a}" for a in ("0.1", "1", "10", "100", "1000")]
    page.locator("#across").select_option("seed")  # the two change places
    assert page.locator("#down").evaluate("n => n.selectedOptions[0].textContent") == "beta"
    page.locator("#down").select_option("–")
    assert page.locator(".panel").count() == 30
    assert page.locator(".thumb").count() == 60
    page.get_by_label("Number under each picture").select_option("total")
    assert page.locator(".thumb small").all_text_contents()[:3] == ["100", "99", "98"]


POWERS = [10 ** (k / 4) for k in range(24)]
WORDS = [f"{word}_of_the_artist_{year}.jpg" for word in ("portrait", "village", "winter") for year in range(1880, 1888)]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "down"), [(1400, [1, 2]), (390, WORDS[:2])], ids=["desk", "phone"])
@pytest.mark.parametrize("across", [WORDS, POWERS, WORDS[:3]], ids=["words", "numbers", "few"])
def test_labels_are_whole_and_never_over_each_other(visit, tmp_path, width: int, down: list, across: list) -> None:
    axes = {"style_image": across, "content_image": down}
    page = visit(pages.write(run_folders.make(tmp_path / "run", axes, steps=2)), width)
    found = page.locator("#grid .label").evaluate_all("""nodes => nodes.map(node => {
      const range = document.createRange(); range.selectNodeContents(node);
      const {left, top, right, bottom} = range.getBoundingClientRect();
      return [left, top, right, bottom, node.textContent, range.getClientRects().length]; })""")
    boxes = [box for *box, _, _ in found]
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
    assert all(lines == 1 for *_, words, lines in found if words.replace(".", "").isdigit())
    labelled = {words for *_, words, _ in found}
    assert set(map(str, down)) <= labelled
    assert across[0] == 1 or set(across) <= labelled


def test_the_picture_stays_in_view_and_covers_nothing(visit, sweep) -> None:
    page = visit(sweep)
    page.locator("#loss").evaluate("n => n.scrollIntoView()")
    assert page.locator("#stage").bounding_box()["y"] == pytest.approx(14, abs=1)
    page.evaluate("scrollTo(0, 1e6)")
    picture, table = (page.locator(name).bounding_box() for name in ("#picture", "#tablepart"))
    assert picture["y"] + picture["height"] <= table["y"]


def test_keys_move_along_the_axes(visit, sweep) -> None:
    page = visit(sweep)
    page.locator("#stage").focus()
    ways = ["ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight", "ArrowLeft", "ArrowUp", "ArrowUp"]
    for key, lane in zip(ways, [10, 20, 22, 23, 13, 11, 11], strict=True):
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


def test_two_pictures_divide_swap_differ_and_blink(visit, sweep) -> None:
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
    page.mouse.move(stage["x"] + stage["width"] * 0.9, box["y"] + 60)
    assert _clip(page) == pytest.approx(75, abs=0.5)
    page.locator("#divider").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#divider").get_attribute("aria-valuenow") == "27"
    page.keyboard.press("x")
    assert (_lane(page), _shown(page, "b")) == (right, run_folders.colour(left))
    assert page.locator("#chart .chosen:not(.under)").count() == 2
    difference = [abs(a - b) for a, b in zip(run_folders.colour(0), run_folders.colour(left), strict=True)]
    page.keyboard.press("d")
    assert _seen(page) == pytest.approx(difference, abs=1)
    page.get_by_role("button", name="×4", exact=True).click()
    assert _seen(page) == pytest.approx([min(255, 4 * d) for d in difference], abs=4)
    page.locator("#stage").focus()
    page.keyboard.press("b")
    page.locator("#stage.turned").wait_for()
    assert _seen(page) == pytest.approx(run_folders.colour(left), abs=1)
    page.locator("#stage:not(.turned)").wait_for()
    assert _seen(page) == pytest.approx(run_folders.colour(0), abs=1)
    page.keyboard.press("Escape")
    assert page.locator("#divider").is_hidden()
    page.get_by_role("button", name="1:1").click()  # keys work on the picture's buttons, too
    page.keyboard.press("c")
    assert page.locator("#divider").is_visible()


def test_what_a_lane_was_made_from_is_compared_with_it(visit, sweep) -> None:
    page = visit(sweep)
    assert page.locator(".source b").all_inner_texts() == ["content", "style", "style 2", "content mask"]
    assert page.locator(".source small").all_inner_texts() == [name for _, name in SOURCES]
    page.locator(".source").nth(2).click()
    assert _shown(page, "b") == (255, 255, 255)
    assert page.locator(".tag.b").inner_text() == "style 2: night.jpg"
    page.locator(".thumb").nth(9).click()
    page.reload()
    assert page.url.endswith(",style%202")
    assert page.locator(".source[aria-pressed=true] b").inner_text() == "style 2"
    page.locator(".source").nth(2).click()
    assert page.locator("#divider").is_hidden()


@pytest.mark.parametrize("dots", [1, 2])
def test_at_one_to_one_a_pixel_is_a_pixel(visit, sweep, dots: int) -> None:
    page = visit(sweep, device_scale_factor=dots)
    image, stage = page.locator("#pane-a img"), page.locator("#stage").bounding_box()
    assert image.bounding_box()["width"] == pytest.approx(stage["width"], abs=0.5)
    page.get_by_role("button", name="1:1", exact=True).click()
    at = image.bounding_box()
    assert (at["width"] * dots, at["height"] * dots) == (48, 32)
    assert (at["x"] * dots) % 1 == pytest.approx(0, abs=0.01)
    page.locator("#stage").focus()
    page.keyboard.press("Escape")
    assert page.locator("#zooms [aria-pressed=true]").inner_text() == "Fit"


def test_zoom_keeps_the_point_under_the_pointer_and_pans(visit, sweep) -> None:
    page = visit(sweep)
    page.evaluate("lanes[current()].size = [960, 640]; turnZoom(1)")
    image, stage = page.locator("#pane-a img"), page.locator("#stage").bounding_box()
    x, y = round(stage["x"]) + 250, round(stage["y"]) + 150

    def held() -> list[float]:
        at = image.bounding_box()
        return [(x - at["x"]) / at["width"], (y - at["y"]) / at["height"]]

    before = held()
    page.mouse.dblclick(x, y)
    assert image.bounding_box()["width"] == 1920
    assert held() == pytest.approx(before, abs=1e-3)
    page.mouse.down()
    page.mouse.move(x - 30, y - 10)
    page.mouse.up()
    assert held() == pytest.approx([before[0] + 30 / 1920, before[1] + 10 / 1280], abs=1e-3)


def test_the_steps_of_a_lane_play(visit, sweep) -> None:
    page = visit(sweep)
    assert (page.locator("#at-step").inner_text(), page.locator("#step").get_attribute("max")) == ("end", "3")
    page.locator("#step").fill("1")
    assert page.locator("#pane-a img").get_attribute("src") == "snapshots/0000/000005.png"
    assert page.locator("#caption").inner_text().endswith("seed 0 · step 5")
    assert page.locator("#chart .now").count() == 1
    page.evaluate("document.querySelector('#pane-a img').decode().then(() => true)")
    assert _seen(page) == (5, 5, 5)
    page.locator(".thumb").nth(9).click()  # another lane at the same step
    assert page.locator("#pane-a img").get_attribute("src").endswith("/000005.png")
    page.locator("#play").click()
    page.locator("#at-step", has_text="end").wait_for()
    assert page.locator("#play").inner_text() == "Play"


def test_any_measure_against_any_other_with_its_front(visit, sweep) -> None:
    page = visit(sweep)
    assert (page.locator("#y").input_value(), page.locator("#x").input_value()) == ("style_bures", "content_distance")
    assert page.locator("#scatter .dot").count() == 59
    assert (
        page.locator("#scatter .best").count() == 30
    )  # the even lanes: an odd one has a worse style than its neighbour
    assert page.locator("#front").inner_text().startswith("Pareto front, 30 of 60")
    assert page.locator("#scatter .title").all_text_contents() == [
        "← better  content_distance",
        "← better  style_bures",
    ]
    assert "features of the content that are lost" in page.locator("#said").inner_text()
    script = """() => { scatter.root.scrollIntoView({ block: "center" });
      const p = scatter.points.find(p => p.i === 24), r = scatter.root.getBoundingClientRect();
      return [r.left + p.x, r.top + p.y]; }"""
    x, y = page.evaluate(script)
    page.mouse.move(x, y)
    assert page.locator("#peek").is_visible()
    said = "beta 1000 · alpha 10 · seed 0\nstyle_bures 9.76\ncontent_distance 0.24"
    assert sorted(page.locator("#peek").inner_text().split("\n")) == sorted(said.split("\n"))
    page.mouse.click(x, y)
    assert (_lane(page), _shown(page)) == (24, run_folders.colour(24))
    assert page.locator("#scatter .ring").count() == 1
    page.locator("#x").select_option("ssim")
    assert page.locator("#scatter .dot").count() == 58  # one has none
    assert page.locator("#scatter .title").first.text_content() == "ssim  → better"


def test_a_measure_along_an_axis_has_mean_and_spread_over_seeds(visit, sweep) -> None:
    page = visit(sweep)
    page.locator("#x").select_option("beta")
    page.locator("#colour").select_option("alpha")
    assert (page.locator("#scatter .mean").count(), page.locator("#scatter .band").count()) == (5, 5)
    assert page.locator("#front").inner_text() == "Lines are means and bands one standard deviation over 2 seeds."
    means = page.evaluate("""() => [...document.querySelectorAll("#scatter .mean")].map(n => n.getAttribute("d"))""")
    at = page.evaluate(
        "scatter.points.filter(p => p.i === 22 || p.i === 23).map(p => [p.x, p.y])"
    )  # alpha 1, two seeds
    x, y = (float(n) for n in means[1].split("L")[2].split(" "))
    assert x == pytest.approx(at[0][0], abs=0.1)
    assert abs(y - sum(p[1] for p in at) / 2) < 0.5
    page.locator("#colour").select_option("none")
    assert page.locator("#scatter .mean").count() == 1
    assert "at alpha 0.1, as the sliders stand" in page.locator("#front").inner_text()
    assert page.locator("#scatter .faint").count() == 59 - 12
    page.get_by_role("slider", name="alpha").fill("4")
    assert "at alpha 1000" in page.locator("#front").inner_text()


def test_curves_take_the_colours_of_an_axis_and_compare(visit, sweep) -> None:
    page = visit(sweep)
    page.locator("#colour-curves").select_option("alpha")
    assert page.locator("#colour").evaluate("n => n.selectedOptions[0].textContent") == "alpha"
    colours = "nodes => new Set(nodes.map(n => getComputedStyle(n).stroke)).size"
    assert page.locator("#chart .curve").evaluate_all(colours) == 5
    assert page.locator("#loss .legend .key").all_inner_texts() == ["0.1", "1", "10", "100", "1000"]
    stroke = "node => getComputedStyle(node).stroke"  # that of the chosen curve is its value's, not another's
    for place in (0, 3):
        page.get_by_role("slider", name="alpha").fill(str(place))
        chosen = page.locator("#chart .chosen:not(.under)").evaluate(stroke)
        assert chosen == page.locator("#chart .curve").nth(place).evaluate(stroke)
    page.get_by_role("slider", name="alpha").fill("0")
    page.locator("#chart").hover(position={"x": 67, "y": 100})
    assert page.locator("#readout").inner_text().startswith("1 at step 0")
    page.get_by_label("Scale of the loss").select_option("relative to its first")
    page.get_by_role("slider", name="beta").fill("5")
    page.mouse.move(5, 5)
    assert page.locator("#readout").inner_text().startswith("0.01259 at step 19")
    page.get_by_label("Scale of the loss").select_option("as it is")
    page.get_by_label("Term of the loss").select_option("style")
    assert page.locator("#readout").inner_text().startswith("53 at step 19")
    assert page.locator("#weighted").inner_text() == "Unweighted, so that lanes compare."
    page.get_by_label("Term of the loss").select_option("variation")
    assert "nothing above zero" in page.locator("#chart").inner_text()
    # what a content that starts as itself is at first is rounding, and no part of the range
    assert page.evaluate("ranged([[0, 1e-13], [1, 0.1], [2, 0.3]])") == [[1, 0.1], [2, 0.3]]
    assert page.evaluate("ranged([[0, 1e9], [1, 1e3], [2, 1]])") == [[0, 1e9], [1, 1e3], [2, 1]]


def test_the_table_shows_axes_and_measures_first_and_cuts_no_word(visit, sweep) -> None:
    page = visit(sweep)

    def first(name: str) -> str:
        k = page.locator("thead button span").all_inner_texts().index(name)
        return page.locator(f"tbody tr[data-lane] td:nth-child({k + 1})").first.inner_text()

    measures = ["content_distance", "ssim", "style_bures"]
    heads = ["lane", "beta", "alpha", "seed", *measures, "total", "stopped"]
    assert page.locator("thead button span").all_inner_texts() == heads
    page.get_by_role("button", name="Show the loss").click()
    assert page.locator("thead button span").all_inner_texts() == [*heads, "style"]
    cut = "nodes => nodes.filter(n => n.scrollWidth > n.clientWidth + 1).length"
    assert page.locator("#tablepart th, #tablepart td:not(.space td)").evaluate_all(cut) == 0
    assert page.locator("tbody .best").count() == 1  # of the content; the best of the others is out of view
    rows = page.locator("tbody tr[data-lane]").count()
    assert 10 < rows < 60
    page.get_by_role("button", name="total").click()
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    assert first("total") == "42"
    page.get_by_role("button", name="total").click()
    assert first("total") == "100"
    page.get_by_role("button", name="ssim").click()
    assert first("ssim") == "8.286"  # higher is better, so the highest is first
    page.evaluate("document.querySelector('#tablepart .scroll').scrollTop = 1e6")
    last = page.locator("tbody tr[data-lane]").last
    last.get_by_role("button", name="0059").wait_for()  # unfinished, after the lane whose measure is no number
    assert page.locator("tbody tr[data-lane]").count() < 60
    wanted = page.locator("tbody tr[data-lane]").nth(10).get_by_role("button").inner_text()
    page.locator("tbody tr[data-lane]").nth(10).click()
    assert _lane(page) == int(wanted)
    links = page.locator("header nav a, tbody .first a").evaluate_all("nodes => nodes.map(n => n.getAttribute('href'))")
    assert {"summary.csv", "history.csv", "manifest.json", "sheet.jpg", "loss.png"} <= set(links)
    assert all((sweep.parent / link).is_file() for link in links)
    page.locator("#meanings summary").click()
    assert page.locator("#meanings dt").all_inner_texts() == measures


def test_the_command_is_copied_or_else_selected(visit, sweep) -> None:
    page = visit(sweep, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="beta 100 · alpha 1 · seed 0").click()
    page.locator("#copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#command").inner_text()
    assert "--number 12" in page.locator("#command").inner_text()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
    page.locator("#copy").click()
    page.get_by_role("button", name="Selected").wait_for()
    assert page.evaluate("getSelection().toString()") == page.locator("#command").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scroll(visit, sweep, scheme: str) -> None:
    page = visit(sweep, 390, color_scheme=scheme, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    stage, grid = page.locator("#stage").bounding_box(), page.locator("#grid").bounding_box()
    assert grid["y"] > stage["y"] + stage["height"]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 20, 22)"
    assert dark == (scheme == "dark")
    small = "nodes => Math.min(...nodes.filter(n => n.clientWidth).map(n => parseFloat(getComputedStyle(n).fontSize)))"
    assert page.locator(".label, .slider, .chart text, select, button").evaluate_all(small) >= 12
    page.locator("#losses").tap()  # the losses fold out to where one looks
    loss, lane = (page.locator(f"#tablepart th{name}").bounding_box() for name in (".loss", ":first-child"))
    assert lane["x"] + lane["width"] <= loss["x"]
    assert loss["x"] + loss["width"] <= 390
    page.locator(".thumb").nth(1).tap()
    page.locator("#compare").tap()
    assert page.locator("#divider").bounding_box()["width"] >= 44
    session = page.context.new_cdp_session(page)
    page.evaluate("scrollTo(0, 0)")
    y = stage["y"] + stage["height"] / 2
    for kind, x in [("touchStart", 195), ("touchMove", 150), ("touchMove", 78), ("touchEnd", None)]:
        points = [] if x is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert _clip(page) == pytest.approx(80, abs=1)
    sliders = page.locator("#sliders").bounding_box()  # on the screen together with the picture that they move
    assert stage["y"] + stage["height"] < sliders["y"] < grid["y"]
    assert sliders["y"] + sliders["height"] - stage["y"] < 844
    for width in range(300, 390, 30):  # no line of the command ends within an option
        page.set_viewport_size({"width": width, "height": 800})
        lines = page.locator("#command .option").evaluate_all("nodes => nodes.map(n => n.getClientRects().length)")
        assert lines == [1, 1]


def test_hostile_and_long_names_are_shown_not_run(visit, tmp_path) -> None:
    pairs = {"content_image, style_image": [[HOSTILE, "village_street_auvers"], ["b.jpg", "composition_viii"]]}
    run = run_folders.make(tmp_path / "a b#%", {**pairs, "seed": [0, 1]}, sources=[("content", HOSTILE)])
    page = visit(pages.write(run), 390)
    assert page.evaluate("window.hacked") is None
    assert HOSTILE in page.locator("#caption").inner_text()
    assert page.locator(".source small").inner_text() == HOSTILE
    assert page.locator("h1").inner_text() == "a b#%"
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#sliders input").first.bounding_box()["width"] > 300
    output = page.locator("#sliders output").first
    assert output.inner_text() == f"{HOSTILE}, village_street_auvers"
    assert output.evaluate("n => n.scrollWidth <= n.clientWidth")


def test_pictures_beside_the_page_are_found(visit, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("nst_jax.pages.data.INLINE", 0)
    page = visit(pages.write(run_folders.make(tmp_path / "run #1", {"beta": [1, 2, 3]})))
    page.get_by_role("slider", name="beta").fill("2")
    assert page.locator("#pane-a img").get_attribute("src") == "lanes/0002.png"
    assert page.evaluate("document.querySelector('#pane-a img').decode().then(() => true)")


@pytest.mark.parametrize("axes", [{}, {"seed": [0]}])
def test_a_single_picture_has_no_grid(visit, tmp_path, axes) -> None:
    page = visit(pages.write(run_folders.make(tmp_path / "run", axes)))
    assert page.locator("#axes").is_hidden()
    assert page.locator("#measures").is_hidden()
    assert _shown(page) == run_folders.colour(0)


def test_a_run_that_has_only_begun_shows_what_it_will_be(visit, tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", {"beta": [1, 2, 3]}, missing=range(3), sources=SOURCES)
    for name in ("history.csv", "summary.csv"):
        (run / name).unlink()
    page = visit(pages.write(run))
    assert page.locator("#facts").inner_text().startswith("0 of 3 pictures finished")
    assert page.locator("#live").is_visible()
    assert page.locator(".thumb.empty").count() == 3
    assert page.locator("#measures").is_hidden()
    assert page.locator("#loss").is_hidden()
    page.locator(".source").first.click()
    assert page.locator("#pane-b img").evaluate("n => n.decode().then(() => n.naturalWidth)") == 48


def test_an_open_page_of_a_living_run_loads_itself_again_and_shows_the_same(visit, tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", {"beta": [1, 2, 3], "seed": [0, 1]}, missing={5})
    page = visit(pages.write(run))
    page.clock.install()
    page.reload()
    page.get_by_role("slider", name="beta").fill("2")
    page.locator("#x").select_option("ssim")
    shutil.rmtree(run)
    pages.write(run_folders.make(run, {"beta": [1, 2, 3], "seed": [0, 1]}))
    assert page.locator("#facts").inner_text().startswith("5 of 6")
    page.clock.run_for(21_000)
    page.locator("#facts", has_text="6 pictures").wait_for()
    assert (_lane(page), page.locator("#x").input_value()) == (4, "ssim")
    assert page.locator("#live").is_hidden()


@pytest.mark.slow
def test_a_thousand_lanes_open_in_two_seconds_and_move_smoothly(visit, tmp_path) -> None:
    axes = {"beta": list(range(10)), "alpha": list(range(10)), "seed": list(range(10))}
    path = pages.write(run_folders.make(tmp_path / "run", axes, steps=200, size=(64, 48), sources=SOURCES))
    page = visit(path)
    page.locator(".thumb").first.wait_for()
    assert page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 2000
    drawn = "nodes => nodes.filter(n => n.firstChild.style.backgroundImage).length"
    assert 0 < page.locator(".thumb").evaluate_all(drawn) < 1000
    assert page.locator("tbody tr").count() < 60
    script = """() => { const start = performance.now(); for (let k = 1; k < 11; k++) select(k * 20);
      return (performance.now() - start) / 10; }"""
    assert page.evaluate(script) < 150  # milliseconds, on a busy machine; about 20 on an idle one
    assert len(json.dumps(page.evaluate("history.state"))) < 2000
