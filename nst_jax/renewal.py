"""Objectives that change as a run goes on: directions drawn anew, neighbours sought anew, between compiled pieces."""

import math
import zlib
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.losses import Loss
from nst_jax.networks import Encoder, features
from nst_jax.problem import Problem, Term, at_place, read

Renewed = dict[str, dict[str, Any]]
"""By term and layer, what losses made of the picture as it stood, or drew."""


def period(problem: Problem) -> int:
    """Give the steps after which some loss is renewed; 0 where the objective stays what it is once begun."""
    found = [_period(problem, term.loss.at(layer)) for term in problem.terms.values() for layer in term.targets]
    return math.gcd(*found) if found else 0


def _period(problem: Problem, loss: Loss) -> int:
    # A descent that remembers takes differences of gradients of one function; new draws would spoil them for little.
    return 0 if loss.drawn and problem.descent.remembers else loss.period


def renews(problem: Problem) -> bool:
    """Tell whether any loss has something to renew."""
    return bool(_renewing(problem))


def _renewing(problem: Problem) -> list[tuple[str, Term, str, Loss]]:
    terms = problem.terms.items()
    all_of_them = [(name, term, layer, term.loss.at(layer)) for name, term in terms for layer in term.targets]
    return [(name, term, layer, loss) for name, term, layer, loss in all_of_them if loss.renews]


def blank(problem: Problem) -> Renewed:
    """Give arrays of the shapes that renewing makes."""
    image = jax.ShapeDtypeStruct(problem.init.shape, jnp.float32)
    made: Renewed = {}
    for name, term, layer, loss in _renewing(problem):
        names = loss.reads(layer, problem.network.by_depth(term.targets))
        layers = {name: problem.network.layer(name) for name in names}
        shapes: Any = {
            name: jax.ShapeDtypeStruct((*x.positions(image.shape[:2]), x.channels), jnp.float32)
            for name, x in layers.items()
        }
        found = read(loss, layer, problem.network.by_depth(term.targets), shapes)
        one = jax.eval_shape(partial(_renewed, problem, name, term, layer, loss), jnp.int32(0), found)
        made.setdefault(name, {})[layer] = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), one)
    return made


def renewed(encoder: Encoder, problem: Problem, image: Any, step: jax.Array) -> Renewed:
    """Make the arrays of every loss that renews, for a picture (h, w, 3) at a step."""
    rows = _renewing(problem)
    layers = {name: problem.network.by_depth(term.targets) for name, term, _, _ in rows}
    looked = [x for name, _, layer, loss in rows if loss.looks for x in loss.reads(layer, layers[name])]
    seen = {}
    if looked:
        encoder = replace(encoder, network=problem.network)
        seen = features(encoder, image, tuple(dict.fromkeys(looked)))
    made: Renewed = {}
    for name, term, layer, loss in rows:
        found = read(loss, layer, layers[name], seen) if loss.looks else None
        made.setdefault(name, {})[layer] = _renewed(problem, name, term, layer, loss, step, found)
    return made


def _renewed(problem: Problem, name: str, term: Term, layer: str, loss: Loss, step: jax.Array, found: Any) -> Any:
    key = jax.random.fold_in(jax.random.key(problem.seed), step)
    key = jax.random.fold_in(key, zlib.crc32(f"{name}/{layer}".encode()))
    at = at_place(problem, term, layer, problem.init)
    return loss.renewed(found, term.targets[layer], key, at)


def with_renewed(problem: Problem, made: Renewed) -> Problem:
    """Put renewed arrays in their terms."""
    terms = {name: replace(term, renewed=made[name]) if name in made else term for name, term in problem.terms.items()}
    return replace(problem, terms=terms)
