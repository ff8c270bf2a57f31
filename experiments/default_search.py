"""Which settings give the picture that an artist would choose, from the photograph to the painting?

Command: python -m experiments.default_search
Cost: see the rows' seconds; on a GPU --workers 12.
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
from nst_jax.recipe import Recipe

BASE: dict[str, Any] = {"style_loss": "gram", "pooling": "avg", "padding": "replicate", "scales": 1}
LOSSES = ("gram", "covariance", "gram-mean-std", "w2", "mean-std", "gram:1+histogram:0.1")
VARIED: dict[str, tuple[Any, ...]] = {
    "style_loss": LOSSES,
    "pooling": ("max", "avg"),
    "padding": ("zero", "replicate"),
    "scales": (1, "auto"),
}
"""One by one from BASE, and these together as well: pooling and scales for each of the first three losses."""
BALANCES, TVS = (1.0, 3.0, 10.0), (0.0, 0.3)
STEPS = 200


def settings() -> list[dict[str, Any]]:
    """List the settings that need a program each."""
    found = [{**BASE, name: value} for name, values in VARIED.items() for value in values]
    for loss in LOSSES[:3]:
        found += [{**BASE, "style_loss": loss, "pooling": p, "scales": s} for p in ("max", "avg") for s in (1, "auto")]
    return [dict(x) for x in dict.fromkeys(tuple(setting.items()) for setting in found)]


def recipe(setting: dict[str, Any], size: int, steps: int, balance: float, tv: float) -> Recipe:
    """Give the recipe of one trial."""
    scales = {"coarse_steps": steps // 2, "min_scale": 128} if setting["scales"] == "auto" else {}
    return Recipe(units="relative", beta=balance, tv=tv, size=size, steps=steps, precision="tf32", **setting, **scales)


def trials(size: int = 256, steps: int = STEPS, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted."""
    for setting in settings():
        for content, style in pairs:
            for balance in BALANCES:
                for tv in TVS:
                    columns = {"size": size, **setting, "balance": balance, "tv": tv}
                    yield Trial(columns, content, style, recipe(setting, size, steps, balance, tv))
    yield from peers(size, pairs)


def peers(size: int, pairs: Any) -> Iterator[Trial]:
    """List what the default of 0.1 and two presets paint, to compare with."""
    before = Recipe(beta=2e3, units="paper", style_loss="gram", content_loss="half-sum", steps=500)
    for name, own in (("0.1", before), ("crowson", find("crowson")), ("jcjohnson", find("jcjohnson"))):
        for content, style in pairs:
            for factor in (0.1, 1.0, 10.0):
                made = replace(own, beta=own.beta * factor, size=size, precision="tf32")
                columns = {"size": size, "style_loss": name, "balance": factor, "tv": own.tv}
                yield Trial(columns, content, style, made)
