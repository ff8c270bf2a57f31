"""What of a style picture can its Gram matrices not see? Shuffle positions of its features, then tiles of its pixels.

Command: python -m experiments.gram_blindness
    --size 512 --tiles 128 64 32 16 8 4 --steps 500 where a GPU is at hand.
Cost: 4 minutes (75 s of processor time) on two cores of an AMD EPYC that were busy with other programs.
Expected: shuffled positions change a Gram by rounding only, so no arrangement of whole features is seen; shuffled tiles
    change it at their seams: little for large tiles and early layers, as much as another painting does for tiles
    smaller than a layer's receptive field.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from experiments import common
from nst_jax import DEFAULT, Encoder, features, ops, pose, stack


@dataclass(frozen=True)
class Config:
    """What is run; `other` is the painting that says how large a difference is."""

    content: str = "temple"
    style: str = "great_wave"
    other: str = "composition_viii"
    size: int = 256
    tiles: tuple[int, ...] = (64, 32, 16, 8, 4)
    steps: int = 60


def shuffled(image: np.ndarray, tile: int, seed: int = 0) -> np.ndarray:
    """Cut (h, w, 3) into squares of `tile` pixels and put them back in random order."""
    h, w, c = image.shape
    tiles = image.reshape(h // tile, tile, w // tile, tile, c).transpose(0, 2, 1, 3, 4).reshape(-1, tile, tile, c)
    tiles = tiles[np.random.default_rng(seed).permutation(len(tiles))]
    return tiles.reshape(h // tile, w // tile, tile, tile, c).transpose(0, 2, 1, 3, 4).reshape(h, w, c)


def difference(found, wanted) -> float:
    """Compute |G - H| / |H| of two Gram matrices (c, c)."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def grams(maps) -> dict[str, np.ndarray]:
    """Compute the Gram matrix (c, c) of each layer."""
    return {layer: np.asarray(ops.gram(jnp.asarray(f)), float) for layer, f in maps.items()}


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Compare Grams, and paint with each shuffled style; give the run folder."""
    folder = common.run_folder(config, runs)
    content, style = common.picture(config.content, config.size), common.picture(config.style, config.size)
    h, w = (side - side % max(config.tiles) for side in style.shape[:2])
    style = style[:h, :w]
    styles = {"as it is": style, **{f"tiles of {tile}": shuffled(style, tile) for tile in config.tiles}}
    layers = DEFAULT.style_layers
    maps = {layer: np.asarray(f) for layer, f in features(encoder, jnp.asarray(style), layers).items()}
    wanted = grams(maps)

    rng = np.random.default_rng(0)
    mixed = {layer: rng.permutation(f.reshape(-1, f.shape[-1])).reshape(f.shape) for layer, f in maps.items()}
    rows = [{"change": "positions", **{k: difference(g, wanted[k]) for k, g in grams(mixed).items()}}]
    pictures = {**styles, "mirrored": style[:, ::-1], config.other: common.picture(config.other, config.size)}
    for name, picture in list(pictures.items())[1:]:
        found = grams(features(encoder, jnp.asarray(picture), layers))
        rows.append({"change": name, **{layer: difference(g, wanted[layer]) for layer, g in found.items()}})

    recipe = replace(common.PAPER, optimizer="adam", steps=config.steps)
    sweep = stack([pose(encoder, content, s, recipe=recipe) for s in styles.values()], name="tiles", values=[*styles])
    images, _ = common.solved(folder / "found.npz", encoder, sweep)
    # `positions` has no picture: equal Grams are equal problems.
    ends = dict(zip(styles, (common.rmse(image, images[0]) for image in images), strict=True))
    rows = [{**row, "rmse_of_result": ends.get(row["change"], "")} for row in rows]
    common.table(folder / "numbers.csv", rows)
    draw(config, folder, styles, images, rows)
    return folder


def draw(config: Config, folder: Path, styles: dict, images: list, rows: list) -> None:
    """Draw styles, results, and how far the Grams moved."""
    made, above, below = common.halves(7.5, 5.2, (1, 1.3))
    common.gallery(above, {"style": list(styles.values()), "result": images}, list(styles))
    panel = below.subplots()
    for place, layer in enumerate(DEFAULT.style_layers):
        moved = [row[layer] for row in rows]
        panel.plot(moved, "o", ms=4, color=f"C{place}", label=layer)
        panel.plot(range(1, len(styles)), moved[1 : len(styles)], lw=1, color=f"C{place}")
    panel.set_xticks(range(len(rows)), [row["change"].replace("_", "\n") for row in rows], fontsize=8)
    panel.set(yscale="log", ylabel="change of the Gram, |G' - G| / |G|", xlabel="what was shuffled, or put there")
    panel.legend(frameon=False, fontsize=8, loc="lower right")
    caption = f"{config.content} x {config.style}, {config.size} px, {config.steps} Adam steps from the content"
    common.save(folder / "figure.jpg", made, caption)


if __name__ == "__main__":
    common.command(main, Config)
