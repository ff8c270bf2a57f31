"""Is VGG more well suited to style transfer than Inception, everything else equal? And why?

Command: python -m experiments.all --only vgg_or_inception
Cost: the column `seconds` of its rows, for each picture.

The rule, written and committed before the first result (the column `commit` of every row is a descendant of it):

The claim "VGG is better suited" HOLDS if, at equal content distance (interpolated along the balance, over the range
that both networks reach), VGG16's pictures are nearer to the style than Inception V3's in at least 5 of 6 pairs by EACH
of three judges that neither network optimises: VGG16's held-out layers, Inception V3's held-out layers, and the
distance of oriented filters' responses, which knows no network; and if their checkerboard energy is not the larger one.
It FAILS if it is so in at most 2 of 6 pairs by at least two of the three. Anything else is MIXED, and is said as it is.
It holds of a network "as it is used" (Gram matrices, pixels) or "at its best" (the best statistic and canvas of each
network by the mean of the three judges' ranks).

Which explanation is right, by what it predicts:
- size of the network or of its layers: random VGG16 beats random Inception V3 by as much as the trained do;
- early stride: what Inception lacks is fine texture alone (spectrum slope off, oriented filters at the finest scale),
  with either statistic and canvas;
- gradients in a checkerboard: pixels show checkerboard energy that a Fourier canvas with transforms removes, and then
  the distance to VGG16 closes;
- peaky maps: smoothing features by a softmax closes it, and a mere re-weighting by a constant does not;
- ours, offsets of batch norm: Inception's and random networks' Gram matrices are nearly of rank one, so centring them
  (covariance + mean) helps those by more than half of the gap, and VGG16 hardly.

What would overturn an answer: other weights (the Inception here was fine-tuned on drawings and photographs and is
quantised to 8 bits, see weights/README.md), larger pictures, other layers than each network's defaults.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments import common, figures
from experiments.trials import PAIRS, Trial, square
from nst_jax import images
from nst_jax.pages.plots import HUES
from nst_jax.recipe import plain

TRAINED = ("vgg16", "inception_v3")
RANDOM = ("random:vgg16:0", "random:inception_v3:0")
STATISTICS = ("gram", "covariance")
BALANCES = (0.3, 1.0, 3.0, 10.0)
SEEDS = (0, 1, 2)

BY = ("network", "statistic", "canvas", "smoothing", "init")
"""The columns of an arm."""
VGG, INCEPTION = ({"network": name, "statistic": "gram"} for name in TRAINED)
CENTRED, FOURIER = {"statistic": "covariance"}, {"canvas": "fourier"}
COMPARED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "VGG16 over Inception, as they are used": (VGG, INCEPTION),
    "VGG16 over Inception, both centred": (VGG | CENTRED, INCEPTION | CENTRED),
    "VGG16 over Inception on a Fourier canvas": (VGG, INCEPTION | FOURIER),
    "VGG16 over Inception, centred, on a Fourier canvas": (VGG, INCEPTION | CENTRED | FOURIER),
    "random VGG16 over random Inception, both centred": (
        CENTRED | {"network": RANDOM[0]},
        CENTRED | {"network": RANDOM[1]},
    ),
    "VGG16: trained over random": (VGG, VGG | {"network": RANDOM[0]}),
    "Inception: trained over random": (INCEPTION, INCEPTION | {"network": RANDOM[1]}),
    "Inception: centred over not": (INCEPTION | CENTRED, INCEPTION),
    "VGG16: centred over not": (VGG | CENTRED, VGG),
    "Inception: Fourier canvas over pixels": (INCEPTION | FOURIER, INCEPTION),
    "VGG16: Fourier canvas over pixels": (VGG | FOURIER, VGG),
    "Inception: softmax over features as they are": (INCEPTION | {"smoothing": "softmax"}, INCEPTION),
    "Inception: constant over features as they are": (INCEPTION | {"smoothing": "constant"}, INCEPTION),
}
"""Arms that the figure compares, the first with the second."""
SEEN = {"VGG16": VGG, "Inception": INCEPTION, "Inception, Fourier": INCEPTION | FOURIER}
"""Arms of the sheet."""


def trials(size: int = 256, steps: int = 200, pairs: Any = PAIRS) -> Iterator[Trial]:
    """List what is painted: not the full product."""

    def one(pair: tuple[str, str], network: str, statistic: str, balance: float, **settings: Any) -> Trial:
        recipe = plain(
            weights=network, style_loss=statistic, units="relative", beta=balance, size=size, steps=steps,
            precision="tf32", **settings,
        )  # fmt: skip
        how = {"canvas": "pixels", "smoothing": "none", "init": "content", "seed": 0} | {
            key: value for key, value in settings.items() if key in ("canvas", "smoothing", "init", "seed")
        }
        columns = {"network": network, "statistic": statistic, **how, "balance": balance}
        return Trial(columns, *pair, recipe, also=("inception_v3",))

    fourier = {"canvas": "fourier", "transforms": True, "optimizer": "adam", "lr": 0.05, "ema": 0.95}
    arms: list[tuple[str, str, dict[str, Any]]] = []
    arms += [(network, statistic, {}) for network in (*TRAINED, *RANDOM) for statistic in STATISTICS]
    arms += [(network, statistic, fourier) for network in TRAINED for statistic in STATISTICS]
    side: list[tuple[str, str, dict[str, Any]]] = [(network, "w2", {}) for network in TRAINED]
    side += [(network, "gram", {"smoothing": how}) for network in TRAINED for how in ("softmax", "constant")]
    for network, statistic, settings in (*arms, *side):
        for pair in pairs if (network, statistic, settings) in arms else pairs[:3]:
            for balance in BALANCES:
                yield one(pair, network, statistic, balance, **settings)
    for network in TRAINED:
        for seed in SEEDS:
            for balance in BALANCES:
                yield one(pairs[0], network, "gram", balance, init="noise", seed=seed)


JUDGES = ("style_bures", "inception_v3.style_bures", "filters_distance")
"""Both networks' held-out layers, and what knows no network; of each the nearer is the lower."""
MEASURES = (*JUDGES, "checkerboard")


def of(rows: Any, pair: tuple[str, str], arm: dict[str, str]) -> list[dict[str, Any]]:
    """Keep the rows of a pair and an arm, which the columns that it has say."""
    usual = {"canvas": "pixels", "smoothing": "none", "init": "content", **arm}
    own = [row for row in rows if (row["content"], row["style"]) == pair]
    return [row for row in own if all(row[key] == usual[key] for key in BY)]


def beside(rows: Any, one: dict[str, str], other: dict[str, str]) -> list[dict[str, Any]]:
    """Compare two arms at equal content distance: a row for each pair, each judge's ratio of both.

    `one` and `other` say the columns of an arm. Where their content distances do not overlap the ratio is nan.
    """
    found = []
    for pair in dict.fromkeys((row["content"], row["style"]) for row in rows):
        arms = [of(rows, pair, arm) for arm in (one, other)]
        if not all(arms):
            continue
        distance = figures.level(arms)
        first, second = ({m: figures.at(arm, m, distance) for m in MEASURES} for arm in arms)
        ratios = {measure: first[measure] / second[measure] for measure in first}
        found.append({"content": pair[0], "style": pair[1], "content_distance": distance, **ratios})
    return found


def verdict(pairs: list[dict[str, Any]]) -> str:
    """Apply the rule to the rows of `beside`: HOLDS, FAILS, MIXED, or that pairs are missing."""
    known = _overlapping(pairs)
    if len(known) < 6:
        return f"OPEN: {len(known)} of 6 pairs compare"
    won = {judge: sum(row[judge] < 1 for row in known) for judge in JUDGES}
    smooth = sum(row["checkerboard"] <= 1 for row in known) >= 3
    if min(won.values()) >= 5 and smooth:
        return "HOLDS"
    return "FAILS" if sorted(won.values())[1] <= 2 else "MIXED"


def figure(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw each comparison's ratios, a dot for each pair whose content distances overlap."""
    found = {name: beside(rows, *arms) for name, arms in COMPARED.items()}
    found = {name: known for name, pairs in found.items() if (known := _overlapping(pairs))}
    made = common.figure(9, 0.3 * len(found) + 1.2)
    panels = made.subplots(1, len(MEASURES), sharey=True, squeeze=False)[0]
    for panel, judge in zip(panels, MEASURES, strict=True):
        for place, pairs in enumerate(found.values()):
            values = [row[judge] for row in pairs]
            panel.plot(values, [place] * len(values), "o", ms=3.5, alpha=0.6, color=HUES[place % len(HUES)])
            panel.text(1.02, place, f"{sum(v < 1 for v in values)}/{len(values)}", fontsize=6, va="center",
                       transform=panel.get_yaxis_transform())  # fmt: skip
        panel.axvline(1, color="0.7", lw=0.8, zorder=0)
        figures.logarithmic(panel, (1,) if judge == "checkerboard" else (1, 2, 5))
        panel.tick_params(labelsize=7)
        panel.set_title(judge.replace(".", "\n"), fontsize=8)
    panels[0].set_yticks(range(len(found)), list(found))
    panels[0].invert_yaxis()
    said = "ratios at equal content distance, a dot a pair; below 1 the first is nearer, in so many of the pairs"
    common.save(path, made, f"{said}\n{common.devices(rows)}", device=False)


def _overlapping(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in pairs if row["content_distance"] == row["content_distance"]]


def sheet(path: Path, wanted: list[Trial], rows: list[dict[str, Any]], pictures: Path) -> None:
    """Show the arms of SEEN at equal content distance, in another order for each pair; the last line says in which."""
    there = {trial.name for trial in wanted if (pictures / f"{trial.name}.png").exists()}
    rows = [row for row in rows if row["trial"] in there]
    lines, key = [], []
    for number, pair in enumerate(dict.fromkeys((row["content"], row["style"]) for row in rows)):
        arms = {name: own for name, arm in SEEN.items() if (own := of(rows, pair, arm))}
        if len(arms) < len(SEEN) or (distance := figures.level(list(arms.values()))) != distance:
            continue
        order = np.random.default_rng(number).permutation(list(arms)).tolist()
        nearest = [min(arms[name], key=lambda row: abs(np.log(row["content_distance"] / distance))) for name in order]
        lines.append([*pair, *(row["trial"] for row in nearest)])
        key.append(f"{number + 1}: {', '.join(f'{letter} {name}' for letter, name in zip('ABC', order, strict=True))}")
    if not lines:
        return
    made = common.figure(8, 1.6 * len(lines) + 0.6)
    panels = made.subplots(len(lines), len(SEEN) + 2, squeeze=False)
    for number, (row, line) in enumerate(zip(panels, lines, strict=True)):
        for place, (panel, name) in enumerate(zip(row, line, strict=True)):
            common.show(panel, square(name, 256) if place < 2 else images.read(pictures / f"{name}.png").rgb)
            panel.set_title(name if place < 2 else f"{number + 1} {'ABC'[place - 2]}", fontsize=7, pad=2)
    said = "at the balance whose content distance is nearest to the middle of what all three reach"
    common.save(path, made, "\n".join([said, *key]), device=False)
