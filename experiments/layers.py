"""Do early layers carry fine texture and deep ones the larger structure, and are many layers together best?

Command: python -m experiments.all --only layers
Cost: the column `seconds` of its rows, for each picture.
As Gatys et al. (2015), Fig. 3, the sets grow from relu1_1 to all five, over ratios of style to content; each layer
alone beside them. Relative units, in which every layer counts; all five in the paper's too.
Expected: higher layers alone give longer strokes and, where nothing holds the fine scale, high-frequency noise; of sets
    at equal content distance the one of all five is the nearest to the style at layers that none optimises.
"""

from collections.abc import Iterator
from typing import Any

from experiments.trials import PAIRS, Trial
from nst_jax.recipe import STYLE_LAYERS, Units, plain

SETS = {
    **{f"to {STYLE_LAYERS[i]}": STYLE_LAYERS[: i + 1] for i in range(5)},
    **{f"{layer} alone": (layer,) for layer in STYLE_LAYERS[1:]},
}
BALANCES = (1.0, 10.0)
RATIOS = (1e2, 1e3, 1e4, 1e5)
IN_UNITS: dict[Units, tuple[float, ...]] = {"relative": BALANCES, "paper": RATIOS}

BY = ("layers", "units")
SHEET = BY, ("balance",)
MEASURES = ("style_bures", "filters_distance", "spectrum_gap")


def trials(size: int = 256, steps: int = 300, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted: every set in relative units, all five layers in the paper's too."""
    for name, layers in SETS.items():
        for units, balances in IN_UNITS.items():
            if units == "paper" and layers != STYLE_LAYERS:
                continue
            for content, style in pairs:
                for balance in balances:
                    recipe = plain(
                        units=units,
                        beta=balance,
                        style_layers=layers,
                        size=size,
                        steps=steps,
                    )
                    yield Trial({"layers": name, "units": units, "balance": balance}, content, style, recipe)
