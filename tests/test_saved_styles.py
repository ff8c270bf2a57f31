"""Targets of styles in files of their own: what the pictures would have made, to the bit, or one line."""

import json
from dataclasses import replace
from typing import Any

import h5py
import jax
import numpy as np
import pytest
from run_files import SMALL, draw, narrow_weights

import nst_jax
from nst_jax import images, record, saved
from nst_jax.axis import Axis
from nst_jax.batch.sweep import grid
from nst_jax.cli import main as cli
from nst_jax.cli.sweep import from_toml
from nst_jax.errors import UserError
from nst_jax.losses import STYLE
from nst_jax.posing import Compare, Pair
from nst_jax.recipe import Recipe, check
from nst_jax.scales import pose_scales

RNG = np.random.default_rng(8)
CONTENT, ONE, TWO = (RNG.random((*shape, 3)).astype(np.float32) for shape in ((20, 16), (18, 22), (24, 17)))
RECIPE = Recipe(content_layers=("relu2_2",), style_layers=("relu2_1", "relu1_1"), steps=2, size=0)
QUICKEST = ("gram", "w2", "sliced", "cross-layer")
NAMES = [name if name in QUICKEST else pytest.param(name, marks=pytest.mark.slow) for name in STYLE]


def kept(tmp_path, tiny, style, recipe, **more):
    nst_jax.save_style(tmp_path / "style.h5", tiny.encoder, style, recipe, **more)
    return nst_jax.load_style(tmp_path / "style.h5")


def assert_equal(found, expected):
    """Compare problems leaf by leaf, to the bit, and the programs that they are."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize("name", NAMES)
def test_saved_targets_are_the_pictures_own_for_every_loss(tiny, tmp_path, name):
    recipe = replace(RECIPE, style_loss=name)
    cases: list[tuple[Any, dict[str, Any]]] = [(ONE, {}), ([ONE, TWO], {"shares": [1, 3]})]
    for style, more in cases:
        held = kept(tmp_path, tiny, style, recipe, **more)
        found = nst_jax.pose(tiny.encoder, CONTENT, held, recipe=recipe)
        assert_equal(found, nst_jax.pose(tiny.encoder, CONTENT, style, recipe=recipe, **more))


@pytest.mark.parametrize(
    "more",
    [
        {"style_loss": "gram:1+nearest:0.1", "patch": 2},
        {"smoothing": "softmax", "temperature": 0.5},
        {"units": "relative", "style_loss": "covariance:1+mean-std:2"},
        {"padding": "circular", "pooling": "max"},
        {"tile": 16},
    ],
)
def test_saved_targets_are_the_pictures_own_by_every_setting(tiny, tmp_path, more):
    recipe, content = replace(RECIPE, **more), CONTENT[:16]
    held = kept(tmp_path, tiny, ONE, recipe)
    found = nst_jax.pose(tiny.encoder, content, held, recipe=recipe)
    assert_equal(found, nst_jax.pose(tiny.encoder, content, ONE, recipe=recipe))


def test_a_texture_has_the_roughness_of_a_saved_style(tiny, tmp_path):
    recipe = replace(RECIPE, alpha=0.0, tv=0.1, content_layers=(), tv_loss="keras")
    held = kept(tmp_path, tiny, [ONE, TWO], replace(RECIPE, tv_loss="squares"))
    grey = np.full_like(CONTENT, 0.5)
    found, expected = (nst_jax.pose(tiny.encoder, grey, style, recipe=recipe) for style in (held, [ONE, TWO]))
    ours, theirs = (one.terms["variation"].targets["image"] for one in (found, expected))
    assert min(ours) > 0
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_file_holds_its_style_at_every_scale_and_all_that_does_not_change_it_is_free(tiny, tmp_path):
    recipe = replace(RECIPE, size=20, style_size=24, scales=2)
    held = kept(tmp_path, tiny, [ONE, TWO], recipe)
    again = replace(recipe, beta=7.0, units="relative", style_layers=("relu1_1",), layer_weights=(2.0,))
    content = images.resize(CONTENT, 20)
    styles = tuple(images.resize(one, 24) for one in (ONE, TWO))
    found = pose_scales(tiny.encoder, Pair(content, held), again)
    for a, b in zip(found, pose_scales(tiny.encoder, Pair(content, styles), again), strict=True):
        assert_equal(a, b)
    with pytest.raises(UserError, match=r"at 24x20, 17x24; 12x10, 8x12, and a scale needs 8x7, 6x8"):
        pose_scales(tiny.encoder, Pair(images.resize(CONTENT, 20), held), replace(again, scale_ratio=3.0))
    auto = kept(tmp_path, tiny, ONE, replace(RECIPE, size=32, scales="auto", min_scale=16))
    assert auto.about.sizes == [[(26, 32)], [(13, 16)]]
    with pytest.raises(UserError, match="scales is auto and size is 0: give the size"):
        kept(tmp_path, tiny, ONE, replace(RECIPE, scales="auto"))


def test_a_loss_of_ones_own_and_shares_that_vary(tiny, tmp_path):
    loss = nst_jax.losses.W2()
    held = kept(tmp_path, tiny, [ONE, TWO], RECIPE, style_loss=loss)
    with pytest.raises(UserError, match=r"targets of the loss W2\(\), and the loss is GramMatrix.*style_loss gram"):
        nst_jax.pose(tiny.encoder, CONTENT, held, recipe=RECIPE)
    posed = nst_jax.pose(tiny.encoder, CONTENT, held, recipe=RECIPE, style_loss=loss)
    pictures = nst_jax.pose(tiny.encoder, CONTENT, [ONE, TWO], recipe=RECIPE, style_loss=loss)
    shares = {"style_shares": [(1, 0), (1, 3)]}
    for a, b in zip(grid(posed, **shares).problems, grid(pictures, **shares).problems, strict=True):
        assert_equal(a, b)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"style_loss": "w2"}, r"of the loss GramMatrix\(scale='gram'\), and the loss is W2\(\): give the settings"),
        ({"smoothing": "constant"}, "the loss is Smoothed"),
        ({"style_layers": ("relu1_1", "relu3_1")}, "at relu1_1, relu2_1, and none at relu3_1: give --style-layers"),
        ({"pooling": "max"}, "with pooling avg, and pooling is max: give the same"),
        ({"padding": "reflect"}, "with padding replicate, and padding is reflect"),
        ({"colour": "match-mk"}, "colour is match-mk and .* holds targets and no picture: leave colour out"),
        ({"init": "style"}, "init is style and .* no picture"),
        ({"style_shares": (1, 2)}, "style_shares has 2 numbers for 1 style pictures"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tiny, tmp_path, more, said):
    held = kept(tmp_path, tiny, ONE, RECIPE)
    with pytest.raises(UserError, match=said) as error:
        nst_jax.pose(tiny.encoder, CONTENT, held, recipe=replace(RECIPE, **more))
    assert "\n" not in str(error.value)


def test_other_sizes_networks_terms_masks_and_partial_layers_are_refused(tiny, tmp_path):
    held, pose = kept(tmp_path, tiny, ONE, RECIPE), nst_jax.pose
    with pytest.raises(UserError, match=r"style_size asks for 12 pixels and .* at 22"):
        nst_jax.stylize(tiny.encoder, CONTENT, held, replace(RECIPE, style_size=12))
    other = replace(tiny.encoder, digest="0" * 64)
    with pytest.raises(UserError, match=r"with weights .*, and the network is vgg16 with weights 000000000000"):
        pose(other, CONTENT, held, recipe=RECIPE)
    own = {"mine": Compare(STYLE["gram"], ("relu1_1",), "style")}
    with pytest.raises(UserError, match="term 'style' alone, and 'mine' is compared with the style"):
        pose(tiny.encoder, CONTENT, held, recipe=RECIPE, terms=own)
    with pytest.raises(UserError, match=r"there are masks and SavedStyle.* give the pictures"):
        pose(tiny.encoder, CONTENT, held, recipe=RECIPE, content_mask=np.eye(20, 16, dtype=int))
    with pytest.raises(UserError, match="holds targets already"):
        nst_jax.save_style(tmp_path / "again.h5", tiny.encoder, held, RECIPE)
    linked = kept(tmp_path, tiny, ONE, replace(RECIPE, style_loss="cross-layer"))
    with pytest.raises(UserError, match="compares layers with each other: give all of them"):
        pose(tiny.encoder, CONTENT, linked, recipe=replace(RECIPE, style_loss="cross-layer", style_layers=("relu2_1",)))


def loaded(path, expected):
    """Read a file, which must hold what is expected, or give the line that refuses it."""
    try:
        held = nst_jax.load_style(path)
    except UserError as error:
        return str(error)
    assert_equal(dict(held.arrays), dict(expected.arrays))  # bytes between the arrays
    return ""


def test_any_bytes_are_the_style_or_one_line(tiny, tmp_path):
    path = tmp_path / "style.h5"
    kept(tmp_path, tiny, [ONE, TWO], replace(RECIPE, style_loss="mean-std"))
    whole, broken = path.read_bytes(), tmp_path / "broken.h5"
    rng, refused = np.random.default_rng(1), 0
    for trial in range(80):
        data = bytearray(whole[: rng.integers(0, len(whole))] if trial % 3 == 0 else whole)
        for _ in range(rng.integers(1, 6) if trial % 3 else 0):
            data[rng.integers(0, len(data))] = rng.integers(0, 256)
        broken.write_bytes(data)
        said = loaded(broken, nst_jax.load_style(path))
        refused += bool(said)
        assert "\n" not in said
        assert not said or "broken.h5" in said
    assert refused > 40


def rewritten(path, **changes):
    """Write a file anew with another account of itself, whose digest is right."""
    held = nst_jax.load_style(path)
    about = {name: getattr(held.about, name) for name in held.about.__struct_fields__}
    saved.write(path, saved.About(**{**about, **changes}), held.arrays)


def painted(tiny, path):
    recipe = replace(RECIPE, style_layers=("relu1_1", "relu2_1", "relu3_1"))
    return nst_jax.pose(tiny.encoder, CONTENT, nst_jax.load_style(path), recipe=recipe)


def test_files_that_say_what_cannot_be_are_refused(tiny, tmp_path):
    path = tmp_path / "style.h5"
    for changes, said in (
        ({"sizes": [[(18, 22), (18, 22)]]}, "has sizes that are not one for each of its 1 pictures"),
        ({"shares": (1.0, 2.0)}, "has shares that are not one for each"),
        ({"layers": ["relu1_1", "relu2_1", "relu3_1"]}, "has nothing at 0/relu3_1/target/0, expected float32"),
        ({"layers": []}, "layers is a list of 0: expected from 1 to 200 layers"),
        ({"network": 7}, "network is 7: expected text"),
    ):
        kept(tmp_path, tiny, ONE, RECIPE)
        rewritten(path, **changes)
        with pytest.raises(UserError, match=said):
            painted(tiny, path)
    kept(tmp_path, tiny, ONE, RECIPE)
    for name, value, said in (
        ("format", "other", "is no saved style: expected an .h5 file that nst-jax style wrote"),
        ("format_version", 99, "has format 99, this nst_jax reads 1"),
        ("about", "{", "is no JSON"),
        ("about", json.dumps({"a": 1}), "about"),
    ):
        with h5py.File(path, "r+") as file:
            file.attrs[name] = value
        with pytest.raises(UserError, match=said):
            nst_jax.load_style(path)
        kept(tmp_path, tiny, ONE, RECIPE)
    with pytest.raises(UserError, match="weights are given by --weights"):
        nst_jax.load_style(narrow_weights(tmp_path)[1])
    with pytest.raises(UserError, match="is no saved style"):
        nst_jax.load_style(tmp_path / "nothing.h5")


def command(capsys, *words):
    code = cli.main([*map(str, words)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out + err


def test_a_saved_style_paints_is_recorded_and_run_again(tmp_path, capsys):
    content, one, two = (draw(tmp_path / f"{name}.png", seed) for seed, name in enumerate("abc"))
    of_style = ("--style-layers", "relu1_1", "relu2_1", "--size", "32", *narrow_weights(tmp_path))
    kinds = (*SMALL, *narrow_weights(tmp_path), "--steps", "2")
    held, out = tmp_path / "both.h5", tmp_path / "out.png"
    code, said = command(capsys, "style", f"{one}:1", f"{two}:3", "-o", held, *of_style)
    assert code == 0
    assert "relu1_1, relu2_1 of vgg16, 32x32, 32x32" in said
    assert command(capsys, "stylize", content, held, "-o", out, *kinds)[0] == 0
    plain = tmp_path / "plain.png"
    assert command(capsys, "stylize", content, "--style", f"{one}:1", f"{two}:3", "-o", plain, *kinds)[0] == 0
    np.testing.assert_array_equal(images.read(out).rgb, images.read(plain).rgb)
    entry = record.from_metadata(images.read_metadata(out), out)["inputs"]["style"]
    assert entry["targets"] == 2
    assert set(entry) == {"path", "sha256", "targets"}
    held.rename(tmp_path / "moved.h5")  # found by what is in it
    code, said = command(capsys, "rerun", out)
    assert code == 0
    assert "bit for bit" in said
    assert "moved.h5 (style)" in said
    held.write_bytes((tmp_path / "moved.h5").read_bytes()[:-1])
    assert command(capsys, "rerun", out, "--style", held)[1].count("is not the one of the recipe") == 1


@pytest.mark.slow
def test_a_saved_style_in_a_batch_beside_pictures_and_in_a_sweep_of_its_shares(tmp_path, capsys):
    content, one, two = (draw(tmp_path / f"{name}.png", seed) for seed, name in enumerate("abc"))
    of_style = ("--style-layers", "relu1_1", "relu2_1", "--size", "32", *narrow_weights(tmp_path))
    kinds = (*SMALL, *narrow_weights(tmp_path), "--steps", "2")
    held, plain = tmp_path / "both.h5", tmp_path / "plain.png"
    assert command(capsys, "style", f"{one}:1", f"{two}:3", "-o", held, *of_style)[0] == 0
    assert command(capsys, "stylize", content, "--style", f"{one}:1", f"{two}:3", "-o", plain, *kinds)[0] == 0
    code, said = command(capsys, "batch", content, "--styles", one, held, "-o", tmp_path / "run", *kinds)
    assert code == 0
    assert "is not measured" in said
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["inputs"]["styles"][1]["targets"] == 2
    (tmp_path / "options.toml").write_text(
        f'content = "{content}"\nstyle = "{held.name}"\nstyle_shares = [[1, 3], [1, 0]]'
    )
    assert from_toml(tmp_path / "options.toml")[1] == str(held)
    code, _ = command(capsys, "sweep", tmp_path / "options.toml", "-o", tmp_path / "sweep", "--no-metrics", *kinds)
    first = next((tmp_path / "sweep/lanes").glob("0000*.png"))
    assert code == 0
    np.testing.assert_array_equal(images.read(first).rgb, images.read(plain).rgb)
    check(record.recipe_of(record.from_metadata(images.read_metadata(first), first)))
    assert command(capsys, "rerun", first, "-o", tmp_path / "again.png")[0] == 0


def test_the_commands_refuse_in_one_line(tmp_path, capsys):
    content, one = (draw(tmp_path / f"{name}.png", seed) for seed, name in enumerate("ab"))
    kinds = ("--style-layers", "relu1_1", *narrow_weights(tmp_path))
    held = tmp_path / "one.h5"
    assert command(capsys, "style", one, "-o", held, "--size", "32", *kinds)[0] == 0
    before = held.read_bytes()
    for words, expected in (
        (("style", one, "-o", tmp_path / "a.png", *kinds), "expected a name that ends in .h5"),
        (("style", one, "-o", held, *kinds, "--pooling", "max,avg"), "pooling has several values"),
        (("style", held, "-o", held, *kinds), "is an input"),
        (("style", held, "-o", tmp_path / "b.h5", *kinds), "one.h5"),
        (("style", one, "-o", held, *kinds, "--size", "1"), "needs at least"),
        (("style", one, "-o", held, *kinds, "--beta", "3"), "options: --beta"),
        (("stylize", content, "--style", one, held, "-o", tmp_path / "c.png"), "save them of all the pictures"),
        (("stylize", content, held, "-o", tmp_path / "one.h5"), "has extension .h5"),
        (("stylize", content, narrow_weights(tmp_path)[1], "-o", tmp_path / "c.png"), "is no saved style"),
    ):
        code, said = command(capsys, *words)
        assert (code, expected in said, said.count("\n")) == (2, True, 1), said
    assert held.read_bytes() == before
    assert not (tmp_path / "c.png").exists()


def test_the_record_of_a_program_names_the_file(tiny, tmp_path):
    held = kept(tmp_path, tiny, [ONE, TWO], RECIPE, shares=[1, 3])
    solution = nst_jax.stylize(tiny.encoder, CONTENT, held, RECIPE)
    assert solution.record is not None
    assert solution.record["inputs"]["style"] == held.source
    assert solution.record["recipe"]["style_shares"] == (1.0, 3.0)
    plain = nst_jax.stylize(tiny.encoder, CONTENT, [ONE, TWO], RECIPE, shares=[1, 3])
    np.testing.assert_array_equal(solution.image, plain.image)
    several = nst_jax.product(tiny.encoder, [CONTENT, TWO], [held, ONE], recipe=RECIPE)
    assert len(several) == 4
    assert several.axes[0] == Axis(("content_image",), ((0,), (1,)))
    first, third = (several.problems[i].terms["style"].targets["relu1_1"] for i in (0, 2))
    assert first is third
