"""Ways down, as generators that yield a point and are sent (loss, gradient) there; ways to write a picture; their ends.

Plain NumPy on flat arrays, one evaluation a step, so that ways can be compared and changed in a few lines.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nst_jax.canvases import Pixels
from nst_jax.canvases.pixels import COARSEST
from nst_jax.descents.lbfgs import FORGET, MEMORY, SHRINK

Way = Generator[np.ndarray, tuple[float, np.ndarray], None]
Bounds = tuple[float, float]
BOX, FREE = (Pixels.low, Pixels.high), (-np.inf, np.inf)
LONGEST = Pixels.longest
OURS = f"L-BFGS, {MEMORY} pairs, smoothed"
"""What the library does."""


def adam(x: np.ndarray, rate: Callable[[int], float], bounds: Bounds = BOX, b1: float = 0.9, b2: float = 0.99) -> Way:
    """Step along m / sqrt(v), clipped. Source: Kingma and Ba (2015), Adam, algorithm 1."""
    m, v, k = np.zeros_like(x), np.zeros_like(x), 0
    while True:
        _, g = yield x
        m, v, k = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2, k + 1
        step = m / (1 - b1**k) / (np.sqrt(v / (1 - b2**k)) + 1e-8)
        x = np.clip(x - rate(k - 1) * step, *bounds)


def cosine(rate: float, evaluations: int) -> Callable[[int], float]:
    """Let a rate fall to 0 over the run."""
    return lambda k: rate * 0.5 * (1 + np.cos(np.pi * min(1, k / evaluations)))


def constant(rate: float) -> Callable[[int], float]:
    """Hold a rate."""
    return lambda _: rate


def guarded(
    x: np.ndarray,
    direction: Callable | None = None,
    bounds: Bounds = BOX,
    memory: int = MEMORY,
    longest: float = LONGEST,
    smooth: Callable[[np.ndarray], np.ndarray] = lambda g: g,
) -> Way:
    """Go along `direction(g, s, y)`, by default L-BFGS's from H0 = gamma `smooth`, as nst_jax.descents.LBFGS does.

    A rise is taken back and the next step goes a quarter as far. s and y are lists of the last `memory` differences of
    accepted points and of their gradients, newest last.
    """
    direction = direction or partial(newton, smooth=smooth)
    best, loss_best, g_best, bad, trial = x, np.inf, np.zeros_like(x), 0, x
    s: list[np.ndarray] = []
    y: list[np.ndarray] = []
    while True:
        loss, g = yield trial
        if loss < loss_best:  # false for NaN
            if np.isfinite(loss_best) and (trial - best) @ (g - g_best) > 0:
                s, y = [*s, trial - best][-memory:], [*y, g - g_best][-memory:]
            best, loss_best, g_best, bad = trial, loss, g, 0
        else:
            bad += 1
            s, y = ([], []) if bad >= FORGET else (s, y)
        free = ((best > bounds[0]) | (g_best < 0)) & ((best < bounds[1]) | (g_best > 0))
        masked = np.where(free, g_best, 0)
        step = np.where(free, direction(masked, s, y) if s else -smooth(masked), 0)
        size = longest / max(np.sqrt(np.mean(step**2)), 1e-30)
        size = (min(1, size) if s else size) * SHRINK**bad
        trial = np.clip(best + size * step, *bounds)


def newton(g: np.ndarray, s: list, y: list, smooth: Callable[[np.ndarray], np.ndarray] = lambda g: g) -> np.ndarray:
    """Give -H g by the two loops of L-BFGS from H0 = gamma P: Nocedal and Wright (2006), algorithm 7.4."""
    q, alphas = g.copy(), []
    for a, b in zip(reversed(s), reversed(y), strict=True):
        alphas.append(a @ q / (a @ b))
        q -= alphas[-1] * b
    q = smooth(q) * (s[-1] @ y[-1]) / (y[-1] @ smooth(y[-1]))
    for a, b, alpha in zip(s, y, reversed(alphas), strict=True):
        q += (alpha - b @ q / (a @ b)) * a
    return -q


def smoother(shape: tuple[int, ...], power: float = 0.5) -> Callable[[np.ndarray], np.ndarray]:
    """Give what multiplies a flat image of `shape` by (f^2 + COARSEST^2)^(-power/2) at each frequency f."""
    h, w, _ = shape
    squares = np.fft.fftfreq(h)[:, None] ** 2 + np.fft.rfftfreq(w)[None] ** 2
    factor = (squares + COARSEST**2)[..., None] ** (-power / 2)

    def smooth(g: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft2(g.reshape(shape), axes=(0, 1))
        return np.fft.irfft2(spectrum * factor, s=(h, w), axes=(0, 1)).ravel()

    return smooth


def diagonal() -> Callable:
    """Give L-BFGS whose H0 is diagonal: 1 / (0.1 mean + root mean square of the gradients so far), as in AdaGrad."""
    squares = [np.zeros(1)]

    def direction(g: np.ndarray, s: list, y: list) -> np.ndarray:
        squares[0] = squares[0] + g**2
        size = np.sqrt(squares[0])
        return newton(g, s, y, lambda v: v / (size + 0.1 * size.mean()))

    return direction


def anderson(g: np.ndarray, s: list, y: list) -> np.ndarray:
    """Mix the last steps so that the gradient, taken as linear, is smallest: c = argmin |g - Y c|^2.

        step = -S c - t (g - Y c),     t the newest step over the newest change of the gradient

    Source: Walker and Ni (2011), Anderson acceleration for fixed-point iterations, for the map x - t g(x).
    """
    big_s, big_y = np.stack(s, 1), np.stack(y, 1)
    gram = big_y.T @ big_y
    c = np.linalg.solve(gram + 1e-6 * np.trace(gram) / len(s) * np.eye(len(s)), big_y.T @ g)
    t = (s[-1] @ y[-1]) / (y[-1] @ y[-1])
    return -big_s @ c - t * (g - big_y @ c)


def then(first: Way, evaluations: int, second: Callable[[np.ndarray], Way]) -> Way:
    """Follow one way for so many evaluations, and another from its last point."""
    x = next(first)
    for _ in range(evaluations):
        x = first.send((yield x))
    yield from second(x)


Drawn = Callable[[jax.Array], jax.Array]
Code = tuple[np.ndarray, Drawn]
"""The parameters (n,) of a picture, and the function that draws the picture (h, w, 3) in [0, 1] from them."""


def follow(way: Way, drawn: Drawn, value_grad: Callable, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the lowest loss so far at each evaluation, and its picture.

    `value_grad(image)` gives the loss of a picture (h, w, 3) and its gradient.
    """
    z, losses = next(way), []
    best = np.zeros(0)
    for _ in range(steps):
        image, back = jax.vjp(drawn, jnp.asarray(z, jnp.float32))
        loss, grad = value_grad(image)
        losses.append(float(loss))
        best = np.asarray(image) if losses[-1] <= np.nanmin(losses) else best
        z = way.send((float(loss), np.asarray(back(grad)[0])))
    return np.fmin.accumulate(losses), best


def _logit(image: np.ndarray) -> np.ndarray:
    x = np.clip(image, 0.02, 0.98)
    return np.log(x / (1 - x))


def pyramid(image: np.ndarray, levels: int = 4) -> Code:
    """Write a picture as sigmoid(sum of a Laplacian pyramid): Burt and Adelson (1983); Mordvintsev et al. (2018)."""
    h, w, _ = image.shape
    shapes = [(max(1, h >> k), max(1, w >> k), 3) for k in range(levels)]
    rest, parts = jnp.asarray(_logit(image), jnp.float32), []
    for shape in shapes[:0:-1]:  # coarsest first: what it cannot show is left to the finer
        parts.append(jax.image.resize(rest, shape, "linear"))
        rest = rest - jax.image.resize(parts[-1], (h, w, 3), "linear")
    parts.append(rest)
    ends = np.cumsum([part.size for part in parts])[:-1]

    def drawn(z: jax.Array) -> jax.Array:
        found = [x.reshape(part.shape) for x, part in zip(jnp.split(z, ends), parts, strict=True)]
        return jax.nn.sigmoid(jnp.stack([jax.image.resize(x, (h, w, 3), "linear") for x in found]).sum(0))

    return np.concatenate([np.ravel(part) for part in parts]), drawn


# Square root of the covariance of natural colours, from lucid's color.py; divided by its longest column.
COLOURS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
COLOURS = (COLOURS / np.linalg.norm(COLOURS, axis=0).max()).astype(np.float32)


def fourier(image: np.ndarray) -> Code:
    """Write a picture as sigmoid(colours of the inverse FFT of z / f): Olah et al. (2017), Feature visualization."""
    h, w, _ = image.shape
    f = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None])
    scale = 1 / np.maximum(f, 1 / max(h, w))
    scale = (scale / np.sqrt(np.mean(scale**2)))[..., None].astype(np.float32)
    z = np.fft.rfft2(_logit(image) @ np.linalg.inv(COLOURS).T, axes=(0, 1), norm="ortho") / scale
    shape = (2, *z.shape)

    def drawn(z: jax.Array) -> jax.Array:
        real, imaginary = z.reshape(shape)
        x = jnp.fft.irfft2((real + 1j * imaginary) * scale, s=(h, w), axes=(0, 1), norm="ortho")
        return jax.nn.sigmoid(jnp.einsum("hwc,dc->hwd", x, COLOURS, precision="highest"))

    return np.stack([z.real, z.imag]).ravel().astype(np.float32), drawn


def ways(image: np.ndarray, steps: int) -> dict[str, tuple[Way, Drawn]]:
    """Name each way down, with what draws the picture from its point.

    Second and third are the library's from starts moved by half a level of 8 bits at most: how far luck goes.
    """
    x, falling, smooth = image.ravel(), cosine(0.1, steps), smoother(image.shape)
    moved = [x + np.random.default_rng(k).uniform(-0.5, 0.5, x.shape) / 255 for k in range(2)]

    plain = {
        OURS: guarded(x, smooth=smooth),
        **{f"{OURS}, start moved {k}": guarded(np.clip(y, *BOX), smooth=smooth) for k, y in enumerate(moved)},
        "Adam 0.02": adam(x, constant(0.02)),
        "Adam 0.1, cosine": adam(x, falling),
        "L-BFGS, 20 pairs": guarded(x),
        "20 of Adam, then L-BFGS": then(adam(x, falling), min(20, steps), guarded),
        "L-BFGS, diagonal scaling": guarded(x, diagonal()),
        "L-BFGS, 20 pairs, smoother": guarded(x, smooth=smoother(image.shape, 1.0)),
        "L-BFGS, 5 pairs": guarded(x, memory=5),
        **{f"L-BFGS, {m} pairs, smoothed": guarded(x, memory=m, smooth=smooth) for m in (10, 40)},
        "Anderson, 10 pairs": guarded(x, anderson),
    }
    found: dict[str, tuple[Way, Drawn]] = {k: (way, lambda z: z.reshape(image.shape)) for k, way in plain.items()}
    # The slope of a sigmoid is 1/4 at most: four times the steps; but what the four levels of a pyramid do adds up.
    for name, code, rate in (("pyramid", pyramid, 0.1), ("Fourier", fourier, 0.4)):
        z, drawn = code(image)
        found[f"Adam {rate}, cosine, {name}"] = adam(z, cosine(rate, steps), FREE), drawn
        found[f"L-BFGS, {name}"] = guarded(z, bounds=FREE, longest=4 * LONGEST), drawn
    return found


Rows = list[dict[str, Any]]


def over(rows: Rows, k: int) -> dict[str, list[float]]:
    """Divide the loss of each way after k evaluations by that of OURS: a list over pairs."""
    ours = {row["pair"]: row[f"loss_{k}"] for row in rows if row["way"] == OURS}
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["way"], []).append(row[f"loss_{k}"] / ours[row["pair"]])
    return found


def ranges(rows: Rows, at: Sequence[int]) -> Rows:
    """List for each way the median and the range over pairs of what `over` gives."""
    return [
        {"way": way, "evaluations": k, "pairs": len(x), "median": float(np.median(x)), "least": min(x), "most": max(x)}
        for k in at
        for way, x in over(rows, k).items()
    ]
