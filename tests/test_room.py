"""A single picture is computed whole where it fits, else in tiles, and refused where it fits in no way."""

from dataclasses import replace

import numpy as np
import pytest

import nst_jax
from nst_jax.absent import ABSENT
from nst_jax.batch import memory
from nst_jax.batch.planning import plan
from nst_jax.batch.program import Chunk, compile_chunk
from nst_jax.batch.sweep import as_sweep, swept_leaves
from nst_jax.errors import UserError
from nst_jax.networks import NETWORKS, VGGS
from nst_jax.presets import PRESETS
from nst_jax.recipe import DEFAULT, Recipe
from nst_jax.runs.room import PAIRS, Picture, bytes_of, fitted

GB = 10**9
VGG16 = VGGS["vgg16"]


def picture(side: int, **settings) -> Picture:
    return Picture(replace(DEFAULT, **settings), VGG16, (side, side))


def settled_for(name: str) -> Recipe:
    network = NETWORKS[name]
    return replace(DEFAULT, content_layers=network.chosen("content"), style_layers=network.chosen("style"))


@pytest.mark.parametrize(("text", "count"), [("4GB", 4 * GB), ("1.5 GiB", 1610612736), ("800mb", 800 * 10**6), ("", 0)])
def test_memory_is_read_with_its_unit(text, count):
    assert bytes_of(text) == count


@pytest.mark.parametrize("text", ["4", "many", "-1GB", "4 XB", "GB"])
def test_another_memory_is_refused(text):
    with pytest.raises(UserError, match=r"memory is .*: expected a number with MB, GB, MiB or GiB, such as 4GB"):
        bytes_of(text)


def test_what_does_not_fit_whole_is_taken_in_the_largest_tiles_that_do():
    asked = picture(2048)
    assert fitted(asked, asked.whole())[0].tile == 0
    least = asked.with_remat().whole() - 1
    sides = [fitted(asked, free)[0].tile for free in (least, asked.tiled(1024) - 1, asked.tiled(512) - 1)]
    assert sides == [1024, 512, 256]
    recipe, told = fitted(asked, least)
    assert "4.2 megapixels (2048x2048) whole would need" in told
    assert "in tiles of 1024, about" in told
    assert replace(recipe, tile=0) == asked.recipe


def test_the_first_layer_is_computed_twice_where_that_is_enough():
    asked = picture(2048)
    recipe, told = fitted(asked, asked.whole() - 1)
    assert recipe == replace(asked.recipe, remat=True)
    assert "whole would need" in told
    assert "with remat, about" in told
    assert asked.whole() - asked.with_remat().whole() == 4 * 64 * 2048**2  # relu1_1
    inception = replace(asked, network=NETWORKS["googlenet"], recipe=settled_for("googlenet"))
    assert inception.with_remat() == inception


def test_bfloat16_halves_activations_and_pairs():
    asked = picture(2048, precision="bfloat16", steps=4)
    full = picture(2048, precision="float32", steps=4)
    assert 2 * asked.seen(asked.size, "whole") == full.seen(full.size, "whole")
    assert full.own(1) - asked.own(1) == 12 * PAIRS["cpu"] * 5
    auto = picture(2048, steps=4)
    assert auto.whole() == full.whole()
    assert replace(auto, platform="gpu").whole() == replace(asked, platform="gpu").whole()


def test_pairs_are_halved_where_nothing_else_fits_and_as_they_are_asked_for():
    asked, narrow = picture(2048), picture(2048, pair_precision="bfloat16")
    recipe, told = fitted(asked, asked.tiled(256) - 1)
    assert recipe == replace(asked.recipe, tile=1024, pair_precision="bfloat16")
    assert "in tiles of 1024 with pairs in bfloat16, about" in told
    assert fitted(asked, narrow.tiled(512))[0] == replace(narrow.recipe, tile=512)
    assert asked.own(1) - narrow.own(1) == 12 * PAIRS["cpu"] * 21
    forced = picture(2048, tile=512)
    recipe, told = fitted(forced, forced.tiled(512) - 1)
    assert recipe == replace(forced.recipe, pair_precision="bfloat16")
    assert "in tiles of 512 would need" in told
    assert "pairs in bfloat16, about" in told
    for settings in ({"pair_precision": "float32"}, {"optimizer": "adam"}, {"optimizer": "lbfgs-zoom"}):
        least = picture(2048, **settings)
        with pytest.raises(UserError, match="in tiles of 256, and there are"):
            fitted(least, least.tiled(256) - 1)


def test_pairs_go_into_the_host_s_memory_where_bfloat16_does_not_fit_and_the_host_has_room():
    asked = replace(picture(4096, steps=10), platform="gpu")
    narrow, hosted = (replace(picture(4096, steps=10, pair_precision=x), platform="gpu") for x in ("bfloat16", "host"))
    pairs, less = 24 * 11 * 4096**2, narrow.tiled(256) - 1
    assert asked.own(1) == narrow.own(1)  # a GPU's own are bfloat16
    assert narrow.own(1) - hosted.own(1) == PAIRS["gpu"] * (12 * 11 - 24)
    recipe, told = fitted(asked, less, pairs)
    assert recipe == replace(asked.recipe, tile=1024, pair_precision="host")
    assert "in tiles of 1024 with pairs in the host's memory, about" in told
    forced = replace(asked, recipe=replace(asked.recipe, tile=256))
    recipe, told = fitted(forced, less, pairs)
    assert recipe == replace(forced.recipe, pair_precision="host")
    assert "would need" in told
    assert "pairs in the host's memory, about" in told
    for other, host in ((asked, pairs - 1), (replace(asked, platform="cpu"), pairs)):
        with pytest.raises(UserError, match="in tiles of 256, and there are"):
            fitted(other, less, host)
    own = replace(hosted, platform="cpu")  # whose memory is the host's
    assert own.own(1) == picture(4096, steps=10, pair_precision="float32").own(1)


@pytest.mark.usefixtures("hosted")
def test_lanes_with_pairs_in_the_host_s_memory_go_one_by_one(tiny):
    content, style = (np.random.default_rng(k).random((20, 18, 3), np.float32) for k in range(2))
    layers = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1",)}
    recipe = replace(DEFAULT, pair_precision="host", steps=1, init="noise", **layers)
    problem = nst_jax.pose(tiny.encoder, content, style, recipe=recipe)
    sweep = nst_jax.grid(problem, seed=[0, 1])
    assert [chunk.lanes for chunk in plan(tiny.encoder, sweep, say=lambda _: None)] == [(0,), (1,)]
    with pytest.raises(UserError, match=r"lanes is 2 and .*: leave lanes out"):
        plan(tiny.encoder, sweep, lanes=2)
    with pytest.raises(UserError, match="planned where the device is: leave device out"):
        plan(tiny.encoder, sweep, device=ABSENT["h100"])


def test_a_picture_that_fits_in_no_way_is_refused_with_the_largest_that_would():
    asked = picture(16384)
    with pytest.raises(UserError, match=r"268.4 megapixels .* use a --size of at most (\d+)") as caught:
        fitted(asked, 8 * GB)
    side = int(str(caught.value).split("at most ")[1].split(",")[0])
    assert fitted(picture(side), 8 * GB)[0].tile == 256
    with pytest.raises(UserError, match=r"there are 8\.00 GB"):
        fitted(picture(side + 50), 8 * GB)
    with pytest.raises(UserError, match=r"the memory is 0\.10 GB: tiles of 256 need at least"):
        fitted(asked, GB // 10)


def test_tiles_that_were_asked_for_stay_and_are_refused_where_they_do_not_fit():
    forced = picture(4096, tile=256, steps=4)
    recipe, told = fitted(forced, forced.tiled(256))
    assert recipe == forced.recipe
    assert "in tiles of 256: about" in told
    recipe = PRESETS["print"]
    assert fitted(Picture(recipe, VGG16, (4096, 4096)), 100 * GB)[0] == recipe
    for settings in ({}, {"optimizer": "adam"}, {"pair_precision": "float32"}, {"precision": "bfloat16"}):
        asked = picture(4096, tile=512, steps=4, **settings)
        with pytest.raises(
            UserError, match=r"16.8 megapixels .* in tiles of 512, and there are 4\.00 GB: use"
        ) as caught:
            fitted(asked, 4 * GB)
        told = str(caught.value)
        assert "tiles of less than 512" in told
        assert ("--optimizer adam" in told) == ("fewer --steps" in told) == (asked.recipe.optimizer == "lbfgs")
        assert ("--precision bfloat16" in told) == (asked.recipe.precision != "bfloat16")
        side = int(told.split("at most ")[1].split(",")[0])
        assert fitted(replace(asked, size=(side, side)), 4 * GB)[0].tile == 512
        with pytest.raises(UserError, match=f"{side + 50}x{side + 50}"):
            fitted(replace(asked, size=(side + 50, side + 50)), 4 * GB)


def test_what_cannot_be_divided_is_refused_where_it_does_not_fit_whole():
    asked = picture(4096, style_loss="sliced", min_scale=4096)
    assert fitted(asked, asked.whole())[0].tile == 0
    with pytest.raises(
        UserError, match=r"whole, as its losses need, and there are 8\.00 GB: use a --size of"
    ) as caught:
        fitted(asked, 8 * GB)
    side = int(str(caught.value).split("at most ")[1].split(",")[0])
    assert fitted(replace(asked, size=(side, side)), 8 * GB)[0].tile == 0
    with pytest.raises(UserError, match="whole, as its losses need"):
        fitted(replace(asked, size=(side + 50, side + 50)), 8 * GB)
    with pytest.raises(
        UserError, match=r"the memory is 0\.50 GB: a picture that its losses need whole takes at least 1\.00"
    ):
        fitted(asked, GB // 2)


def test_a_tile_that_covers_the_picture_needs_no_more_than_the_picture():
    small, large = picture(400, tile=512), picture(400, tile=4096)
    assert large.tiled(4096) == small.tiled(512)
    assert fitted(large, large.tiled(4096))[0] == large.recipe


def test_a_memory_that_is_given_is_not_exceeded():
    before = memory.free_bytes()
    with memory.within(1000):
        assert memory.free_bytes() == 1000
    with memory.within(10**18):
        assert memory.free_bytes() < 10**18
    assert before > 10**6


def test_the_compiled_step_takes_what_the_plan_counts_for_its_pairs_and_makes_the_same_picture(tiny):
    content, style = (np.random.default_rng(k).random((96, 128, 3), np.float32) for k in range(2))
    own = {"tile": 64, "steps": 6, "padding": "zero", "pooling": "max"}
    taken, found = {}, {}
    for name in ("float32", "bfloat16"):
        recipe = replace(DEFAULT, **own, pair_precision=name)
        problem = nst_jax.pose(tiny.encoder, content, style, recipe=recipe)
        chunk = Chunk((0,), 1, swept_leaves([problem]))
        stats = compile_chunk(tiny.encoder, as_sweep(problem), chunk).memory_analysis()
        assert stats is not None
        taken[name] = np.array([stats.argument_size_in_bytes, stats.temp_size_in_bytes]) / (96 * 128)
        found[name] = nst_jax.solve(tiny.encoder, problem).image
    planned = [picture(1, **own, pair_precision=name).own(1) / PAIRS["cpu"] for name in taken]
    (less, more), expected = taken["float32"] - taken["bfloat16"], planned[0] - planned[1]
    assert less == pytest.approx(expected, abs=0.1)
    assert less + more > 0.7 * expected  # nothing makes a float32 copy of them
    np.testing.assert_allclose(found["bfloat16"], found["float32"], atol=0.02)
    assert np.any(found["bfloat16"] != found["float32"])


def test_a_device_has_pairs_once_and_no_programs():
    # --preset print --size 6000 --scales 4: what an H200 had in use at most at two scales, of 33 and 11 steps
    for width, height, steps, peak in ((3000, 2002, 33, 4.81), (6000, 4003, 11, 10.77)):
        recipe = replace(PRESETS["print"], size=width, steps=steps, precision="bfloat16")
        planned = Picture(recipe, VGG16, (height, width), "gpu").tiled(512)
        assert planned == pytest.approx(peak * GB, rel=0.05)
        assert planned < Picture(recipe, VGG16, (height, width), "cpu").tiled(512)
