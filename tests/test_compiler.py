"""The compiler's options are asked for where they are known, and only there."""

import jax
import jax.numpy as jnp

from nst_jax import compiler


def test_products_stay_out_of_ynnpack_where_the_compiler_knows_it():
    assert compiler.options() in (compiler.CPU, {})
    product = compiler.late_jit(lambda v, u: jnp.einsum("ptc,pcd->ptd", v, u))()
    text = product.lower(jnp.ones((36, 64, 32)), jnp.ones((36, 32, 32))).compile().as_text()
    assert "ynn_fusion" not in text or not compiler.options()


def test_an_option_that_the_compiler_does_not_know_is_left_out(monkeypatch):
    compiler.options.cache_clear()
    monkeypatch.setattr(compiler, "CPU", {"xla_cpu_no_such_option": ""})
    assert compiler.options() == {}
    compiler.options.cache_clear()


def test_nothing_is_asked_of_other_backends(monkeypatch):
    compiler.options.cache_clear()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler.options() == {}
    compiler.options.cache_clear()
