"""Read the text of a compiled program: the kernels of a step, the bytes that each moves, the layer it belongs to."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SIZES = {
    **dict.fromkeys(("pred", "s8", "u8", "f8e4m3fn", "f8e5m2"), 1),
    **dict.fromkeys(("bf16", "f16", "s16", "u16"), 2),
    **dict.fromkeys(("f32", "s32", "u32"), 4),
    **dict.fromkeys(("f64", "s64", "u64", "c64"), 8),
}
"""Bytes of one number."""

FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "copy-done", "async-done",
    "fusion-done", "slice-done", "custom-call-done", "domain", "opt-barrier", "partition-id", "while", "conditional",
    "call", "iota",
}  # fmt: skip
"""Operations that are no kernel of their own; what a loop within the loop runs is counted in its place."""

SLICES = {"slice", "dynamic-slice", "gather"}
SEEN_THROUGH = {"bitcast", "reshape"}


@dataclass(frozen=True)
class Operation:
    """One line of a computation."""

    name: str
    shape: str
    kind: str
    operands: tuple[str, ...]
    rest: str
    root: bool


@dataclass(frozen=True)
class Kernel:
    """What runs at once.

    Attributes:
        name, kind: as the compiler calls them; of a library's kernel its target.
        moved: bytes read and written, how often it runs a step included.
        convolution: whether it is one of the network's.
        fused: what a convolution does besides: `bias`, `relu`, `side input`.
        where: the layer and direction, or what the operation is of.
    """

    name: str
    kind: str
    moved: int
    convolution: bool
    fused: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Step:
    """The kernels of one step of the solver: of the loop that has most of them."""

    kernels: tuple[Kernel, ...]

    @property
    def moved(self) -> int:
        """Add up the bytes."""
        return sum(kernel.moved for kernel in self.kernels)

    @property
    def outside(self) -> int:
        """Add up the bytes outside convolutions."""
        return sum(kernel.moved for kernel in self.kernels if not kernel.convolution)


LINE = re.compile(r"\s+(ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
HEAD = re.compile(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$")


def read(text: str) -> Step:
    """Read a program's text as `jax.stages.Compiled.as_text` gives it.

    Each array that a kernel reads or writes counts once, however often it is named; of an array that is only sliced the
    slices count, and of one that is changed in place what changes.
    """
    computations = _computations(text)
    loops = [op for ops in computations.values() for op in ops.values() if op.kind == "while"]
    bodies = [found[1] for op in loops if (found := re.search(r"body=%?([\w.\-]+)", op.rest))]
    weights = {name: sum(1 for _ in _kernels(computations, name)) for name in bodies or computations}
    return Step(tuple(_kernels(computations, max(weights, key=weights.__getitem__))))


def _computations(text: str) -> dict[str, dict[str, Operation]]:
    found: dict[str, dict[str, Operation]] = {}
    inside: dict[str, Operation] | None = None
    for line in text.splitlines():
        if head := HEAD.match(line):
            inside = found.setdefault(head[1], {})
        elif inside is not None and (made := LINE.match(line)):
            root, name, shape, kind, rest = made.groups()
            inside[name] = Operation(name, shape, kind, _operands(rest), rest, bool(root))
    return found


def _operands(rest: str) -> tuple[str, ...]:
    """Name the operands at the beginning of `a, %b), attributes`."""
    depths = itertools.accumulate((sign in "([{") - (sign in ")]}") for sign in rest)
    end = next((i for i, depth in enumerate(depths) if depth < 0), len(rest))
    return tuple(re.findall(r"%?([\w.\-]+)(?=,|$)", re.sub(r"/\*.*?\*/", "", rest[:end])))


def _kernels(computations: Mapping[str, Mapping[str, Operation]], name: str, times: int = 1) -> Iterator[Kernel]:
    body = computations[name]
    for op in body.values():
        if op.kind in ("while", "call", "conditional"):
            count = re.search(r'known_trip_count"?:\s*\{"?n"?:\s*"?(\d+)', op.rest)
            runs = times * int(count[1]) if op.kind == "while" and count else times
            for inner in re.findall(r"(?:body|to_apply|_computation)=%?([\w.\-]+)", op.rest):
                yield from _kernels(computations, inner, runs)
        elif op.kind not in FREE and not op.kind.endswith("-update"):
            yield _kernel(computations, body, op, times)


def _kernel(
    computations: Mapping[str, Mapping[str, Operation]], body: Mapping[str, Operation], op: Operation, times: int
) -> Kernel:
    called = re.search(r"calls=%?([\w.\-]+)", op.rest)
    inside = computations.get(called[1], {}) if called else {}
    target = re.search(r'custom_call_target="([^"]+)"', op.rest)
    kind = target[1] if target else op.kind
    convolutions = [o for o in (op, *inside.values()) if _is_convolution(o)]
    moved = times * (_moved_inside(body, op, inside) if inside else _moved(body, op))
    fused = _fused(op) if convolutions else ()
    return Kernel(op.name, kind, moved, bool(convolutions), fused, _where(convolutions[0] if convolutions else op))


def _is_convolution(op: Operation) -> bool:
    """Tell a convolution of the network from products, which a TPU runs as convolutions without a window."""
    if op.kind == "custom-call":
        return "cudnn$conv" in op.rest
    return op.kind == "convolution" and "conv_general_dilated" in op.rest


def _moved(body: Mapping[str, Operation], op: Operation) -> int:
    if op.kind in ("dynamic-update-slice", "scatter"):
        update = op.operands[1 if op.kind == "dynamic-update-slice" else -1]
        return 2 * size(body[update].shape) if update in body else 0
    if op.kind in SLICES:
        return 2 * size(op.shape)
    return size(op.shape) + sum(size(body[name].shape) for name in set(op.operands) if name in body)


def _moved_inside(body: Mapping[str, Operation], op: Operation, inside: Mapping[str, Operation]) -> int:
    """Add up what a fusion reads of each different operand, and what it writes."""
    users: dict[str, list[Operation]] = {name: [] for name in inside}
    for user in inside.values():
        for name in user.operands:
            users.setdefault(name, []).append(user)
    parameters = {int(m[0]): o for o in inside.values() if o.kind == "parameter" and (m := re.match(r"\d+", o.rest))}
    changed = _changed_in_place(inside)
    read: dict[str, int] = {}
    for number, name in enumerate(op.operands):
        if name in body and number in parameters:
            whole = size(body[name].shape)
            found = _read(parameters[number].name, users, changed)
            read[name] = max(read.get(name, 0), whole if found is None else min(whole, found))
    written = size(op.shape)
    for target, update in changed.items():
        written += size(inside[update].shape) - size(inside[target].shape)
    return sum(read.values()) + max(0, written)


def _changed_in_place(inside: Mapping[str, Operation]) -> dict[str, str]:
    """Map each updated array, by the name of the update, to the operand that is written into it."""
    roots = [o for o in inside.values() if o.root]
    results = {name for o in roots for name in ((o.name, *o.operands) if o.kind == "tuple" else (o.name,))}
    found = {}
    for name in results:
        op = inside.get(name)
        while op is not None and op.kind in SEEN_THROUGH and op.operands:
            op = inside.get(op.operands[0])
        if op is not None and op.kind in ("dynamic-update-slice", "scatter"):
            update = op.operands[1 if op.kind == "dynamic-update-slice" else -1]
            if update in inside:
                found[op.name] = update
    return found


def _read(name: str, users: Mapping[str, list[Operation]], changed: Mapping[str, str]) -> int | None:
    """Give the bytes read of a fusion's parameter: of slices alone their own, else none for all of it."""
    total = 0
    for user in users.get(name, []):
        if user.kind in SLICES:
            total += size(user.shape)
        elif user.kind == "bitcast":
            inner = _read(user.name, users, changed)
            if inner is None:
                return None
            total += inner
        elif user.name in changed and user.operands[0] == name:
            continue
        else:
            return None
    return total


def _fused(op: Operation) -> tuple[str, ...]:
    if op.kind != "custom-call":
        return ()
    if "BiasActivation" not in op.rest:
        return ()
    side = ("side input",) if re.search(r'"side_input_scale":"?(?!0\b|0\.0*")[\d.]', op.rest) else ()
    return ("bias", *side, *(("relu",) if "kRelu" in op.rest else ()))


def _where(op: Operation) -> str:
    """Name the layer and the direction from the path that jax gives each operation."""
    path = re.search(r'op_name="([^"]+)"', op.rest)
    if not path:
        return ""
    words = path[1].split("/")
    layers = re.findall(r"\bconv\d+_\d+\b", path[1])
    back = " backward" if "transpose(" in path[1] else ""
    return f"{layers[0]}{back}: {words[-1]}" if layers else f"{words[-1]}{back}"


SHAPE = re.compile(r"\b([a-z]+\d*(?:e\dm\d\w*)?)\[([\d,]*)\](?:\{([\d,]*)((?::[^{}]*)?)\})?")


def size(shape: str) -> int:
    """Give the bytes of a shape such as `f32[8,21]{1,0}`, or of a tuple of them; with what a TPU's tiles add."""
    return sum(_one(*found) for found in SHAPE.findall(shape))


def _one(kind: str, dims: str, order: str, tiling: str) -> int:
    sides = [int(d) for d in dims.split(",") if d]
    tile = re.match(r":T\(([\d,]+)\)", tiling)
    if tile and order:
        minor = [int(d) for d in order.split(",")]
        for axis, step in zip(minor, reversed([int(t) for t in tile[1].split(",")]), strict=False):
            sides[axis] = -(-sides[axis] // step) * step
    return SIZES.get(kind, 0) * math.prod(sides)
