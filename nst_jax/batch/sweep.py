"""Many problems that share what they have in common: the axes of a sweep and the lanes they span."""

import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.axis import Axis, at
from nst_jax.errors import UserError
from nst_jax.problem import Problem, strong

NUMBERS = ("alpha", "beta", "tv", "lr", "noise", "seed", "layer_weights")
"""The leaves of a problem that can be an axis; `layer_weights.relu4_1` is one entry of the last."""


@dataclass(frozen=True)
class Sweep:
    """Problems to solve together. A leaf that lanes share is one and the same array, held once.

    Attributes:
        problems: one a lane.
        axes: what varies, the slowest first.
        index: the place of each lane on each axis.
        coarse: each lane's problems at the scales before the last, coarsest first; nothing where there are none.
    """

    problems: tuple[Problem, ...]
    axes: tuple[Axis, ...]
    index: tuple[tuple[int, ...], ...]
    coarse: tuple[tuple[Problem, ...], ...] = ()

    def __len__(self) -> int:
        """Count the lanes."""
        return len(self.problems)

    def settings(self, lane: int) -> dict[str, Any]:
        """Give what varies in one lane: `{"beta": 100.0, "seed": 3}`."""
        return at(self.axes, self.index[lane])

    def scales(self, lane: int) -> tuple[Problem, ...]:
        """Give the problems of one lane, from coarse to fine."""
        return (*(self.coarse[lane] if self.coarse else ()), self.problems[lane])


def grid(problem: Problem | Sweep, **axes: Any) -> Sweep:
    """Span every combination of the axes, the last one fastest, over a problem or over each lane of a sweep.

    grid(problem, beta=jnp.logspace(2, 6, 9), seed=range(4)) has 36 lanes;
    grid(problem, **{"layer_weights.relu4_1": [0.0, 0.2]}) varies one layer's weight; a whole `layer_weights` is a list
    of mappings, or of sequences in the order of the problem's style layers.

    Raises:
        UserError: an unknown name, no values, or a value that no recipe may have.
    """
    sweep = problem if isinstance(problem, Sweep) else Sweep((strong(problem),), (), ((),))
    for name, values in axes.items():
        sweep = _multiply(sweep, Axis((name,), tuple((v,) for v in _values(name, values))))
    return sweep


def zipped(problem: Problem | Sweep, **axes: Any) -> Sweep:
    """Move several numbers together, as one axis: zipped(problem, alpha=[1, 2], beta=[10, 20]) has two lanes.

    Raises:
        UserError: as `grid`, or lists of different lengths.
    """
    sweep = problem if isinstance(problem, Sweep) else Sweep((strong(problem),), (), ((),))
    columns = {name: _values(name, values) for name, values in axes.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise UserError(f"axes that move together need equally many values: {found or 'there are none'}")
    return _multiply(sweep, Axis(tuple(columns), tuple(zip(*columns.values(), strict=True))))


def _multiply(sweep: Sweep, axis: Axis) -> Sweep:
    if taken := {name for a in sweep.axes for name in a.names} & set(axis.names):
        raise UserError(f"{', '.join(sorted(taken))} is an axis already: name each axis once")
    lanes = list(itertools.product(range(len(sweep)), range(len(axis.values))))
    values = [dict(zip(axis.names, row, strict=True)) for row in axis.values]
    scales = [tuple(vary(problem, values[j]) for problem in sweep.scales(i)) for i, j in lanes]
    return of_scales(scales, (*sweep.axes, axis), tuple((*sweep.index[i], j) for i, j in lanes))


def of_scales(
    scales: Sequence[tuple[Problem, ...]], axes: tuple[Axis, ...], index: tuple[tuple[int, ...], ...]
) -> Sweep:
    """Make a sweep of lanes that each have one problem or several, from coarse to fine."""
    return Sweep(tuple(lane[-1] for lane in scales), axes, index, tuple(lane[:-1] for lane in scales))


def vary(problem: Problem, settings: Mapping[str, Any]) -> Problem:
    """Replace numbers of a problem by name; everything else stays the same array.

    Raises:
        UserError: an unknown name, or a value that no recipe may have.
    """
    for name, value in settings.items():
        if name in NUMBERS and name != "layer_weights":
            problem = replace(problem, **{name: _number(name, value)})
        elif name == "layer_weights" or name.startswith("layer_weights."):
            problem = replace(problem, layer_weights={**problem.layer_weights, **_weights(problem, name, value)})
        else:
            layers = ", ".join(f"layer_weights.{layer}" for layer in problem.layer_weights)
            raise UserError(f"'{name}' is no number of the problem: use {', '.join(NUMBERS)}, {layers}")
    return problem


def _weights(problem: Problem, name: str, value: Any) -> dict[str, np.float32]:
    known = tuple(problem.layer_weights)
    if name != "layer_weights":
        value = {name.removeprefix("layer_weights."): value}
    elif not isinstance(value, Mapping):
        if len(value) != len(known):
            raise UserError(f"layer_weights has {len(value)} numbers for {len(known)} style layers: give one for each")
        value = dict(zip(known, value, strict=True))
    if unknown := set(value) - set(known):
        raise UserError(f"layer '{min(unknown)}' is no style layer of the problem: use {', '.join(known)}")
    return {layer: np.float32(_number(f"layer_weights.{layer}", v)) for layer, v in value.items()}


def _number(name: str, value: Any) -> np.float32 | np.uint32:
    # NumPy scalars have a dtype of their own, so a second value makes no second trace; and lanes are stacked on
    # the host, a thousand at a time.
    number = float(value)
    most = {"noise": 1.0, "seed": 2.0**32 - 1}.get(name, math.inf)
    if not (math.isfinite(number) and 0 <= number <= most) or (name == "lr" and number == 0):
        least = "above 0" if name == "lr" else "of at least 0"
        raise UserError(
            f"{name} is {number:g}: expected a finite number {least}" + f", at most {most:g}" * (most < math.inf)
        )
    if name == "seed" and not number.is_integer():
        raise UserError(f"seed is {number:g}: expected a whole number")
    return np.uint32(number) if name == "seed" else np.float32(number)


def _values(name: str, values: Any) -> tuple[Any, ...]:
    """Turn an array, a range, a list or one number into Python values."""
    if name == "layer_weights":
        found = tuple(dict(v) if isinstance(v, Mapping) else tuple(float(x) for x in v) for v in values)
    else:
        found = tuple(np.ravel(np.asarray(list(values) if isinstance(values, Iterable) else values)).tolist())
    if not found:
        raise UserError(f"the axis {name} has no values: give at least one")
    return found


def stack(problems: Sequence[Problem], *, name: str = "problem", values: Sequence[Any] = ()) -> Sweep:
    """Make one axis of any problems; equal leaves become one array. Shapes and layers may differ.

    Args:
        problems: from `pose`.
        name, values: of the axis; by default 0, 1, 2 ...
    """
    if not problems:
        raise UserError("no problems to stack: give at least one")
    seen: dict[tuple, Any] = {}

    def once(leaf: Any) -> Any:
        array = np.asarray(leaf)
        key = (array.shape, array.dtype.str, hashlib.sha256(array.tobytes()).digest())
        return seen.setdefault(key, leaf)

    labels = tuple((v,) for v in (values or range(len(problems))))
    if len(labels) != len(problems):
        raise UserError(f"{len(labels)} values for {len(problems)} problems: give one for each")
    lanes = tuple(jax.tree.map(once, strong(problem)) for problem in problems)
    return Sweep(lanes, (Axis((name,), labels),), tuple((i,) for i in range(len(lanes))))


def unstack(sweep: Sweep) -> list[Problem]:
    """Give each lane as the problem that `solve` takes."""
    return list(sweep.problems)


def nbytes(sweep: Sweep) -> int:
    """Count the bytes of all arrays, each once."""
    leaves = {id(leaf): np.asarray(leaf).nbytes for leaf in jax.tree.leaves((sweep.problems, sweep.coarse))}
    return sum(leaves.values())


def buckets(sweep: Sweep) -> list[tuple[int, ...]]:
    """Group the lanes that can run together: at every scale the same shapes, layers, pooling and padding; in order."""
    found: dict[Any, list[int]] = {}
    for lane in range(len(sweep)):
        leaves, tree = jax.tree.flatten(sweep.scales(lane))
        key = (tree, tuple((np.shape(leaf), str(leaf.dtype)) for leaf in leaves))
        found.setdefault(key, []).append(lane)
    return [tuple(lanes) for lanes in found.values()]


def swept_leaves(problems: Sequence[Problem]) -> tuple[bool, ...]:
    """Tell for each leaf, in the order of `jax.tree.leaves`, whether any two lanes hold different arrays."""
    columns = zip(*(jax.tree.leaves(problem) for problem in problems), strict=True)
    return tuple(any(leaf is not column[0] for leaf in column) for column in columns)


def collate(problems: Sequence[Problem], swept: Sequence[bool]) -> Problem:
    """Stack the swept leaves to (lanes, ...); hand on the shared ones as they are."""
    leaves = [jax.tree.leaves(problem) for problem in problems]
    tree = jax.tree.structure(problems[0])
    columns = zip(*leaves, swept, strict=True)
    return jax.tree.unflatten(tree, [_stacked(c[:-1]) if c[-1] else c[0] for c in columns])


def _stacked(leaves: Sequence[Any]) -> Any:
    return jnp.stack(leaves) if isinstance(leaves[0], jax.Array) else np.stack(leaves)
