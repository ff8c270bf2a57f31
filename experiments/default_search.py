"""Which settings give the picture that an artist would choose, from the photograph to the painting?

Command: python -m experiments.all --only default_search
Cost: the column `seconds` of its rows, for each picture.
Rule, written before the first row: at each balance a setting is judged at EQUAL content distance, interpolated along
    the balance, by style_bures (lower), chroma_speckle over the style's own (at most 1.3), ssim (at least that of the
    preset `crowson`), checkerboard and tv; the finalists are then looked at, on six pairs, at 256 and 512 pixels.
Expected: average pooling, replicated borders and a little total variation are the cleanest; a distance between
    Gaussians (w2, covariance) keeps tone and composition best; coarse to fine carries larger forms and loses content.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from experiments.trials import PAIRS, Trial
from nst_jax.presets import find
from nst_jax.recipe import Recipe, plain

BASE: dict[str, Any] = {"style_loss": "gram", "pooling": "avg", "padding": "replicate", "scales": 1, "tv": 0.1}
VARIED: dict[str, tuple[Any, ...]] = {
    "tv": (0.0, 0.3, 1.0),
    "style_loss": ("covariance", "w2", "gram-mean-std", "mean-std", "gram:1+histogram:0.1"),
    "scales": ("auto",),
    "pooling": ("max",),
    "padding": ("zero",),
}
"""One by one from BASE; each round of the search goes on from what was best."""
SIZES = (160, 120, (3.0, 10.0)), (256, 200, (1.0, 3.0, 10.0))
"""Side in pixels, steps and balances."""

PEERS = ("default of 0.1", "crowson", "jcjohnson")

BY = ("size", "style_loss", "pooling", "padding", "scales", "tv")
SHEET = BY, ("balance",)
MEASURES = ("style_bures", "chroma_speckle_ratio", "ssim")


def settings() -> list[dict[str, Any]]:
    """List the settings, BASE first."""
    return [BASE, *({**BASE, name: value} for name, values in VARIED.items() for value in values)]


def recipe(setting: dict[str, Any], size: int, steps: int, balance: float) -> Recipe:
    """Give the recipe of one trial."""
    own = dict(setting)
    if setting["scales"] == "auto":
        own |= {"coarse_steps": steps // 2, "min_scale": 80}
    return plain(units="relative", beta=balance, size=size, steps=steps, precision="tf32", **own)


def trials(sizes: Any = SIZES, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted."""
    for size, steps, balances in sizes:
        for setting in (BASE, *settings()[1:5]):
            yield from of(setting, size, steps, balances, pairs)
        yield from peers(size, steps, pairs)
        for setting in settings()[5:]:
            yield from of(setting, size, steps, balances, pairs)


def of(setting: dict[str, Any], size: int, steps: int, balances: Any, pairs: Any) -> Iterator[Trial]:
    """List what one setting paints."""
    for content, style in pairs:
        for balance in balances:
            columns = {"size": size, "steps_given": steps, **setting, "balance": balance}
            yield Trial(columns, content, style, recipe(setting, size, steps, balance))


def peers(size: int, steps: int, pairs: Any) -> Iterator[Trial]:
    """List what the default of 0.1 and two presets paint, to compare with: no preset of a peer takes fewer steps."""
    before = plain(beta=2e3, steps=steps)
    for name, own in zip(PEERS, (before, find("crowson"), find("jcjohnson")), strict=True):
        for content, style in pairs:
            for factor in (0.1, 1.0):
                made = replace(own, beta=own.beta * factor, size=size, precision="tf32")
                made = made if name == "crowson" else replace(made, steps=steps)
                columns = {"size": size, "steps_given": steps, "style_loss": name, "balance": factor, "tv": own.tv}
                yield Trial(columns, content, style, made)


def shown(trial: Trial) -> bool:
    """Say whether the sheet has a trial: the larger size, at the balance that was chosen and the one below."""
    least = 0.1 if trial.columns["style_loss"] in PEERS else 1.0
    return trial.recipe.size == SIZES[1][0] and trial.columns["balance"] > least
