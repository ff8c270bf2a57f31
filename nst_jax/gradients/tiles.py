"""The exact gradient window by window, in a memory that does not grow with the picture."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nst_jax.errors import UserError
from nst_jax.gradients import rows, windows
from nst_jax.gradients.gradient import Gradient, Objective, Terms, Window
from nst_jax.types import Image, Scalar


@dataclass(frozen=True)
class Tiles(Gradient):
    """Differentiate a picture in windows, each a tile of `side` pixels and what its layers see around it.

    A style loss compares sums over all positions, so there are two passes. The first adds up, window by window, the
    sums over the positions that a tile owns; of the total the loss is made, and its derivatives towards the sums. The
    second runs each window again and pulls these back to its pixels; cotangents are zero at positions that the tile
    does not own, so the whole window's gradient is ADDED to the picture's. That is exact once the window reaches as
    far beyond the tile as its layers do: cutting the gradient at the tile's border needs twice as much.

    Each position belongs to one tile. A window at the picture's border ends there, so that its padding is the
    picture's. The order of additions is fixed: the same bytes each time. Devices that share a picture (`rows`) each
    have a part of the windows.

    Source: Galerne, Raad, Lezama and Morel, Scaling Painting Style Transfer (2022), whose windows are cut.
    """

    side: int = 512

    def value_and_grad(self, objective: Objective, x: Any) -> tuple[tuple[Scalar, Terms], Any]:
        """Take both passes; a picture that one window covers is taken whole, in one."""
        image, pull = jax.vjp(objective.draw, x)
        groups = self._groups(objective, image)
        if sum(len(each.top) for _, each in groups) == 1:
            (loss, terms), grad = jax.value_and_grad(objective.total, has_aux=True)(image)
            return (loss, terms), pull(grad)[0]
        sums = rows.added(windows.summed(image, groups, objective.part))
        loss, back, terms = jax.vjp(objective.joined, image, sums, has_aux=True)
        grad, wanted = back(jnp.ones_like(loss))

        def add(grad: Image, pixels: Image, window: Window) -> Image:
            _, part = jax.vjp(lambda pixels: objective.part(pixels, window), pixels)
            at = (window.top, window.left, 0)
            here = jax.lax.dynamic_slice(grad, at, pixels.shape)
            return jax.lax.dynamic_update_slice(grad, here + part(wanted)[0], at)

        if rows.devices() > 1:
            grad += rows.added(windows.walked(image, groups, jnp.zeros_like(image), add))
        else:
            grad = windows.walked(image, groups, grad, add)
        return (loss, terms), pull(grad)[0]

    def value(self, objective: Objective, x: Any) -> Scalar:
        """Take the first pass."""
        image = objective.draw(x)
        sums = windows.summed(image, self._groups(objective, image), objective.part)
        return objective.joined(image, rows.added(sums))[0]

    def _groups(self, objective: Objective, image: Image) -> list[windows.Group]:
        h, w, _ = image.shape
        return rows.dealt(windows.groups(objective.layers(), (h, w), self.side))

    def check(self, objective: Objective) -> None:
        """Refuse what is no function of sums over windows.

        Raises:
            UserError: a side that is too small, or a loss that needs a whole layer at once.
        """
        if self.side < 1:
            raise UserError(f"tile is {self.side}: expected pixels a side, such as 512")
        if why := objective.divisible():
            raise UserError(f"tile is {self.side}: {why}; leave tile out")
