"""Several styles with shares, textures of a style alone, inversions of a content alone."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from run_files import draw, narrow_weights

from nst_jax import images, made, record, scales
from nst_jax.batch import pairing, solve_batch, stylize
from nst_jax.batch.solving import sweep
from nst_jax.batch.sweep import grid
from nst_jax.cli import main as cli
from nst_jax.cli.batch import Batch
from nst_jax.cli.running import Running
from nst_jax.cli.strokes import texture_of
from nst_jax.cli.styles import Styles
from nst_jax.cli.sweep import from_toml
from nst_jax.errors import UserError
from nst_jax.losses import STYLE, VARIATION, Mixture, Place, Relative
from nst_jax.losses.variation import Variation
from nst_jax.posing import Pair, pose
from nst_jax.presets import PRESETS
from nst_jax.problem import total
from nst_jax.recipe import INVERSION, TEXTURE, Recipe, check
from nst_jax.runs import inputs
from nst_jax.runs.spec import Spec, lanes

SHARES = {"1": 1.0, "2": 3.0}
RECIPE = Recipe(content_layers=("relu2_2",), style_layers=("relu1_1", "relu2_1"), tv=1.0)


def pictures(*shapes):
    rng = np.random.default_rng(1)
    return [rng.random((*shape, 3)).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("name", [name for name in STYLE if not name.startswith("gram-") or "std" in name])
def test_a_mixture_has_the_gradient_of_the_distances_by_their_shares(name):
    rng = np.random.default_rng(2)
    x, *styles = (jnp.asarray(rng.gamma(1.0, size=shape), jnp.float32) for shape in ((7, 8, 3), (6, 7, 3), (12, 5, 3)))
    loss = STYLE[name]
    mixture = Mixture(loss)
    given = mixture.given(tuple(styles))
    at = Place(56, 3, 224, given=given, numbers=loss.numbers, styles=SHARES)
    targets = mixture.target(tuple(styles), None, given)

    def both(x):
        found = loss.statistic(x, None, given)
        apart = 0.25 * loss.distance(found, targets[0], at) + 0.75 * loss.distance(found, targets[1], at)
        return jnp.stack([mixture.distance(found, targets, at), apart])

    mixed_loss, added_loss = both(x)
    found, want = jax.jit(jax.jacrev(both))(x)
    np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-4 * float(jnp.abs(want).max()))
    if loss.blends:
        assert float(mixed_loss) < float(added_loss)  # by the constant
    else:
        assert float(mixed_loss) == pytest.approx(float(added_loss), rel=1e-5)


def test_a_target_between_is_another_loss_where_a_loss_does_not_blend():
    # so that `blends` of those below is no slip
    one, two = (jnp.asarray(v, jnp.float32).reshape(2, 1, 1) for v in ([0.0, 2.0], [0.0, 8.0]))
    loss = STYLE["mean-std"]
    found, at = loss.statistic(one, None, jnp.zeros(1)), Place(2, 1, 2)
    targets = [loss.target(x, None, jnp.zeros(1)) for x in (one, two)]
    between = jax.tree.map(lambda a, b: (a + b) / 2, *targets)
    apart = jax.grad(lambda x: sum(0.5 * loss.distance((x, found[1]), t, at) for t in targets))(found[0])
    moved = jax.grad(lambda v: sum(0.5 * loss.distance((found[0], v), t, at) for t in targets))(found[1])
    assert not loss.blends
    assert not Relative(STYLE["gram"]).blends
    np.testing.assert_allclose(apart, jax.grad(lambda x: loss.distance((x, found[1]), between, at))(found[0]))
    assert np.abs(moved - jax.grad(lambda v: loss.distance((found[0], v), between, at))(found[1])).max() > 1e-3


def test_styles_of_different_sizes_are_between_those_alone(tiny):
    content, one, two = pictures((20, 16), (18, 22), (24, 17))
    start = jnp.asarray(pictures((20, 16))[0])
    both = pose(tiny.encoder, content, [one, two], recipe=RECIPE, shares=[1, 3])
    step = jax.jit(jax.grad(lambda x, p: total(tiny.encoder, p, x)[0]))
    alone = [step(start, pose(tiny.encoder, content, style, recipe=RECIPE)) for style in (one, two)]
    want = 0.25 * alone[0] + 0.75 * alone[1]
    np.testing.assert_allclose(step(start, both), want, rtol=1e-3, atol=1e-4 * float(jnp.abs(want).max()))
    spanned = grid(both, style_shares=[(1, 0), (0, 2)])
    for lane, want in enumerate(alone):
        found = step(start, spanned.problems[lane])
        np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-4 * float(jnp.abs(want).max()))
    held = [jax.tree.leaves(problem.terms["style"].targets) for problem in spanned.problems]
    assert all(a is b for a, b in zip(*held, strict=True))


def test_the_recipe_of_a_lane_has_its_shares_and_its_record_every_style(tiny):
    content, one, two = pictures((20, 16), (18, 22), (24, 17))
    problem = pose(tiny.encoder, content, [one, two], recipe=RECIPE, shares=[0.3, 0.7])
    recipe, own = made.recipe_of(tiny.encoder, problem)
    assert recipe.style_shares == (0.3, 0.7)
    assert "terms.style" not in own
    lane = grid(problem, **{"style_shares.2": [0.1]}).problems[0]
    assert made.recipe_of(tiny.encoder, lane)[0].style_shares == (0.3, 0.1)
    assert problem.origin is not None
    assert set(problem.origin.inputs) == {"content", "style", "style_2"}
    equal = pose(tiny.encoder, content, [one, two], recipe=RECIPE)
    assert made.recipe_of(tiny.encoder, equal)[0].style_shares == ()


def test_a_product_takes_a_list_among_its_styles_as_one(tiny):
    content, one, two = pictures((20, 16), (18, 22), (24, 17))
    recipe = replace(RECIPE, style_shares=())
    spanned = pairing.product(tiny.encoder, [content], [[one, two], one], recipe=recipe)
    assert [len(problem.style_shares) for problem in spanned.problems] == [2, 0]
    origin = spanned.problems[0].origin
    assert origin is not None
    assert set(origin.inputs) == {"content", "style", "style_2"}


def test_scales_shrink_every_style():
    found = scales.plan((256, 256), ((400, 200), (300, 100)), Recipe(scales=2), 16)
    assert [s.style for s in found] == [((200, 100), (150, 50)), ((400, 200), (300, 100))]
    with pytest.raises(UserError, match="use fewer"):
        scales.plan((256, 256), ((400, 200), (300, 20)), Recipe(scales=2), 16)


@pytest.mark.parametrize(
    ("shares", "said"),
    [([1], "1 numbers for 2 style"), ([1, 2, 3], "3 numbers for 2"), ([0, 0], "all 0"), ([-1, 2], "style_shares")],
)
def test_shares_that_mean_nothing_are_refused(tiny, shares, said):
    content, one, two = pictures((20, 16), (18, 22), (24, 17))
    with pytest.raises(UserError, match=said):
        pose(tiny.encoder, content, [one, two], recipe=RECIPE, shares=shares)


def test_a_grid_refuses_shares_that_are_all_0_and_those_of_one_style(tiny):
    content, one, two = pictures((20, 16), (18, 22), (24, 17))
    problem = pose(tiny.encoder, content, [one, two], recipe=RECIPE)
    with pytest.raises(UserError, match="all 0"):
        grid(problem, style_shares=[(0, 0)])
    with pytest.raises(UserError, match="no style '3'"):
        grid(problem, style_shares=[{"3": 1}])
    with pytest.raises(UserError, match="style_shares"):
        grid(pose(tiny.encoder, content, one, recipe=RECIPE), style_shares=[(1,)])


QUICK = ("--steps", "2", "--quiet", "--no-cache", "--weights", "./narrow.h5")
STYLED = ("--style-layers", "relu1_1", "relu2_1")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, seed, width, height in (("c.png", 1, 32, 24), ("a.png", 2, 36, 20), ("b.png", 3, 20, 28)):
        draw(tmp_path / name, seed, width, height)
    narrow_weights(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = {
    "several styles": ("stylize", "c.png", "--style", "a.png:1", "b.png:3", "--size", "32", *STYLED),
    "a texture": ("texture", "a.png", "--size", "40x24", "--seed", "3", *STYLED),
    "coarse and fine": ("texture", "a.png", "--coarse", "b.png", "--size", "32"),
    "an inversion": ("invert", "c.png", "--layer", "relu2_2", "--tv", "1e2", "--size", "32"),
}
INPUTS = {
    "several styles": {"content": "c.png", "style": "a.png", "style_2": "b.png"},
    "a texture": {"style": "a.png"},
    "coarse and fine": {"style": "a.png", "init": "b.png"},
    "an inversion": {"content": "c.png"},
}


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("an inversion", "coarse and fine")]


@pytest.mark.parametrize("name", ["several styles", "a texture", *SLOW])
def test_a_picture_is_made_again_from_its_record(folder, name, capsys):
    assert cli.main([*COMMANDS[name], "-o", "out.png", *QUICK]) == 0
    held = record.from_metadata(images.read_metadata(folder / "out.png"), folder / "out.png")
    assert {key: entry["path"] for key, entry in held["inputs"].items()} == INPUTS[name]
    assert cli.main(["rerun", "out.png", "--quiet", "--no-cache"]) == 0
    assert "bit for bit" in "".join(capsys.readouterr())
    if name == "several styles":
        assert record.recipe_of(held).style_shares == (1.0, 3.0)
        del held["inputs"]["style_2"]
        with pytest.raises(UserError, match="style_2"):
            record.from_metadata(record.as_metadata(held), folder / "out.png")
    if name == "coarse and fine":
        assert images.shape_of(folder / "out.png") == (32, 23)
        assert record.recipe_of(held).style_layers == ("relu1_1", "relu2_1")
    if name == "a texture":
        assert images.shape_of(folder / "out.png") == (24, 40)


def test_the_texture_before_a_transfer_is_of_strokes_alone_in_the_settings_of_the_transfer(folder):
    recipe = replace(
        PRESETS["jcjohnson"], colour="match-mk", scales=2, padding="circular", style_loss="w2", style_size=40, size=32
    )
    found = texture_of(recipe, Styles((folder / "a.png", folder / "c.png"), (1.0, 3.0)), folder / "b.png")
    assert found == replace(
        TEXTURE, style_layers=("relu1_1", "relu2_1"), init=str(folder / "b.png"), frame="28x40", size=40,
        style_shares=(1.0, 3.0), style_loss="w2", units="paper", beta=recipe.beta, steps=recipe.steps,
        pooling=recipe.pooling, resample=recipe.resample, rounding=recipe.rounding,
    )  # fmt: skip


@pytest.mark.slow
def test_coarse_and_fine_styles_in_one_command_are_the_two(folder, capsys):
    kinds = ("--size", "32", *QUICK)
    words = ("stylize", "c.png", "a.png", "--coarse", "b.png", "--content-layers", "relu2_2", *STYLED, *kinds)
    assert cli.main([*words, "-o", "out.png"]) == 0
    assert cli.main(["texture", "a.png", "--coarse", "b.png", "-o", "mixed.png", *kinds]) == 0
    made, mixed = (images.read(folder / name).rgb for name in ("out-style.png", "mixed.png"))
    np.testing.assert_array_equal(made, mixed)
    held = record.from_metadata(images.read_metadata(folder / "out.png"), folder / "out.png")
    assert held["inputs"]["style"]["path"] == "out-style.png"
    before = (folder / "out-style.png").stat().st_mtime_ns
    capsys.readouterr()
    assert cli.main([*words, "-o", "out.png"]) == 0
    assert "is the style of these files already" in "".join(capsys.readouterr())
    assert (folder / "out-style.png").stat().st_mtime_ns == before
    draw(folder / "b.png", 9, 20, 28)  # another picture by the same name
    assert cli.main([*words, "-o", "out.png"]) == 0
    assert (folder / "out-style.png").stat().st_mtime_ns > before
    assert cli.main(["rerun", "out-style.png", "--quiet", "--no-cache"]) == 0
    draw(folder / "out-style.png", 1)
    assert cli.main([*words, "-o", "out.png"]) == 2
    assert "is there and no picture of nst-jax" in capsys.readouterr().err


REFUSED = {
    "stylize c.png": "there is no style",
    "stylize c.png a.png --style b.png": "both STYLE",
    "stylize c.png --style a.png:-1 b.png:2": "share -1",
    "stylize c.png --style a.png:nan b.png:2": "share nan",
    "stylize c.png --style a.png:0 b.png:0": "all 0",
    "stylize c.png --style a.png:1 b.png": "'b.png' no share",
    "stylize c.png --style a.png:1 b.png:2 --style-shares 1 2": "twice",
    "stylize c.png --style a.png b.png --init style": "init is style",
    "stylize c.png --style a.png b.png --style-sizes 32": "style_sizes has 1 numbers for 2",
    "stylize c.png --style a.png a.png --style-sizes 32 16 --style-size 16": "give one of them",
    "stylize c.png --style a.png a.png --style-sizes 32 -16": "style_sizes",
    "stylize c.png a.png --frame 512x512": "alpha",
    "texture a.png --size 40x": "WIDTHxHEIGHT",
    "texture a.png --size 0x40": "WIDTHxHEIGHT",
    "texture a.png --size 99999": "WIDTHxHEIGHT",
    "texture a.png --size 8x40": "needs at least",
    "texture a.png --alpha 1": "no content",
    "texture a.png --colour match-mk": "no content",
    "texture a.png --init content": "no content",
    "texture a.png --content-layers relu2_2": "no content",
    "texture a.png --frame 40x40": "--size",
    "texture a.png --coarse b.png --init grey": "give one of them",
    "texture a.png --coarse b.png --size 40x32": "--coarse is then 29x40",
    "texture a.png --coarse gone.png": "no such file",
    "stylize c.png a.png --coarse gone.png": "no such file",
    "stylize c.png a.png --coarse b.png --style-sizes 32": "give --style-size",
    "stylize c.png a.png --coarse b.png --content-mask gone.png": "no such file",
    "invert c.png --beta 1": "beta",
    "invert c.png --init style": "no style picture",
    "invert c.png --layer relu9_9": "relu9_9",
    "invert c.png --layer relu2_2 --content-layers relu1_1": "both given",
}


@pytest.mark.parametrize("command", REFUSED)
def test_what_cannot_be_made_is_one_line(folder, command, capsys):
    layers = () if command.startswith("invert") or "8x40" in command else STYLED
    assert cli.main([*command.split(), "-o", "out.png", *layers, *QUICK]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert REFUSED[command] in said[0]
    assert not (folder / "out.png").exists()


def test_a_batch_mixes_by_style_and_makes_a_picture_each_by_styles(folder, monkeypatch):
    words = ("-o", "run", "--size", "32", "--weights", "./narrow.h5", *STYLED)
    for given, names in (("--style", ["c a+b"]), ("--styles", ["c a", "c b"])):
        batch = cli.parse(["batch", "c.png", given, "a.png", "b.png", *words])
        assert isinstance(batch, Batch)
        specs = []
        monkeypatch.setattr(Running, "run", lambda _, spec, specs=specs: specs.append(spec) or 0)
        assert batch.run() == 0
        assert [lane.name for lane in lanes(specs[0])] == names
    assert cli.main(["batch", "c.png", "--style", "a.png", "--styles", "b.png", *words]) == 2
    assert cli.main(["batch", "c.png", *words]) == 2
    assert cli.main(["batch", "c.png", "--style", "a.png", "b.png", "--pairs", *words]) == 2


def test_a_file_of_options_names_several_styles(tmp_path):
    path = tmp_path / "mix.toml"
    path.write_text('content = "c.png"\nstyle = ["a.png", "b.png"]\nstyle_shares = [[1, 0], [0.5, 0.5]]\nout = "o"\n')
    words = from_toml(path)
    assert words[1:4] == ["--style", str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert "--style-shares=1.0+0.0,0.5+0.5" in words or "--style-shares=1+0,0.5+0.5" in words


def test_a_program_makes_textures_by_seeds_and_inversions(tiny):
    encoder = replace(tiny.encoder, source="vgg16")
    (style,) = pictures((20, 24))
    shallow = {"size": 24, "steps": 2}
    texture = replace(TEXTURE, **shallow, frame="24x16", style_layers=("relu1_1", "relu2_1"))
    results = solve_batch(encoder, sweep(encoder, None, style, texture, seed=[0, 1]))
    first, second = (np.asarray(one.image) for one in results.solutions)
    assert first.shape == (16, 24, 3)
    assert np.abs(first - second).max() > 0.1
    held = results.solutions[1].record
    assert held is not None
    assert set(held["inputs"]) == {"style"}
    assert held["recipe"]["seed"] == 1
    inverted = stylize(encoder, style, None, replace(INVERSION, **shallow, content_layers=("relu1_1",)))
    assert inverted.record is not None
    assert set(inverted.record["inputs"]) == {"content"}
    for solution in (results.solutions[1], inverted):
        path = Path("a.png")
        metadata = record.metadata(solution)
        assert record.recipe_of(record.from_metadata(metadata, path)).steps == 2
    with pytest.raises(UserError, match="no content picture and no frame"):
        stylize(encoder, None, style, replace(texture, frame="", alpha=0.0))
    with pytest.raises(UserError, match="there is a content"):
        pose(encoder, style, style, recipe=texture)
    with pytest.raises(UserError, match="no style picture"):
        stylize(encoder, style, None, replace(INVERSION, beta=1.0, style_layers=("relu1_1",)))


def test_a_texture_that_goes_around_has_no_border(tiny):
    (style,) = pictures((36, 40))
    recipe = replace(TEXTURE, padding="circular", frame="48x32", size=48, style_layers=("relu1_1", "relu3_1"), tv=3.0)
    recipe = replace(recipe, tv_loss="nine-point")
    problem = scales.pose_scales(tiny.encoder, Pair(np.full((32, 48, 3), 0.5, np.float32), style), recipe)[0]
    x = jnp.asarray(pictures((32, 48))[0])
    loss = jax.jit(lambda x, problem=problem: total(tiny.encoder, problem, x)[0])
    moved = jnp.roll(x, (8, 20), (0, 1))
    assert float(loss(moved)) == pytest.approx(float(loss(x)), rel=1e-5)
    for plain in VARIATION.values():
        assert isinstance(plain, Variation)
        around = replace(plain, around=True)
        assert float(around.roughness(moved)) == pytest.approx(float(around.roughness(x)), rel=1e-5)
        assert float(plain.roughness(moved)) != pytest.approx(float(plain.roughness(x)), rel=1e-5)
    recipe_found, own = made.recipe_of(tiny.encoder, problem)
    assert (recipe_found.padding, recipe_found.tv_loss) == ("circular", "nine-point")
    assert set(own) == {"network"}
    bordered = pose(tiny.encoder, x, style, recipe=replace(RECIPE, padding="reflect", style_layers=recipe.style_layers))
    for layer, target in problem.terms["style"].targets.items():
        np.testing.assert_allclose(target, bordered.terms["style"].targets[layer], rtol=1e-6)


def test_what_cannot_be_tileable_is_one_line(folder, capsys):
    for words, said in (
        (("--padding", "reflect"), "give one"),
        (("--tile", "16"), "tile is 16"),
        (("--bucket", "16"), "bucket is 16"),
        (("--size", "41x33"), "multiples of 2, the deepest layer's stride, such as 40x32"),
    ):
        assert (
            cli.main(["texture", "a.png", "-o", "no.png", "--size", "32", *STYLED, *QUICK, "--tileable", *words]) == 2
        )
        assert said in capsys.readouterr().err


def test_one_style_has_strokes_of_several_widths(tiny, folder):
    recipe = replace(RECIPE, size=24, style_sizes=(20, 36))
    spec = Spec((Path("c.png"),), (Path("a.png"),) * 2, recipe, mixed=True, show_pictures=False)
    found = inputs.read(spec, lanes(spec), {})
    read = [one for one in found.styles if isinstance(one, inputs.Loaded)]
    shapes = [one.rgb[images.style_sizing(recipe, i)].shape for i, one in enumerate(read)]
    assert shapes == [(11, 20, 3), (20, 36, 3)]
    with pytest.raises(UserError, match="style_sizes has 2 numbers for 1"):
        lanes(replace(spec, styles=spec.styles[:1]))
    (wide,) = pictures((40, 60))
    spanned = sweep(
        tiny.encoder, pictures((20, 16))[0], [wide, wide], replace(RECIPE, size=20), style_sizes=[(60, 30), (0, 60)]
    )
    targets = [problem.terms["style"].targets["relu1_1"] for problem in spanned.problems]
    np.testing.assert_array_equal(targets[0][0], targets[1][1])
    assert np.abs(targets[0][1] - targets[0][0]).max() > 0
    with pytest.raises(UserError, match="style_sizes has 1 numbers for 2"):
        stylize(tiny.encoder, wide, [wide, wide], replace(recipe, style_sizes=(9,)))


def test_the_recipes_of_both_uses_hold():
    check(TEXTURE)
    check(INVERSION)
    with pytest.raises(UserError, match="longer side"):
        check(replace(TEXTURE, size=100))
