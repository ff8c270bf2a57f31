"""Options of other style transfer programs, read into a recipe: one function for each."""

import math
from dataclasses import replace

from nst_jax.cli.tools import Options
from nst_jax.errors import UserError
from nst_jax.presets import RATES
from nst_jax.recipe import Recipe


def take(given: Options, name: str, default: str) -> str:
    """Remove an option and give its value."""
    values = given.pop(name, [default])
    return values[0] if values else default


def numbers(given: Options, recipe: Recipe, **names: str) -> Recipe:
    """Put options into the recipe's numbers: `numbers(given, recipe, content_weight="alpha")`."""
    for name, field in names.items():
        kind = type(getattr(recipe, field))
        text = take(given, name, "")
        try:
            recipe = replace(recipe, **{field: kind(float(text))}) if text else recipe
        except (ValueError, OverflowError):
            raise UserError(f"{name} is '{text}': expected a number") from None
    return recipe


def _rate(given: Options, recipe: Recipe, name: str) -> Recipe:
    """Put a learning rate for pixels of 0-255 into one for [0, 1]."""
    if name not in given:
        return recipe
    recipe = numbers(given, recipe, **{name: "lr"})
    return replace(recipe, lr=recipe.lr / 255)


def _number(given: Options, name: str, default: float) -> float:
    return numbers(given, Recipe(alpha=default), **{name: "alpha"}).alpha


def johnson(given: Options, recipe: Recipe) -> Recipe:
    """Read the options of neural_style.lua and of neural-style-pt."""
    recipe = numbers(
        given, recipe,
        content_weight="alpha", style_weight="beta", tv_weight="tv", num_iterations="steps", image_size="size",
    )  # fmt: skip
    rate = RATES["neural-style-pt" if recipe.tv_loss == "absolute" else "jcjohnson"]
    recipe = _rate(given, replace(recipe, lr=rate), "learning_rate")
    content = tuple(take(given, "content_layers", ",".join(recipe.content_layers)).split(","))
    style = tuple(take(given, "style_layers", ",".join(recipe.style_layers)).split(","))
    seed = max(0, int(_number(given, "seed", -1)))
    scale = _number(given, "style_scale", 1.0)
    picture = take(given, "init_image", "content")
    init = picture if take(given, "init", "random") == "image" else recipe.init
    return replace(
        recipe,
        colour="keep-luminance" if _number(given, "original_colors", 0) else "none",
        content_layers=content,
        style_layers=style,
        layer_weights=(1.0,) * len(style),
        seed=seed,
        style_size=0 if scale == 1 else round(scale * recipe.size),
        init=init or "content",
        optimizer=take(given, "optimizer", recipe.optimizer),  # type: ignore[arg-type]
        pooling=take(given, "pooling", recipe.pooling),  # type: ignore[arg-type]
    )


def anishathalye(given: Options, recipe: Recipe) -> Recipe:
    """Read the options of anishathalye's neural_style.py."""
    recipe = numbers(given, recipe, content_weight="alpha", style_weight="beta", tv_weight="tv", iterations="steps")
    recipe = _rate(given, recipe, "learning_rate")
    growth = _number(given, "style_layer_weight_exp", 1.0)
    powers = [growth**i for i in range(len(recipe.style_layers))]
    start = take(given, "initial", "")
    noise = _number(given, "initial_noiseblend", 0.0 if start else 1.0)
    kept = "preserve_colors" in given and take(given, "preserve_colors", "1") != "0"
    blend = "content" if noise == 0 else f"blend:{noise:g}"
    return replace(
        recipe,
        colour="keep-luminance" if kept else "none",
        layer_weights=() if growth == 1 else tuple(p / sum(powers) for p in powers),
        init=start or (recipe.init if noise == 1 else blend),
        pooling=take(given, "pooling", recipe.pooling),  # type: ignore[arg-type]
    )


def gordic(given: Options, recipe: Recipe) -> Recipe:
    """Read the options of gordicaleksa's neural_style_transfer.py."""
    recipe = numbers(given, recipe, content_weight="alpha", style_weight="beta", tv_weight="tv", height="size")
    optimizer = take(given, "optimizer", recipe.optimizer)
    kind = take(given, "init_method", "content")
    return replace(
        recipe,
        optimizer=optimizer,  # type: ignore[arg-type]
        lr=RATES["gordic"],
        steps=3000 if optimizer == "adam" else recipe.steps,
        init="noise" if kind == "random" else kind,
    )


def crowson(given: Options, recipe: Recipe) -> Recipe:
    """Read the options of style_transfer; those that are said only nearly stay, for the notes."""
    near = {
        k: v for k, v in given.items() if v and (v[0].endswith("+") or v[0] in ("normal", "style_stats", "average"))
    }
    if "end_scale" in near:
        given["end_scale"] = [near["end_scale"][0].rstrip("+")]
    if (optimizer := take(given, "optimizer", recipe.optimizer)) == "adam":
        recipe = numbers(given, recipe, avg_decay="ema")
    else:
        recipe, near["avg_decay"] = replace(recipe, ema=0.0), given.get("avg_decay", ["0.99"])
    least, factor = int(_number(given, "min_scale", 128)), _number(given, "style_scale_fac", 1.0)
    recipe = numbers(
        given, recipe,
        content_weight="alpha", tv_weight="tv", end_scale="size", step_size="lr", random_seed="seed",
        iterations="steps", initial_iterations="first_steps", style_size="style_size",
    )  # fmt: skip
    kinds = {"gray": "grey", "uniform": "noise", "normal": "noise", "random": "noise", "style_stats": "noise"}
    kind, pooling = take(given, "init", "content"), take(given, "pooling", "max")
    given |= near
    return replace(
        _crowson_scales(recipe, least),
        style_size=recipe.style_size or (0 if factor == 1 else round(factor * recipe.size)),
        style_scaling="fixed" if recipe.style_size else "tied",
        init=kinds.get(kind, kind),
        optimizer=optimizer,  # type: ignore[arg-type]
        pooling="avg" if pooling == "average" else pooling,  # type: ignore[arg-type]
    )


def _crowson_scales(recipe: Recipe, least: int) -> Recipe:
    """Choose the scales of style_transfer: its size divided by powers of sqrt 2, down to `least` pixels."""
    least = min(least, recipe.size)
    sides = [side for i in range(64) if (side := round(recipe.size / 2 ** (i / 2))) >= least]
    if len(sides) == 1:  # the first, with the steps of the first
        recipe = replace(recipe, steps=recipe.first_steps)
    exact = math.isclose(recipe.size, least * 2 ** ((len(sides) - 1) / 2))
    return replace(recipe, min_scale=least) if exact else replace(recipe, scales=len(sides))
