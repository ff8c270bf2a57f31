"""What does each change of Novak and Nikulin (2016) to the paper bring?

Command: python -m experiments.all --only novak
Cost: the column `seconds` of its rows, for each picture.
Expected: shifted activations change most, as they say; more layers and geometric weights keep finer detail; correlating
    neighbouring layers ties strokes to shapes.
"""

from collections.abc import Iterator
from typing import Any

from experiments.trials import PAIRS, Trial
from nst_jax.recipe import STYLE_LAYERS, plain

MORE = (
    "relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3", "relu4_1", "relu4_2", "relu4_3",
    "relu5_1",
)  # fmt: skip
ARMS: dict[str, dict[str, Any]] = {
    "the paper": {},
    "shifted activations": {"style_loss": "shifted"},
    "more layers": {"style_layers": MORE},
    "geometric weights": {"layer_weights": tuple(2.0 ** (4 - i) for i in range(5))},
    "neighbouring layers": {"style_loss": "cross-layer"},
    "all of them": {
        "style_loss": "shifted:1+cross-layer:1",
        "style_layers": MORE,
        "layer_weights": tuple(2.0 ** (10 - i) for i in range(11)),
    },
    "average pooling": {"pooling": "avg"},
}
BALANCES = (3.0, 10.0)

BY = ("arm",)
SHEET = BY, ("balance",)
MEASURES = ("style_bures", "filters_distance", "local_patterns")


def trials(size: int = 256, steps: int = 300, pairs: Any = PAIRS[:3]) -> Iterator[Trial]:
    """List what is painted."""
    assert len(STYLE_LAYERS) == 5
    for name, settings in ARMS.items():
        for content, style in pairs:
            for balance in BALANCES:
                recipe = plain(units="relative", beta=balance, size=size, steps=steps, **settings)
                yield Trial({"arm": name, "balance": balance}, content, style, recipe)
