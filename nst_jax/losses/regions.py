"""One loss in several regions of the picture, each compared with a region of a style."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from nst_jax.errors import UserError
from nst_jax.losses.around import Around
from nst_jax.losses.blend import Blend
from nst_jax.losses.loss import Loss, Place
from nst_jax.losses.smoothed import Smoothed
from nst_jax.ops import Statistic
from nst_jax.types import Mask, Scalar


class Given(NamedTuple):
    """What each region is summed up with.

    Attributes:
        inner: by region, what the loss within was given.
        present: (regions,), 1 for one that has positions at this layer in both pictures, else 0.
        places: by region the numbers of its positions in the picture's layer, for a loss that takes them as they come.
    """

    inner: tuple[Any, ...]
    present: jax.Array
    places: tuple[Any, ...]


@struct.dataclass
class Lists:
    """Which positions, or patches by their first position, belong to each region by half at least.

    Attributes:
        chosen: by region their numbers in its style's layer; none for all.
        places: by region their numbers in the picture's layer.
        present: (regions,), 1 for one that has some in both pictures, else 0.
    """

    chosen: tuple[Any, ...]
    places: tuple[Any, ...]
    present: Any


@struct.dataclass
class Guided:
    """Features of the styles with their regions: what `Regions.given` and `Regions.target` are made from.

    Attributes:
        features: by region, of its style: (h, w, c), or a tuple of several layers'.
        masks: by region (h, w), how much each position of its style counts; none for all.
        lists: the positions of each region, and of patches by the positions that these have a side.
    """

    features: tuple[Any, ...]
    masks: tuple[Any, ...]
    lists: Mapping[int, "Lists"]


@dataclass(frozen=True)
class _Sums:
    """The sums of each region, weighed by its mask (h, w, regions), as a function that compares by value."""

    sums: Any

    def __call__(self, x: Any, mask: Mask | None, given: Given) -> Any:
        assert mask is not None
        return tuple(self.sums(x, mask[..., r], one) for r, one in enumerate(given.inner))


@dataclass(frozen=True)
class _Finish:
    """What is made of the sums of each region."""

    finish: Any

    def __call__(self, sums: Any) -> Any:
        return tuple(self.finish(one) for one in sums)


@dataclass(frozen=True)
class Regions(Around):
    """sum_r a_r distance(found_r, target_r), the shares a_r divided by their sum; 0 for a region that is not there.

    Of a Gram matrix found_r = sum_p T_r(p)^2 F(p) F(p)^T / sum_p T_r(p)^2, T_r(p) being how much a position belongs to
    the region, and so with every statistic that sums over positions. A loss that is `scattered` takes the positions
    whose T_r is at least a half.

    Source: Gatys, Ecker, Bethge, Hertzmann and Shechtman (2017), Controlling perceptual factors in neural style
    transfer, eq. 4 to 6, where guides are scaled to a mean square of 1.
    """

    by_sums = False  # type: ignore[override]

    positional = False  # type: ignore[override]
    blends = False  # type: ignore[override]

    @property
    def statistic(self) -> Statistic:  # type: ignore[override]
        """Sum up each region; where features themselves are compared, those of the whole layer."""
        inner = self.loss.statistic
        if inner.by_position:
            return inner
        return Statistic(_Sums(inner.sums), _Finish(inner.finish), inner.additive)

    @property
    def _gathers(self) -> bool:
        return self.loss.statistic.by_position

    def _own(self, features: Any) -> Any:
        """Take this loss's layer of several that another loss beside it reads."""
        wide = self.loss.reads("b", ("a", "b")) != ("b",)
        return features[0] if isinstance(features, tuple) and not wide else features

    @property
    def _side(self) -> int:
        """Give the positions a side of what is compared one by one."""
        return self.loss.least() if self._gathers else 1

    @property
    def _one(self) -> Loss:
        """Give what compares one region."""
        return self.loss.of_scattered() if self._gathers else self.loss

    def given(self, features: Guided) -> Given:
        """Make those of each region from its positions alone."""
        inner, lists = [], features.lists[self._side]
        for x, chosen in zip(features.features, lists.chosen, strict=True):
            x = self._own(x)
            inner.append(self._one.given(x if isinstance(x, tuple) else _taken(x, chosen, self._side)))
        return Given(tuple(inner), lists.present, lists.places if self._gathers else ())

    def target(self, features: Guided, mask: Mask | None, given: Given) -> tuple[Any, ...]:
        """Make one of each region of its style."""
        chosen = features.lists[self._side].chosen
        rows = zip(map(self._own, features.features), features.masks, chosen, given.inner, strict=True)
        if self._gathers:
            return tuple(self._one.target(_taken(x, at, self._side), None, own) for x, _, at, own in rows)
        return tuple(self.loss.target(x, mask, own) for x, mask, _, own in rows)

    def renewed(self, found: Any, target: tuple[Any, ...], key: jax.Array, at: Place) -> tuple[Any, ...]:
        """Make one of each region."""
        return tuple(
            self._one.renewed(own, one, jax.random.fold_in(key, r), place)
            for r, (own, one, place) in enumerate(self._each(found, target, at))
        )

    def distance(self, found: Any, target: tuple[Any, ...], at: Place) -> Scalar:
        """Add up the regions, each by its share."""
        shares = jnp.stack([jnp.asarray(at.styles[str(r + 1)], jnp.float32) for r in range(len(target))])
        shares = shares / jnp.sum(shares) * at.given.present
        return jnp.sum(shares * jnp.stack([self._one.distance(*own) for own in self._each(found, target, at)]))

    def _each(self, found: Any, target: tuple[Any, ...], at: Place) -> list[tuple[Any, Any, Place]]:
        given: Given = at.given
        renewed = at.renewed or tuple(() for _ in target)
        rows = []
        for r, (one, inner, new) in enumerate(zip(target, given.inner, renewed, strict=True)):
            place, own = at._replace(given=inner, renewed=new), found
            if self._gathers:
                places = given.places[r]
                own = None if found is None else _taken(found, places, self._side)
                place = place._replace(positions=len(places), size=(len(places), 1))
            elif found is not None:
                own = found[r]
            rows.append((own, one, place))
        return rows


def _taken(features: Any, places: Any, side: int) -> Any:
    """Take positions of features (h, w, c), or patches, by their numbers: (positions, 1, side^2 c); all of none."""
    h, w, c = features.shape
    if places is None and side == 1:
        return features
    if places is None:
        first = np.arange(h - side + 1)[:, None] * w + np.arange(w - side + 1)[None]
        places = first.reshape(-1).astype(np.int32)
    rows = features.reshape(-1, c)
    return jnp.concatenate([rows[places + i * w + j] for i in range(side) for j in range(side)], -1)[:, None]


def by_regions(loss: Loss, term: str) -> Loss:
    """Give a loss region by region: each of several at once by itself.

    Raises:
        UserError: a loss that has no form for a region.
    """
    if isinstance(loss, Blend):
        return replace(loss, parts=tuple((name, by_regions(one, term)) for name, one in loss.parts))
    inner = loss
    while isinstance(inner, Around):
        if isinstance(inner, Smoothed) and inner.kind == "softmax":
            raise UserError(f"the loss of '{term}' smooths a whole layer: give masks without --smoothing softmax")
        inner = inner.loss
    if loss.statistic.by_position and not loss.scattered:
        raise UserError(
            f"the loss of '{term}', {inner!r}, has no form for regions: use another style loss, such as gram or "
            "sliced, or no masks"
        )
    return Regions(loss)


def unregioned(loss: Loss) -> Loss:
    """Give the loss that `by_regions` was given."""
    if isinstance(loss, Blend):
        return replace(loss, parts=tuple((name, unregioned(one)) for name, one in loss.parts))
    return loss.loss if isinstance(loss, Regions) else loss


def patches(loss: Loss) -> frozenset[int]:
    """Give the positions a side of everything that a loss in regions compares one by one: 1, and that of patches."""
    if isinstance(loss, Blend):
        return frozenset[int]().union(*(patches(one) for _, one in loss.parts))
    gathered = loss.statistic.by_position and isinstance(loss, Regions)
    return frozenset({1, loss.least()} if gathered else {1})
