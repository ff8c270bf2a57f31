"""Read pickles as data: nothing they name is imported, made or called, so nothing in them runs."""

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

MOST = 1_000_000
"""Opcodes of a pickle that are read; a state dict has some thousands."""


class Named:
    """Something that a pickle would make by a name: its arguments and state are kept, it is not made.

    Attributes:
        name: `module.name` of the function or class; "" for what the pickle holds outside of itself.
        args: what it would be called with; None for the bare name.
        state: what it would be filled with afterwards.
        entries: what would be put into it as into a dict.
        items: what would be put into it as into a list.
    """

    def __init__(self, name: str, args: Any = None) -> None:
        self.name = name
        self.args = args
        self.state: Any = None
        self.entries: dict[Any, Any] = {}
        self.items: list[Any] = []


def read_pickle(file: BinaryIO) -> Any:
    """Read one pickle: tuples, lists, dicts, numbers and texts as they are, anything else as `Named`.

    Keys of dicts that are neither text nor numbers are left out. The file stands behind the pickle afterwards.

    Raises:
        ValueError: damaged, longer than `MOST`, or of opcodes that no state dict has.
    """
    machine = _Machine()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count > MOST:
            raise ValueError(f"a pickle of more than {MOST} opcodes")
        if opcode.name in _PUSHED:
            machine.stack.append(argument)
        elif opcode.name in _FIXED:
            machine.stack.append(_FIXED[opcode.name]())
        elif opcode.name in _STEPS:
            _STEPS[opcode.name](machine, argument)
        elif opcode.name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"a pickle with the opcode {opcode.name}")
    return machine.stack[-1]


class _Machine:
    """The stack and the memo of a pickle that is being read."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def marked(self) -> list[Any]:
        """Take what lies above the last mark."""
        at = self.marks.pop()
        above = self.stack[at:]
        del self.stack[at:]
        return above

    def pop(self) -> Any:
        return self.stack.pop()

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def put(self, pairs: list[Any]) -> None:
        """Set entries of the dict on top of the stack."""
        target = self.stack[-1]
        entries = target.entries if isinstance(target, Named) else target
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if isinstance(key, str | int):
                entries[key] = value

    def extend(self, values: list[Any]) -> None:
        """Lengthen the list on top of the stack."""
        target = self.stack[-1]
        (target.items if isinstance(target, Named) else target).extend(values)

    def call(self, args: Any) -> None:
        """Put what the name on top of the stack would make of `args`."""
        function = self.pop()
        self.push(Named(function.name if isinstance(function, Named) else "", args))

    def fill(self, state: Any) -> None:
        """Keep the state of what lies on top of the stack."""
        target = self.stack[-1]
        if isinstance(target, Named):
            target.state = state


_PUSHED = {
    *(
        "BININT",
        "BININT1",
        "BININT2",
        "INT",
        "LONG",
        "LONG1",
        "LONG4",
        "BINFLOAT",
        "FLOAT",
        "BINUNICODE",
        "BINUNICODE8",
    ),
    *("SHORT_BINUNICODE", "UNICODE", "BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8"),
    *("BINSTRING", "SHORT_BINSTRING", "STRING"),
}
_FIXED: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}


def _memo(m: _Machine, at: Any) -> None:
    m.memo[len(m.memo) if at is None else int(at)] = m.stack[-1]


def _tuple(count: int) -> Callable[[_Machine, Any], object]:
    def step(m: _Machine, _: Any) -> None:
        if len(m.stack) < count:
            raise ValueError("a pickle that takes more than it has")
        m.stack[-count:] = [tuple(m.stack[-count:])]

    return step


def _dict(m: _Machine, _: Any) -> None:
    pairs = m.marked()
    m.push({})
    m.put(pairs)


def _set_one(m: _Machine, _: Any) -> None:
    value, key = m.pop(), m.pop()
    m.put([key, value])


def _append(m: _Machine, _: Any) -> None:
    value = m.pop()
    m.extend([value])


def _stack_global(m: _Machine, _: Any) -> None:
    name, module = m.pop(), m.pop()
    m.push(Named(f"{module}.{name}"))


def _new_ex(m: _Machine, _: Any) -> None:
    m.pop()  # keywords
    m.call(m.pop())


def _object(m: _Machine, _: Any) -> None:
    cls, *args = m.marked()
    m.push(cls)
    m.call(tuple(args))


_STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "POP": lambda m, _: m.pop(),
    "POP_MARK": lambda m, _: m.marked(),
    "DUP": lambda m, _: m.push(m.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _memo),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, at: m.push(m.memo[int(at)])),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": lambda m, _: m.push(tuple(m.marked())),
    **dict.fromkeys(("LIST", "FROZENSET"), lambda m, _: m.push(m.marked())),
    "DICT": _dict,
    "SETITEM": _set_one,
    "SETITEMS": lambda m, _: m.put(m.marked()),
    "APPEND": _append,
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda m, _: m.extend(m.marked())),
    "GLOBAL": lambda m, name: m.push(Named(name.replace(" ", "."))),
    "STACK_GLOBAL": _stack_global,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda m, _: m.call(m.pop())),
    "NEWOBJ_EX": _new_ex,
    "OBJ": _object,
    "INST": lambda m, name: m.push(Named(name.replace(" ", "."), tuple(m.marked()))),
    "BUILD": lambda m, _: m.fill(m.pop()),
    "BINPERSID": lambda m, _: m.push(Named("", (m.pop(),))),
    "PERSID": lambda m, name: m.push(Named("", (name,))),
}
