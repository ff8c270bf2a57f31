"""The names of a problem's numbers: what a recipe calls them, and the path to every other leaf."""

import functools
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import jax
import numpy as np

from nst_jax.errors import UserError
from nst_jax.problem import Problem

ALIASES = {
    "alpha": "terms.content.weight",
    "beta": "terms.style.weight",
    "tv": "terms.variation.weight",
    "layer_weights": "terms.style.layer_weights",
    "style_shares": "style_shares",
    "mmd_c": "terms.style.numbers.c",
    "lr": "descent.lr",
    "ema": "descent.ema",
    "noise": "noise",
    "seed": "seed",
    "steps": "steps",
}
"""A recipe's name of a number -> its path. `layer_weights.relu4_1` is one entry of a path that has several."""

WHOLE = {"seed": 2**32 - 1, "steps": 2**31 - 2}
"""Numbers that are whole, and the most they can be."""


PARTS = {"style_loss": "terms.style.numbers", "content_loss": "terms.content.numbers"}
"""Where the weights of several losses stand: `style_loss.gram` is one of them."""


def path(name: str) -> str:
    """Give the path to a number that is called by its path or by its name."""
    head, dot, rest = name.partition(".")
    if rest and head in PARTS:
        return f"{PARTS[head]}.{rest}"
    return ALIASES.get(head, head) + dot + rest


def called(name: str) -> str:
    """Give the one name of a number: a recipe's where it has one, else its path."""
    whole = path(name)
    for alias, place in (*ALIASES.items(), *PARTS.items()):
        if whole == place or whole.startswith(f"{place}."):
            return alias + whole.removeprefix(place)
    return whole


def read(problem: Problem, name: str) -> Any:
    """Give a number, or the mapping of several.

    Raises:
        UserError: the problem has no such number.
    """
    found = _find(problem, name)
    if found is None:
        raise UserError(_absent(problem, name))
    return found


def absent(problem: Problem, name: str) -> bool:
    """Tell whether the problem has no such number."""
    return _find(problem, name) is None


def _find(problem: Problem, name: str) -> Any:
    found: Any = problem
    for part in path(name).split("."):
        if part not in _parts(found):
            return None
        found = found[part] if isinstance(found, Mapping) else getattr(found, part)
    if isinstance(found, Mapping):
        return found if all(np.ndim(x) == 0 and not is_dataclass(x) for x in found.values()) else None
    is_number = isinstance(found, int | float | np.generic | jax.Array | np.ndarray) and np.ndim(found) == 0
    return found if is_number else None


def vary(problem: Problem, **settings: Any) -> Problem:
    """Replace numbers of a problem by name or path; everything else stays the same array.

    vary(problem, beta=1e4); vary(problem, **{"layer_weights.relu4_1": 0.1, "terms.mine.weight": 3})

    A whole `layer_weights` is a mapping, or a sequence in the order of the problem's style layers.

    Raises:
        UserError: a name that the problem does not have, or a value that it cannot have.
    """
    for name, value in settings.items():
        old = read(problem, name)
        if isinstance(old, Mapping):
            if not old:
                raise UserError(_absent(problem, name))
            for layer, one in _entries(name, tuple(old), value).items():
                problem = _put(problem, path(f"{name}.{layer}").split("."), number(f"{name}.{layer}", one))
        else:
            problem = _put(problem, path(name).split("."), number(name, value))
    if problem.style_shares and not sum(map(float, problem.style_shares.values())) > 0:
        raise UserError("style_shares are all 0: give at least one style a share above 0")
    return problem


def number(name: str, value: Any) -> Any:
    """Give a leaf: one and the same for equal values, so that lanes share it.

    NumPy scalars have a dtype of their own, so that a second value makes no second trace; and lanes are stacked on the
    host, a thousand at a time.

    Raises:
        UserError: not a number, or one that the problem cannot have.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise UserError(f"{name} is {value!r}: expected a number") from None
    most = {"noise": 1.0, "ema": math.nextafter(1, 0), **WHOLE}.get(name, math.inf)
    if not (math.isfinite(found) and 0 <= found <= most) or (name == "lr" and found == 0):
        least = "above 0" if name == "lr" else "of at least 0"
        raise UserError(
            f"{name} is {found:g}: expected a finite number {least}" + f", at most {most:g}" * (most < math.inf)
        )
    if name in WHOLE and not found.is_integer():
        raise UserError(f"{name} is {found:g}: expected a whole number")
    return leaf(found, {"seed": "uint32", "steps": "int32"}.get(name, "float32"))


@functools.lru_cache(maxsize=100_000)
def leaf(value: float, dtype: str = "float32") -> Any:
    """Give a number as a NumPy scalar, one object for equal ones."""
    return np.dtype(dtype).type(value)


def idle(problem: Problem, name: str) -> str:
    """Say why a number has no effect on this problem; nothing if it has one."""
    draws = any(term.loss.at(layer).renews for term in problem.terms.values() for layer in term.targets)
    if name == "seed" and not float(problem.noise) and problem.views is None and not draws:
        return "the start has no noise: use a start with noise, such as init noise or blend:0.3"
    return ""


def _parts(found: Any) -> tuple[str, ...]:
    if isinstance(found, Mapping):
        return tuple(found)
    return tuple(f.name for f in fields(found)) if is_dataclass(found) else ()


def _put(tree: Any, parts: list[str], value: Any) -> Any:
    if not parts:
        return value
    first, *rest = parts
    if isinstance(tree, Mapping):
        return {**tree, first: _put(tree[first], rest, value)}
    return replace(tree, **{first: _put(getattr(tree, first), rest, value)})


def _entries(name: str, known: tuple[str, ...], value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        if np.ndim(value) != 1 or len(value) != len(known):
            raise UserError(f"{name} is {value}: expected {len(known)} numbers, one for each of {', '.join(known)}")
        value = dict(zip(known, value, strict=True))
    if unknown := set(value) - set(known):
        if name == "style_shares":
            raise UserError(f"there is no style '{min(map(str, unknown))}': use {', '.join(known)}")
        raise UserError(f"layer '{min(unknown)}' is no style layer of the problem: use {', '.join(known)}")
    return value


def _absent(problem: Problem, name: str) -> str:
    kind = type(problem.descent).__name__
    if path(name).split(".")[0] == "descent":
        return f"{name} is no number of the problem's descent, {kind}: it belongs to {_owner(name)}"
    known = [alias for alias in ALIASES if _find(problem, alias) is not None]
    layers = [f"layer_weights.{layer}" for layer in _find(problem, "layer_weights") or ()]
    others = [f"terms.{term}.weight" for term in problem.terms if f"terms.{term}.weight" not in ALIASES.values()]
    return f"'{name}' is no number of the problem: use {', '.join([*known, *layers, *others])}"


def _owner(name: str) -> str:
    return "Adam" if name in ("lr", "ema") else "a descent that has it"
