"""The performance kernels, each with its own derivative. Every function takes one image; batch with `vmap`."""

from nst_jax.ops.conv import Method, Plan, Precision, choose, conv, conv_pool, plan_conv
from nst_jax.ops.gram import ABOUT, GRAM, GRAM_AND_MEAN, MEAN, MOMENTS, SHIFTED_GRAM, SPREAD, gram, total
from nst_jax.ops.margin import inside
from nst_jax.ops.pool import avg_pool, max_pool
from nst_jax.ops.remat import Summaries, can_join, conv_in_bands, conv_joined, late
from nst_jax.ops.shaped import Shape, choose_shaped, conv_shaped
from nst_jax.ops.statistic import FEATURES, NOTHING, Statistic, Summary, count, weighed
from nst_jax.ops.windows import max_windows, mean_windows

__all__ = [
    "ABOUT", "FEATURES", "GRAM", "GRAM_AND_MEAN", "MEAN", "MOMENTS", "NOTHING", "SHIFTED_GRAM", "SPREAD",
    "Method", "Plan", "Precision", "Shape", "Statistic", "Summaries", "Summary", "avg_pool", "can_join", "choose",
    "choose_shaped", "conv", "conv_in_bands", "conv_joined", "conv_pool", "conv_shaped", "count", "gram", "inside",
    "late", "max_pool", "max_windows", "mean_windows", "plan_conv", "total", "weighed",
]  # fmt: skip
