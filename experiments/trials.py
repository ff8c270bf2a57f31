"""Trials: pictures painted by recipes, judged, and appended as rows to a table that a later run goes on from.

Trials whose recipes differ in numbers alone share a compiled program and run as one batch. On a GPU several such groups
run at once, each in a process of its own (`workers`), so that one compiles while another computes.
"""

import csv
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments import common, drawn
from nst_jax import colour, images
from nst_jax.axis import Axis
from nst_jax.masks import of_arrays
from nst_jax.posing import Pair
from nst_jax.recipe import PLAIN, Recipe

PAIRS = (
    ("temple", "great_wave"), ("astronaut", "village_street_auvers"), ("chelsea", "summertime"),
    ("temple", "composition_viii"), ("astronaut", "great_wave"), ("chelsea", "village_street_auvers"),
)  # fmt: skip
"""Contents and styles; the first three are three of each. Each content stands twice."""
CONTENTS, STYLES = (tuple(dict.fromkeys(pair[i] for pair in PAIRS)) for i in (0, 1))
USUAL: dict[str, Any] = {"units": "relative", "pooling": "avg", "padding": "replicate", "tv": 0.1}
"""What the default has, spelt out, so that another default renames no trial."""
NUMBERS: dict[str, Any] = {
    "alpha": 1.0, "beta": 1.0, "tv": 0.0, "seed": 0, "init": "content", "steps": 1, "lr": 0.02, "style_shares": (),
    "guides": "inside", "style_size": 0,
}  # fmt: skip
"""Settings that lanes of one program may have for themselves: numbers, and what posing alone reads."""
JUDGED = "style_bures"
"""The column that says that a row is judged."""
OF_CONTENT = ("content_distance", "ssim", "edge_f1", "content_fidelity", "colour_distance")
"""Measures that say nothing of a texture."""
WEIGHINGS = ("given", "balanced", "gradient")
"""Weights of the style's layers: the recipe's; such that all begin with equal losses; or with equal gradients."""


@dataclass(frozen=True)
class Trial:
    """One picture to paint: the columns that say which, of what, and how.

    Content and style are the middle squares of their pictures, so that all pairs share programs.

    Attributes:
        columns: of its row.
        content, style: names of pictures; a texture has no content, "".
        recipe: how it is painted, at the recipe's size.
        weighing: where the weights of the style's layers come from, one of WEIGHINGS.
        also: networks beside VGG16 whose held-out layers judge it too.
        judged_at: side in pixels that the picture is brought to before it is judged; 0 leaves it.
        styles: more styles, mixed with the first by the recipe's shares, or one for each further region of the mask.
        mask: which of `drawn.MASKS` divides the content, whose regions have the styles in their order.
        after: how the painted picture gets the content's colours back, as `--colour` has it.
        measured_by: experiment whose `measured(image, trial, pictures)` gives columns of its own.
    """

    columns: Mapping[str, Any]
    content: str
    style: str
    recipe: Recipe
    weighing: str = "given"
    also: tuple[str, ...] = ()
    judged_at: int = 0
    styles: tuple[str, ...] = ()
    mask: str = ""
    after: str = ""
    measured_by: str = ""

    @property
    def every_style(self) -> tuple[str, ...]:
        """List the style, or all of several."""
        return (self.style, *self.styles)

    @property
    def pair(self) -> str:
        """Name the pictures that it is made from."""
        return " + ".join(filter(None, (self.content, "+".join(self.every_style))))

    @property
    def name(self) -> str:
        """Name it by what it is made from, without the settings of `PLAIN`: a new setting renames no trial."""
        settings = {key: value for key, value in vars(self.recipe).items() if value != getattr(PLAIN, key)}
        own = {key: value for key, value in asdict(self).items() if key not in ("columns", "recipe") and value}
        made = {**own, "columns": dict(self.columns), "recipe": settings}
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def group(self) -> str:
        """Name what it has in common with trials that share its program."""
        recipe = self.recipe
        shares = {name: value for name, value in NUMBERS.items() if name != "tv" or recipe.tv}
        shares |= {"layer_weights": ()} if recipe.layer_weights or self.weighing != "given" else {}
        shares |= {} if recipe.colour == "keep-luminance" else {"colour": "none"}
        return repr((replace(recipe, **shares), len(self.styles), bool(self.mask)))


def square(name: str, size: int) -> np.ndarray:
    """Read the middle square of a picture, or draw one: (size, size, 3) in [0, 1]; no name gives grey."""
    if not name:
        return np.full((size, size, 3), 0.5, np.float32)
    if name in drawn.TEXTURES:
        return images.resize(drawn.TEXTURES[name](), size)
    whole = images.read(common.find(name)).rgb
    side = min(whole.shape[:2])
    top, left = ((n - side) // 2 for n in whole.shape[:2])
    return images.resize(whole[top : top + side, left : left + side], size)


@dataclass
class Table:
    """The rows of a CSV file by the name of their trial, which is the first column; written whole at each change."""

    path: Path
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what is there."""
        if self.path.exists():
            with self.path.open(newline="") as file:
                self.rows = {row["trial"]: dict(row) for row in csv.DictReader(file)}

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows, or to rows what they lack."""
        for row in rows:
            self.rows[row["trial"]] = {**self.rows.get(row["trial"], {}), **row}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        common.table(self.path, list(self.rows.values()))

    def waits(self, trial: Trial, pictures: Path) -> bool:
        """Say whether a trial is painted and not judged, and its picture is there."""
        row = self.rows.get(trial.name)
        return bool(row) and not row.get(JUDGED) and (pictures / f"{trial.name}.png").exists()

    def of(self, trials: Sequence[Trial]) -> list[dict[str, Any]]:
        """Give the rows of trials that are judged, in their order, with numbers as numbers."""
        found = [self.rows[trial.name] for trial in trials if self.rows.get(trial.name, {}).get(JUDGED)]
        return [{key: _number(value) for key, value in row.items()} for row in found]


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


@dataclass(frozen=True)
class Limits:
    """How a run of trials may spend its time.

    Attributes:
        workers: processes that paint at once; 1 for this one.
        judges: processes that judge at once, on the CPU, beside them; 0 for those that paint, -1 for none: the next run
            judges what has its picture.
        budget: seconds after which nothing more is painted.
        grace: seconds more to judge what is painted; the rest is judged by the next run, if its pictures are there.
        largest: pixels times lanes of one batch; larger groups are cut.
        alike: fill batches up to that, so that programs differ as little as they can: what a GPU's compiler measures
            for one it need not for the next.
    """

    workers: int = 1
    judges: int = 0
    budget: float = float("inf")
    grace: float = float("inf")
    largest: int = 24 * 256 * 256
    alike: bool = False

    def lanes(self, size: int) -> int:
        """Give how many pictures of a size run at once."""
        return max(1, self.largest // size**2)


def run(wanted: Mapping[str, Sequence[Trial]], tables: Mapping[str, Table], pictures: Path, limits: Limits) -> None:
    """Paint the trials that their tables lack, in order, keep their pictures, judge them and append their rows."""
    began = time.monotonic()
    painting = [(name, part) for name, found in wanted.items() for part in parts(found, tables[name], limits)]
    judging = [
        (name, [trial]) for name, found in wanted.items() for trial in found if tables[name].waits(trial, pictures)
    ]
    pictures.mkdir(parents=True, exist_ok=True)
    with executor(limits.workers) as paints, executor(limits.judges, alone=True) as judges:
        running: dict[Future, tuple[str, list[Trial], bool]] = {}
        while painting or running or (judging and limits.judges >= 0):
            spent = time.monotonic() - began
            if spent > limits.budget + limits.grace:
                break
            busy = sum(painted for *_, painted in running.values())
            while painting and spent < limits.budget and busy < limits.workers:
                name, part = painting.pop(0)
                fill = limits.lanes(part[0].recipe.size) if limits.alike else 0
                running[paints(paint, part, pictures, fill)] = name, part, True
                busy += 1
            while judging and limits.judges >= 0 and (limits.judges == 0 or len(running) - busy < 2 * limits.judges):
                name, part = judging.pop(0)
                running[judges(judge, part, pictures)] = name, part, False
            if not running:
                break
            for done in wait(running, timeout=5, return_when=FIRST_COMPLETED).done:
                name, part, painted = running.pop(done)
                if error := done.exception():
                    print(f"{spent:5.0f} s, {name}: {len(part)} trials failed: {error}", file=sys.stderr, flush=True)
                    continue
                tables[name].add(done.result())
                if painted:
                    judging += [(name, [trial]) for trial in part if tables[name].waits(trial, pictures)]
                    said = f"{len(part)} painted, {len(painting)} batches and {len(judging)} judgements left"
                    print(f"{spent:5.0f} s, {name}: {said}", file=sys.stderr, flush=True)


def parts(found: Sequence[Trial], table: Table, limits: Limits) -> Iterator[list[Trial]]:
    """Cut the trials that a table lacks into batches that share a program; alike, they are whole groups."""
    groups: dict[str, list[Trial]] = {}
    for trial in {trial.name: trial for trial in found if trial.name not in table.rows}.values():
        groups.setdefault(trial.group, []).append(trial)
    for group in groups.values():
        count = len(group) if limits.alike else limits.lanes(group[0].recipe.size)
        size = -(-len(group) // -(-len(group) // count))
        yield from (group[i : i + size] for i in range(0, len(group), size))


@contextmanager
def executor(workers: int, alone: bool = False) -> Iterator[Callable[..., Future]]:
    """Give a `submit`: to processes, or, of at most one worker, to this process at once.

    `alone` are processes of one thread on the CPU. They end with the block, whatever they are at.
    """
    if workers > 1 or (alone and workers == 1):
        if alone:  # read when a process begins: within it would be too late, and painting does not read it
            os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_alone if alone else None)
        try:
            yield pool.submit
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list((pool._processes or {}).values()):
                process.terminate()
        return

    def submit(function: Callable, *words: Any) -> Future:
        future: Future = Future()
        try:
            future.set_result(function(*words))
        except Exception as error:
            future.set_exception(error)
        return future

    yield submit


def _alone() -> None:
    import jax

    os.nice(10)
    jax.config.update("jax_platforms", "cpu")
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"


@cache
def encoder_of(weights: str) -> Any:
    """Load a network once a process."""
    from nst_jax import load_encoder

    return load_encoder(weights)


def paint(trials: Sequence[Trial], pictures: Path, fill: int = 0) -> list[dict[str, Any]]:
    """Paint trials that share a program, keep each as PNG in `pictures`, and give their rows.

    With `fill`, so many run together, the last of them filled up with copies.
    """
    from nst_jax import Watch, solve_batch
    from nst_jax.batch.sweep import of_scales
    from nst_jax.scales import pose_scales

    began = time.perf_counter()
    encoder = encoder_of(trials[0].recipe.weights)
    lanes, balanced = [], {}
    for trial in trials:
        pair = pair_of(trial)
        recipe = replace(trial.recipe, size=0, style_size=0, frame="")
        if trial.weighing != "given":
            key = trial.content, trial.style, trial.weighing
            if key not in balanced:
                balanced[key] = weighed(encoder, pair, recipe, trial.weighing)
            recipe = replace(recipe, layer_weights=balanced[key])
        lanes.append(pose_scales(encoder, pair, recipe))
    lanes += [lanes[-1]] * (-len(lanes) % fill if fill else 0)
    axis = Axis(("trial",), tuple((i,) for i in range(len(lanes))))
    sweep = of_scales(lanes, (axis,), tuple((i,) for i in range(len(lanes))))
    found = solve_batch(encoder, sweep, lanes=fill or None, watch=Watch(say=lambda *_: None)).solutions
    each = (time.perf_counter() - began) / len(trials)
    rows = []
    for trial, solution in zip(trials, found, strict=False):
        total = solution.history["total"]
        if not np.isfinite(total).any():
            print(f"{trial.name}: no step of it has a finite loss: left out", file=sys.stderr, flush=True)
            continue
        path = pictures / f"{trial.name}.png"
        image = recoloured(np.asarray(solution.image), trial)
        Image.fromarray(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)).save(path)
        last = len(total) - 1
        facts = {"loss": float(np.nanmin(total)), "last_change": _change(total), "steps": last}
        rows.append({**_said(trial), **facts, **common.about(each)})
    return rows


def pair_of(trial: Trial) -> Pair:
    """Read what a trial is made from: a texture's content is grey, and says no more than its size."""
    size = trial.recipe.size
    styles = tuple(square(name, trial.recipe.style_size or size) for name in trial.every_style)
    masks = of_arrays(drawn.MASKS[trial.mask](size)) if trial.mask else None
    return Pair(square(trial.content, size), styles if trial.styles else styles[0], masks=masks)


def recoloured(image: np.ndarray, trial: Trial) -> np.ndarray:
    """Give a painted picture (h, w, 3) its content's colours, if that is what is done after."""
    if not trial.after:
        return image
    content = square(trial.content, trial.recipe.size)
    if trial.after == "keep-luminance":
        return colour.with_chroma(image, content)
    return colour.matched(image, content, trial.after)  # type: ignore[arg-type]


def judge(trials: Sequence[Trial], pictures: Path) -> list[dict[str, Any]]:
    """Measure the pictures of trials as they were saved: what is to be added to their rows."""
    return [{"trial": trial.name, **judged(pictures / f"{trial.name}.png", trial)} for trial in trials]


def weighed(encoder: Any, pair: Any, recipe: Recipe, how: str) -> tuple[float, ...]:
    """Give the weights, of mean 1, with which all layers of the style begin with equal losses, or equal gradients."""
    import jax

    from nst_jax import pose, terms

    alone = []
    for layer in recipe.style_layers:
        own = replace(recipe, style_layers=(layer,), layer_weights=(), scales=1)
        problem = pose(encoder, pair.content, pair.style, recipe=own)

        def style(image: Any, problem: Any = problem, name: str = f"style/{layer}") -> Any:
            return terms(encoder, problem, image)[name]

        value, slope = jax.value_and_grad(style)(jax.numpy.asarray(pair.content, "float32"))
        alone.append(float(value if how == "balanced" else jax.numpy.linalg.norm(slope)))
    weights = 1 / np.array(alone)
    return tuple((weights / weights.mean()).tolist())


def _said(trial: Trial) -> dict[str, Any]:
    told = {"content": trial.content, "style": "+".join(trial.every_style), "size": trial.recipe.size}
    return {"trial": trial.name, **told, **trial.columns}


def _change(total: np.ndarray) -> float:
    """Give how much the lowest loss still fell over the last 50 steps, relatively."""
    lowest = np.fmin.accumulate(total)
    return float(1 - lowest[-1] / lowest[max(0, len(lowest) - 51)])


def judged(path: Path, trial: Trial) -> dict[str, float]:
    """Measure the picture of a trial as it was saved, on a CPU, where decompositions of matrices are quick."""
    import jax

    size = trial.judged_at or trial.recipe.size
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        image = np.asarray(images.read(path).rgb, np.float32)
        image = image if size == trial.recipe.size else images.resize(image, size)
        content = trial.content or trial.style  # of a texture, what compares places with a content is left out
        found = {key: float(value) for key, value in judge_of(content, trial.style, size)(image).items()}
        found = found if trial.content else {key: x for key, x in found.items() if key not in OF_CONTENT}
        for network in trial.also:
            held = other_of(network, trial.content, trial.style, size)(image)
            found |= {f"{network}.{key}": float(value) for key, value in held.items()}
        if trial.measured_by:
            found |= import_module(f"experiments.{trial.measured_by}").measured(image, trial, path.parent)
    return found


@cache
def judge_of(content: str, style: str, size: int) -> Callable[[np.ndarray], Mapping[str, Any]]:
    """Give who judges pictures of a pair, by VGG16 and without a network."""
    from nst_jax import metrics

    return metrics.Judge(_judging("vgg16"), square(content, size), square(style, size))


@cache
def other_of(network: str, content: str, style: str, size: int) -> Callable[[np.ndarray], Mapping[str, Any]]:
    """Give what another network holds out."""
    from nst_jax import metrics

    encoder, original = _judging(network), square(content, size)
    side = metrics.style_side(encoder, square(style, size))

    def judge(image: np.ndarray) -> dict[str, Any]:
        held = metrics.held_out(encoder, image, original, side)
        return {key: held[key] for key in ("content_distance", "style_bures", "style_sliced")}

    return judge


@cache
def _judging(weights: str) -> Any:
    """Load a network for where the judges are; `encoder_of` may have it elsewhere."""
    from nst_jax import load_encoder

    return load_encoder(weights)
