"""What a problem is made of, said as a recipe: for the record inside a picture that a program made."""

from dataclasses import replace
from typing import Any

import numpy as np

from nst_jax import blend, losses, record
from nst_jax.canvases import CANVASES, Transforms
from nst_jax.errors import UserError
from nst_jax.gradients import Tiles, Whole
from nst_jax.networks import Encoder
from nst_jax.posing import arrays
from nst_jax.problem import Problem
from nst_jax.recipe import DEFAULT, DRAWN, Recipe, check, noise


def described(encoder: Encoder, problem: Problem) -> dict[str, Any] | None:
    """Write down what a picture of this problem is made from; none for a problem that was not posed from pictures."""
    if problem.origin is None or not problem.origin.inputs:
        return None
    recipe, own = recipe_of(encoder, problem)
    return record.describe(recipe, problem.origin.inputs, problem.fingerprint, own)


def recipe_of(encoder: Encoder, problem: Problem) -> tuple[Recipe, dict[str, str]]:
    """Give the recipe that makes this very problem, and by place whatever no recipe can say."""
    assert problem.origin is not None
    own: dict[str, str] = {}
    recipe = replace(problem.origin.recipe, precision=problem.precision, weights=encoder.source)
    network = problem.network
    if not encoder.source:
        recipe, own["network"] = replace(recipe, weights=DEFAULT.weights), network.name
    choices = {name: getattr(network, name) for name in ("pooling", "padding", "remat") if hasattr(network, name)}
    recipe = _with_terms(replace(recipe, **choices), problem, own)
    recipe = _with_descent(recipe, problem, own)
    recipe = _with_start(_with_shares(recipe, problem), problem, own)
    canvas = next((name for name, known in CANVASES.items() if known == problem.canvas), None)
    if canvas is None:
        own["canvas"] = repr(problem.canvas)
    recipe = replace(recipe, canvas=canvas or DEFAULT.canvas)
    if problem.views is not None and problem.views.transforms != Transforms():
        own["transforms"] = repr(problem.views.transforms)
    recipe = replace(recipe, transforms=problem.views is not None)
    if type(problem.gradient) in (Whole, Tiles):
        recipe = replace(recipe, tile=getattr(problem.gradient, "side", 0))
    else:
        own["gradient"] = repr(problem.gradient)
    if problem.held is not None:
        own["masks"] = "held by a program"
    if not _same(arrays(problem), problem.origin.arrays):
        own["problem"] = "changed after it was posed"
    try:
        check(recipe)
    except UserError as error:
        own["recipe"] = str(error)
    return recipe, own


def _same(found: tuple[Any, ...], posed: tuple[Any, ...]) -> bool:
    if len(found) != len(posed):
        return False
    return all(
        a is b or (np.shape(a) == np.shape(b) and np.array_equal(a, b)) for a, b in zip(found, posed, strict=True)
    )


def short(old: float, found: Any) -> float:
    """Give a float32 leaf as the number that it was made of, or else with the fewest digits that tell it."""
    return old if np.float32(old) == np.float32(found) else float(str(np.float32(found)))


def _number(recipe: Recipe, term: str, name: str, found: Any) -> float:
    """Give a number of a term's loss as the recipe had it; as it is found where the recipe had none."""
    chosen = {"content": losses.content_of, "style": losses.style_of}
    return chosen[term](recipe)[1].get(name, float(found)) if term in chosen else float(found)


def _with_terms(recipe: Recipe, problem: Problem, own: dict[str, str]) -> Recipe:
    weights = {"content": "alpha", "style": "beta", "variation": "tv"}
    layers = {"content": "content_layers", "style": "style_layers"}
    units, smoothings = set(), set()
    for name, term in problem.terms.items():
        numbers = {key: short(_number(recipe, name, key, x), x) for key, x in term.numbers.items()}
        loss = term.loss.loss if isinstance(term.loss, losses.Mixture) else losses.unregioned(term.loss)
        said = losses.named(name, loss, numbers) if name in weights else None
        if said is None:
            own[f"terms.{name}"] = f"{term.loss!r} at {', '.join(term.targets)}"
            continue
        units.add(said["units"])
        if name in layers:
            smoothings.add((said["smoothing"], said["temperature"]))
        recipe = replace(recipe, **said, **{weights[name]: short(getattr(recipe, weights[name]), term.weight)})
        asked = getattr(recipe, layers.get(name, "")) if name in layers else ()
        drawn = term.loss.layers(asked) != asked and set(term.loss.layers(asked)) == set(term.targets)
        if name in layers and not drawn:
            recipe = replace(recipe, **{layers[name]: tuple(term.targets)})
    if len(units) > 1:
        own["units"] = "relative for some terms, the paper's for others"
    if len(smoothings) > 1:
        own["smoothing"] = "of some terms, not of others"
    own |= {f"terms.{name}": "left out" for name in weights if name not in problem.terms}
    if "style" not in problem.terms or "terms.style" in own:
        return recipe
    found = tuple(problem.terms["style"].layer_weights.values())
    old = recipe.layer_weights or tuple(1 / len(found) for _ in found)
    new = tuple(short(a, b) for a, b in zip(old, found, strict=True)) if len(old) == len(found) else found
    return recipe if new == old else replace(recipe, layer_weights=new)


def _with_descent(recipe: Recipe, problem: Problem, own: dict[str, str]) -> Recipe:
    found = problem.descent.settings()
    recipe = replace(recipe, steps=int(problem.steps))
    if found is None:
        own["descent"] = repr(problem.descent)
        return recipe
    plain: dict[str, Any] = {"lr": DEFAULT.lr, "ema": DEFAULT.ema, "lr_schedule": DEFAULT.lr_schedule}
    plain["pair_precision"] = DEFAULT.pair_precision
    numbers = {name: short(getattr(recipe, name), found[name]) for name in ("lr", "ema") if name in found}
    return replace(recipe, **{**plain, **found, **numbers})


def _with_shares(recipe: Recipe, problem: Problem) -> Recipe:
    count = len(problem.style_shares)
    old = recipe.style_shares or (1 / max(1, count),) * count
    new = tuple(short(a, problem.style_shares[str(i + 1)]) for i, a in enumerate(old))
    return recipe if new == old else replace(recipe, style_shares=new)


def _with_start(recipe: Recipe, problem: Problem, own: dict[str, str]) -> Recipe:
    fraction = float(problem.noise)
    if np.float32(noise(recipe.init)) != np.float32(fraction):
        short_fraction = float(str(np.float32(fraction)))
        over_content = recipe.init == "content" or recipe.init.startswith("blend:")
        if over_content:
            recipe = replace(recipe, init=f"blend:{short_fraction:g}" if fraction else "content")
        elif recipe.init in ("grey", "noise") and fraction in (0, 1):
            recipe = replace(recipe, init="noise" if fraction else "grey")
        else:
            own["noise"] = f"{short_fraction:g} over init {recipe.init}"
    draws = {*DRAWN} & {*blend.names(recipe.style_loss), *blend.names(recipe.content_loss)}
    read = fraction or problem.views is not None or draws
    return replace(recipe, seed=int(problem.seed) if read else 0)
