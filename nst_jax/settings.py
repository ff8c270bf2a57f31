"""What varies in a run, on recipes: settings by name, the lanes that they span, and which of them would be copies."""

import difflib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from nst_jax.axis import PICTURES, Axis, at
from nst_jax.errors import UserError
from nst_jax.presets import adapted
from nst_jax.recipe import DEFAULT, Recipe, check, tidied, unread

MOST = 100_000
"""Lanes of one run."""

DYNAMIC = ("alpha", "beta", "tv", "lr", "seed", "steps", "layer_weights", "style_shares", "mmd_c")
"""Settings that lanes of one compiled program can differ in."""

NAMES = tuple(f.name for f in fields(Recipe))
"""Settings that can vary, beside `preset` and entries such as `layer_weights.relu4_1`."""


@dataclass(frozen=True)
class Setting:
    """One lane of a run: its place on all axes, what is special about it, and the full recipe that makes it alone."""

    index: tuple[int, ...]
    settings: dict[str, Any]
    recipe: Recipe


@dataclass(frozen=True)
class Spanned:
    """The lanes that axes span, and how many more would have been copies of them."""

    lanes: tuple[Setting, ...]
    copies: int

    def say(self) -> str:
        """Tell of the copies; nothing if there are none."""
        if not self.copies:
            return ""
        return f"{self.copies} of {len(self.lanes) + self.copies} lanes would be copies of others and are left out"


def chosen(recipe: Recipe) -> dict[str, Any]:
    """Give the settings of a recipe that are not at their defaults."""
    return {name: value for name, value in vars(recipe).items() if value != getattr(DEFAULT, name)}


def named_layers(recipe: Recipe) -> tuple[str, ...]:
    """Give the style layers that a recipe names."""
    return recipe.style_layers


def span(
    given: Mapping[str, Any],
    axes: Sequence[Axis],
    preset: str = "default",
    own: Callable[[Recipe], tuple[str, ...]] = named_layers,
) -> Spanned:
    """Span every combination of the axes over what is given, the last axis fastest.

    A setting that a lane does not read is left out of its settings, and a lane that then is another one's copy is left
    out as well.

    Args:
        given: settings by name, for all lanes.
        axes: what varies: settings by name, `preset`, `layer_weights.LAYER`, and the pictures.
        preset: where all lanes begin, unless it is an axis.
        own: style layers of a recipe's network, asked for where a layer is weighed that the recipe does not name.

    Raises:
        UserError: a name that is no setting, a value that no recipe may have, a setting that no lane reads, or more
            lanes than MOST.
    """
    count = 1
    for axis in axes:
        count *= len(axis.values)
        for name in axis.names:
            _check_name(name)
    if count > MOST:
        raise UserError(f"the axes span {count} lanes: expected at most {MOST}")
    idle: dict[str, str] = dict.fromkeys(_deciding(given, axes), "")
    lanes: list[Setting] = []
    seen: set[Any] = set()
    for index in itertools.product(*(range(len(axis.values)) for axis in axes)):
        settings = at(axes, index)
        recipe = applied(given, settings, preset, own)
        why = {name: reason for name in {*idle, *settings} if (reason := idle_in(recipe, name))}
        idle = {name: why[name] for name in idle if name in why}
        recipe = tidied(recipe)
        check(recipe)
        key = (_places(axes, index), recipe)
        if key not in seen:
            seen.add(key)
            lanes.append(Setting(index, {name: x for name, x in settings.items() if name not in why}, recipe))
    for name, reason in idle.items():
        raise UserError(f"{name} would change nothing: {reason}; leave {name} out, or change that")
    return Spanned(tuple(lanes), count - len(lanes))


def _deciding(given: Mapping[str, Any], axes: Sequence[Axis]) -> list[str]:
    """Name the settings that must be read by some lane: those that vary, and those that are not at their default."""
    varied = [name for axis in axes for name in axis.names if len(axis.values) > 1]
    return [*(name for name, value in given.items() if value != getattr(DEFAULT, name)), *varied]


def _places(axes: Sequence[Axis], index: Sequence[int]) -> tuple[int, ...]:
    """Give the places on the axes of pictures: two files may have one name."""
    return tuple(i for axis, i in zip(axes, index, strict=True) if set(axis.names) & set(PICTURES))


PROBES = {
    "lr": 1.0, "ema": 0.5, "lr_schedule": "cosine", "coarse_steps": 1, "first_steps": 1, "scale_ratio": 3.0,
    "steps_ratio": 2.0, "style_scaling": "fixed", "min_scale": 1, "seed": 1, "mmd_c": 2.0, "temperature": 2.0,
    "projections": 1, "patch": 1, "pair_precision": "bfloat16",
}  # fmt: skip
"""For each setting that some recipes do not read, a value that is not its default."""


def idle_in(recipe: Recipe, name: str) -> str:
    """Say why a recipe does not read a setting; nothing if it does."""
    if name not in PROBES:
        return ""
    found = unread(replace(recipe, **{name: PROBES[name]}))
    return next((f"{decider} is {getattr(recipe, decider)}, and {why}" for n, decider, why in found if n == name), "")


def applied(
    given: Mapping[str, Any],
    settings: Mapping[str, Any],
    preset: str = "default",
    own: Callable[[Recipe], tuple[str, ...]] = named_layers,
) -> Recipe:
    """Make the recipe of a lane from a preset, what is given for all, and what varies.

    Raises:
        UserError: a layer that is no style layer.
    """
    varied = {name: value for name, value in settings.items() if name in NAMES}
    recipe = adapted(settings.get("preset", preset), **{**given, **varied})
    for name, value in settings.items():
        layer = name.removeprefix("layer_weights.")
        if layer == name:
            continue
        if layer not in recipe.style_layers and recipe.style_layers == DEFAULT.style_layers:
            recipe = replace(recipe, style_layers=own(recipe))
        if layer not in recipe.style_layers:
            raise UserError(f"'{layer}' is no style layer: use one of {', '.join(recipe.style_layers)}")
        n = len(recipe.style_layers)
        w = list(recipe.layer_weights or (1 / n,) * n)
        w[recipe.style_layers.index(layer)] = float(value)
        recipe = replace(recipe, layer_weights=tuple(w))
    return recipe


def _check_name(name: str) -> None:
    if name in NAMES or name in (*PICTURES, "preset") or name.startswith("layer_weights."):
        return
    near = difflib.get_close_matches(name, NAMES, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(NAMES)}"
    raise UserError(f"'{name}' is no setting: {hint}")
