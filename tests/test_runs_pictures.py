"""What lanes were made from, as copies in the folder of a run."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_files import draw

from nst_jax import images
from nst_jax.recipe import Recipe
from nst_jax.runs import inputs, pictures
from nst_jax.runs.spec import MaskFiles, Spec, lanes


def made(spec: Spec, folder: Path) -> tuple[dict, list[set[str]]]:
    """Write the copies of a run; give them as they were described, and the names of each lane's."""
    found = lanes(spec)
    read = inputs.read(spec, found, {})
    copies = pictures.of_inputs(read)
    pictures.write(folder, copies)
    keys = [pictures.of_lane(read, lane) & copies.keys() for lane in found]
    return dict(zip(copies, pictures.described(copies), strict=True)), keys


def test_each_lane_has_the_pictures_it_was_made_from(tmp_path) -> None:
    files = [draw(tmp_path / f"{i}.png", i, 40, 20) for i in range(4)]
    found, lanes_of = made(Spec((files[0], files[1]), (files[2], files[3]), Recipe(size=24)), tmp_path / "run")
    assert found["style_2"] == {"role": "style", "name": "3.png", "image": "inputs/style_2.png"}
    assert lanes_of == [{c, s} for c in ("content", "content_2") for s in ("style", "style_2")]
    copy = images.read(tmp_path / "run/inputs/content_2.png")
    assert copy.rgb.shape == (12, 24, 3)  # as the lanes met it
    np.testing.assert_allclose(copy.rgb, images.resize(images.read(files[1]).rgb, 24), atol=0.5 / 255 + 1e-6)


def test_several_styles_masks_and_a_start_are_of_every_lane(tmp_path) -> None:
    files = [draw(tmp_path / f"{i}.png", i, 40, 20) for i in range(3)]
    label = np.zeros((20, 40, 3), np.uint8)
    label[:, 20:] = (255, 0, 0)
    Image.fromarray(label).save(tmp_path / "sky.png")
    halves = [tmp_path / "left.png", tmp_path / "right.png"]
    for k, path in enumerate(halves):
        Image.fromarray((np.arange(40) // 20 == k).astype(np.uint8)[None].repeat(20, 0) * 255).save(path)
    masks = MaskFiles((tmp_path / "sky.png",), tuple(halves))
    recipe = Recipe(size=24, init=str(files[0]), style_shares=(1.0, 1.0))
    spec = Spec((files[0],), tuple(files[1:]), recipe, mixed=True, masks=masks, show_pictures=False)
    found, (keys,) = made(spec, tmp_path / "run")
    assert keys == set(found) == {"content", "style", "style_2", "content_mask", "style_mask", "style_mask_2", "init"}
    assert [found[k]["role"] for k in ("content_mask", "init")] == ["content mask", "start"]
    assert [found[k]["name"] for k in ("content_mask", "style_mask", "style_mask_2")] == [
        "sky.png",
        "left.png",
        "right.png",
    ]
    drawn = images.read(tmp_path / "run/inputs/content_mask.png").rgb
    assert drawn[6, 3] == pytest.approx([0, 0, 0])
    assert drawn[6, 20] == pytest.approx([1, 0, 0])


def test_soft_masks_are_drawn_in_colours_of_their_own(tmp_path) -> None:
    files = [draw(tmp_path / f"{i}.png", i, 40, 20) for i in range(2)]
    halves = [tmp_path / "left.png", tmp_path / "right.png"]
    for k, path in enumerate(halves):
        Image.fromarray((np.arange(40) // 20 == k).astype(np.uint8)[None].repeat(20, 0) * 255).save(path)
    spec = Spec((files[0],), (files[1],), Recipe(size=24), masks=MaskFiles(tuple(halves)), show_pictures=False)
    found, _ = made(spec, tmp_path / "run")
    assert found["content_mask"]["name"] == "left.png, right.png"
    drawn = images.read(tmp_path / "run/inputs/content_mask.png").rgb
    assert np.abs(drawn[6, 3] - drawn[6, 20]).max() > 0.3


def test_copies_of_a_print_are_no_larger_than_a_screen(tmp_path) -> None:
    rgb = np.zeros((10, 5000, 3), np.float32)
    pictures.write(tmp_path, {"content": pictures.Shown("content", "a", rgb, rgb[..., 0])})
    with Image.open(tmp_path / "inputs/content.png") as copy:
        assert (copy.size, copy.mode) == ((2048, 4), "RGBA")
