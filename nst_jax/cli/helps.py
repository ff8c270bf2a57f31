"""`--help` in two parts: the settings that people use first, and with `--help-all` every one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Annotated, Any, cast

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from nst_jax.cli.joining import Several
from nst_jax.cli.planned import Planned
from nst_jax.cli.running import Running
from nst_jax.cli.values import PRESET, Settings, words_of
from nst_jax.recipe import DEFAULT, INVERSION, TEXTURE, Recipe

FIRST = ("preset", "size", "steps", "alpha", "beta", "tv", "init", "scales", "style_size", "weights")
"""The settings of a recipe that people use first."""

WITH_RECIPE = ("stylize", "sweep", "batch", "texture", "invert")
ALL = "--help-all"
IDLE = {
    TEXTURE: ("preset", "frame", "alpha", "content_layers", "content_loss", "colour"),
    INVERSION: (
        "preset",
        "frame",
        "beta",
        "style_layers",
        "style_loss",
        "layer_weights",
        "style_shares",
        "style_size",
        "style_sizes",
    ),
}
"""Settings that say nothing of a texture or of an inversion."""
SEVERAL = tuple(field.name for field in fields(Several))
SELDOM = {
    Running: (*SEVERAL, "device", "memory", "depth", "quality", "dpi", "max_pixels", "format", "animate"),
    Planned: SEVERAL,
}
"""Options of a run, and of a single picture, that few need."""
_HELP = ("-h", "--help", ALL)


def asked(argv: Sequence[str]) -> str:
    """Give the word that asks for help, if there is one before a `--`."""
    words = argv[: argv.index("--")] if "--" in argv else argv
    return next((word for word in (ALL, *_HELP) if word in words), "")


def more(command: str) -> str:
    """Say where the other settings are explained."""
    idle = IDLE.get({"texture": TEXTURE, "invert": INVERSION}.get(command, DEFAULT), ())
    left = len(fields(Recipe)) + 1 - len({*FIRST, *idle})
    return f"{left} more settings of the recipe: nst-jax {command} {ALL}"


@contextmanager
def described(*, whole: bool) -> Iterator[None]:
    """Let the parser explain a recipe's first settings, or every one; only for printing help."""
    registry = ConstructorRegistry()

    @registry.struct_rule
    def rule(info: StructTypeInfo) -> StructConstructorSpec | None:
        if info.type not in (Recipe, Settings, *SELDOM):
            return None
        kind: type[Any] = info.type  # type: ignore[assignment]
        listed = {field.name: field for field in fields(kind)}
        words = {"preset": PRESET, **words_of(kind if kind in SELDOM else Recipe)}
        idle = IDLE.get(info.default, ()) if kind is Recipe else ()
        if kind is Recipe and info.default == TEXTURE:
            words["size"] = "WIDTHxHEIGHT of the picture in pixels, such as 1024x512, or one number for a square."
        specs = []
        for name in dict.fromkeys((*(words_of(kind) if kind in SELDOM else FIRST), *listed)):
            hint = listed[name].type if name in listed else str
            hidden = name in SELDOM[kind] if kind in SELDOM else name not in FIRST
            if name in idle or (hidden and not whole):
                hint = Annotated[hint, tyro.conf.Suppress]
            default = getattr(info.default, name, listed[name].default if name in listed else "default")
            default = tyro.MISSING if default is MISSING else default
            specs.append(StructFieldSpec(name, cast(Any, hint), default, words[name]))
        return StructConstructorSpec(lambda **given: kind(**given), tuple(specs))

    with registry:
        yield
