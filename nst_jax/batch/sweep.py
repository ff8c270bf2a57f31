"""Many problems that share what they have in common: the axes of a sweep and the lanes they span."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax import numbers
from nst_jax.axis import COLUMNS, Axis, at
from nst_jax.errors import UserError
from nst_jax.printing import log
from nst_jax.problem import Problem, strong
from nst_jax.scales import vary_scales


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

    grid(problem, beta=jnp.logspace(2, 6, 9), tv=[0, 1e5]) has 18 lanes; every number that is a leaf can vary, by the
    name that a recipe gives it or by its path: grid(problem, **{"layer_weights.relu4_1": [0.0, 0.2],
    "terms.mine.weight": [1, 10]}). A whole `layer_weights` is a list of mappings, or of sequences in the order of the
    problem's style layers; so is `style_shares` of several styles.

    Raises:
        UserError: an unknown name, no values, a value that no recipe may have, or a number that would change nothing.
    """
    sweep = as_sweep(problem)
    for name, values in axes.items():
        sweep = _multiply(sweep, Axis((numbers.called(name),), tuple((v,) for v in _values(name, values))))
    return _without_copies(sweep, axes)


def zipped(problem: Problem | Sweep, **axes: Any) -> Sweep:
    """Move several numbers together, as one axis: zipped(problem, alpha=[1, 2], beta=[10, 20]) has two lanes.

    Raises:
        UserError: as `grid`, or lists of different lengths.
    """
    sweep = as_sweep(problem)
    columns = {numbers.called(name): _values(name, values) for name, values in axes.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise UserError(f"axes that move together need equally many values: {found or 'there are none'}")
    return _without_copies(_multiply(sweep, Axis(tuple(columns), tuple(zip(*columns.values(), strict=True)))), axes)


def as_sweep(problem: "Problem | Sweep") -> Sweep:
    """Make a sweep of one lane of a problem; leave a sweep alone."""
    return problem if isinstance(problem, Sweep) else Sweep((strong(problem),), (), ((),))


def _without_copies(sweep: Sweep, names: Iterable[str]) -> Sweep:
    """Refuse a number that changes nothing in any lane; leave lanes out that it makes copies of others, and say so."""
    idle = {}
    for name in names:
        idle[name] = [numbers.idle(problem, name) for problem in sweep.problems]
        if all(idle[name]):
            raise UserError(f"{name} would change nothing: {min(idle[name])}")
    first: dict[Any, int] = {}
    for lane, problem in enumerate(sweep.problems):
        vain = {name: 0 for name in names if idle[name][lane]}
        leaves, tree = jax.tree.flatten(numbers.vary(problem, **vain))
        first.setdefault((tree, *map(id, leaves)), lane)
    if left := len(sweep) - len(first):
        log(f"{left} of {len(sweep)} lanes would be copies of others and are left out")
    kept = list(first.values())
    return of_scales([sweep.scales(i) for i in kept], sweep.axes, tuple(sweep.index[i] for i in kept))


def _multiply(sweep: Sweep, axis: Axis) -> Sweep:
    before = {numbers.path(name) for a in sweep.axes for name in a.names}
    if taken := [name for name in axis.names if numbers.path(name) in before]:
        raise UserError(f"{', '.join(sorted(taken))} is an axis already: name each axis once")
    lanes = list(itertools.product(range(len(sweep)), range(len(axis.values))))
    values = [dict(zip(axis.names, row, strict=True)) for row in axis.values]
    scales = [vary_scales(sweep.scales(i), values[j]) for i, j in lanes]
    return of_scales(scales, (*sweep.axes, axis), tuple((*sweep.index[i], j) for i, j in lanes))


def of_scales(
    scales: Sequence[tuple[Problem, ...]], axes: tuple[Axis, ...], index: tuple[tuple[int, ...], ...]
) -> Sweep:
    """Make a sweep of lanes that each have one problem or several, from coarse to fine."""
    return Sweep(tuple(lane[-1] for lane in scales), axes, index, tuple(lane[:-1] for lane in scales))


def _values(name: str, values: Any) -> tuple[Any, ...]:
    """Turn an array, a range, a list or one number into Python values."""
    if numbers.path(name).split(".")[-1] in ("layer_weights", "style_shares"):
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

    Raises:
        UserError: no problems, not as many values, or the name of a term or of another column of the tables.
    """
    if not problems:
        raise UserError("no problems to stack: give at least one")
    if name in COLUMNS or any(name in problem.terms for problem in problems):
        raise UserError(f"an axis is called '{name}', as a term or a column of the tables: give it another name")
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
    """Group the lanes that can run together: at every scale the same shapes and static values; in order."""
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
