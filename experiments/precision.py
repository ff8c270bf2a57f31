"""What does a lower precision cost in the picture?

Command: python -m experiments.all --only precision
Cost: the column `seconds` of its rows, for each picture.
Expected: TensorFloat-32 and bfloat16 end within the spread of seeds of noise, by every measure.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments import figures
from experiments.trials import PAIRS, Trial
from nst_jax.recipe import Precision, plain

PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")
SEEDS = (0, 1)

BY = ("precision",)
SHEET = BY, ("init", "seed")
MEASURES = ("content_distance", "ssim", "style_bures", "chroma_speckle")
COMPARED = ("loss", *MEASURES)


def trials(size: int = 256, steps: int = 500, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted: from the content, and from seeds of noise, whose spread is the yardstick."""
    for precision in PRECISIONS:
        for content, style in pairs:
            for init, seed in (("content", 0), *(("noise", seed) for seed in SEEDS)):
                recipe = plain(
                    units="relative",
                    beta=3.0,
                    init=init,
                    seed=seed,
                    size=size,
                    steps=steps,
                    precision=precision,
                )
                yield Trial({"precision": precision, "init": init, "seed": seed}, content, style, recipe)


def ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each measure over that of float32 from the same start; and of one seed of noise over the other's."""

    def of(precision: str, pair: tuple[str, str], start: tuple[str, int]) -> dict[str, Any] | None:
        found = precision, *pair, *start
        columns = ("precision", "content", "style", "init", "seed")
        return next((row for row in rows if tuple(row[key] for key in columns) == found), None)

    starts: list[tuple[str, int]] = [("content", 0), *(("noise", seed) for seed in SEEDS)]
    wanted = [
        (f"{precision}, from {'the content' if init == 'content' else init}", precision, (init, seed), (init, seed))
        for precision in PRECISIONS[1:]
        for init, seed in starts
    ]
    wanted.append(("float32, another seed of noise", "float32", ("noise", SEEDS[1]), ("noise", SEEDS[0])))
    out = []
    for said, precision, start, base in wanted:
        for pair in PAIRS[:3]:
            one, other = of(precision, pair, start), of("float32", pair, base)
            if one and other:
                out.append({**one, "compared": said, **{key: one[key] / other[key] for key in COMPARED}})
    return out


def figure(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw the ratios, a dot for each pair and start."""
    figures.dots(path, ratios(rows), ("compared",), COMPARED)
