"""Losses as values, one file each: a statistic of a layer, its target, and the distance between the two."""

from typing import get_args

from nst_jax.losses.content import Content
from nst_jax.losses.gram import GramMatrix, Scale
from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.variation import Variation
from nst_jax.losses.w2 import W2
from nst_jax.recipe import ContentLoss, TvLoss

CONTENT: dict[str, Content] = {kind: Content(kind) for kind in get_args(ContentLoss)}
STYLE: dict[str, Loss] = {**{scale: GramMatrix(scale) for scale in get_args(Scale)}, "w2": W2()}
VARIATION: dict[str, Variation] = {kind: Variation(kind) for kind in get_args(TvLoss)}
"""What a recipe's names mean."""

__all__ = ["CONTENT", "STYLE", "VARIATION", "W2", "Content", "GramMatrix", "Loss", "Place", "Variation"]
