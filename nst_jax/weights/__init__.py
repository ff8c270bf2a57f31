"""Weights: .h5 file <-> encoder, converters from other people's formats, fetch, verify and normalise."""

from nst_jax.weights.load import cache_dir, find_weights, load_encoder
from nst_jax.weights.store import Weights, read_weights, save_weights

__all__ = ["Weights", "cache_dir", "find_weights", "load_encoder", "read_weights", "save_weights"]
