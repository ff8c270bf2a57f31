"""Plain data from outside: read JSON, and check numbers, texts, lists and tables against the types they should have.

msgspec does the checking: it takes the types as they are written (the dataclass `Recipe` itself, with the bounds in its
annotations), coerces nothing, stops at the first fault and names its place, in microseconds, so that each of 100 000
lanes can pass. pydantic is as strict with more to load than all the rest of the command line, and cattrs turns "3"
into 3.
"""

import difflib
import json
import re
import types
import typing
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from nst_jax.errors import UserError
from nst_jax.files import escaped, one_line, shown

T = TypeVar("T")

DEEPEST = 32
"""Lists and tables within each other; ours have six."""

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", description="a sha256 of 64 hexadecimal digits")]

_NOUNS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Any: "a value"}
_MANY = {int: "whole numbers", float: "numbers", str: "texts", bool: "values of true or false", Any: "values"}


def parsed(text: str | bytes, what: str, *, nan: bool = False) -> Any:
    """Read JSON as it is defined: no NaN and no infinity, unless `nan` are taken; nothing deeper than DEEPEST.

    Raises:
        UserError: anything else, in one line that begins with `what`.
    """
    try:
        found = json.loads(text, parse_constant=float if nan else _refused)
        _check_depth(found)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else one_line(error)
        raise UserError(f"{what} is no JSON that can be read ({reason})") from None
    return found


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _check_depth(data: Any) -> None:
    level = [data] if _holds(data) else []
    for _ in range(DEEPEST):
        level = [x for one in level for x in (one.values() if isinstance(one, dict) else one) if _holds(x)]
        if not level:
            return
    raise RecursionError


def _holds(data: Any) -> bool:
    return isinstance(data, dict | list)


def validated(data: Any, kind: type[T], what: str = "") -> T:
    """Make a `kind` of plain data: a dataclass, a msgspec.Struct, or any type that annotations spell.

    The one check of all that comes from a file or a program: recipes, records, manifests, states, files of options.

    Args:
        data: numbers, texts, lists and tables.
        kind: the type; a `description` in an annotation's bounds is what the message calls the value expected.
        what: what the message begins with, such as "the recipe of 'out.png'".

    Raises:
        UserError: a name that is missing or unknown, a value of another type or out of its bounds, in one line.
    """
    lead = f"{what}: " if what else ""
    # Of a dataclass msgspec ignores what it does not know.
    known = [f.name for f in fields(kind)] if is_dataclass(kind) and isinstance(data, dict) else None
    if known is not None and (unknown := sorted(map(str, data.keys() - {*known}))):
        raise UserError(f"{lead}it has {_unknown(unknown[0], known)}")
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise UserError(lead + _said(str(error), data, kind)) from None
    except UnicodeEncodeError:  # a text that stands for bytes (PEP 383), where no text is expected
        return validated(_printing(data), kind, what)
    except (RecursionError, OverflowError) as error:
        raise UserError(f"{lead}it cannot be read ({one_line(error)})") from None


def _printing(data: Any) -> Any:
    if isinstance(data, dict):
        return {_printing(name): _printing(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_printing(value) for value in data]
    return escaped(data) if isinstance(data, str) else data


def _said(message: str, data: Any, kind: Any) -> str:
    """Put msgspec's message into our words: what was found, what was expected."""
    reason, _, rest = message.partition(" - at `")
    of_name = rest.startswith("key` in `$")
    place = rest.removeprefix("key` in `").removeprefix("$").rstrip("`").lstrip(".")
    here = place or "it"
    if of_name:
        names = typing.get_args(_bare(_at(data, kind, place)[1]))[0]
        return f"{here} has a name of the wrong kind ({shown(reason)}): expected {_words(names)}"
    if match := re.match(r"Object missing required field `(.*)`", reason, re.DOTALL):
        return f"{here} has no '{shown(match[1])}'"
    if match := re.match(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        return f"{here} has {_unknown(match[1], list(typing.get_type_hints(_bare(_at(data, kind, place)[1]))))}"
    found, expected = _at(data, kind, place)
    return f"{here} is {found}: expected {_words(expected)}"


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name[:100], known, 1)
    return f"'{shown(name)}', which there is not: {f'did you mean {near[0]}?' if near else 'leave it out'}"


def _at(data: Any, kind: Any, place: str) -> tuple[str, Any]:
    """Find the value at a place such as `inputs[...].shape[0]`, as it is shown, and its type."""
    known = True
    for name, index in re.findall(r"(\w+)|\[(\d+|\.\.\.)\]", place):
        bare, inside = _bare(kind), typing.get_args(_bare(kind))
        if name:
            kind = typing.get_type_hints(bare, include_extras=True)[name]
        else:
            kind = inside[-1 if typing.get_origin(bare) is dict else 0]
        known = known and index != "..."
        data = data[name or int(index)] if known else None
    return _brief(data) if known else "of another kind", kind


def _bare(kind: Any) -> Any:
    """Take the bounds off a type, and of several types that of lists or tables."""
    kind = kind.__origin__ if typing.get_origin(kind) is Annotated else kind
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next((one for one in map(_bare, typing.get_args(kind)) if typing.get_origin(one) is not None), kind)
    return kind


def _words(kind: Any) -> str:
    """Say what a type takes."""
    if typing.get_origin(kind) is Annotated:
        told = [meta.description for meta in kind.__metadata__ if isinstance(meta, msgspec.Meta) and meta.description]
        return told[-1] if told else _words(kind.__origin__)
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        words = ", ".join(map(str, inside))
        return words if len(inside) == 1 else f"one of {words}"
    if origin in (typing.Union, types.UnionType):
        return ", or ".join(dict.fromkeys("nothing" if one is types.NoneType else _words(one) for one in inside))
    if origin in (tuple, list):
        return f"a list of {_MANY.get(_bare(inside[0]), 'tables')}"
    return _NOUNS.get(kind, "a table of names and values")


def _brief(value: Any) -> str:
    """Show a value: text in quotes, of a list or table only what it is."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    text = f"'{value}'" if isinstance(value, str) else _digits(value)
    return shown(text if len(text) <= 60 else f"{text[:40]}…{text[-10:]}")


def _digits(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of very many digits"
    return str(value) if isinstance(value, int) else f"a {type(value).__name__}"
