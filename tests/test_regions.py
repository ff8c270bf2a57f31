"""Masks: regions of a picture that each have a style of their own, and those that stay the content's."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from run_files import draw, narrow_weights

import nst_jax
from nst_jax import guides, images, made, masks, record
from nst_jax.batch import pairing
from nst_jax.batch.solving import sweep
from nst_jax.cli import main as cli
from nst_jax.cli.sweep import from_toml
from nst_jax.errors import UserError
from nst_jax.gradients import Tiles, Whole
from nst_jax.losses import STYLE, Guided, Lists, Place, by_regions, unregioned
from nst_jax.networks import VGGS
from nst_jax.objective import Objective
from nst_jax.posing import Pair, pose
from nst_jax.problem import total
from nst_jax.recipe import Recipe
from nst_jax.runs.spec import MaskFiles
from nst_jax.scales import pose_scales

RNG = np.random.default_rng(5)
RECIPE = Recipe(content_layers=("relu2_2",), style_layers=("relu1_1", "relu2_1"), steps=3)
HALVES = np.zeros((20, 16), int)
HALVES[:, 8:] = 1


def picture(*shape):
    return RNG.random((*shape, 3)).astype(np.float32)


def carried(mask, layers, *, least):
    """Carry a mask (h, w) through a VGG as its table says, step by step."""
    side = np.pad(mask, 1, constant_values=1.0 if least else 0.0)
    h, w = mask.shape
    found, best = {}, np.minimum if least else np.maximum
    for layer in layers:
        if layer.name.startswith("relu"):
            continue
        if layer.stride > 1 and layer.name.endswith("_1"):
            rows = best(mask[: h // 2 * 2 : 2], mask[1 : h // 2 * 2 : 2])
            mask = best(rows[:, : w // 2 * 2 : 2], rows[:, 1 : w // 2 * 2 : 2])
            h, w = mask.shape
        side = np.pad(mask, 1, constant_values=1.0 if least else 0.0)
        moved = [side[i : i + h, j : j + w] for i in range(3) for j in range(3)]
        mask = best.reduce(moved)
        found[layer.name] = mask
    return found


def test_guides_are_carried_through_the_network_s_own_geometry():
    mask = (RNG.random((96, 128)) < 0.002).astype(np.float32)
    mask[20:90, 30:120] = 1
    layers = VGGS["vgg16"].layers
    for least in (True, False):
        judge = carried(mask, layers, least=least)
        for layer in layers:
            if layer.name in judge:
                want = judge[layer.name]
                if least:  # grown by three positions
                    wide = np.pad(want, 3)
                    around = [wide[i : i + want.shape[0], j : j + want.shape[1]] for i in range(7) for j in range(7)]
                    want = np.maximum.reduce(around)
                found = guides.guide(mask[..., None], layer, "inside" if least else "all")
                np.testing.assert_array_equal(found[..., 0], want, err_msg=layer.name)
    mean = guides.guide(mask[..., None], VGGS["vgg16"].layer("relu3_1"), "simple")[..., 0]
    np.testing.assert_allclose(mean, mask.reshape(24, 4, 32, 4).mean((1, 3)), atol=1e-6)


def regioned(loss, x, styles, guide, style_guides):
    """Give the distance of features x in regions (h, w, regions) from styles in theirs, as posing sets it up."""
    count = guide.shape[-1]
    weights = tuple(None if g is None else np.square(g) for g in style_guides)
    lists = {}
    for side in {1, loss.least()}:
        chosen = tuple(None if g is None else guides._numbers(g, side) for g in style_guides)
        places = tuple(guides._numbers(guide[..., r], side) for r in range(count))
        lists[side] = Lists(chosen, places, jnp.ones(count))
    made = Guided(styles, weights, lists)
    loss = by_regions(loss, "style")
    given = loss.given(made)
    shares = {str(r + 1): 1.0 + 2 * r for r in range(count)}
    at = Place(
        x.shape[0] * x.shape[1], x.shape[2], 224, given=given, numbers=loss.numbers, styles=shares, size=x.shape[:2]
    )
    target = loss.target(made, None, given)
    return loss.distance(loss.statistic(x, np.square(guide), given), target, at)


QUICKEST = ("gram", "covariance", "mean-std")
NAMES = [name for name in STYLE if not name.startswith("gram-")]


@pytest.mark.parametrize("name", [x if x in QUICKEST else pytest.param(x, marks=pytest.mark.slow) for x in NAMES])
def test_one_region_that_is_all_is_no_region_and_two_are_each_alone(name):
    x, one, two = (jnp.asarray(RNG.gamma(1.0, size=shape), jnp.float32) for shape in ((7, 8, 3), (6, 7, 3), (12, 5, 3)))
    loss = STYLE[name]
    at = Place(56, 3, 224, numbers=loss.numbers, size=(7, 8))

    def alone(x, style):
        given = loss.given(style)
        here = at._replace(given=given, positions=x.shape[0] * x.shape[1], size=x.shape[:2])
        return float(loss.distance(loss.statistic(x, None, given), loss.target(style, None, given), here))

    found = regioned(loss, x, (one,), np.ones((7, 8, 1), np.float32), (np.ones((6, 7), np.float32),))
    assert float(found) == pytest.approx(alone(x, one), rel=1e-4)
    guide = np.zeros((7, 8, 2), np.float32)
    guide[:3, :, 0], guide[3:, :, 1] = 1, 1
    style_guide = np.zeros((6, 7), np.float32)
    style_guide[:4] = 1
    both = float(regioned(loss, x, (one, two), guide, (style_guide, None)))
    want = 0.25 * alone(x[:3], one[:4]) + 0.75 * alone(x[3:], two)
    if name == "long-range":  # shifts up to half the whole layer's side
        assert np.isfinite(both)
    else:
        assert both == pytest.approx(want, rel=1e-3)


def test_soft_masks_weigh_by_their_squares():
    x, style = (RNG.gamma(1.0, size=shape).astype(np.float32) for shape in ((4, 5, 3), (6, 7, 3)))
    soft, style_soft = (RNG.random(shape).astype(np.float32) for shape in ((4, 5, 1), (6, 7)))

    def gram(f, t):
        return np.einsum("hwi,hwj,hw->ij", f, f, t.astype(float) ** 2) / np.sum(t.astype(float) ** 2)

    want = np.sum((gram(x, soft[..., 0]) - gram(style, style_soft)) ** 2) / (4 * 3**2)
    found = regioned(STYLE["gram"], jnp.asarray(x), (jnp.asarray(style),), soft, (style_soft,))
    assert float(found) == pytest.approx(want, rel=1e-4)


class Wide(nst_jax.Loss):
    statistic = nst_jax.ops.FEATURES

    def distance(self, found, target, at):
        return jnp.max(jnp.abs(found - target))


def test_patches_of_a_region_lie_in_it():
    guide = np.zeros((6, 7), np.float32)
    guide[1:5, 2:6], guide[0, 0] = 1, 1
    assert guides._numbers(guide, 1).tolist() == sorted(np.flatnonzero(guide))
    assert guides._numbers(guide, 3).tolist() == [9, 10, 16, 17]


def test_losses_that_have_no_form_for_regions_are_refused(tiny):
    with pytest.raises(UserError, match=r"Wide.*no form for regions"):
        by_regions(Wide(), "style")
    with pytest.raises(UserError, match="smooths a whole layer"):
        pose(
            tiny.encoder,
            picture(20, 16),
            picture(18, 22),
            recipe=replace(RECIPE, smoothing="softmax"),
            content_mask=HALVES,
        )
    for words in ("gram", "gram:1+sliced:2+nearest:1", "w2"):
        recipe = replace(RECIPE, style_loss=words, units="relative", beta=1.0)
        plain = pose(tiny.encoder, picture(20, 16), picture(18, 22), recipe=recipe).terms["style"].loss
        assert unregioned(by_regions(plain, "style")) == plain
        assert by_regions(plain, "style") != plain


def test_a_mask_of_one_region_changes_nothing_and_regions_have_their_own_styles(tiny):
    content, one, two = picture(20, 48), picture(18, 22), picture(24, 17)
    start = jnp.asarray(picture(20, 48))
    step = jax.jit(jax.grad(lambda x, p: total(tiny.encoder, p, x)[0]))
    plain = step(start, pose(tiny.encoder, content, one, recipe=RECIPE))
    masked = pose(tiny.encoder, content, one, recipe=RECIPE, content_mask=np.ones((40, 96), int))
    np.testing.assert_allclose(step(start, masked), plain, rtol=1e-5, atol=1e-5 * float(jnp.abs(plain).max()))
    halves = np.arange(48)[None].repeat(20, 0) // 24
    both = pose(tiny.encoder, content, [one, two], recipe=RECIPE, content_mask=halves, shares=[1, 3])
    for shares, own, others in (((1, 0), slice(0, 24), slice(40, 48)), ((0, 1), slice(24, 48), slice(0, 8))):
        gradient = jnp.abs(step(start, nst_jax.vary(both, alpha=0.0, tv=0.0, style_shares=shares)))
        assert float(gradient[:, own].mean()) > 0
        assert not np.asarray(gradient[:, others]).any()  # a style has no say where no position of its region looks
    recipe, own = made.recipe_of(tiny.encoder, both)
    assert recipe.style_shares == (1.0, 3.0)
    assert set(own) == {"masks", "network"}


@pytest.mark.parametrize("name", ["gram", pytest.param("nearest", marks=pytest.mark.slow)])
def test_each_of_several_styles_has_a_mask_of_its_own(tiny, name):
    content, one, two = picture(20, 48), picture(18, 22), picture(24, 17)
    halves = np.arange(48)[None].repeat(20, 0) // 24
    first, second = (RNG.random(shape).astype(np.float32).round() for shape in ((18, 22), (24, 17)))
    recipe = replace(RECIPE, style_loss=name, guides="all", patch=1 if name == "nearest" else 3)

    def targets(styles, style_mask, mask: Any = halves):
        posed = pose(tiny.encoder, content, styles, recipe=recipe, content_mask=mask, style_mask=style_mask)
        return posed.terms["style"].targets

    soft = [(halves == r).astype(np.float32) for r in (0, 1)]
    alone = targets(one, [first, 1 - first], soft)
    twice = targets([one, one], [first, 1 - first])
    jax.tree.map(np.testing.assert_array_equal, twice, alone)
    both = targets([one, two], [first, second])
    for layer, (a, b) in both.items():
        np.testing.assert_array_equal(a, alone[layer][0])
        np.testing.assert_array_equal(b, targets([two, two], [second, second])[layer][1])
    for masks_of, said in (
        ([first], "2 styles and 1 masks of styles"),
        ([first, second.astype(int)], "no soft mask"),
        ([first, 0 * second], "0 everywhere"),
        ([second, first], "same aspect"),
    ):
        with pytest.raises(UserError, match=said):
            targets([one, two], masks_of)


def test_contents_and_styles_of_a_product_have_masks_of_their_own(tiny):
    contents, styles = [picture(20, 16), picture(16, 20)], [picture(18, 22), [picture(24, 17), picture(17, 20)]]
    labels = [HALVES, HALVES.T]
    soft = [np.eye(18, 22, dtype=np.float32), np.ones((18, 22), np.float32)]
    of_styles = [np.eye(18, 22, dtype=int), [np.ones((24, 17), np.float32), np.eye(17, 20, dtype=np.float32)]]
    spanned = nst_jax.product(
        tiny.encoder, contents, styles, recipe=RECIPE, content_masks=labels, style_masks=of_styles
    )
    for problem, (i, j) in zip(spanned.problems, spanned.index, strict=True):
        alone = pose(
            tiny.encoder, contents[i], styles[j], recipe=RECIPE, content_mask=labels[i], style_mask=of_styles[j]
        )
        assert jax.tree.structure(problem) == jax.tree.structure(alone)
        jax.tree.map(np.testing.assert_array_equal, problem, alone)
    pairs = nst_jax.product(
        tiny.encoder, contents, styles[:1] * 2, recipe=RECIPE, content_masks=[HALVES, None], paired=True
    )
    assert [problem.held is None for problem in pairs.problems] == [False, True]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"content_masks": labels[:1]}, "content_masks has 1 for 2 pictures"),
        ({"style_masks": [soft, None]}, "none of the content"),
        ({"content_masks": [HALVES, HALVES]}, "same aspect"),
    ]
    for more, said in cases:
        with pytest.raises(UserError, match=said):
            nst_jax.product(tiny.encoder, contents, styles, recipe=RECIPE, **more)


def test_a_region_without_a_position_is_left_out_of_both_pictures(tiny, caplog):
    labels = np.zeros((32, 32), int)
    labels[:, :5] = 7
    recipe = replace(RECIPE, style_layers=("relu1_1", "relu2_2"))
    problem = pose(tiny.encoder, picture(32, 32), picture(32, 30), recipe=recipe, content_mask=labels)
    style = problem.terms["style"]
    assert [np.asarray(style.given[layer].present).tolist() for layer in style.targets] == [[1, 1], [1, 0]]
    assert caplog.messages == ["regions that no position sees alone are left out of a layer at 32x32: 7 at relu2_2"]
    loss, gradient = jax.jit(jax.value_and_grad(lambda x: total(tiny.encoder, problem, x)[0]))(problem.init)
    assert np.isfinite(float(loss))
    assert np.isfinite(np.asarray(gradient)).all()
    with pytest.raises(UserError, match="no region has a position"):
        pose(
            tiny.encoder,
            picture(32, 32),
            picture(32, 30),
            recipe=recipe,
            content_mask=np.arange(1024).reshape(32, 32) % 2,
        )


@pytest.mark.parametrize("canvas", ["pixels", pytest.param("fourier", marks=pytest.mark.slow)])
def test_a_region_of_share_0_stays_the_content_s_bit_for_bit_in_every_lane(tiny, canvas, tmp_path):
    content, style = picture(20, 16), picture(18, 22)
    recipe = replace(RECIPE, canvas=canvas, init="noise")
    spanned = nst_jax.grid(
        pose(tiny.encoder, content, style, recipe=recipe, content_mask=HALVES), style_shares=[(0, 1), (1, 1)]
    )
    held, free = nst_jax.solve_batch(tiny.encoder, spanned, folder=tmp_path).solutions
    again = nst_jax.solve_batch(tiny.encoder, spanned, folder=tmp_path).solutions
    np.testing.assert_array_equal(again[0].image, held.image)
    other = pose(tiny.encoder, content, style, recipe=recipe, content_mask=HALVES[:, ::-1])
    with pytest.raises(UserError, match="another"):
        nst_jax.solve_batch(tiny.encoder, nst_jax.grid(other, style_shares=[(0, 1), (1, 1)]), folder=tmp_path)
    np.testing.assert_array_equal(held.image[:, :8], content[:, :8])
    np.testing.assert_array_equal(held.last[:, :8], content[:, :8])
    assert np.abs(held.image[:, 8:] - content[:, 8:]).mean() > 0.01
    assert np.abs(free.image[:, :8] - content[:, :8]).mean() > 0.01
    soft = [np.ones((20, 16)), np.zeros((20, 16))]
    soft[1][:, 4:] = 0.5
    mixed = pose(tiny.encoder, content, style, recipe=RECIPE, content_mask=soft, shares=[0, 1])
    assert mixed.held is not None
    drawn = mixed.held.drawn(jnp.zeros((20, 16, 3)), mixed.style_shares)
    np.testing.assert_array_equal(drawn[:, :4], content[:, :4])  # in part of the other region is free
    assert not np.asarray(drawn[:, 4:]).any()


def test_regions_are_taken_by_tiles_by_scales_with_a_margin_and_as_an_axis(tiny):
    content, style = picture(40, 50), picture(38, 42)
    labels = np.zeros((40, 50), int)
    labels[:, 20:] = 1
    recipe = replace(RECIPE, style_loss="covariance", tv=1.0)
    problem = pose(tiny.encoder, content, style, recipe=recipe, content_mask=labels)
    objective = Objective(tiny.encoder, problem)
    x = jnp.asarray(picture(40, 50))
    (loss, _), want = jax.jit(lambda x: Whole().value_and_grad(objective, x))(x)
    (tiled, _), found = jax.jit(lambda x: Tiles(16).value_and_grad(objective, x))(x)
    assert float(tiled) == pytest.approx(float(loss), rel=1e-5)
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-5 * float(jnp.abs(want).max()))
    given = masks.of_arrays(labels)
    scaled = replace(RECIPE, scales=2, bucket=16, size=0)
    posed = pose_scales(tiny.encoder, Pair(content, style, masks=given), scaled)
    assert [p.terms["style"].masks["relu1_1"].shape for p in posed] == [(24, 32, 2), (48, 64, 2)]
    assert [p.held.members.shape for p in posed if p.held] == [(24, 32), (48, 64)]
    lanes = sweep(tiny.encoder, content, style, replace(RECIPE, size=50), content_mask=labels, guides=["inside", "all"])
    found = [np.asarray(p.terms["style"].masks["relu2_1"]) for p in lanes.problems]
    assert np.abs(found[0] - found[1]).max() == 1
    several = pairing.Pictures((content, picture(40, 50)), (style,), masks=given)
    of_contents = pairing.poser(tiny.encoder, several, replace(RECIPE, size=0), {})
    one, two = (of_contents(i, 0)[0].terms["style"] for i in (0, 1))
    assert one.masks["relu1_1"].shape == two.masks["relu1_1"].shape == (40, 50, 2)


def test_transforms_and_a_picture_without_a_style_take_no_masks(tiny):
    moving = replace(RECIPE, transforms=True, optimizer="adam")
    alone = replace(nst_jax.INVERSION, size=20, content_layers=("relu1_1",))
    with pytest.raises(UserError, match="transforms is on"):
        pose(tiny.encoder, picture(20, 16), picture(18, 22), recipe=moving, content_mask=HALVES)
    with pytest.raises(UserError, match="nothing is compared with a style"):
        nst_jax.stylize(tiny.encoder, picture(20, 16), None, alone, content_mask=HALVES)


BAD = {
    "65 labels": (np.arange(65).reshape(13, 5), None, "65 labels"),
    "33 regions": (np.ones((20, 16, 33), np.float32), None, "33 regions"),
    "a shape": (np.ones((2, 20, 16, 3), np.float32), None, "whole numbers"),
    "complex": (np.ones((20, 16), complex), None, "whole numbers"),
    "above 1": (np.full((20, 16), 1.5), None, "outside"),
    "NaN": (np.full((20, 16), np.nan), None, "outside"),
    "empty": (np.zeros((20, 16)), None, "0 everywhere"),
    "another aspect": (np.ones((20, 20), int), None, "same aspect"),
    "a style's alone": (None, HALVES, "none of the content"),
    "another region": (HALVES, HALVES[:, ::-1] + 1, "region 0 is in the mask of the content alone"),
    "one region more": (HALVES, np.arange(3)[None].repeat(3, 0), "region 2 is in the mask of the style alone"),
    "two kinds": (HALVES, np.ones((18, 22)), "of one kind"),
    "a lost region": (np.eye(400, dtype=int)[:, ::-1], None, "aspect"),
}


@pytest.mark.parametrize("name", BAD)
def test_masks_that_mean_nothing_are_refused(tiny, name):
    content_mask, style_mask, said = BAD[name]
    with pytest.raises(UserError, match=said):
        pose(
            tiny.encoder,
            picture(20, 16),
            picture(18, 22),
            recipe=RECIPE,
            content_mask=content_mask,
            style_mask=style_mask,
        )


def paint(path, colours, width, height):
    """Write a picture of stripes of these colours."""
    levels = np.repeat(np.asarray(colours, np.uint8), -(-width // len(colours)), 0)[None, :width].repeat(height, 0)
    Image.fromarray(levels).save(path)
    return path


RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, seed, width, height in (("c.png", 1, 32, 24), ("a.png", 2, 36, 20), ("b.png", 3, 20, 28)):
        draw(tmp_path / name, seed, width, height)
    for name, colours, width, height in (
        ("m.png", (RED, BLUE), 64, 48),
        ("ma.png", (BLUE, RED), 36, 20),
        ("wide.png", (RED, BLUE), 64, 20),
        ("black.png", (RED, BLACK), 36, 20),
        ("many.png", [(i, 0, 0) for i in range(64)], 64, 48),
        ("s1.png", ((200,) * 3, (20,) * 3), 64, 48),
        ("s2.png", ((50,) * 3, (230,) * 3), 64, 48),
    ):
        paint(tmp_path / name, colours, width, height)
    Image.fromarray(np.full((48, 64, 4), 100, np.uint8)).save(tmp_path / "clear.png")
    narrow_weights(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_colours_are_regions_from_dark_to_light_matched_by_colour(folder):
    read = images.read
    found = masks.of_pictures([read("m.png")], [read("ma.png")])
    assert found is not None
    assert len(found.style) == 1
    assert found.content.names == ("#0000ff", "#ff0000")
    assert found.content.weights[0, [0, -1]].tolist() == [[0, 1], [1, 0]]
    assert found.style[0].weights[0, [0, -1]].tolist() == [[1, 0], [0, 1]]
    assert found.content.fitted((24, 32)).weights.sum() == 24 * 32
    soft = masks.of_pictures([read("s1.png"), read("s2.png")])
    assert soft is not None
    assert soft.content.weights[0, 0].tolist() == pytest.approx([200 / 255, 50 / 255])


QUICK = ("--steps", "2", "--quiet", "--no-cache", "--weights", "./narrow.h5", "--size", "32")
STYLED = ("--style-layers", "relu1_1", "relu2_1", "--content-layers", "relu2_2")
ONE = ("--content-mask", "m.png", "--style-mask", "ma.png", "--style-shares", "0", "1")


def test_a_masked_picture_is_made_again_from_its_record(folder, capsys):
    assert cli.main(["stylize", "c.png", "a.png", *ONE, "-o", "out.png", *STYLED, *QUICK]) == 0
    held = record.from_metadata(images.read_metadata(folder / "out.png"), folder / "out.png")
    named = {"content": "c.png", "style": "a.png", "content_mask": "m.png", "style_mask": "ma.png"}
    assert {key: entry["path"] for key, entry in held["inputs"].items()} == named
    found, content = images.read("out.png").rgb, images.read("c.png").rgb
    np.testing.assert_array_equal(found[:, 16:], content[:, 16:])  # the region that is darker, blue
    (folder / "m.png").rename(folder / "moved.png")
    assert cli.main(["rerun", "out.png", "--quiet", "--no-cache"]) == 0
    assert "bit for bit" in "".join(capsys.readouterr())
    assert cli.main(["rerun", "out.png", "--content-mask", "moved.png", "s1.png"]) == 2
    assert "--content-mask names 2 files and the picture has 1" in capsys.readouterr().err
    (folder / "moved.png").unlink()
    assert cli.main(["rerun", "out.png", "--quiet"]) == 2
    assert "say where it is with --content-mask" in capsys.readouterr().err


REFUSED = {
    "--content-mask wide.png": "same aspect",
    "--content-mask m.png --style-mask wide.png": "same aspect",
    "--content-mask m.png --style-mask black.png": "the region #0000ff is in the mask of the content alone",
    "--style-mask ma.png": "none of the content",
    "--content-mask many.png": "64 colours",
    "--content-mask clear.png": "transparent",
    "--content-mask s1.png s2.png --style-mask ma.png": "one kind",
    "--content-mask s1.png wide.png": "differ in size",
    "--content-mask m.png --style-shares 1 2 3": "3 numbers for 2 regions",
    "--content-mask m.png -o m.png": "is an input",
    "--content-mask m.png --style-mask ma.png -o ma.png": "is an input",
    "--content-mask gone.png": "no such file",
    "--guides all": "there is no mask",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_masked_is_one_line(folder, words, capsys):
    before = (folder / "m.png").read_bytes()
    output = () if "-o" in words else ("-o", "out.png")
    assert cli.main(["stylize", "c.png", "a.png", *words.split(), *output, *STYLED, *QUICK]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert REFUSED[words] in said[0]
    assert not (folder / "out.png").exists()
    assert (folder / "m.png").read_bytes() == before


def test_styles_are_one_or_one_for_each_region(folder, capsys):
    for styles in (("a.png", "b.png", "a.png"), ("a.png", "b.png", "--style-mask", "ma.png")):
        words = ["stylize", "c.png", "--style", *styles, "--content-mask", "m.png", "-o", "out.png"]
        assert cli.main([*words, *STYLED, *QUICK]) == 2
    assert "3 styles for 2 regions" in (said := capsys.readouterr().err)
    assert "2 styles and 1 masks of styles: expected a soft mask for each style" in said


@pytest.mark.slow
def test_masks_of_several_styles_are_recorded_and_read_again(folder, capsys):
    paint(folder / "sb.png", ((255,) * 3, (0,) * 3), 20, 28)
    paint(folder / "sa.png", ((255,) * 3, (0,) * 3), 36, 20)
    words = ["stylize", "c.png", "--style", "a.png", "b.png", "--content-mask", "m.png"]
    assert cli.main([*words, "--style-mask", "sa.png", "sb.png", "-o", "out.png", *STYLED, *QUICK]) == 0
    held = record.from_metadata(images.read_metadata(folder / "out.png"), folder / "out.png")
    assert held["inputs"]["style_mask_2"]["path"] == "sb.png"
    assert cli.main(["rerun", "out.png", "--quiet", "--no-cache"]) == 0
    assert "bit for bit" in "".join(capsys.readouterr())


def test_a_run_folder_keeps_its_masks_and_names_them(folder, capsys):
    toml = folder / "sub/run.toml"
    toml.parent.mkdir()
    toml.write_text('content = "../c.png"\nstyle = "../a.png"\ncontent_mask = "../m.png"\nguides = ["inside", "all"]\n')
    words = from_toml(toml)
    assert words[words.index("--content-mask") + 1] == str(folder / "sub/../m.png")
    toml.write_text('content = "c"\nstyle = "s"\ncontent_mask = 3\n')
    with pytest.raises(UserError, match="content_mask"):
        from_toml(toml)
    assert MaskFiles((folder / "m.png",)).options() == ["--content-mask", str(folder / "m.png")]
    assert cli.main(["batch", "c.png", "--styles", "a.png", *ONE, "-o", "run", *STYLED, *QUICK]) == 0
    manifest = (folder / "run/manifest.json").read_text()
    assert '"style_mask"' in manifest
    assert "--content-mask m.png --style-mask ma.png -o" in manifest
    again = ["batch", "c.png", "--styles", "a.png", "--content-mask", "ma.png", "-o", "run", *STYLED, *QUICK]
    assert cli.main(again) == 2
    assert "aspect" in capsys.readouterr().err
