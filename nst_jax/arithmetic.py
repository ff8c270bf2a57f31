"""Single precision, whatever jax is configured to: the doors of every computation stand in here."""

import contextlib
import importlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def in_float32() -> Iterator[None]:
    """Trace a function, which this decorates, in 32 bits and with types that promote.

    JAX_ENABLE_X64 and a strict JAX_NUMPY_DTYPE_PROMOTION are other libraries' needs. Pictures, weights and numbers are
    float32 here, and what optax, a loss of one's own or `jnp.arange` makes without saying a type has to fit them: the
    same picture comes out, bit for bit.
    """
    # Before JAX 0.8 the switch was an experiment.
    home = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    with home.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        yield
