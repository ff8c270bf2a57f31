"""Inception V3 and GoogLeNet in NumPy float64, written out as Keras and torchvision have them: a slow judge."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray
Convolve = Callable[..., Array]


def correlate(x: Array, kernel: Array, stride: int = 1, valid: bool = False) -> Array:
    """Correlate (h, w, c_in) with (rows, columns, c_in, c_out)."""
    rows, columns, _, c_out = kernel.shape
    if not valid:
        x = np.pad(x, ((rows // 2,) * 2, (columns // 2,) * 2, (0, 0)))
    h, w = (x.shape[0] - rows) // stride + 1, (x.shape[1] - columns) // stride + 1
    y = np.zeros((h, w, c_out), x.dtype)
    for i in range(rows):
        for j in range(columns):
            y += x[i : i + stride * h : stride, j : j + stride * w : stride][:h, :w] @ kernel[i, j]
    return y


def windows(x: Array, side: int, stride: int, around: tuple[int, int] = (0, 0), mean: bool = False) -> Array:
    """Take the maximum or the mean of those positions of each window that there are."""
    x = np.pad(x, (around, around, (0, 0)), constant_values=np.nan)
    h, w = (x.shape[0] - side) // stride + 1, (x.shape[1] - side) // stride + 1
    taps = [
        x[i : i + stride * h : stride, j : j + stride * w : stride][:h, :w] for i in range(side) for j in range(side)
    ]
    return (np.nanmean if mean else np.nanmax)(taps, axis=0)


def layers_of(params: Any) -> Convolve:
    """Give a convolution that takes the next arrays at each call, as the published code creates them."""
    left: Iterator[tuple[Array, Array]] = (
        (np.asarray(p["kernel"], float), np.asarray(p["bias"], float)) for p in params.values()
    )

    def conv(x: Array, stride: int = 1, valid: bool = False) -> Array:
        kernel, bias = next(left)
        return np.maximum(correlate(x, kernel, stride, valid) + bias, 0)

    return conv


def inception_v3(conv: Convolve, x: Array, pooling: str = "max", last: str = "mixed10") -> dict[str, Array]:
    """Compute every block; `conv(x, stride, valid)` takes its arrays in the order in which Keras creates its layers."""
    found = {}
    names = iter(["conv1", "conv2", "conv3", "conv4", "conv5", *(f"mixed{i}" for i in range(11))])

    def pool(x: Array) -> Array:
        return windows(x, 3, 2, mean=pooling == "avg")

    def side_by_side(*branches: Array) -> Array:
        return np.concatenate(branches, -1)

    def blocks(x: Array) -> Iterator[Array]:
        yield (x := conv(x, 2, True))
        yield (x := conv(x, 1, True))
        yield (x := conv(x))
        yield (x := conv(pool(x)))
        yield (x := conv(x, 1, True))
        x = pool(x)
        for _ in range(3):
            a, b, c = conv(x), conv(conv(x)), conv(conv(conv(x)))
            yield (x := side_by_side(a, b, c, conv(windows(x, 3, 1, (1, 1), mean=True))))
        a, b = conv(x, 2, True), conv(conv(conv(x)), 2, True)
        yield (x := side_by_side(a, b, pool(x)))
        for _ in range(4):
            a, b, c = conv(x), conv(conv(conv(x))), conv(conv(conv(conv(conv(x)))))
            yield (x := side_by_side(a, b, c, conv(windows(x, 3, 1, (1, 1), mean=True))))
        a, b = conv(conv(x), 2, True), conv(conv(conv(conv(x))), 2, True)
        yield (x := side_by_side(a, b, pool(x)))
        for _ in range(2):
            a, b = conv(x), conv(x)
            b = side_by_side(conv(b), conv(b))
            c = conv(conv(x))
            c = side_by_side(conv(c), conv(c))
            yield (x := side_by_side(a, b, c, conv(windows(x, 3, 1, (1, 1), mean=True))))

    for name, values in zip(names, blocks(x), strict=False):
        found[name] = values
        if name == last:
            break
    return found


def googlenet(conv: Convolve, x: Array, pooling: str = "max", last: str = "mixed5b") -> dict[str, Array]:
    """Compute every block; `conv(x, stride)` takes its arrays in the order in which torchvision creates its modules."""
    found = {}

    def pool(x: Array, side: int = 3) -> Array:
        # ceil_mode: the last window may hang over by what is left, which is at most one position
        return windows(x, side, 2, (0, 1), mean=pooling == "avg")

    x = found["conv1"] = conv(x, 2)
    x = found["conv2"] = conv(pool(x))
    x = found["conv3"] = conv(x)
    for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        if name in ("3a", "4a"):
            x = pool(x)
        if name == "5a":
            x = pool(x, 2)
        pooled = windows(x, 3, 1, (1, 1), mean=pooling == "avg")
        x = np.concatenate([conv(x), conv(conv(x)), conv(conv(x)), conv(pooled)], -1)
        found[f"mixed{name}"] = x
        if last == f"mixed{name}":
            break
    return found
