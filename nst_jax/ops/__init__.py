"""The performance kernels, each with its own derivative. Every function takes one image; batch with `vmap`."""

from nst_jax.ops.conv import Method, Plan, Precision, choose, conv, conv_pool, plan_conv
from nst_jax.ops.gram import GRAM, MOMENTS, gram
from nst_jax.ops.margin import inside
from nst_jax.ops.pool import avg_pool, max_pool
from nst_jax.ops.remat import Summaries, can_join, conv_in_bands, conv_joined, late
from nst_jax.ops.statistic import FEATURES, Statistic, Summary, count, weighed

__all__ = [
    "FEATURES", "GRAM", "MOMENTS", "Method", "Plan", "Precision", "Statistic", "Summaries", "Summary", "avg_pool",
    "can_join", "choose", "conv", "conv_in_bands", "conv_joined", "conv_pool", "count", "gram", "inside", "late",
    "max_pool", "plan_conv", "weighed",
]  # fmt: skip
