"""The performance kernels, each with its own derivative. Every function takes one image; batch with `vmap`."""

from nst_jax.ops.conv import Method, Plan, Precision, choose, conv, conv_pool, plan_conv
from nst_jax.ops.gram import GRAM, Summary, gram
from nst_jax.ops.margin import inside
from nst_jax.ops.pool import avg_pool, max_pool
from nst_jax.ops.remat import conv_in_bands, late

__all__ = [
    "GRAM", "Method", "Plan", "Precision", "Summary", "avg_pool", "choose", "conv", "conv_in_bands", "conv_pool",
    "gram", "inside", "late", "max_pool", "plan_conv",
]  # fmt: skip
