"""Several losses at once, as a text: `gram:1+histogram:0.1`."""

import difflib
import math
from collections.abc import Sequence

from nst_jax.errors import UserError
from nst_jax.files import shown

Parts = tuple[tuple[str, float], ...]
"""Names of losses, each with its weight."""


def parsed(name: str, text: str, known: Sequence[str]) -> Parts:
    """Read a loss, or several with their weights; a weight that is not given is 1.

    Args:
        name: of the setting, for messages.
        text: such as `gram`, or `gram:1+histogram:0.1`.
        known: losses that there are.

    Raises:
        UserError: an unknown loss, a weight that is no number of at least 0, a loss twice, or nothing that weighs.
    """
    parts: dict[str, float] = {}
    for loss, weight in _words(text):
        if loss not in known:
            near = difflib.get_close_matches(loss[:100], known, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise UserError(f"{name} is '{shown(loss[:100])}': expected one of {', '.join(known)}{hint}")
        if loss in parts:
            raise UserError(f"{name} names {loss} twice: add the weights up, or leave one out")
        parts[loss] = _weight(name, loss, weight)
    if not any(parts.values()):
        raise UserError(f"{name} is '{shown(text[:100])}', which weighs nothing: give one loss a weight above 0")
    return tuple(parts.items())


def _words(text: str) -> list[tuple[str, str]]:
    words = (word.strip().partition(":") for word in text.split("+"))
    return [(loss, weight if colon else "1") for loss, colon, weight in words]


def names(text: str) -> tuple[str, ...]:
    """Name the losses of a text that may be wrong."""
    return tuple(loss for loss, _ in _words(text))


def split(text: str) -> Parts:
    """Give the losses of a checked text, each with its weight."""
    return tuple((loss, float(weight)) for loss, weight in _words(text))


def levelled(text: str) -> str:
    """Give several losses with equal weights: texts that differ in weights alone become one."""
    parts = split(text)
    return text if len(parts) == 1 else written(tuple((loss, 1.0) for loss, _ in parts))


def _weight(name: str, loss: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise UserError(f"{name} weighs {loss} by '{shown(text[:100])}': expected a number of at least 0")
    return weight


def written(parts: Parts) -> str:
    """Write losses as they are read, a weight of 1 only where there are several."""
    if len(parts) == 1 and parts[0][1] == 1:
        return parts[0][0]
    return "+".join(f"{loss}:{_digits(weight)}" for loss, weight in parts)


def _digits(weight: float) -> str:
    short = f"{weight:g}"
    return short if float(short) == weight else repr(weight)
