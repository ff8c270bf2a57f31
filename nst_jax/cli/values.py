"""The settings of a recipe as the command line of many lanes has them: each can have several values."""

import ast
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from nst_jax.cli import axes
from nst_jax.cli.styles import Styles
from nst_jax.errors import UserError
from nst_jax.presets import PRESETS, adapted
from nst_jax.recipe import Recipe, kind_of

LISTS = tuple(f.name for f in fields(Recipe) if isinstance(f.default, tuple))
"""Settings that are lists themselves: layers and their weights."""

PRESET = f"A named recipe to begin from, in the units of its source: {', '.join(PRESETS)}."

KINDS: dict[str, Any] = {f.name: kind_of(f.name) for f in fields(Recipe)}


def words_of(kind: type) -> dict[str, str]:
    """Read the words below each field of a class, which Python does not keep, from its source, as tyro does.

    Those of a class that it extends come first.
    """
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {name: text for base in kind.__bases__ if is_dataclass(base) for name, text in words_of(base).items()}
    for entry, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name) and isinstance(below, ast.Expr):
            found[entry.target.id] = inspect.cleandoc(ast.literal_eval(below.value))
    return found


def settings_of(name_of_type: str, names: Sequence[str], metavar: str) -> type:
    """Copy fields of the recipe and their words, each as a text of values; what is not given is empty."""
    words, made = words_of(Recipe), []
    for name, kind, default, text in (
        ("preset", str, "default", PRESET),
        *((f.name, f.type, f.default, words[f.name]) for f in fields(Recipe) if f.name in names),
    ):
        hint = f"(default: {' '.join(map(str, default)) if isinstance(default, tuple) else default})"
        if kind is bool:
            made.append((name, Annotated[bool, tyro.conf.arg(help=text)], field(default=default)))
            continue
        listed = isinstance(default, tuple)
        unset = () if listed else ""
        arg = tyro.conf.arg(help=text, metavar=metavar, help_behavior_hint=hint)
        made.append((name, Annotated[tuple[str, ...] if listed else str, arg], field(default=unset)))
    return make_dataclass(name_of_type, made, frozen=True, kw_only=True)


Settings = settings_of("Settings", tuple(KINDS), "VALUES")
UNSET = Settings()


@dataclass(frozen=True)
class Read:
    """What a command line says of many lanes: a preset, the settings given for all, the whole recipe, what varies."""

    preset: str
    given: dict[str, Any]
    recipe: Recipe
    axes: dict[str, tuple[Any, ...]]


def read_settings(settings: Any, vary: Sequence[str] = ()) -> Read:
    """Split the options into settings of single values and the axes of several.

    Raises:
        UserError: values that do not follow the syntax.
    """
    given: dict[str, Any] = {}
    several: dict[str, tuple[Any, ...]] = {}
    for name, text in vars(settings).items():
        if text in ("", (), False):
            continue
        values = values_of(name, text)
        if len(values) > 1:
            several[name] = values
        else:
            given[name] = next(iter(values))
    for entry in vary:
        name, equals, text = entry.partition("=")
        name = dotted(name)
        if not equals or not name.startswith("layer_weights."):
            raise UserError(f"--vary is '{entry}': expected layer_weights.LAYER=VALUES; others have own options")
        several[name] = axes.parse(name, text)
    preset = given.pop("preset", "default")
    first = {name: values[0] for name, values in several.items() if name in KINDS}
    begun = several["preset"][0] if "preset" in several else preset
    return Read(preset, given, adapted(begun, **{**given, **first}), several)


def styles_into(read: Read, styles: Styles) -> Read:
    """Put the shares that are given with the styles among the settings.

    Raises:
        UserError: shares that are given otherwise, too.
    """
    if not styles.shares:
        return read
    if "style_shares" in read.axes:
        raise UserError("shares are given twice: after the colons of --style or by --style-shares, not both")
    return replace(read, given={**read.given, "style_shares": styles.shares}, recipe=styles.within(read.recipe))


def values_of(name: str, text: Any) -> tuple[Any, ...]:
    """Read the values of one setting.

    Raises:
        UserError: not of the setting's type.
    """
    kind = KINDS.get(name, str)
    if kind is bool:
        return (text,)
    if name in LISTS:
        return _lists(name, text)
    if kind in (int, float):
        return axes.parse(name, text, "int" if kind is int else "float")
    if name in ("init", "weights") and ("," not in text or Path(text).exists()):
        return (text,)
    words = [word.strip() for word in text.split(",")]
    if name in ("scales", "projections"):
        return tuple(word if word == "auto" else axes.parse(name, word, "int")[0] for word in words)
    if "" in words:
        raise UserError(f"{name} is '{text}': expected a list a,b,c")
    return tuple(words)


def _lists(name: str, words: Sequence[str]) -> tuple[Any, ...]:
    """Read one list, word by word, or several: a+b,c+d in one word."""
    number = name in ("layer_weights", "style_shares", "style_sizes")

    def one(text: str) -> Any:
        return axes.parse(name, text, "int" if name == "style_sizes" else "float")[0] if number else text

    if len(words) == 1 and ("," in words[0] or "+" in words[0]):
        return tuple(tuple(one(word) for word in part.split("+")) for part in words[0].split(","))
    return (tuple(one(word) for word in words),)


def dotted(name: str) -> str:
    """Write an option's name as a setting's."""
    return name.strip().replace("-", "_")
