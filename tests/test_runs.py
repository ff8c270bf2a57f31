"""Run folders, in this process with a tiny network: what is in them, going on, refusing."""

import csv
import json
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import jax
import numpy as np
import pytest
import tifffile
from PIL import Image
from run_files import assert_same, draw, results

import nst_jax
from nst_jax import (
    Compare,
    Interrupted,
    Watch,
    grid,
    images,
    optimize,
    pose,
    record,
    solve,
    solve_batch,
    stack,
    stylize,
)
from nst_jax import pages as page_folder
from nst_jax.axis import Axis
from nst_jax.batch.seals import sha256
from nst_jax.batch.store import Finished, Store
from nst_jax.errors import UserError
from nst_jax.losses import Variation
from nst_jax.networks import Encoder
from nst_jax.pages import write
from nst_jax.pages.folder import read as read_run
from nst_jax.recipe import Recipe
from nst_jax.runs import animate, manifest, publish, ready, work
from nst_jax.runs.spec import Spec, command, lanes
from nst_jax.settings import applied, chosen

RECIPE = Recipe(content_layers=("relu2_2",), style_layers=("relu1_1", "relu2_1"), size=20, steps=9, optimizer="adam")
BETAS = Axis(("beta",), ((10.0,), (100.0,), (1000.0,)))


QUIET = Watch(say=lambda _: None)


@pytest.fixture
def spec(tmp_path, monkeypatch) -> Spec:
    monkeypatch.setattr(sys, "argv", ["nst-jax", "sweep"])
    # nine steps in pieces of three
    monkeypatch.setattr(optimize, "length_of_call", lambda *_: 3)
    content, style = draw(tmp_path / "in/c.png", 1, 20, 16), draw(tmp_path / "in/s.png", 2, 24, 20)
    return Spec((content,), (style,), RECIPE, (BETAS,), show_pictures=False, metrics=False)


@pytest.fixture(scope="module")
def encoder(tiny) -> Encoder:
    return replace(tiny.encoder, digest="d" * 64)


@pytest.fixture(scope="module")
def make(encoder) -> Callable[..., dict[int, Finished]]:
    """Give `make(spec, out, lanes=, say=, stop=, ...)`, which makes a run folder with the tiny network."""

    def made(spec: Spec, out: Path, *, lanes: int | None = None, **watch) -> dict[int, Finished]:
        prepared = ready.prepare(spec, encoder=encoder)
        return work.make(prepared, out, lanes=lanes, watch=replace(QUIET, **watch), page=write)

    return made


def pictures(spec: Spec) -> list[np.ndarray]:
    """Read content and style as a run does."""
    return [images.resize(images.read(path).rgb, RECIPE.size) for path in (*spec.contents, *spec.styles)]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_folder_holds_everything(spec, tmp_path, make) -> None:
    out = tmp_path / "run"
    make(replace(spec, metrics=True), out)
    names = [f"lanes/000{i}_beta={b}.png" for i, b in enumerate((10, 100, 1000))]
    expected = [
        *names,
        "inputs/content.png",
        "inputs/style.png",
        "history.csv",
        "index.html",
        "loss.png",
        "manifest.json",
        "sheet.jpg",
        "summary.csv",
    ]
    assert [name for name in results(out) if name != "history.parquet"] == sorted(expected)
    written = json.loads((out / "manifest.json").read_text())
    assert written["config"]["recipe"]["steps"] == 9
    assert written["weights"] == {"vgg16": "d" * 64}
    assert written["inputs"]["contents"][0]["sha256"] == images.read(spec.contents[0]).sha256
    history = rows(out / "history.csv")
    assert [(r["lane"], r["step"]) for r in history] == [(str(i), str(s)) for i in range(3) for s in range(10)]
    summary = rows(out / "summary.csv")
    assert [float(r["beta"]) for r in summary] == [10, 100, 1000]
    assert {r["stopped"] for r in summary} == {"steps"}
    for lane, row in enumerate(summary):
        step = history[lane * 10 + int(row["best_step"])]
        assert float(row["style/relu1_1"]) == pytest.approx(float(step["style/relu1_1"]), rel=1e-6)
        assert float(row["ssim"]) <= 1
    assert [r["lane"] for r in rows(out / "timings.csv")] == ["0", "1", "2"]
    run = read_run(out)
    assert run.axes[0].name == "beta"
    assert run.lanes[2].settings == {"beta": 1000.0}
    assert len(run.history[2]["total"]) == 10


@pytest.mark.parametrize(
    ("form", "how"), [("tif", images.Output(depth=16, dpi=300)), ("jpg", images.Output(quality=80))]
)
def test_pictures_are_files_as_they_are_asked_for(spec, tmp_path, make, form, how) -> None:
    out = tmp_path / "run"
    asked = replace(spec, format=form, how=how)
    make(asked, out)
    path = out / f"lanes/0001_beta=100.{form}"
    assert record.recipe_of(record.from_metadata(images.read_metadata(path), path)) == replace(RECIPE, beta=100.0)
    levels = tifffile.imread(path) if form == "tif" else np.asarray(Image.open(path))
    assert (levels.dtype, levels.shape) == (np.uint16 if form == "tif" else np.uint8, (16, 20, 3))
    options = " ".join(f"--{name} {value}" for name, value in how.options().items())
    written = json.loads((out / "manifest.json").read_text())
    assert written["config"]["output"] == {"format": form, **how.options()}
    assert written["lanes"][1]["command"].endswith(options)
    assert "data:image/jpeg;base64," in (out / "index.html").read_text()
    with pytest.raises(UserError, match=r"config\.output"):
        make(spec, out)


def test_a_style_is_summarised_once_for_all_lanes(spec, tmp_path, monkeypatch, make) -> None:
    asked, real = [], ready.style_side
    monkeypatch.setattr(ready, "style_side", lambda *args, **how: asked.append(1) or real(*args, **how))
    make(replace(spec, metrics=True), tmp_path / "run")
    assert len(asked) == 1


def test_each_picture_holds_its_own_recipe_and_is_that_recipes_picture(spec, tmp_path, encoder, make) -> None:
    make(spec, tmp_path / "run")
    path = tmp_path / "run/lanes/0001_beta=100.png"
    held = record.from_metadata(images.read_metadata(path), path)
    recipe = record.recipe_of(held)
    assert recipe == replace(RECIPE, beta=100.0)
    assert held["result"]["stopped"] == "steps"
    assert held["weights"]["sha256"] == "d" * 64
    content, style = (images.read(path).rgb for path in (spec.contents[0], spec.styles[0]))
    problem = pose(encoder, images.resize(content, 20), images.resize(style, 20), recipe=recipe)
    alone = solve(encoder, problem)
    levels = np.abs(images.read(path).rgb - images.to_uint8(alone.image) / 255) * 255
    assert levels.max() < 1.5  # rounding in another order may tip a level


@pytest.mark.parametrize(
    ("optimizer", "scales", "pieces_each", "places"),
    # four pieces of three evaluations a scale, two chunks; `places` are (scale, evaluations) of the stops
    [
        ("lbfgs", 1, (1, 2, 1), [(0, 6), (0, 3), (0, 9)]),
        ("adam", 2, (1, 2, 1, 3, 1), [(0, 6), (1, 3), (1, 9), (0, 9), (1, 3)]),
    ],
)
def test_a_stopped_run_goes_on_to_the_same_bytes(
    spec, tmp_path, monkeypatch, optimizer, scales, pieces_each, places, make
) -> None:
    # the manifest names the commit of the working directory, where others may be at work
    monkeypatch.setattr(manifest, "git_state", lambda: None)
    spec = replace(spec, recipe=replace(RECIPE, scales=scales, optimizer=optimizer), metrics=scales == 1)
    make(spec, tmp_path / "whole/run", lanes=2)
    out, found = tmp_path / "stopped/run", []
    for pieces in pieces_each:
        asked = iter([False] * pieces + [True] * 99)
        with pytest.raises(Interrupted):
            make(spec, out, lanes=2, stop=lambda asked=asked: next(asked))
        (kept,) = out.glob("state/chunk-*.npz")
        with np.load(kept) as file:
            found.append((int(file["scale"]), file["term-total"].shape[1]))
    assert found == places
    said = []
    make(spec, out, say=said.append)  # the size of chunks is remembered
    assert said == ["going on: 2 of 3 lanes are finished"]
    assert_same(out, tmp_path / "whole/run")
    assert list(out.glob("state/chunk-*.npz")) == []


def test_a_stop_that_is_asked_for_at_the_end_of_a_chunk_holds_before_the_next(spec, tmp_path, make) -> None:
    out = tmp_path / "run"
    short = replace(spec, recipe=replace(RECIPE, steps=2))  # one piece a chunk
    for left in (2, 1):
        with pytest.raises(Interrupted):
            make(short, out, lanes=1, stop=lambda: True)
        assert len(list(out.glob("lanes/*.png"))) == 3 - left
        assert list(out.glob("state/chunk-*.npz")) == []
    assert sorted(make(short, out, stop=lambda: True)) == [0, 1, 2]


def test_a_setting_and_a_term_never_share_a_column(spec, tmp_path, make, encoder) -> None:
    tv = Axis(("tv",), ((0.0,), (10.0,), (30.0,)))
    made = make(replace(spec, axes=(tv,)), tmp_path / "run")
    summary, history = rows(tmp_path / "run/summary.csv"), rows(tmp_path / "run/history.csv")
    assert [float(r["tv"]) for r in summary] == [0, 10, 30]
    for lane, row in enumerate(summary):
        of_lane = [r for r in history if int(r["lane"]) == lane]
        assert float(row["variation"]) == pytest.approx(float(of_lane[int(row["best_step"])]["variation"]), rel=1e-6)
        assert row["variation"] == row["variation/image"]
        assert made[lane].history["variation"][0] == made[0].history["variation"][0]
    assert "tv" not in history[0]
    head = (tmp_path / "run/summary.csv").read_text().split("\n")[0].split(",")
    assert len(head) == len(set(head))
    sweep = grid(pose(encoder, *pictures(spec), recipe=RECIPE), tv=[0, 10, 30])
    nst_jax.report(solve_batch(encoder, sweep, watch=QUIET), tmp_path / "reported")
    again = rows(tmp_path / "reported/summary.csv")
    assert [float(r["tv"]) for r in again] == [0, 10, 30]
    assert all(float(r["variation"]) > 0 for r in again)


@pytest.mark.parametrize("name", ["tv", "step", "stopped", "ssim", "total_variation", "content_image"])
def test_a_term_with_the_name_of_a_column_is_refused(encoder, name) -> None:
    picture = np.full((16, 16, 3), 0.5, np.float32)
    with pytest.raises(UserError, match=f"a term is called '{name}': expected a word that is no setting"):
        pose(encoder, picture, picture, recipe=RECIPE, terms={name: Compare(Variation(), ("image",))})


@pytest.mark.parametrize("name", ["style", "total", "best_step", "ssim"])
def test_an_axis_with_the_name_of_a_term_or_a_column_is_refused(encoder, name) -> None:
    problem = pose(encoder, *np.full((2, 16, 16, 3), 0.5, np.float32), recipe=RECIPE)
    with pytest.raises(UserError, match=f"an axis is called '{name}', as a term or a column"):
        stack([problem, problem], name=name)


def test_a_kill_between_the_pictures_of_a_chunk_loses_nothing(spec, tmp_path, monkeypatch, make) -> None:
    make(spec, tmp_path / "whole/run")
    out, real, calls = tmp_path / "broken/run", work.finish_lane, []

    def fail(*args):
        calls.append(1)
        if len(calls) == 2:
            raise OSError("the plug was pulled")
        return real(*args)

    monkeypatch.setattr(work, "finish_lane", fail)
    with pytest.raises(OSError, match="plug"):
        make(spec, out)
    assert len(list(out.glob("lanes/*.png"))) == 1
    (out / "lanes/.nst_jax-0123.tmp").write_bytes(b"half")
    monkeypatch.setattr(work, "finish_lane", real)
    make(spec, out)
    assert_same(out, tmp_path / "whole/run")


def test_the_page_and_the_tables_show_lanes_as_they_finish(spec, tmp_path, monkeypatch, make) -> None:
    out, drawn, seen = tmp_path / "run", [], []
    real = publish.Publisher.write
    monkeypatch.setattr(
        publish.Publisher, "write", lambda self, found: drawn.append(sorted(found)) or real(self, found)
    )
    short = replace(spec, recipe=replace(RECIPE, steps=2))  # one piece a chunk

    def look(chunk, *_) -> None:
        for _ in range(200):  # what is shown of a chunk is written beside the next one
            if len(drawn) >= min(1, chunk.lanes[0]) and (not chunk.lanes[0] or (out / "index.html").exists()):
                break
            time.sleep(0.05)
        seen.append([row["lane"] for row in rows(out / "summary.csv")] if (out / "summary.csv").exists() else [])

    make(short, out, lanes=1, show=look)
    assert seen[:2] == [[], ["0"]]
    assert drawn == [[0], [0, 1, 2]]  # the second is too soon after the first
    assert len(read_run(out).summary) == 3


def test_what_is_shown_takes_a_small_part_of_the_time(tmp_path, monkeypatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(publish.time, "perf_counter", lambda: clock[0])
    kept, shown = {}, []
    ready = Mock(process=0, processes=1, lanes=range(1000))
    publisher = publish.Publisher(ready, tmp_path, Mock(), lambda _: None, kept)

    def write(finished) -> None:
        shown.append(len(finished))
        clock[0] += 0.01 * len(finished)

    monkeypatch.setattr(publisher, "write", write)
    for done in range(1, 1001):
        clock[0] += 1.0
        kept[done - 1] = Mock()
        publisher.between()
    assert sum(0.01 * n for n in shown) <= 0.05 * clock[0] + 0.01 * 1000
    assert 5 <= len(shown) <= 60


def test_a_stopped_run_shows_what_is_there(spec, tmp_path, make) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        make(spec, out, lanes=1, stop=lambda: True)  # what it will be, before a lane is finished
    assert (out / "index.html").exists()
    assert not (out / "summary.csv").exists()
    asked = iter([False] * 4 + [True])
    with pytest.raises(Interrupted):
        make(spec, out, lanes=1, stop=lambda: next(asked))
    assert [row["lane"] for row in rows(out / "summary.csv")] == ["0"]
    assert (out / "index.html").exists()
    assert (out / "sheet.jpg").exists()


def test_a_removed_picture_is_made_again(spec, tmp_path, make) -> None:
    make(spec, tmp_path / "run")
    before = results(tmp_path / "run")
    (tmp_path / "run/lanes/0001_beta=100.png").unlink()
    make(spec, tmp_path / "run")
    assert results(tmp_path / "run") == before


def test_out_of_memory_is_remembered(spec, tmp_path, make) -> None:
    def hungry(chunk, *_):
        if chunk.size > 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    make(spec, tmp_path / "run", show=hungry)
    assert [c.lanes for c in Store(tmp_path / "run/state").load_chunks() or []] == [(0,), (1,), (2,)]
    assert len(rows(tmp_path / "run/summary.csv")) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axes": (Axis(("beta",), ((10.0,), (7.0,), (1000.0,))),)}, r"axes\[0\].values"),
        ({"recipe": replace(RECIPE, tv=0.5)}, "config.recipe.tv 0.1 -> 0.5"),
        ({"metrics": True}, "config.metrics false -> true"),
    ],
)
def test_a_changed_run_is_refused_with_the_difference(spec, tmp_path, change, message, make) -> None:
    make(spec, tmp_path / "run")
    before = results(tmp_path / "run")
    with pytest.raises(UserError, match=message):
        make(replace(spec, **change), tmp_path / "run")
    assert results(tmp_path / "run") == before


def test_a_folder_of_a_version_without_a_setting_is_gone_on_with_at_its_default(spec, tmp_path, make) -> None:
    out, recipe = tmp_path / "run", replace(RECIPE, scales=2)
    spec = replace(spec, recipe=recipe)
    with pytest.raises(Interrupted):
        make(spec, out, lanes=2, stop=lambda: True)
    held = json.loads((out / "manifest.json").read_bytes())
    del held["config"]["recipe"]["first_steps"]
    (out / "manifest.json").write_text(json.dumps(held))
    with pytest.raises(UserError, match=r"config.recipe.first_steps 0 -> 3"):
        make(replace(spec, recipe=replace(recipe, first_steps=3)), out)
    make(spec, out)
    assert len(results(out)) > 0


def test_a_state_of_a_version_with_another_optimizer_is_refused(spec, tmp_path, make) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        make(spec, out, stop=lambda: True)
    (path,) = out.glob("state/chunk-*.npz")
    with np.load(path) as file:
        held = {name: file[name] for name in file.files}
    largest = max((name for name in held if name.startswith("leaf-")), key=lambda name: held[name].size)
    seals = Store(out / "state").seals
    np.savez(path, **{**held, largest: held[largest][..., :-1]})
    seals.note(path, sha256(path))
    with pytest.raises(UserError, match="the lanes in flight were saved by a version"):
        make(spec, out)
    np.savez(path, **held)
    seals.note(path, sha256(path))
    make(spec, out)
    assert len(results(out)) > 0


def test_a_folder_of_the_first_version_is_refused_in_one_line(spec, tmp_path, make) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "manifest.json").write_text(json.dumps({"format": 1, "config": {}}))
    with pytest.raises(UserError, match=r"has format 1: nst_jax 0\.1 wrote it, .*; give another folder") as refused:
        make(spec, out)
    assert "\n" not in str(refused.value)
    assert not list(out.glob("lanes/*"))


def test_a_changed_picture_is_refused(spec, tmp_path, make) -> None:
    make(spec, tmp_path / "run")
    draw(spec.contents[0], 9, 20, 16)
    with pytest.raises(UserError, match=r"inputs.contents\[0\].sha256"):
        make(spec, tmp_path / "run")


def test_a_second_process_is_refused(spec, tmp_path, make) -> None:
    with Store(tmp_path / "run/state").locked(), pytest.raises(UserError, match="another process is writing to"):
        make(spec, tmp_path / "run")
    make(spec, tmp_path / "run")


def test_differences_name_the_place() -> None:
    old = {"a": 1, "b": {"c": [1, 2]}, "d": [{"e": 1}, {"e": 2}]}
    new = {"a": 1, "b": {"c": [1, 3]}, "d": [{"e": 1}, {"e": 5}], "f": None}
    assert manifest.differences("x", old, new) == ["x.b.c [1, 2] -> [1, 3]", "x.d[1].e 2 -> 5"]


def test_contents_of_several_shapes_and_styles_of_any(spec, tmp_path, make) -> None:
    contents = (spec.contents[0], draw(tmp_path / "in/tall.png", 3, 16, 20), draw(tmp_path / "other/c.png", 4, 20, 16))
    styles = (spec.styles[0], draw(tmp_path / "in/wide.png", 5, 40, 20))
    made = make(replace(spec, contents=contents, styles=styles, axes=(), show_pictures=True), tmp_path / "run")
    assert [lane.row["content_image"] for lane in made.values()] == ["c-1", "c-1", "tall", "tall", "c-2", "c-2"]
    with Image.open(tmp_path / "run/lanes/0003_tall_wide.png") as picture:
        assert picture.size == (16, 20)
    run = read_run(tmp_path / "run")
    assert [axis.labels for axis in run.axes] == [("c-1", "tall", "c-2"), ("s", "wide")]


def test_sizes_and_steps_can_be_axes(spec, tmp_path, make) -> None:
    axes = (Axis(("size",), ((16,), (20,))), Axis(("steps",), ((3,), (6,))))
    made = make(replace(spec, axes=axes), tmp_path / "run")
    assert [len(lane.history["total"]) for lane in made.values()] == [4, 7, 4, 7]
    with Image.open(tmp_path / "run/lanes/0000_size=16_steps=3.png") as picture:
        assert max(picture.size) == 16


def test_scales_and_their_steps_are_those_of_a_picture_alone(spec, tmp_path, encoder, make) -> None:
    recipe = replace(RECIPE, scales=2, first_steps=4, steps=6)
    axes = (Axis(("beta", "alpha"), ((10.0, 1.0), (1000.0, 4.0))),)
    made = make(replace(spec, recipe=recipe, axes=axes), tmp_path / "run")
    content, style = pictures(spec)
    for lane, (beta, alpha) in enumerate(((10.0, 1.0), (1000.0, 4.0))):
        own = replace(recipe, beta=beta, alpha=alpha)
        alone = stylize(encoder, content, style, own)
        assert len(made[lane].history["total"]) == 7  # those of the finest scale, as with a picture alone
        np.testing.assert_allclose(made[lane].history["total"], alone.history["total"], rtol=1e-3)
        path = next((tmp_path / "run/lanes").glob(f"000{lane}_*.png"))
        assert record.recipe_of(record.from_metadata(images.read_metadata(path), path)) == own
        assert np.abs(images.read(path).rgb - images.to_uint8(alone.image) / 255).max() * 255 < 1.5


def test_snapshots_are_those_of_the_finest_scale(spec, tmp_path, make) -> None:
    make(replace(spec, recipe=replace(RECIPE, scales=2), snapshots=3), tmp_path / "run", lanes=2)
    frames = sorted((tmp_path / "run/snapshots/0000").iterdir())
    assert [p.name for p in frames] == ["000000.png", "000003.png", "000006.png", "000009.png"]
    assert {images.read(p).rgb.shape for p in frames} == {(16, 20, 3)}


def test_transparency_is_kept(spec, tmp_path, make) -> None:
    path = tmp_path / "in/hole.png"
    pixels = np.random.default_rng(1).integers(0, 256, (16, 20, 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").save(path)
    make(replace(spec, contents=(path,)), tmp_path / "run")
    alpha = images.read(tmp_path / "run/lanes/0000_beta=10.png").alpha
    assert alpha is not None
    np.testing.assert_allclose(alpha, pixels[..., 3] / 255, atol=1e-6)


def test_snapshots_and_an_animation(spec, tmp_path, make) -> None:
    make(replace(spec, snapshots=3, animate="gif"), tmp_path / "run", lanes=2)
    frames = sorted(p.name for p in (tmp_path / "run/snapshots/0002").iterdir())
    assert frames == ["000000.png", "000003.png", "000006.png", "000009.png"]
    with Image.open(tmp_path / "run/lanes/0002_beta=1000.gif") as animation:
        assert getattr(animation, "n_frames", 1) == 4
    first = images.read(tmp_path / "run/snapshots/0000/000000.png").rgb
    np.testing.assert_allclose(first, images.resize(images.read(spec.contents[0]).rgb, 20), atol=1 / 255)


def test_a_run_with_snapshots_that_is_stopped_at_its_start_goes_on(spec, tmp_path, make) -> None:
    out, short = tmp_path / "run", replace(spec, snapshots=3, axes=())
    with pytest.raises(Interrupted):
        make(short, out, stop=lambda: True)
    assert list(out.glob("state/chunk-*.npz"))
    make(short, out)
    assert len(list(out.glob("snapshots/0000/*.png"))) == 4


def test_an_mp4_without_ffmpeg_is_refused_before_anything(spec, tmp_path, monkeypatch, make) -> None:
    monkeypatch.setattr(animate, "ffmpeg", lambda: None)
    with pytest.raises(UserError, match="no ffmpeg here"):
        make(replace(spec, animate="mp4"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_processes_take_every_nth_lane(spec, tmp_path, monkeypatch, make) -> None:
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    assert make(spec, tmp_path / "run") == {}
    assert [p.name for p in (tmp_path / "run/lanes").iterdir()] == ["0001_beta=100.png"]
    assert not (tmp_path / "run/manifest.json").exists()
    monkeypatch.setattr(jax, "process_index", lambda: 0)
    assert sorted(make(spec, tmp_path / "run")) == [0, 1, 2]
    assert (tmp_path / "run/index.html").exists()


def test_the_library_writes_a_folder_too(spec, tmp_path, encoder) -> None:
    content, style = pictures(spec)
    sweep = grid(pose(encoder, content, style, recipe=RECIPE), beta=[10.0, 100.0])
    found = solve_batch(encoder, sweep, steps=3, watch=QUIET)
    page = nst_jax.report(found, tmp_path / "run", encoder=encoder, content=content, style=style)
    assert page == tmp_path / "run/index.html"
    summary = rows(tmp_path / "run/summary.csv")
    assert [float(r["beta"]) for r in summary] == [10, 100]
    assert all(float(r["ssim"]) <= 1 for r in summary)
    with Image.open(tmp_path / "run/lanes/0001_beta=100.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), images.to_uint8(found.solutions[1].image))
    shown = page_folder.read(tmp_path / "run")
    files = [(source.role, (tmp_path / "run" / source.image).is_file()) for source in shown.sources]
    assert files == [("content", True), ("style", True)]
    assert [lane.pictures for lane in shown.lanes] == [(0, 1)] * 2
    assert nst_jax.report(found, tmp_path / "again").exists()


def test_the_command_of_a_lane_makes_its_recipe() -> None:
    from nst_jax.cli.main import parse
    from nst_jax.cli.stylize import Stylize

    recipe = replace(RECIPE, layer_weights=(0.25, 0.75), pooling="avg")
    axis = Axis(("beta", "layer_weights.relu2_1"), ((10.0, 0.1), (20.0, 0.2)))
    spec = Spec((Path("a b.png"),), (Path("s.png"),), recipe, (axis,), show_pictures=False)
    lane = lanes(spec)[1]
    words = shlex.split(command(spec, lane))
    assert words[words.index("--beta") + 1] == "20"  # as on the command line, not 20.0
    parsed = parse(words[1:])
    assert isinstance(parsed, Stylize)
    assert (parsed.content, parsed.recipe) == (Path("a b.png"), lane.recipe)
    assert lane.recipe.layer_weights == (0.25, 0.2)


def test_one_weight_of_a_layer_can_vary() -> None:
    given = chosen(RECIPE)
    with pytest.raises(UserError, match="'relu5_1' is no style layer"):
        applied(given, {"layer_weights.relu5_1": 1})
    assert applied(given, {"layer_weights.relu1_1": 2}).layer_weights == (2.0, 0.5)


def test_an_impossible_lane_is_refused_before_anything() -> None:
    zero = Axis(("alpha",), ((1.0,), (-1.0,)))
    with pytest.raises(UserError, match="alpha is -1"):
        lanes(Spec((Path("c"),), (Path("s"),), RECIPE, (zero,), show_pictures=False))
    with pytest.raises(UserError, match="pairs need as many"):
        lanes(Spec((Path("c"), Path("d")), (Path("s"),), RECIPE, paired=True))
