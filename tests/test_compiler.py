"""The compiler's options are asked for where they are known, and only there; freed memory is kept."""

import ctypes
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

import nst_jax
from nst_jax import compiler, targets

GLIBC = hasattr(ctypes.CDLL(None), "mallinfo2") if sys.platform == "linux" else False


def test_products_stay_out_of_ynnpack_where_the_compiler_knows_it():
    assert compiler.options() in (compiler.CPU, {})
    product = compiler.late_jit()(lambda v, u: jnp.einsum("ptc,pcd->ptd", v, u)).jitted()
    text = product.lower(jnp.ones((36, 64, 32)), jnp.ones((36, 32, 32))).compile().as_text()
    assert "ynn_fusion" not in text or not compiler.options()


def test_targets_stay_out_of_ynnpack():
    encoder = nst_jax.load_encoder()
    asked = (("content", nst_jax.losses.Content(), ("relu1_2",)),)
    text = targets.whole.jitted().lower(encoder, (jnp.zeros((32, 32, 3)),), asked).compile().as_text()
    assert "ynn_fusion" not in text or not compiler.options()


def test_a_late_function_is_part_of_the_program_around_it():
    # jax takes options for a whole program only
    double = compiler.late_jit(static_argnames="by")(lambda x, *, by: by * x)
    assert float(double(3.0, by=2)) == 6.0
    assert float(jax.jit(lambda x: double(x, by=2) + 1)(3.0)) == 7.0
    assert jax.vmap(lambda x: double(x, by=2))(jnp.arange(3.0)).tolist() == [0.0, 2.0, 4.0]
    assert float(jax.grad(lambda x: double(x, by=2))(3.0)) == 2.0


def test_an_option_that_the_compiler_does_not_know_is_left_out(monkeypatch):
    compiler.options.cache_clear()
    monkeypatch.setattr(compiler, "CPU", {"xla_cpu_no_such_option": ""})
    assert compiler.options() == {}
    compiler.options.cache_clear()


@pytest.mark.parametrize(("platform", "asked"), [("gpu", compiler.GPU), ("tpu", {})])
def test_other_backends_are_asked_for_their_own(monkeypatch, platform, asked):
    compiler.options.cache_clear()
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    assert compiler.options() == asked
    assert compiler.options(once=True) == {}
    compiler.options.cache_clear()


def test_what_a_gpu_is_asked_for_is_left_out_where_it_is_unknown(monkeypatch):
    compiler.options.cache_clear()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(compiler, "GPU", {"xla_gpu_enable_command_buffer": "FUSION,NO_SUCH_COMMAND"})
    assert compiler.options() == {}
    compiler.options.cache_clear()


MAPPED_BLOCKS = """
import ctypes, numpy as np
from nst_jax import compiler

libc = ctypes.CDLL(None)
class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]
libc.mallinfo2.restype = Info

def mapped() -> int:
    before = libc.mallinfo2().hblks
    held.append(np.empty(30 * 2**20, np.uint8))
    return libc.mallinfo2().hblks - before

held = []
first = mapped()
compiler.options()
print(first, mapped())
"""


@pytest.mark.skipif(not GLIBC, reason="another C library than glibc, or one before 2.33")
def test_large_blocks_come_from_memory_that_is_kept():
    # In a process of its own: what earlier tests freed has moved glibc's thresholds.
    run = subprocess.run([sys.executable, "-c", MAPPED_BLOCKS], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["1", "0"]
