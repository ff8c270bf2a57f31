"""Race ours and neural-style-pt's L-BFGS and Adam on one objective: `python -m benchmarks.time_to_quality --help`."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality import ADAM, LBFGS, Curve, Point, draw, markdown, read_json, sheet, write_json
from benchmarks.racers import Moment, in_the_way_of, objective, ours, theirs

PAIRS = (
    "temple:great_wave", "chelsea:composition_viii", "astronaut:village_street_auvers", "temple:composition_viii",
    "chelsea:great_wave", "astronaut:summertime",
)  # fmt: skip


Judge = Callable[[np.ndarray], float]


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""

    def words(text: str) -> list[str]:
        return [word for word in text.split(",") if word]

    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_quality", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", type=int, default=512, help="longer side of content and style")
    parser.add_argument("--pairs", type=words, default=list(PAIRS), help="content:style,... of examples/images")
    parser.add_argument("--inits", type=words, default=["content", "noise"])
    parser.add_argument("--presets", type=words, default=["fast", "best"], help="whose way of moving pixels is ours")
    parser.add_argument("--ours-steps", type=int, help="steps of ours at the full size; the preset's own by default")
    parser.add_argument("--torch-iterations", type=int, default=1000, help="0 leaves PyTorch out")
    parser.add_argument("--torch-adam", action=argparse.BooleanOptionalAction, default=True, help="race its Adam too")
    parser.add_argument("--torch-precision", choices=("float32", "tf32", "bfloat16"), default="float32")
    parser.add_argument("--torch-compile", action="store_true", help="compile the reference; eager by default")
    parser.add_argument("--out", type=Path, help="JSON file for every point of every curve")
    parser.add_argument("--figure", type=Path, help="JPEG of the curves; pictures beside it as NAME_CONTENT_STYLE.jpg")
    parser.add_argument("--redraw", type=Path, metavar="JSON", help="race nobody: print and draw what --out wrote")
    return parser.parse_args(arguments)


def race(contenders: Mapping[str, Iterator[Moment]], judge: Judge, pair: str, init: str) -> tuple[list[Curve], dict]:
    """Let whoever is behind on its own clock take the next slice, so that a busy minute hits all; judge off the clock.

    Returns a curve for each and its last picture. Judgements are 8 % of the clock apart.
    """
    curves, last, next_at = {}, {}, {}
    for name, contender in contenders.items():
        began = time.perf_counter()
        last[name] = next(contender)
        start = time.perf_counter() - began
        curves[name] = Curve(pair, init, name, last[name].image.shape[:2], start, [judged(last[name], 0, judge)])
        print(f"  {name}: ready after {start:.0f} s", file=sys.stderr)
    clock = dict.fromkeys(contenders, 0.0)
    next_at = dict.fromkeys(contenders, 0.0)
    while clock:
        name = min(clock, key=lambda who: clock[who])
        began = time.perf_counter()
        moment = next(contenders[name], None)  # type: ignore[call-overload]
        elapsed = time.perf_counter() - began
        now = clock[name] + elapsed if moment else clock.pop(name)
        if moment:
            last[name], clock[name] = moment, now
        points = curves[name].points
        if (now >= next_at[name]) if moment else points[-1].evaluations < last[name].evaluations:
            points.append(judged(last[name], now, judge))
            next_at[name] = 1.08 * now
    return list(curves.values()), {name: moment.image for name, moment in last.items()}


def judged(moment: Moment, seconds: float, judge: Judge) -> Point:
    """Evaluate a picture as it could be saved, and as it is."""
    clipped = np.clip(moment.image, 0, 1)
    saved = judge(clipped)
    free = saved if np.array_equal(clipped, moment.image) else judge(moment.image)
    return Point(seconds, moment.evaluations, saved, free)


def run_pair(pair: str, init: str, args: argparse.Namespace) -> tuple[list[Curve], dict[str, np.ndarray]]:
    """Pose one pair and run every contender from one start; give the curves and the pictures."""
    import jax

    from benchmarks.contenders import ROOT
    from nst_jax import images, load_encoder, networks, pose, total
    from nst_jax.problem import start

    encoder = load_encoder()
    files = (ROOT / "examples/images" / f"{name}.jpg" for name in pair.split(":"))
    content, style = (images.resize(images.read(file).rgb, args.size) for file in files)
    recipe = objective(content.shape[:2], init)
    problem = pose(encoder, content, style, recipe=recipe)
    exact = networks.prepare(replace(encoder, network=problem.network), "float32", content.shape[:2])
    value = jax.jit(lambda image: total(exact, problem, image)[0])
    begin = np.asarray(start(problem))
    found = {p: ours(encoder, content, style, in_the_way_of(recipe, p, args.ours_steps)) for p in args.presets}
    if args.torch_iterations and torch_is_there():
        rivals = (LBFGS, ADAM) if args.torch_adam else (LBFGS,)
        found |= {name: theirs(name, content, style, begin, recipe, args) for name in rivals}
    curves, images = race(found, lambda image: float(value(image)), pair, init)
    return curves, {"content": content, "style": style, **images}


def torch_is_there() -> bool:
    """Say whether PyTorch is installed, and tell whoever runs this if it is not."""
    try:
        import torch  # noqa: F401
    except ImportError:
        print("PyTorch is not installed: nst_jax runs alone (pip install 'nst-jax[bench]')", file=sys.stderr)
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every race; after each, write the JSON and the figures anew; print the table."""
    args = options(arguments)
    if args.redraw:
        facts, curves = read_json(args.redraw)
        show(facts, curves, args.figure)
        return
    os.environ["JAX_PLATFORMS"] = args.device  # before jax is imported: one GPU serves two frameworks
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    from benchmarks import device
    from benchmarks.speed import limit_threads

    limit_threads(device.threads())
    settings = {k: str(v) for k, v in vars(args).items() if k not in ("out", "figure", "device", "redraw")}
    facts = {**device.describe(args.device), **settings}
    curves: list[Curve] = []
    for pair in args.pairs:
        rows: dict[str, dict[str, np.ndarray]] = {}
        for init in args.inits:
            print(f"{pair} from {init}, {args.size} px", file=sys.stderr)
            found, rows[f"from {init}"] = run_pair(pair, init, args)
            curves += found
            if args.out:
                write_json(args.out, facts, curves)
            if args.figure:
                draw(args.figure, curves, caption(facts))
                sheet(args.figure.with_stem(f"{args.figure.stem}_{pair.replace(':', '_')}"), rows, caption(facts))
    show(facts, curves)


def caption(facts: Mapping[str, Any]) -> str:
    """Say under a figure how large the pictures were, in which precision PyTorch, and on what."""
    return f"{facts['size']} px, torch {facts['torch_precision']}; {facts['device']}"


def show(facts: Mapping[str, Any], curves: Sequence[Curve], figure: Path | None = None) -> None:
    """Print facts and table, and draw the curves if asked for."""
    print(", ".join(f"{key} {value}" for key, value in facts.items()), markdown(curves), sep="\n\n")
    if figure:
        draw(figure, curves, caption(facts))


if __name__ == "__main__":
    main()
