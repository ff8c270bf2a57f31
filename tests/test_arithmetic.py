"""Single precision, whatever jax is configured to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest
import strict_types
from run_files import narrow_weights

from nst_jax.arithmetic import in_float32

STRICT = {"JAX_ENABLE_X64": "1", "JAX_NUMPY_DTYPE_PROMOTION": "strict"}


@pytest.mark.parametrize("names", [["lbfgs"], pytest.param(["adam", "zoom", "more"], marks=pytest.mark.slow)], ids=str)
def test_other_types_of_jax_make_the_same_pictures(tmp_path, names) -> None:
    _, weights = narrow_weights(tmp_path)
    here = {"PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parents[1], Path(__file__).parent)))}
    words = [sys.executable, strict_types.__file__, weights, *names]
    ended = subprocess.run(words, env=os.environ | here | STRICT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == strict_types.numbers(weights, names)


def test_what_says_no_type_is_float32_within() -> None:
    @in_float32()
    def made() -> list[str]:
        return [str(x.dtype) for x in (jnp.zeros(3) + jnp.arange(3), jnp.arange(3) + (jnp.arange(3) > 1))]

    assert made() == ["float32", "int32"]
