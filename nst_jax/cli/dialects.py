"""Options of other style transfer programs, read into a recipe: one function for each."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nst_jax import images
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


CHANNELS = {"1": 64, "2": 128, "3": 256, "4": 512, "5": 512}
"""Of the layers of a VGG, by their block."""


def tf_paths(given: Options) -> None:
    """Put the folders of neural-style-tf before the names of its pictures, and its output where it writes it."""
    inputs, styles = take(given, "content_img_dir", "./image_input"), take(given, "style_imgs_dir", "./styles")
    for name, folder in (("content_img", inputs), ("style_imgs", styles), ("style_mask_imgs", inputs)):
        if name in given:
            given[name] = [os.path.normpath(os.path.join(folder, file)) for file in given[name]]
    name = take(given, "img_name", "result")
    given["img_name"] = [os.path.normpath(os.path.join(take(given, "img_output_dir", "image_output"), f"{name}.png"))]


def tf(given: Options, recipe: Recipe, content: str, styles: int) -> tuple[Recipe, list[str]]:
    """Read the options of neural-style-tf, but for its pictures; give what is said nearly, too.

    alpha / (2 sqrt(N M)) sum (C - G)^2 for one content layer of N channels and M positions; the style loss is divided
    by the numbers of layers and of styles.
    """
    plain = replace(recipe, alpha=5.0, beta=1e4, tv=1e-3, tv_loss="mean-squares", size=512, steps=1000, seed=0)
    plain = numbers(
        given, plain,
        content_weight="alpha", style_weight="beta", tv_weight="tv", max_size="size", max_iterations="steps",
        seed="seed",
    )  # fmt: skip
    layers = tuple(given.pop("content_layers", ["conv4_2"]))
    of_style = tuple(given.pop("style_layers", [f"relu{block}_1" for block in "12345"]))
    weights = _shares("style_layer_weights", given.pop("style_layer_weights", ["1"] * len(of_style)), len(of_style))
    which, notes = take(given, "content_loss_function", "1"), []
    alpha = plain.alpha / len(layers)
    if which == "1":
        h, w, known = _tf_shape(content, plain.size)
        stride = 2 ** (int(layers[0][4]) - 1) if layers[0][4:5] in CHANNELS else 1
        alpha /= math.sqrt(CHANNELS.get(layers[0][4:5], 512) * math.ceil(h / stride) * math.ceil(w / stride))
        if not known:
            notes.append(f"the content weight is that of a picture of {w}x{h}: translate where the content lies")
        if len(layers) > 1:
            notes.append(f"the content weight of all layers is that of {layers[0]}")
    ratio = _number(given, "noise_ratio", 1.0)
    start = take(given, "init_img_type", "content")
    faint = "grey" if ratio == 1 else f"blend:{ratio:g}"
    adam = take(given, "optimizer", "lbfgs") == "adam"
    rate = _number(given, "learning_rate", 1.0)
    kept = given.pop("original_colors", None) is not None
    if kept and (space := take(given, "color_convert_type", "yuv")) != "yuv":
        notes.append(f"luminance is that of yuv here, of {space} there")
    return (
        replace(
            plain,
            alpha=alpha,
            beta=plain.beta / (styles * len(of_style)),
            content_loss="mean" if which == "2" else "half-sum",
            content_layers=layers,
            style_layers=of_style,
            layer_weights=weights,
            init=faint if start == "random" else start,
            optimizer="adam" if adam else "lbfgs",
            lr=rate / 255 if adam else recipe.lr,
            pooling=take(given, "pooling_type", "avg"),  # type: ignore[arg-type]
            colour="keep-luminance" if kept else "none",
        ),
        notes,
    )


def _shares(name: str, words: Sequence[str], count: int) -> tuple[float, ...]:
    """Divide weights by their sum."""
    try:
        found = [float(word) for word in words]
    except ValueError:
        raise UserError(f"{name} is '{' '.join(words)}': expected numbers") from None
    if len(found) != count or not sum(found) > 0:
        raise UserError(f"{name} has {len(found)} numbers for {count} layers: give one for each, not all 0")
    return tuple(weight / sum(found) for weight in found)


def _tf_shape(content: str, size: int) -> tuple[int, int, bool]:
    """Give the height and width that a content is painted at, and whether they are its own or those of a square."""
    try:
        h, w = images.shape_of(Path(content))
    except UserError:
        return size, size, False
    return (*images.resized((h, w), size), True)


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
