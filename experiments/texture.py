"""How different are textures from 16 seeds, and which statistic carries a regular one?

Command: python -m experiments.all --only texture
Cost: the column `seconds` of its rows, for each picture.
A regular texture is drawn (experiments/drawn.py: bricks, each of its own shade and edges), an irregular one a painting.
Measured beside the judge's: `diversity`, the root mean square distance of a picture to those of the other seeds over
    that among 16 random shifts of the style around its border, 1 being as different as parts of the style are;
    `diversity_coarse`, the same of pictures shrunk eightfold, of where things are; `repeat`, the autocorrelation of the
    luminance at the shift at which the style repeats itself, and `repeat_style`, the style's own there; `siblings`, the
    other seeds that were painted when this one was judged.
Expected: diversity is near 1 for every statistic, since noise decides where things are and none of the statistics does;
    coarsely it is below 1 where long-range holds the layout; only long-range repeats bricks (repeat above half of the
    style's), Gram matrices and covariances paint patches of wall that do not meet; on the painting all three are alike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from experiments import common, figures
from experiments import trials as runs
from experiments.trials import USUAL, Trial
from nst_jax import images
from nst_jax.metrics.planes import luma
from nst_jax.recipe import plain

STYLES = ("bricks", "village_street_auvers")
LOSSES = ("gram", "covariance", "long-range")
SEEDS = range(16)
COARSE = 8
NEAREST, AROUND = 1 / 20, 2
"""The side's share below which a shift is no repeat; and pixels that a repeat may be off by."""

BY = ("style_loss",)
SHEET = BY, ("seed",)
MEASURES = ("style_bures", "style_sliced", "filters_distance")


def trials(size: int = 128, steps: int = 150, seeds: Sequence[int] = SEEDS, styles: Any = STYLES) -> Iterator[Trial]:
    """List what is painted: all seeds of a loss share a batch; no variation, whose unit is a content's roughness."""
    for loss in LOSSES:
        for style in styles:
            for seed in seeds:
                recipe = plain(
                    **{**USUAL, "tv": 0.0}, beta=3.0, alpha=0.0, content_layers=(), frame=f"{size}x{size}",
                    init="noise", seed=seed, style_loss=loss, size=size, steps=steps,
                )  # fmt: skip
                yield Trial({"style_loss": loss, "seed": seed}, "", style, recipe, measured_by="texture")


def shown(trial: Trial) -> bool:
    """Say whether the sheet has a trial: the first seeds alone."""
    return trial.columns["seed"] < 4


def measured(image: np.ndarray, trial: Trial, pictures: Path) -> dict[str, float]:
    """Measure how far a texture (h, w, 3) is from those of other seeds, and whether it repeats as its style does."""
    style = runs.square(trial.style, image.shape[0])
    others = []
    for seed in SEEDS:
        file = pictures / f"{sibling(trial, seed).name}.png"
        if seed != trial.columns["seed"] and file.exists():
            others.append(np.asarray(images.read(file).rgb, np.float32))
    fine, coarse = among(trial.style, image.shape[0])
    shift = repeating(luma(style))
    found = {
        "siblings": float(len(others)),
        "repeat": repeat(luma(image), shift),
        "repeat_style": repeat(luma(style), shift),
    }
    if others:
        found["diversity"] = float(np.mean([common.rmse(image, other) for other in others])) / fine
        found["diversity_coarse"] = (
            float(np.mean([common.rmse(small(image), small(other)) for other in others])) / coarse
        )
    return found


def sibling(trial: Trial, seed: int) -> Trial:
    """Give the trial of another seed."""
    return replace(trial, columns={**trial.columns, "seed": seed}, recipe=replace(trial.recipe, seed=seed))


def small(image: np.ndarray) -> np.ndarray:
    """Shrink a picture (h, w, 3) eightfold, by means."""
    return images.fit(image, (image.shape[0] // COARSE, image.shape[1] // COARSE), filter="box")


@cache
def among(style: str, size: int, count: int = 16) -> tuple[float, float]:
    """Give the mean distance among random shifts of a style around its border, and of these when they are shrunk."""
    rng, picture = np.random.default_rng(0), runs.square(style, size)
    moved = [np.roll(picture, rng.integers(0, size, 2), (0, 1)) for _ in range(count)]
    pairs = [(a, b) for i, a in enumerate(moved) for b in moved[:i]]
    return tuple(float(np.mean([common.rmse(f(a), f(b)) for a, b in pairs])) for f in (np.asarray, small))  # type: ignore[return-value]


def autocorrelation(plane: np.ndarray) -> np.ndarray:
    """Give the mean product of a plane (h, w), less its mean, with itself shifted (2h, 2w), over its variance.

    What a shift leaves of the plane is what the mean is over; shifts are modulo the shape.
    """
    h, w = plane.shape
    flat = plane - plane.mean()
    power = np.abs(np.fft.rfft2(flat, (2 * h, 2 * w))) ** 2
    pairs = np.abs(np.fft.rfft2(np.ones((h, w)), (2 * h, 2 * w))) ** 2
    products, count = (np.fft.irfft2(x, (2 * h, 2 * w)) for x in (power, pairs))
    return products / np.maximum(count, 1) / max(flat.var(), 1e-12)


def repeating(plane: np.ndarray) -> tuple[int, int]:
    """Find the shift (down, right) at which a plane (h, w) is most like itself, from NEAREST to a third of its side."""
    h, w = plane.shape
    found = autocorrelation(plane)
    y, x = np.meshgrid(np.arange(h // 3), np.arange(-(w // 3), w // 3), indexing="ij")
    values = np.where(np.maximum(y, np.abs(x)) >= NEAREST * h, found[y, x], -np.inf)
    at = np.unravel_index(int(np.argmax(values)), values.shape)
    return int(y[at]), int(x[at])


def repeat(plane: np.ndarray, shift: tuple[int, int]) -> float:
    """Give the most that a plane (h, w) is like itself within AROUND pixels of a shift."""
    near = range(-AROUND, AROUND + 1)
    found = autocorrelation(plane)
    return float(max(found[shift[0] + i, shift[1] + j] for i in near for j in near))


def figure(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw the measures of each statistic and style."""
    whole = max(row["siblings"] for row in rows)
    measures = ["repeat", "style_bures", "filters_distance"]
    if whole and all(isinstance(row.get("diversity"), float) for row in rows):
        measures = ["diversity", "diversity_coarse", *measures]
    figures.dots(path, rows, ("style_loss", "style"), measures)
