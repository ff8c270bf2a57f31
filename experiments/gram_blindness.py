"""What of a style picture can its Gram matrices not see? Shuffle positions of its features, then tiles of its pixels.

Command: python -m experiments.gram_blindness
    --painted 512 --steps 300 where a GPU is at hand.
Cost: the column `seconds` of its rows, for the pictures of one pair.
Expected: shuffled positions change a Gram by rounding only, so no arrangement of whole features is seen; shuffled tiles
    change it at their seams: little for large tiles and early layers, as much as another painting does for tiles
    smaller than a layer's receptive field.
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
    """What is run: Grams of styles of `size` pixels, and contents of `painted` pixels painted with them.

    The style of the next pair says how large a difference is.
    """

    pairs: tuple[str, ...] = tuple(map(":".join, trials.PAIRS[:3]))
    size: int = 256
    painted: int = 128
    tiles: tuple[int, ...] = (64, 16, 4)
    steps: int = 30


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
    folder, rows, shown = common.run_folder(config, runs), [], {}
    network = encoder.network.configured(pooling=DEFAULT.pooling, padding=DEFAULT.padding)
    seen = partial(features, replace(encoder, network=network), layers=DEFAULT.style_layers)
    recipe = replace(DEFAULT, steps=config.steps)
    pairs = [pair.split(":") for pair in config.pairs]
    for (content, name), (_, other) in zip(pairs, [*pairs[1:], *pairs[:1]], strict=True):
        style = trials.square(name, config.size)
        styles = {"as it is": style, **{f"tiles of {tile}": shuffled(style, tile) for tile in config.tiles}}
        maps = {layer: np.asarray(f) for layer, f in seen(jnp.asarray(style)).items()}
        rng, wanted = np.random.default_rng(0), grams(maps)
        mixed = {layer: rng.permutation(f.reshape(-1, f.shape[-1])).reshape(f.shape) for layer, f in maps.items()}
        pictures = {**styles, "mirrored": style[:, ::-1], "another painting": trials.square(other, config.size)}
        found = {"positions": mixed, **{change: seen(jnp.asarray(x)) for change, x in pictures.items()}}

        painted = trials.square(content, config.painted)
        posed = [pose(encoder, painted, x, recipe=recipe) for x in styles.values()]
        sweep = stack(posed, name="tiles", values=[*styles])
        images, _, told = common.solved(folder / f"{content} {name}.npz", encoder, sweep)
        # `positions` has no picture: equal Grams are equal problems.
        ends = dict(zip(styles, (common.rmse(image, images[0]) for image in images), strict=True))
        about = {"size": config.size, "painted": config.painted, "steps": config.steps, **told}
        for change in [change for change in found if change != "as it is"]:
            moved = {layer: difference(g, wanted[layer]) for layer, g in grams(found[change]).items()}
            moved["rmse_of_result"] = ends.get(change, "")
            rows.append({"content": content, "style": name, "change": change, **moved, **about})
        shown |= {f"{name}\n": [*styles.values()], f"{content},\npainted": images}
    common.table(folder / "numbers.csv", rows)
    draw(
        folder / "figure.jpg", dict([*shown.items()][:2]), ["as it is", *(f"tiles of {t}" for t in config.tiles)], rows
    )
    return folder


def draw(path: Path, shown: dict, columns: list[str], rows: list) -> None:
    """Draw styles and results of one pair, and how far the Grams of all moved."""
    made, above, below = common.halves(7.5, 6.5, (1.25, 1))
    common.gallery(above, shown, columns)
    panel, changes = below.subplots(), list(dict.fromkeys(row["change"] for row in rows))
    for place, layer in enumerate(DEFAULT.style_layers):
        for at, change in enumerate(changes):
            moved = [row[layer] for row in rows if row["change"] == change]
            x, told = at + 0.12 * (place - 2), layer if at == 0 else None
            panel.plot([x] * len(moved), moved, "o-", ms=4, lw=1, color=HUES[place], label=told)
    panel.set_xticks(range(len(changes)), [change.replace(" ", "\n", 1) for change in changes], fontsize=8)
    panel.set(yscale="log", ylabel="change of the Gram, |G' - G| / |G|")
    panel.grid(axis="y", alpha=0.25, lw=0.6)
    panel.legend(frameon=False, fontsize=8, loc="lower right")
    told = f"Grams at {rows[0]['size']} px; painted at {rows[0]['painted']} px, {rows[0]['steps']} steps"
    common.save(path, made, f"{told}; a dot a pair\n{common.devices(rows)}", device=False)


if __name__ == "__main__":
    common.command(main, Config)
