"""Pictures that are drawn: a regular texture, and masks that divide a content in two."""

from collections.abc import Callable

import numpy as np

SIDE = 512
BRICK = (32, 64)
"""Rows and columns of pixels of a brick with its mortar, of a wall of SIDE."""
MORTAR = 4


def bricks() -> np.ndarray:
    """Draw a wall (512, 512, 3) of bricks, each of a shade and an edge of its own: regular, and no two alike."""
    rng = np.random.default_rng(1976)
    wall = np.empty((SIDE, SIDE, 3), np.float32)
    wall[:] = (0.80, 0.77, 0.70)
    h, w = BRICK
    for row in range(SIDE // h):
        for column in range(-1, SIDE // w):
            shift = w // 2 * (row % 2)
            top, left, bottom, right = (int(n) for n in rng.integers(0, 3, 4))
            y, x = row * h + MORTAR // 2, column * w + shift + MORTAR // 2
            part = wall[y + top : y + h - MORTAR - bottom, max(0, x + left) : max(0, x + w - MORTAR - right)]
            part[:] = np.array((0.62, 0.27, 0.19)) * rng.uniform(0.75, 1.25) + rng.uniform(-0.03, 0.03, 3)
    return np.clip(wall + 0.03 * rng.standard_normal((SIDE, SIDE, 1)), 0, 1).astype(np.float32)


TEXTURES: dict[str, Callable[[], np.ndarray]] = {"bricks": bricks}


def halves(size: int) -> np.ndarray:
    """Label (size, size) the left half 0 and the right half 1."""
    return np.repeat((np.arange(size) >= size // 2)[None], size, 0).astype(np.int32)


def disc(size: int) -> np.ndarray:
    """Label (size, size) a disc in the middle, of half the area, 1, and what is around it 0."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return (np.hypot(y, x) <= size / np.sqrt(2 * np.pi)).astype(np.int32)


MASKS: dict[str, Callable[[int], np.ndarray]] = {"halves": halves, "disc": disc}
