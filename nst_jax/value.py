"""What a researcher hands in: values that compare by what they hold, so that equal ones share a compiled program."""

from functools import cached_property
from typing import Any

from nst_jax.errors import UserError


class Value:
    """Base of losses, networks, canvases and gradient strategies: static, equal if kind and attributes are equal.

    Attributes are numbers, strings, tuples and functions at the top of a module; arrays belong into a problem's terms.
    A frozen dataclass is the shortest way to have attributes.
    """

    def __eq__(self, other: object) -> bool:
        """Compare by kind and attributes."""
        return isinstance(other, Value) and type(self) is type(other) and _attributes(self) == _attributes(other)

    def __hash__(self) -> int:
        """Hash by kind and attributes."""
        return hash((type(self), tuple(sorted(_attributes(self).items()))))

    def __repr__(self) -> str:
        """Name the kind and its attributes."""
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in sorted(_attributes(self).items()))})"


def _attributes(value: Value) -> dict[str, Any]:
    """Give the attributes of a value, without what it has worked out from them and kept."""
    return {k: v for k, v in vars(value).items() if not isinstance(getattr(type(value), k, None), cached_property)}


def check(value: Any, kind: type, what: str, needs: tuple[str, ...]) -> None:
    """Refuse what was handed in as a `kind` and is none.

    Args:
        value: what was handed in.
        kind: the class that it should extend.
        what: what to call it, such as "the style loss".
        needs: methods that it must have of its own.

    Raises:
        UserError: naming what was expected.
    """
    name = kind.__name__
    if isinstance(value, type):
        raise UserError(f"{what} is the class {value.__name__}: expected a value of it, such as {value.__name__}()")
    if not isinstance(value, kind):
        raise UserError(f"{what} is a {type(value).__name__}: expected a value of a class that extends nst_jax.{name}")
    for method in needs:
        if getattr(type(value), method, None) is getattr(kind, method, None):
            raise UserError(f"{what}, {type(value).__name__}, has no {method}: expected what nst_jax.{name} describes")
    try:
        hash(value)
    except TypeError as error:
        raise UserError(
            f"{what}, {type(value).__name__}, holds something that does not compare by value ({error}): expected "
            "numbers, strings and tuples; arrays belong into `given`"
        ) from None
