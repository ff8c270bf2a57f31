"""`nst-jax sweep`: one content, one style, and every combination of the numbers that are given as lists or ranges."""

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import msgspec
import tyro

from nst_jax.axis import Axis
from nst_jax.cli.running import Running
from nst_jax.cli.styles import WORDS, ContentMask, StyleMask
from nst_jax.cli.styles import read as read_styles
from nst_jax.cli.values import KINDS, LISTS, UNSET, Settings, dotted, read_settings, styles_into
from nst_jax.errors import UserError
from nst_jax.files import one_line, regular, shown
from nst_jax.plain import validated
from nst_jax.runs.spec import MaskFiles, Spec


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Paint CONTENT with the texture of STYLE once for each combination of the settings given as VALUES.

    VALUES are a list a,b,c; for numbers also whole numbers 0..3, or LOW:HIGH:COUNT with lin or log:

        nst-jax sweep photo.jpg painting.jpg -o runs/beta --beta 1e1:1e5:9log --alpha 1,10
        nst-jax sweep photo.jpg painting.jpg -o runs/how --pooling max,avg --style-loss gram,w2 --beta 1e3,1e4
        nst-jax sweep photo.jpg painting.jpg -o runs/whose --preset default,jcjohnson,crowson
        nst-jax sweep photo.jpg painting.jpg -o runs/where --style-layers relu1_1+relu2_1,relu3_1+relu4_1
        nst-jax sweep photo.jpg painting.jpg -o runs/w --layer-weights.relu4_1 0,0.1,1
        nst-jax sweep photo.jpg --style wave.jpg night.jpg -o runs/mix --style-shares 1+0,0.5+0.5,0+1
        nst-jax sweep FILE.toml

    Lanes that differ in numbers alone are one compiled program. A killed run goes on with the same command. FILE.toml
    holds the same options by the same names, with content and style beside them; its paths are relative to it.
    """

    content: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CONTENT")]
    """Picture whose layout to keep; or a single FILE.toml in place of both pictures."""
    style: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="STYLE")] = None
    """Picture whose texture to take, of any size, or its `nst-jax style`."""
    styles: Annotated[tuple[str, ...], tyro.conf.arg(name="style", metavar="STYLE[:SHARE]...", help=WORDS)] = ()
    content_mask: ContentMask = ()
    style_mask: StyleMask = ()
    running: tyro.conf.OmitArgPrefixes[Running]
    settings: tyro.conf.OmitArgPrefixes[Settings] = UNSET  # type: ignore[valid-type]
    """Settings of one style transfer; those marked VALUES can vary."""
    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """One more axis: layer_weights.relu4_1=0,0.1,1, which is the same as --layer-weights.relu4_1 0,0.1,1."""
    zip: tuple[str, ...] = ()
    """Names of axes that move together, instead of in all combinations."""
    read_from: Annotated[tuple[Path, ...], tyro.conf.Suppress] = ()
    """The FILE.toml that the options come from."""

    def run(self) -> int:
        """Make the sweep; return the exit code."""
        styles = read_styles(self.style, self.styles)
        read = styles_into(read_settings(self.settings, self.vary), styles)
        options = self.running
        spec = Spec(
            (self.content,),
            styles.paths,
            read.recipe,
            zipped(read.axes, self.zip),
            mixed=styles.mixed,
            show_pictures=False,
            snapshots=options.snapshots,
            animate=options.animate,
            metrics=options.metrics,
            given=read.given,
            preset=read.preset,
            masks=MaskFiles(self.content_mask, self.style_mask),
        )
        return options.run(spec, self.read_from)


def zipped(values: Mapping[str, tuple[Any, ...]], together: Sequence[str]) -> tuple[Axis, ...]:
    """Make one axis of the names that move together, and one of each other name.

    Raises:
        UserError: a name that does not vary, or lists of different lengths.
    """
    names = tuple(dotted(name) for name in together)
    if missing := [name for name in names if name not in values]:
        raise UserError(f"--zip names '{missing[0]}', which has not several values: {', '.join(values) or 'none'} have")
    lengths = {name: len(values[name]) for name in names}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise UserError(f"axes that move together need equally many values: {found}")
    joint = (Axis(names, tuple(zip(*(values[name] for name in names), strict=True))),) if names else ()
    return (*joint, *(Axis((name,), tuple((v,) for v in vs)) for name, vs in values.items() if name not in names))


def expand(argv: Sequence[str]) -> list[str]:
    """Turn FILE.toml and `--layer-weights.relu4_1 VALUES` into plain options of `sweep`; leave other commands alone.

    Raises:
        UserError: a file that cannot be read.
    """
    if not argv or argv[0] != "sweep":
        return list(argv)
    files = options_files(argv)
    words = [part for word in argv[1:] for part in (from_toml(Path(word)) if Path(word) in files else [word])]
    found, rest = [], iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if dotted(flag).startswith("__layer_weights."):
            found.append(f"--vary={dotted(flag)[2:]}={value if equals else next(rest, '')}")
        else:
            found.append(word)
    return ["sweep", *found]


def options_files(argv: Sequence[str]) -> tuple[Path, ...]:
    """List the files of options in a command line of `sweep`: every FILE.toml that is not the folder of the run."""
    pairs = itertools.pairwise(argv) if argv[:1] == ["sweep"] else ()
    return tuple(Path(word) for before, word in pairs if word.endswith(".toml") and before not in ("--out", "-o"))


def from_toml(path: Path) -> list[str]:
    """Read a file of options as a command line.

    Raises:
        UserError: no such file, not TOML, or an option that there is not or of another type.
    """
    what = f"'{shown(path)}'"
    try:
        with regular(path, "a TOML file of options").open("rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise UserError(f"{what} has more than {LARGEST} bytes: expected a TOML file of options")
        read = tomllib.loads(text.decode())
    except OSError as error:
        raise UserError(f"{what} cannot be read ({one_line(error)}): give a TOML file of options") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{what} is not TOML: {one_line(error)}") from error
    options = {dotted(name): value for name, value in read.items()}
    if len(options) < len(read):
        raise UserError(f"{what} names an option twice, with - and with _: name it once")
    if missing := {"content", "style"} - set(options):
        raise UserError(f'{what} does not name the {min(missing)}: add a line {min(missing)} = "picture.jpg"')
    validated(options, OPTIONS, what)
    options |= {f"layer_weights.{k}": v for k, v in _table(options, "layer_weights").items()}
    options |= {name: str(path.parent / options[name]) for name in ("content", "out") if name in options}
    for name in {*MASKS} & options.keys():
        given = options[name]
        options[name] = [str(path.parent / one) for one in ([given] if isinstance(given, str) else given)]
    styles = options.pop("style")
    words = [str(options.pop("content"))]
    if isinstance(styles, str):
        words.append(str(path.parent / styles))
    else:
        words += ["--style", *(str(path.parent / style) for style in styles)]
    for name, value in options.items():
        words += _option(name, value)
    return words


MASKS = ("content_mask", "style_mask")
LARGEST = 1_000_000
"""Bytes of a file of options."""


def _options() -> type:
    """Make the type of a file of options: settings with one value or several, and the options of a run."""
    plain = {Path: str, Path | None: str | None}
    running = {name: plain.get(kind, kind) for name, kind in get_type_hints(Running).items()}
    settings = {"preset": str | list[str], **{name: _values_of(kind) for name, kind in KINDS.items()}}
    weight = settings["tv"]
    settings["layer_weights"] = settings["layer_weights"] | dict[str, weight]
    own = {"content": str, "style": str | list[str], "vary": list[str], "zip": list[str]}
    own |= dict.fromkeys(MASKS, str | list[str])
    given = {**settings, **running, **own}
    return msgspec.defstruct("Options", [(*one, None) for one in given.items()], forbid_unknown_fields=True)


def _values_of(kind: Any) -> Any:
    """Say how a file spells one value of a setting, or several: a range is a text."""
    if kind is bool:
        return bool
    if get_origin(kind) is tuple:
        one = float if "float" in str(kind) else int if "int" in str(kind) else str
        return str | list[one | list[one]]
    one = {int: int, float: float}.get(kind, int | str if "int" in str(kind) else str)
    return one | str | list[one]


OPTIONS = _options()


def _table(options: dict[str, Any], name: str) -> dict[str, Any]:
    return options.pop(name) if isinstance(options.get(name), dict) else {}


def _option(name: str, value: Any) -> list[str]:
    flag = f"--{name.replace('_', '-')}" if not name.startswith("layer_weights.") else f"--{name}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    if not isinstance(value, list):
        return [f"{flag}={value}"]
    setting = name in (*KINDS, "preset") or name.startswith("layer_weights.")
    if not setting or (name in LISTS and not any(isinstance(v, list) for v in value)):
        return [flag, *map(str, value)]  # words, or one list of layers or weights
    words = ("+".join(map(str, v)) if isinstance(v, list) else str(v) for v in value)
    return [f"{flag}={','.join(words)}"]
