"""What a loss is: a statistic of features, its target, and the distance between the two."""

from typing import Any, NamedTuple

from nst_jax.ops import Statistic
from nst_jax.types import Features, Mask, Scalar
from nst_jax.value import Value


class Place(NamedTuple):
    """Where features lie: static numbers of one layer of the generated picture, and what the loss brought along.

    Attributes:
        positions, channels: of the layer.
        pixels: of the picture.
        given: see `Loss.given`.
    """

    positions: int
    channels: int
    pixels: int
    given: Any = ()


class Loss(Value):
    """A loss of one layer as a value. To bring your own, extend this class: name a `statistic`, measure a `distance`.

    Attributes:
        statistic: how the features of either picture are summed up.
        extensive: the distance is a sum over positions, so it grows with the picture.
    """

    statistic: Statistic
    extensive: bool = False

    def given(self, features: Features) -> Any:
        """Make the arrays that both pictures are summed up with, once, from the target's features (h, w, c).

        They are leaves of the problem: a centre, directions, a bandwidth. Nothing by default.
        """
        return ()

    def target(self, features: Features, mask: Mask | None, given: Any) -> Any:
        """Make what the generated picture is to match, once, from the target's features; their statistic by default."""
        return self.statistic(features, mask, given)

    def distance(self, found: Any, target: Any, at: Place) -> Scalar:
        """Measure how far the statistic `found` is from the `target`, in float32; 0 where they are equal."""
        raise NotImplementedError
