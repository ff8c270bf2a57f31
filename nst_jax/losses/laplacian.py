"""Edges of the picture itself: a content loss of fine structure."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from nst_jax.errors import UserError
from nst_jax.losses.loss import Loss, Place
from nst_jax.networks.network import PICTURE
from nst_jax.ops import FEATURES
from nst_jax.types import Image, Scalar


@dataclass(frozen=True)
class Laplacian(Loss):
    """mean (L(x) - L(content))^2, L the sum over colours of the Laplacian of the picture averaged over p x p pixels.

    The Laplacian is 4 times a pixel less its four neighbours, of levels 0-255, inside of the border. It is compared on
    the picture itself, whatever the content layers.

    Source: Li, Xu, Nie and Chua (2017), Laplacian-steered neural style transfer, eq. 4; in the code p = 4 or 16 and
    weights of 100 beside 5 to 20 of the content and 100 of the style of neural-style.

    Attributes:
        pool: p.
    """

    pool: int = 4

    statistic = FEATURES

    def __post_init__(self) -> None:
        if self.pool < 1:
            raise UserError(f"pool is {self.pool}: expected at least 1 pixel a side, such as 4")

    def layers(self, layers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the picture itself."""
        return (PICTURE.name,)

    def least(self) -> int:
        """Give the pixels that one value of the Laplacian sees a side."""
        return 3 * self.pool

    def distance(self, found: Image, target: Image, at: Place) -> Scalar:
        """Average the squared differences."""
        return jnp.mean(jnp.square(self._edges(found) - self._edges(target)))

    def _edges(self, image: Image) -> Any:
        p, (h, w, _) = self.pool, image.shape
        inside = 255 * image[: h // p * p, : w // p * p].sum(-1)
        x = inside.reshape(h // p, p, w // p, p).mean((1, 3))
        return 4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:]
