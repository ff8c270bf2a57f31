"""What of a style picture can its Gram matrices not see? Shuffle positions of its features, then tiles of its pixels.

Command: python -m experiments.gram_blindness
    --painted 512 --steps 300 where a GPU is at hand.
Cost: the column `seconds` of its rows, for the pictures of one pair.
Expected: shuffled positions change a Gram by rounding only; shuffled tiles change it at their seams: little for large
    tiles and early layers, as much as another painting does for tiles smaller than a layer's receptive field.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from experiments import common, trials
from nst_jax import DEFAULT, Encoder, features, ops, pose, stack
from nst_jax.pages.plots import HUES


@dataclass(frozen=True)
class Config:
    """What is run: Grams of styles of `size` pixels, with which contents of `painted` pixels are painted."""

    pairs: tuple[str, ...] = tuple(map(":".join, trials.PAIRS[:3]))
    size: int = 256
    painted: int = 128
    tiles: tuple[int, ...] = (64, 16, 4)
    steps: int = 30


def shuffled(image: np.ndarray, tile: int, seed: int = 0) -> np.ndarray:
    """Cut (h, w, 3) into squares of `tile` pixels and put them back in random order."""
    h, w, c = image.shape
    tiles = image.reshape(h // tile, tile, w // tile, tile, c).transpose(0, 2, 1, 3, 4).reshape(-1, tile, tile, c)
    tiles = np.random.default_rng(seed).permutation(tiles)
    return tiles.reshape(h // tile, w // tile, tile, tile, c).transpose(0, 2, 1, 3, 4).reshape(h, w, c)


def difference(found, wanted) -> float:
    """Compute |G - H| / |H| of two Gram matrices (c, c)."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def grams(maps) -> dict[str, np.ndarray]:
    """Compute the Gram matrix (c, c) of each layer."""
    return {layer: np.asarray(ops.gram(jnp.asarray(f)), float) for layer, f in maps.items()}


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Compare Grams, and paint with each shuffled style; give the run folder."""
    folder, rows, shown = common.run_folder(config, runs), [], {}
    network = encoder.network.configured(pooling=DEFAULT.pooling, padding=DEFAULT.padding, remat=False)
    seen = partial(features, replace(encoder, network=network), layers=DEFAULT.style_layers)
    recipe, pairs = replace(DEFAULT, steps=config.steps), [pair.split(":") for pair in config.pairs]
    for number, (content, name) in enumerate(pairs):
        style = trials.square(name, config.size)
        styles = {"as it is": style, **{f"tiles of {tile}": shuffled(style, tile) for tile in config.tiles}}
        maps = {layer: np.asarray(f) for layer, f in seen(jnp.asarray(style)).items()}
        rng, wanted = np.random.default_rng(0), grams(maps)
        mixed = {layer: rng.permutation(f.reshape(-1, f.shape[-1])).reshape(f.shape) for layer, f in maps.items()}
        other = trials.square(pairs[number - 1][1], config.size)  # says how large a difference is
        pictures = {**styles, "mirrored": style[:, ::-1], "another painting": other}
        found = {"positions": mixed, **{k: seen(jnp.asarray(x)) for k, x in pictures.items() if x is not style}}
        painted = trials.square(content, config.painted)
        sweep = stack([pose(encoder, painted, x, recipe=recipe) for x in styles.values()], name="tiles")
        images, _, told = common.solved(folder / f"{content} {name}.npz", encoder, sweep)
        ends = {k: common.rmse(x, images[0]) for k, x in zip(styles, images, strict=True)}  # of equal Grams none
        about = {"size": config.size, "painted": config.painted, "steps": config.steps, **told}
        for change, its in found.items():
            moved = {layer: difference(g, wanted[layer]) for layer, g in grams(its).items()}
            moved |= {"rmse_of_result": ends.get(change, ""), **about}
            rows.append({"content": content, "style": name, "change": change} | moved)
        shown |= {f"{name}\n": [*styles.values()], f"{content},\npainted": images}
    common.table(folder / "numbers.csv", rows)
    draw(folder / "figure.jpg", dict([*shown.items()][:2]), rows)
    return folder


def draw(path: Path, shown: dict, rows: list) -> None:
    """Draw styles and results of one pair, and how far the Grams of all moved."""
    made, above, below = common.halves(7.5, 6.5, (1.25, 1))
    panel, changes = below.subplots(), [*dict.fromkeys(row["change"] for row in rows)]
    common.gallery(above, shown, ["as it is", *(change for change in changes if "tiles" in change)])
    for place, layer in enumerate(DEFAULT.style_layers):
        for at, change in enumerate(changes):
            moved = [row[layer] for row in rows if row["change"] == change]
            x = [at + 0.12 * (place - 2)] * len(moved)
            panel.plot(x, moved, "o-", ms=4, lw=1, color=HUES[place], label=layer if at == 0 else None)
    panel.set_xticks(range(len(changes)), changes, fontsize=8)
    panel.set(yscale="log", ylabel="change of the Gram, |G' - G| / |G|")
    panel.legend(frameon=False, fontsize=8, loc="lower right")
    said = "Grams at {size} px; painted at {painted} px, {steps} steps; a dot a pair\n{0}"
    common.save(path, made, said.format(common.devices(rows), **rows[0]), device=False)


if __name__ == "__main__":
    common.command(main, Config)
