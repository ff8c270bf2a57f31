"""`nst-jax sweep`: one content, one style, and every combination of the numbers that are given as lists or ranges."""

import ast
import inspect
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from nst_jax.axis import Axis
from nst_jax.cli import axes
from nst_jax.cli.running import Running
from nst_jax.errors import UserError
from nst_jax.recipe import DEFAULT, Recipe
from nst_jax.runs.spec import NUMERIC, Spec


def _swept_recipe() -> type:
    """Copy the recipe's fields and their words, with each number that can vary as a text to be parsed."""
    # Words below a field are no attribute that Python keeps: they are read from the source, as tyro does.
    body = ast.parse(inspect.getsource(Recipe)).body[0]
    assert isinstance(body, ast.ClassDef)
    words: dict[str, str] = {}
    for entry, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name) and isinstance(below, ast.Expr):
            words[entry.target.id] = inspect.cleandoc(ast.literal_eval(below.value))
    made = []
    for f in fields(Recipe):
        varies = f.name in NUMERIC and f.type in (int, float)
        kind, default = (str, f"{f.default:g}") if varies else (f.type, f.default)
        arg = tyro.conf.arg(help=words[f.name], metavar="VALUES") if varies else tyro.conf.arg(help=words[f.name])
        made.append((f.name, Annotated[kind, arg], field(default=default)))
    return make_dataclass("SweptRecipe", made, frozen=True, kw_only=True)


SweptRecipe = _swept_recipe()
PLAIN = SweptRecipe()


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Paint CONTENT with the texture of STYLE once for each combination of the numbers given as VALUES.

    VALUES are a list, a range of whole numbers, or LOW:HIGH:COUNT with lin or log spacing:

        nst-jax sweep photo.jpg painting.jpg -o runs/beta --beta 1e1:1e5:9log --alpha 1,10 --seed 0..3
        nst-jax sweep photo.jpg painting.jpg -o runs/w --layer-weights.relu4_1 0,0.1,1
        nst-jax sweep FILE.toml

    All lanes are one compiled program. A killed run goes on with the same command. FILE.toml holds the same
    options by the same names, with content and style beside them; its paths are relative to it.
    """

    content: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CONTENT")]
    """Picture whose layout to keep; or a single FILE.toml in place of both pictures."""
    style: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="STYLE")]
    """Picture whose texture to take; it may have another size."""
    running: tyro.conf.OmitArgPrefixes[Running]
    recipe: tyro.conf.OmitArgPrefixes[SweptRecipe] = PLAIN  # type: ignore[valid-type]
    """Settings of one style transfer; those marked VALUES can vary."""
    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """One more axis: layer_weights.relu4_1=0,0.1,1, which is the same as --layer-weights.relu4_1 0,0.1,1."""
    zip: tuple[str, ...] = ()
    """Names of axes that move together, instead of in all combinations."""

    def run(self) -> int:
        """Make the sweep; return the exit code."""
        recipe, found = read(self.recipe, self.vary)
        options = self.running
        spec = Spec(
            (self.content,),
            (self.style,),
            recipe,
            zipped(found, self.zip),
            show_pictures=False,
            snapshots=options.snapshots,
            animate=options.animate,
            metrics=options.metrics,
        )
        return options.run(spec)


def read(swept: Any, vary: Sequence[str]) -> tuple[Recipe, dict[str, tuple[Any, ...]]]:
    """Split the options into a recipe of single values and the axes of several.

    Raises:
        UserError: values that do not follow the syntax.
    """
    single: dict[str, Any] = {}
    many: dict[str, tuple[Any, ...]] = {}
    for f in fields(Recipe):
        given = getattr(swept, f.name)
        if f.name in NUMERIC and f.type in (int, float):
            values = axes.parse(f.name, given, "int" if f.type is int else "float")
            if len(values) > 1:
                many[f.name] = values
            given = next(iter(values))
        single[f.name] = given
    for entry in vary:
        name, equals, text = entry.partition("=")
        name = _dotted(name)
        if not equals or not name.startswith("layer_weights."):
            raise UserError(f"--vary is '{entry}': expected layer_weights.LAYER=VALUES; other numbers have own options")
        many[name] = axes.parse(name, text)
    return replace(DEFAULT, **single), many


def zipped(values: Mapping[str, tuple[Any, ...]], together: Sequence[str]) -> tuple[Axis, ...]:
    """Make one axis of the names that move together, and one of each other name.

    Raises:
        UserError: a name that does not vary, or lists of different lengths.
    """
    names = tuple(_dotted(name) for name in together)
    if missing := [name for name in names if name not in values]:
        raise UserError(f"--zip names '{missing[0]}', which has not several values: {', '.join(values) or 'none'} have")
    lengths = {name: len(values[name]) for name in names}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise UserError(f"axes that move together need equally many values: {found}")
    joint = (Axis(names, tuple(zip(*(values[name] for name in names), strict=True))),) if names else ()
    return (*joint, *(Axis((name,), tuple((v,) for v in vs)) for name, vs in values.items() if name not in names))


def _dotted(name: str) -> str:
    return name.strip().replace("-", "_")


def expand(argv: Sequence[str]) -> list[str]:
    """Turn FILE.toml and `--layer-weights.relu4_1 VALUES` into plain options of `sweep`; leave other commands alone.

    Raises:
        UserError: a file that cannot be read.
    """
    if not argv or argv[0] != "sweep":
        return list(argv)
    words: list[str] = []
    for word in argv[1:]:
        words += from_toml(Path(word)) if word.endswith(".toml") and words[-1:] not in (["--out"], ["-o"]) else [word]
    found, rest = [], iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if _dotted(flag).startswith("__layer_weights."):
            found.append(f"--vary={_dotted(flag)[2:]}={value if equals else next(rest, '')}")
        else:
            found.append(word)
    return ["sweep", *found]


def from_toml(path: Path) -> list[str]:
    """Read a file of options as a command line.

    Raises:
        UserError: no such file, or not TOML.
    """
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"'{path}' cannot be read ({error.strerror}): give a TOML file of options") from error
    except ValueError as error:
        raise UserError(f"'{path}' is not TOML: {error}") from error
    options |= {f"layer_weights.{k}": v for k, v in _table(options, "layer_weights").items()}
    options |= {name: str(path.parent / options[name]) for name in ("content", "style", "out") if name in options}
    if missing := {"content", "style"} - set(options):
        raise UserError(f"'{path}' does not name the {min(missing)}: add a line {min(missing)} = \"picture.jpg\"")
    words = [str(options.pop("content")), str(options.pop("style"))]
    for name, value in options.items():
        words += _option(name, value)
    return words


def _table(options: dict[str, Any], name: str) -> dict[str, Any]:
    return options.pop(name) if isinstance(options.get(name), dict) else {}


def _option(name: str, value: Any) -> list[str]:
    flag = f"--{name.replace('_', '-')}" if not name.startswith("layer_weights.") else f"--{name}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    if not isinstance(value, list):
        return [f"{flag}={value}"]
    several = (name in NUMERIC and name != "layer_weights") or name.startswith("layer_weights.")
    return [f"{flag}={','.join(map(str, value))}"] if several else [flag, *map(str, value)]
