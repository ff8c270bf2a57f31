"""Pictures of print size on the device there is, timed: `python -m benchmarks.print_device 6000 8556 --out runs/print`.

Each is `--preset print` with the numbers below, the longer side as given, from two committed pictures. Of each the
folder gets the whole as a JPEG of 1200 pixels, three places at 100 % side by side, and the log: what was planned, the
time of each scale, the forecast of the memory and what the device had at most. A picture that takes longer than it may
stops there, and is written as it is.

With `--enlarged small.png` no picture is made: a sheet shows the one that the folder has, its places, and below them
the same places of a smaller picture, enlarged to its size.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
CROP, SHOWN, GAP = 400, 264, 12
PLACES = ((0.28, 0.3), (0.5, 0.55), (0.75, 0.7))
"""Middles of the crops: parts of the height and of the width."""


@dataclass
class Log:
    """Lines with the seconds since the beginning, on the screen and in a file at once."""

    path: Path
    began: float = field(default_factory=time.perf_counter)

    def say(self, *words: Any) -> None:
        """Write a line."""
        line = f"{time.perf_counter() - self.began:7.1f} s  " + " ".join(map(str, words))
        print(line, flush=True)
        with self.path.open("a") as file:
            file.write(line + "\n")


def peak() -> str:
    """Give what the device had in use at most; where it has no such number, the process."""
    import resource

    import jax

    stats = jax.local_devices()[0].memory_stats()
    most = stats["peak_bytes_in_use"] if stats else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return f"{most / 1e9:.2f} GB"


def make(size: int, given: argparse.Namespace, log: Log) -> None:
    """Make one picture and what shows it."""
    import jax

    from nst_jax import images
    from nst_jax.batch.run import Watch
    from nst_jax.posing import settled
    from nst_jax.presets import adapted
    from nst_jax.runs.room import Picture, fitted, free_for
    from nst_jax.runs.single import paint
    from nst_jax.runs.spec import Spec
    from nst_jax.scales import ladder
    from nst_jax.weights import load_encoder

    numbers: dict[str, Any] = {"size": size, "scales": given.scales, "steps": given.steps, "beta": given.beta}
    numbers |= {"first_steps": given.first_steps, "precision": given.precision, "tile": given.tile}
    recipe = adapted("print", **numbers, style_size=1024, style_scaling="fixed")
    if given.scales != "auto":
        recipe = replace(recipe, min_scale=128)  # of no use beside a number of scales
    content, style = (ROOT / "examples/images" / name for name in (given.content, given.style))
    encoder = load_encoder(recipe.weights)
    shape = images.resized(images.shape_of(content), images.sizing(recipe))
    log.say(f"--- {shape[1]}x{shape[0]}, {shape[0] * shape[1] / 1e6:.1f} megapixels, {ladder(max(shape), recipe)}")
    picture = Picture(settled(recipe, encoder), encoder.network, shape, jax.default_backend())
    log.say("plan:", fitted(picture, free_for(0))[1])
    until, seen = time.monotonic() + given.each, []

    def show(_: Any, at: Any, __: Any) -> None:
        where = (at.scale, at.step)
        if where not in seen:
            seen.append(where)
            log.say(f"scale {at.scale + 1} of {at.scales}: step {at.step}; peak {peak()}")

    watch = Watch(say=log.say, show=show, stop=lambda: time.monotonic() > until)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "picture.tif"
        made = paint(
            Spec((content,), (style,), recipe, show_pictures=False, metrics=False),
            output,
            watch=watch,
            encoder=encoder,
            how=images.Output(None, given.depth, 300),
        )
        log.say(
            f"written: {output.stat().st_size / 1e6:.0f} MB, {made.solution.stopped}, solved in {made.seconds:.1f} s"
        )
    picture = np.asarray(made.solution.image)
    log.say(f"peak {peak()}; loss {made.solution.history['total'][[0, -1]].tolist()}")
    h, w = (round(side * min(1, 1200 / max(shape))) for side in shape)
    images.save(given.out / f"{size}.jpg", images.fit(picture, (h, w)))
    images.save(given.out / f"{size}_crops.jpg", crops(picture))
    log.say("shown")


def crop(picture: np.ndarray, at: tuple[float, float]) -> np.ndarray:
    """Take a square at 100 % around a place."""
    firsts = [max(0, min(n - CROP, int(f * n) - CROP // 2)) for f, n in zip(at, picture.shape, strict=False)]
    return picture[firsts[0] : firsts[0] + CROP, firsts[1] : firsts[1] + CROP]


def crops(picture: np.ndarray) -> np.ndarray:
    """Put the places side by side."""
    return np.concatenate([crop(picture, at) for at in PLACES], 1)


def sheet(size: int, folder: Path, smaller: Path) -> None:
    """Draw the whole, its places at 100 %, and those of the smaller picture enlarged, below each other."""
    from nst_jax import images

    width = 3 * SHOWN + 2 * GAP
    whole, other = (images.read(path).rgb for path in (folder / f"{size}.jpg", smaller))
    rows = [images.read(folder / f"{size}_crops.jpg").rgb, crops(images.resize(other, size))]
    drawn = [images.fit(whole, (round(width * whole.shape[0] / whole.shape[1]), width))]
    edge = (CROP - SHOWN) // 2
    for row in rows:
        squares = [row[edge : edge + SHOWN, k * CROP + edge :][:, :SHOWN] for k in range(len(PLACES))]
        drawn += [np.ones((GAP, width, 3), np.float32), images.side_by_side(squares, SHOWN, GAP)]
    images.save(folder / f"{size}_sheet.jpg", np.concatenate(drawn), quality=78)


def main() -> int:
    """Make each picture; one that fails is said to, and the next one begins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="+", type=int, help="longer sides")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--content", default="temple.jpg")
    parser.add_argument("--style", default="village_street_auvers.jpg")
    parser.add_argument("--scales", type=lambda x: x if x == "auto" else int(x), default=4)
    parser.add_argument("--first-steps", type=int, default=300)
    parser.add_argument("--steps", type=int, default=10, help="at the finest scale")
    parser.add_argument("--beta", type=float, default=10.0)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--each", type=float, default=100, help="seconds for a picture")
    parser.add_argument("--enlarged", type=Path, help="a smaller picture: only draw a sheet of what --out has, with it")
    given = parser.parse_args()
    if given.enlarged:
        for size in given.sizes:
            sheet(size, given.out, given.enlarged)
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    log, failed = Log(given.out / "log.txt"), False
    import jax

    from nst_jax.cache import enable

    enable()
    log.say(jax.__version__, jax.devices()[0].device_kind)
    for size in given.sizes:
        try:
            make(size, given, log)
        except Exception as error:  # whatever a device throws belongs in the log
            log.say(f"{size}: failed: {type(error).__name__}: {error}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
