"""The report of a run folder: what is read, the contact sheet, the plots, and the data inside the page."""

import base64
import contextlib
import io
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import run_folders
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from nst_jax import pages
from nst_jax.errors import UserError
from nst_jax.pages import data as page_data
from nst_jax.pages import folder as folders
from nst_jax.pages import plots, sheet

SWEEP = {"beta": [10.0, 1e3, 1e5], "alpha": [1.0, 10.0]}


def _data(path: Path) -> dict:
    """Parse the page as a browser does and give the JSON in it."""
    found: list[str] = []

    class Parser(HTMLParser):
        inside = False

        def handle_starttag(self, tag, attrs):
            self.inside = tag == "script" and ("id", "data") in attrs

        def handle_data(self, data):
            if self.inside:
                found.append(data)

        def handle_endtag(self, tag):
            self.inside = False

    Parser().feed(path.read_text(encoding="utf-8"))
    return json.loads("".join(found), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 10.0, 1e3, 1e4, 1e5, 1e6], ["1", "10", "1000", "10000", "1e5", "1e6"]),
        ([0.001, 1e-5, 0.0, -2.5], ["0.001", "1e-5", "0", "-2.5"]),
        ([31.6227766, 31622.7766, 3.16227766e7], ["31.6", "31600", "3.16e7"]),
        ([1.0001, 1.0002], ["1.0001", "1.0002"]),
        ([0, 1, 123456], ["0", "1", "123456"]),
        (["temple.jpg", "a\n b.png", True, [0.5, "x"]], ["temple.jpg", "a b.png", "True", "0.5, x"]),
        ([float("nan"), float("inf")], ["nan", "inf"]),
    ],
)
def test_labels_are_short_and_tell_values_apart(values: list, expected: list[str]) -> None:
    assert list(folders.labels(values)) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((3, 2), (1, 0)),
        ((2, 3), (0, 1)),
        ((1, 4), (None, 1)),
        ((1, 2, 5, 9), (1, 2)),
        ((1,), (None, None)),
        ((), (None, None)),
    ],
)
def test_the_longer_of_the_first_two_varying_axes_runs_across(tmp_path, sizes, expected) -> None:
    axes = {f"axis{i}": list(range(size)) for i, size in enumerate(sizes)}
    run = folders.read(run_folders.make(tmp_path / "run", axes, steps=1, size=(4, 4)))
    assert folders.main_axes(run) == expected


def test_an_unfinished_run_is_read_as_far_as_it_is(tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", SWEEP, missing={5})
    with (run / "history.csv").open("a") as file:
        file.write("5,99,1.0,2.0,3.0,0.0,1")  # a line cut short by a kill, somewhere in the 1.25 at its end
    found = folders.read(run)
    assert found.terms == run_folders.TERMS
    assert found.history[5]["step"] == list(range(20))
    assert found.history[2]["total"][10] == pytest.approx(10.0)
    assert 5 not in found.summary
    for name in ("history.csv", "summary.csv"):
        (run / name).unlink()
    assert folders.read(run).history == {}
    assert _data(pages.write(run))["lanes"][5]["source"] is None
    assert not (run / "loss.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "is no run folder"),
        ("{", "is no JSON that can be read"),
        ({"format": 3}, "has format 3: this version reads format 2"),
        ({"format": 1}, "has format 1: nst_jax 0.1 wrote it, this version reads format 2"),
        ([], "has format None"),
        ({"format": 2}, "it has no 'axes'"),
        (
            {
                "format": 2,
                "axes": [{"name": "a", "values": [1]}],
                "lanes": [{"lane": 0, "name": "0", "settings": {}, "index": [3], "image": "x"}],
                "versions": {},
                "device": "cpu",
            },
            "outside of the axes",
        ),
    ],
)
def test_what_is_no_run_folder_is_refused_in_one_line(tmp_path, change, message: str) -> None:
    if change is not None:
        (tmp_path / "manifest.json").write_text(change if isinstance(change, str) else json.dumps(change))
    with pytest.raises(UserError, match=message) as error:
        pages.write(tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "index.html").exists()


def test_a_history_of_words_is_refused(tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", SWEEP)
    (run / "history.csv").write_text("lane,step,total\n0,0,much\n")
    with pytest.raises(UserError, match=r"is damaged: .*much"):
        pages.write(run)


def test_the_sheet_has_every_picture_at_its_place(tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", SWEEP, missing={3}, size=(96, 64))
    pages.write(run)
    with Image.open(run / "sheet.jpg") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rows: dict[int, list[tuple[int, int]]] = {}
    for lane in (0, 1, 2, 4, 5):
        near = np.abs(pixels - np.array(run_folders.colour(lane))).max(-1) <= 4
        ys, xs = np.nonzero(near)
        assert len(ys) > 0.8 * 96 * 64  # JPEG blurs the edges, by which a middle may move
        rows.setdefault(lane % 2, []).append((int(np.median(xs)), int(np.median(ys))))
    # beta has three values and runs across, alpha down; lanes count alpha fastest
    for places in rows.values():
        assert [x for x, _ in places] == sorted(x for x, _ in places)
        assert np.ptp([y for _, y in places]) <= 2
    assert rows[0][0][1] < rows[1][0][1]
    assert rows[0][0][0] == pytest.approx(rows[1][0][0], abs=2)
    # there is dark ink above the pictures and left of them
    top, left = rows[0][0][1] - 32, rows[0][0][0] - 48
    assert pixels[: top - 4].min() < 90
    assert pixels[top:, : left - 4].min() < 90


def test_the_sheet_shows_every_value_of_the_other_axes_and_what_lanes_were_made_from(tmp_path) -> None:
    axes = {**SWEEP, "seed": [0, 1, 2]}
    sources = [("content", "a.jpg"), ("style", "b.jpg")]
    run = folders.read(run_folders.make(tmp_path / "run", axes, steps=1, size=(4, 4), sources=sources))
    pictures = {lane: Image.new("RGB", (96, 64), run_folders.colour(lane)) for lane in range(18)}
    with Image.open(sheet.write_sheet(run, pictures)) as image:
        plain = image.height
    with Image.open(sheet.write_sheet(run, pictures, {i: Image.new("RGB", (96, 64)) for i in (0, 1)})) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert len(pixels) > plain + 64
    for lane in range(18):
        near = np.abs(pixels - np.array(run_folders.colour(lane))).max(-1) <= 4
        assert near.sum() > 0.8 * 96 * 64
    assert len(sheet._grids(replace(run, lanes=run.lanes * 9))) == 1


def test_long_words_of_a_sheet_end_before_the_pictures(tmp_path) -> None:
    names = [f"{word}_of_the_artist_as_a_young_man.jpg" for word in ("portrait", "village")]
    axes = {"style_image": [f"{i}_{name}" for i in range(3) for name in names], "the_content_image": names}
    run = folders.read(run_folders.make(tmp_path / "run", axes, steps=1, size=(96, 64)))
    pictures = {lane: Image.new("RGB", (96, 64), (255, 0, 0)) for lane in range(12)}
    with Image.open(sheet.write_sheet(run, pictures)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    red = (np.abs(pixels - (255, 0, 0)) < 90).all(-1)
    ys, xs = np.nonzero(red)
    assert pixels[ys.min() : ys.max(), xs.min() - 5 : xs.min() - 2].min() > 200  # nothing runs into them from the left
    assert pixels[ys.min() : ys.max(), : xs.min() - 5].min() < 90


def test_the_rounding_that_a_content_begins_with_is_no_part_of_the_range() -> None:
    assert plots._range([np.array([1e-9, np.nan, 0.5, 2.0]), np.array([3.0, 1.0])]) == (0.5, 3.0)
    assert plots._range([np.array([1e9, 1e3, 1.0])]) == (1.0, 1e9)  # a fall is one


def test_colours_of_plots_stand_out_on_white() -> None:
    number = plots._styles(tuple(map(str, range(9))))
    words = plots._styles(tuple("abcdefgh"))
    for colour, _ in [*number, *words]:
        rgb = np.array(to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= 3
    assert len({dash for _, dash in words[:4]}) == 4
    assert len(set(plots._styles(tuple("abcdefghijklmnop")))) == 16


def test_a_plot_names_a_few_of_many_values_and_writes_plain_numbers() -> None:
    assert plots._named(12) == list(range(12))
    assert plots._named(25) == [0, 4, 8, 12, 16, 20, 24]
    for low, high, most in ((2.0, 2.01, 8), (0.3, 1.7, 6), (0.04, 3.0, 9), (1e4, 1.5e4, 8)):
        panel = Figure().subplots()
        panel.set(yscale="log", ylim=(low, high))
        plots._mark(panel, high / low)
        words = [panel.yaxis.get_major_formatter()(y, 0) for y in panel.yaxis.get_majorticklocs() if low <= y <= high]
        assert 2 <= len(set(words)) == len(words) <= most
        assert all(re.fullmatch(r"[0-9.]+", word) for word in words)


def test_a_sheet_stays_small_even_of_noise(tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", {"beta": list(range(12)), "alpha": list(range(8))}, steps=1, size=(4, 4))
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (160, 256, 3), np.uint8)) for _ in range(4)]
    pictures = {lane: noise[lane % 4] for lane in range(96)}
    path = sheet.write_sheet(folders.read(run), pictures)
    assert path.stat().st_size < sheet.LARGEST
    with Image.open(path) as image:
        assert image.width > 12 * 40


@pytest.mark.parametrize(
    "axes", [{}, {"seed": [0]}, {"beta": list(range(9))}, {"pair": ["x" * 300, "_$<b>$\\frac{", "日本"]}]
)
def test_every_number_of_axes_makes_a_report(tmp_path, axes) -> None:
    run = run_folders.make(tmp_path / "run", axes)
    found = _data(pages.write(run))
    assert len(found["lanes"]) == max(1, np.prod([len(v) for v in axes.values()]))
    for name in ("sheet.jpg", "loss.png"):
        with Image.open(run / name) as image:
            assert image.width > 60
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


def test_the_page_carries_settings_curves_and_summary(tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", SWEEP, missing={5})
    found = _data(pages.write(run))
    assert found["axes"] == [
        {"name": "beta", "labels": ["10", "1000", "1e5"]},
        {"name": "alpha", "labels": ["1", "10"]},
    ]
    lane = found["lanes"][3]
    assert (lane["name"], lane["index"], lane["settings"]["alpha"]) == ("0003", [1, 1], "10")
    assert lane["command"].endswith("--number 3")
    assert lane["curves"]["terms"][2] == [6.0] * 20
    assert found["steps"] == [list(range(20))]
    # lr is the same in all lanes and no column; nan stays a word, a lane without a summary has empty fields
    measures = ["content_distance", "ssim", "style_bures"]
    assert found["table"]["columns"] == ["beta", "alpha", *measures, "total", "stopped", "style"]
    assert found["table"]["kinds"] == ["axis"] * 2 + ["measure"] * 3 + ["end"] * 2 + ["loss"]
    assert list(found["table"]["meanings"]) == measures
    assert found["table"]["meanings"]["ssim"] == ["structure of the content's luminance that is kept; 1 all", "higher"]
    assert found["table"]["rows"][1] == [10.0, 10.0, 0.01, "nan", 10.99, 99.0, "steps", 7.5]
    assert found["table"]["rows"][5] == [1e5, 10.0, *[None] * 6]
    assert found["files"] == ["summary.csv", "history.csv", "manifest.json", "sheet.jpg", "loss.png"]
    assert found["about"]["config"] == {"tv": 0.0}


def test_the_page_carries_what_lanes_were_made_from_and_their_way(tmp_path) -> None:
    sources = (("content", "temple.jpg"), ("style", "wave.jpg"), ("style", "night.jpg"), ("content mask", "sky.png"))
    run = run_folders.make(tmp_path / "run", {"beta": [1, 2]}, missing={1}, sources=sources, snapshots=(0, 10, 5))
    (run / "lanes/0000.gif").write_bytes(b"")
    (run / "inputs/2.png").unlink()
    found = _data(pages.write(run))
    assert [(p["role"], p["name"]) for p in found["pictures"]] == list(sources)
    assert [p["source"] is None for p in found["pictures"]] == [False, False, True, False]
    assert [p["size"] for p in found["pictures"]] == [[48, 32], [48, 32], None, [48, 32]]
    lanes = found["lanes"]
    assert [lane["pictures"] for lane in lanes] == [[0, 1, 2, 3]] * 2
    assert [lane["snapshots"] for lane in lanes] == [[0, 5, 10]] * 2
    assert [lane["animation"] for lane in lanes] == ["lanes/0000.gif", None]
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["lanes"][1]["pictures"] = [4]
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"is damaged: .*lane 1 has pictures \[4\] of 4"):
        pages.write(run)


def test_small_pictures_are_inside_the_page_and_large_ones_beside_it(tmp_path, monkeypatch) -> None:
    run = run_folders.make(tmp_path / "run", {"beta": [1, 2]})
    source = _data(pages.write(run))["lanes"][1]["source"]
    assert base64.b64decode(source.split(",")[1]) == (run / "lanes/0001.png").read_bytes()
    monkeypatch.setattr(page_data, "INLINE", 10)
    lane = _data(pages.write(run))["lanes"][1]
    assert lane["source"] == "lanes/0001.png"
    with Image.open(io.BytesIO(base64.b64decode(lane["thumbnail"].split(",")[1]))) as image:
        assert image.size == (48, 32)


HOSTILE = "</script><script>alert(1)</script><!--\"'& {{data}} \u2028.jpg"


def test_hostile_names_stay_text(tmp_path) -> None:
    run = run_folders.make(tmp_path / "<b>&{{data}}", {"content": [HOSTILE, "b.jpg"]})
    text = pages.write(run).read_text(encoding="utf-8")
    assert len(re.findall("<script", text)) == 2
    assert "alert(1)</script>" not in text
    assert "<title>&lt;b&gt;&amp;{{data}}</title>" in text
    assert _data(run / "index.html")["axes"][0]["labels"][0] == " ".join(HOSTILE.split())


def test_addresses_of_pictures_are_quoted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(page_data, "INLINE", 0)
    run = run_folders.make(tmp_path / "run", {"beta": [1]})
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["lanes"][0]["image"] = "lanes/a #1%?.png"
    (run / "lanes/0000.png").rename(run / "lanes/a #1%?.png")
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert _data(pages.write(run))["lanes"][0]["source"] == "lanes/a%20%231%25%3F.png"


def test_a_broken_picture_is_an_empty_place(tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", {"beta": [1, 2]})
    content = (run / "lanes/0000.png").read_bytes()
    (run / "lanes/0000.png").write_bytes(content[: len(content) // 2])
    found = _data(pages.write(run))
    assert [lane["source"] is None for lane in found["lanes"]] == [True, False]


def test_a_large_sweep_is_thinned(tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", {"seed": list(range(256))}, steps=400, size=(4, 4))
    path = pages.write(run)
    found = _data(path)
    (steps,) = found["steps"]
    assert (steps[0], steps[-1]) == (0, 399)
    assert 100 < len(steps) <= page_data.POINTS
    assert path.stat().st_size < 5_000_000


def test_a_report_is_the_same_twice(tmp_path) -> None:
    run = run_folders.make(tmp_path / "run", SWEEP)
    names = ("index.html", "sheet.jpg", "loss.png")
    pages.write(run)
    before = [(run / name).read_bytes() for name in names]
    pages.write(run)
    assert [(run / name).read_bytes() for name in names] == before


def test_thinning_keeps_the_ends() -> None:
    assert page_data._thin(5, 10) == [0, 1, 2, 3, 4]
    assert page_data._thin(1001, 3) == [0, 500, 1000]
    kept = page_data._thin(1001, 200)
    assert (len(set(kept)), kept[0], kept[-1]) == (200, 0, 1000)


def test_only_pictures_inside_the_folder_are_read(tmp_path) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(secret)
    run = run_folders.make(tmp_path / "run", {"beta": [1, 2]})
    whole = json.loads((run / "manifest.json").read_text())
    (run / "lanes/link.png").symlink_to(secret)
    (run / "lanes/loop.png").symlink_to("loop.png")
    (run / "away").symlink_to(tmp_path)
    names = (str(secret), "../secret.png", "lanes/../../secret.png", "lanes/link.png", "away/secret.png", "a\0b", "/")
    for name, where in itertools.product(names, ("lanes", "pictures")):
        changed = whole | {"pictures": [{"role": "content", "name": "a", "image": "lanes/0001.png"}]}
        changed[where] = [{**changed[where][0], "image": name}, *changed[where][1:]]
        (run / "manifest.json").write_text(json.dumps(changed))
        with pytest.raises(UserError, match="expected a picture in that folder") as refused:
            pages.write(run)
        assert str(refused.value).isprintable()
    for name in ("lanes", "manifest.json", "lanes/loop.png", "x" * 300):  # of the folder, and no picture
        whole["lanes"][0]["image"] = name
        (run / "manifest.json").write_text(json.dumps(whole))
        with contextlib.suppress(UserError):
            assert _data(pages.write(run))["lanes"][0]["source"] is None


@pytest.mark.parametrize(
    "entry", ["format", "axes", "lanes", "versions", "device", "git", "command", "config", "pictures"]
)
@pytest.mark.parametrize("value", [None, 3, [3], {"a": []}, "x", [[]], True], ids=str)
def test_every_entry_of_a_manifest_is_checked(tmp_path, entry, value) -> None:
    run = run_folders.make(tmp_path / "run", {"beta": [1, 2]})
    held = json.loads((run / "manifest.json").read_text())
    if type(held[entry]) is type(value) or (entry, type(value)) == ("git", dict):
        return
    (run / "manifest.json").write_text(json.dumps(held | {entry: value}))
    with pytest.raises(UserError, match=r"manifest\.json") as refused:
        pages.write(run)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("entry", ["lane", "name", "settings", "index", "image", "command", "pictures"])
@pytest.mark.parametrize("value", [None, -1, 10**400, [3, 4, 5], {"a": []}, "x\0", True, 0.5], ids=str)
def test_every_entry_of_a_lane_is_checked(tmp_path, entry, value) -> None:
    run = run_folders.make(tmp_path / "run", {"beta": [1, 2]})
    held = json.loads((run / "manifest.json").read_text())
    held["lanes"][1][entry] = value
    (run / "manifest.json").write_text(json.dumps(held))
    if (type(value) is str and entry in ("name", "command")) or (entry, type(value)) == ("settings", dict):
        pages.write(run)
        return
    with pytest.raises(UserError) as refused:
        pages.write(run)
    assert str(refused.value).isprintable()
