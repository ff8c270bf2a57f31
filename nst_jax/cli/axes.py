"""The syntax of an axis on the command line: lists, ranges, linear and logarithmic spacing."""

import math
import re
from typing import Literal

from nst_jax.errors import UserError

SYNTAX = "a list a,b,c, whole numbers a..b, or LOW:HIGH:COUNT followed by lin or log, such as 1e1:1e5:9log"
MOST = 100_000


def parse(name: str, text: str, kind: Literal["float", "int"] = "float") -> tuple[float, ...]:
    """Read the values of an axis: one number, or any mixture of `1,10`, `0..3` and `1e1:1e5:9log`, joined by commas.

    Raises:
        UserError: not this syntax, or a fraction where whole numbers are wanted.
    """
    values = [value for part in text.split(",") for value in _part(name, part.strip())]
    if len(values) > MOST:
        raise UserError(f"{name} has {len(values)} values: expected at most {MOST}")
    if kind == "float":
        return tuple(values)
    if fractions := [value for value in values if not value.is_integer()]:
        raise UserError(f"{name} has the value {fractions[0]:g}: expected whole numbers")
    return tuple(int(value) for value in values)


def _part(name: str, text: str) -> list[float]:
    if match := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        low, high = int(match[1]), int(match[2])
        if not 0 <= high - low < MOST:
            raise UserError(f"{name} goes from {low} to {high}: expected LOW..HIGH, both included")
        return [float(i) for i in range(low, high + 1)]
    if match := re.fullmatch(r"([^:]+):([^:]+):(\d+)(lin|log)?", text):
        low, high, count = _number(name, match[1]), _number(name, match[2]), int(match[3])
        if not match[4]:
            raise UserError(f"{name} is '{text}', which does not say how it is spaced: write {text}log or {text}lin")
        return _spaced(name, low, high, count, match[4] == "log")
    return [_number(name, text)]


def _spaced(name: str, low: float, high: float, count: int, log: bool) -> list[float]:
    if not 2 <= count <= MOST:
        raise UserError(f"{name} asks for {count} values from {low:g} to {high:g}: expected at least 2")
    if log and not (low > 0 and high > 0):
        raise UserError(f"{name} is spaced by log from {low:g} to {high:g}: expected numbers above 0")
    if not log:
        return [low + (high - low) * i / (count - 1) for i in range(count - 1)] + [high]
    # Rounded, so that 1e1:1e5:9log has 100 and not 100.00000000000001.
    a, b = math.log10(low), math.log10(high)
    return [low, *(float(f"{10 ** (a + (b - a) * i / (count - 1)):.12g}") for i in range(1, count - 1)), high]


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"{name} is '{text}': expected {SYNTAX}") from None
    if not math.isfinite(value):
        raise UserError(f"{name} is '{text}': expected a finite number")
    return value
