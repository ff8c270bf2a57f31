"""`--json`: what is made, as one object a line for scripts; see docs/scripts.md."""

from dataclasses import dataclass, is_dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """A command that scripts can read."""

    json: bool = False
    """For scripts: one JSON object a line on stdout for what is made, and all else on stderr."""


def asked(command: Any) -> bool:
    """Tell whether a command, or a group of options in it, asks for objects."""
    if isinstance(command, Scripted) and command.json:
        return True
    return any(asked(part) for part in vars(command).values() if is_dataclass(part))
