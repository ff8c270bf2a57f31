"""Of what kind are the features that style losses compare, in trained networks and in random ones?

Command: python -m experiments.feature_statistics
Cost: 3 minutes, 256 px, mostly compiling.
Expected: Gram matrices of Inception and of random networks are nearly of rank 1, since all their means are positive;
    covariances are as rich as VGG16's; no network's maps are peaky (entropy near 1); a trained stem of stride 2 sends
    gradients to all four pixel phases alike, a random one 4:2:2:1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import common, figures, trials
from nst_jax import Encoder, Recipe, features, load_encoder, pose, terms


@dataclass(frozen=True)
class Config:
    """What is looked at: pictures in networks, at their default style layers; "given" is the one handed in."""

    size: int = 256
    networks: tuple[str, ...] = ("vgg16", "random:vgg16:0", "inception_v3", "random:inception_v3:0")
    pictures: tuple[str, ...] = (*trials.CONTENTS, *trials.STYLES)


def participation(x: np.ndarray) -> float:
    """Give the effective rank of x^T x, (sum e)^2 / sum e^2 of its eigenvalues, for (positions, channels)."""
    gram = x.T @ x
    return float(np.trace(gram) ** 2 / np.sum(gram**2))


def entropy(x: np.ndarray) -> float:
    """Give the entropy of x / sum x over all its entries, by its largest, log of their number."""
    p = np.clip(x, 0, None).ravel()
    p = p[p > 0] / p.sum()
    return float(-np.sum(p * np.log(p)) / np.log(x.size))


def rows(config: Config, encoder: Encoder) -> Iterator[dict[str, Any]]:
    """Yield a row for each network, layer and picture."""
    for name in config.networks:
        own = encoder if name == "given" else load_encoder(name)
        layers = own.network.chosen("style")
        run = jax.jit(lambda e, x, layers=layers: features(e, x, layers))
        for picture in config.pictures:
            image = jnp.asarray(common.picture(picture, config.size))
            for layer, found in run(own, image).items():
                x = np.asarray(found, np.float64).reshape(-1, found.shape[-1])
                yield {
                    "network": name, "layer": layer, "picture": picture, "mean": x.mean(), "max": x.max(),
                    "entropy": entropy(x), "rank_gram": participation(x),
                    "rank_covariance": participation(x - x.mean(0)),
                }  # fmt: skip


def phases(config: Config, encoder: Encoder) -> Iterator[dict[str, Any]]:
    """Yield each network's gradient energy by pixel phase, of the first step from a photograph, 1 on average."""
    for name in config.networks:
        own = encoder if name == "given" else load_encoder(name)
        content, style = (common.picture(config.pictures[i], config.size) for i in (0, -1))
        content = jnp.asarray(content[: content.shape[0] // 2 * 2, : content.shape[1] // 2 * 2], jnp.float32)
        layers: dict[str, Any] = {f"{kind}_layers": own.network.chosen(kind) for kind in ("style", "content")}
        problem = pose(replace(own, source=""), content, style, recipe=Recipe(units="relative", **layers))

        def loss(x: Any, e: Encoder = own, p: Any = problem) -> Any:
            return sum(value for name, value in terms(e, p, x).items() if name.startswith("style/"))

        slope = jax.jit(jax.grad(loss))(content)
        energy = np.asarray(slope, np.float64) ** 2
        found = {f"phase_{i}{j}": energy[i::2, j::2].mean() / energy.mean() for i in (0, 1) for j in (0, 1)}
        yield {"network": name, "layer": "image", **found}


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Look at every picture; give the run folder."""
    folder = common.run_folder(config, runs)
    found = list(rows(config, encoder))
    common.table(folder / "numbers.csv", [*found, *phases(config, encoder)])
    caption = f"{len(config.pictures)} pictures of {config.size} px, a dot each; median |"
    figures.dots(
        folder / "figure.jpg", found, ("network", "layer"), ("rank_gram", "rank_covariance", "entropy"), caption
    )
    return folder


if __name__ == "__main__":
    common.command(main, Config)
