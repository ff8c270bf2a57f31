"""How a single picture is computed in the memory there is: whole, or in tiles, and of which side."""

import re
from dataclasses import dataclass, replace

from nst_jax.batch import memory
from nst_jax.batch.planning import activations
from nst_jax.descents.lbfgs import MEMORY
from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.gradients import windows
from nst_jax.networks import VGG, Network, resolve_precision
from nst_jax.networks.network import PICTURE
from nst_jax.posing import objective
from nst_jax.recipe import Recipe
from nst_jax.scales import ladder

SIDES = (1024, 512, 256)
"""Tiles that are tried, in pixels."""
WHOLE, TILED, SCALE = 1000 * 10**6, 1800 * 10**6, 400 * 2**20
"""Bytes of the program itself (interpreter, compiler, weights, prepared kernels) where it takes a picture whole, or in
tiles, whose windows have several shapes; and of each more scale's."""
WIDER = {"whole": 1.25, "tiles": 1.1}
"""How much more activations take where convolutions see anything but zeros beyond the border, with average pooling: by
the compiled steps of 256x256 whole, and of 2 megapixels in tiles of 512, on a CPU (JAX 0.10.2)."""
SMALL = 10**6
"""Pixels up to which a picture is taken whole unless somebody says how much memory there is."""
PICTURES, COPIES = 13, 2
"""Arrays of a picture's size that a run has at once, and of its content's targets."""
WORK = {"cpu": 5, "gpu": 0, "tpu": 0}
"""Pictures more that a step of L-BFGS has at once (by the peak of 16 megapixels on a CPU, JAX 0.10.2)."""
PAIRS = {"cpu": 2, "gpu": 1, "tpu": 1}
"""Copies of the pairs of L-BFGS, that for the checkpoint among them; a device has them once (by the peaks of four
scales, 0.4 to 24 megapixels, on an H200)."""
PAIR = 24
"""Bytes a pixel of a pair in float32, as those in the host's memory are; in bfloat16 half."""
WAYS = {"bfloat16": "pairs in bfloat16", "host": "pairs in the host's memory"}
"""How pairs are kept where a picture would not fit otherwise, in the order in which that is tried."""
_UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30, "TB": 10**12}


def bytes_of(text: str) -> int:
    """Read a size such as 4GB, 1.5GiB or 800MB; nothing is 0.

    Raises:
        UserError: anything else.
    """
    if not text:
        return 0
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B)", text.strip(), re.IGNORECASE)
    if not found or found[2].upper() not in _UNITS:
        raise UserError(f"memory is {shown(text)}: expected a number with MB, GB, MiB or GiB, such as 4GB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def free_for(most: int) -> int:
    """Give the bytes to plan with: so many at most, or a share of what there is where nobody says."""
    with memory.within(most):
        return int(memory.free_bytes() * (1 if most else memory.SHARE))


@dataclass(frozen=True)
class Picture:
    """What is to be planned.

    Attributes:
        recipe: of the picture.
        network: that its losses look at.
        size: (h, w) of the finest scale.
        platform: that computes it: cpu, gpu or tpu.
    """

    recipe: Recipe
    network: Network
    size: tuple[int, int]
    platform: str = "cpu"

    @property
    def halved(self) -> bool:
        """Say whether activations are bfloat16."""
        return resolve_precision(self.recipe.precision, self.platform, self.network.accelerated) == "bfloat16"

    @property
    def halved_pairs(self) -> bool:
        """Say whether the pairs of L-BFGS are bfloat16."""
        asked = self.recipe.pair_precision
        return self.recipe.optimizer == "lbfgs" and (asked == "bfloat16" or (asked == "auto" and self.halved))

    @property
    def hosted_pairs(self) -> bool:
        """Say whether the pairs of L-BFGS are in the host's memory, which is none of the device's."""
        return self.recipe.pair_precision == "host" and self.platform != "cpu"

    def ways(self, host: int) -> list[tuple["Picture", str]]:
        """Give the same with other pairs, where there are some and nobody says how they are kept; and what to say.

        In the host's memory where that is another than the device's, and so many bytes hold them.
        """
        if self.recipe.optimizer != "lbfgs" or self.recipe.pair_precision != "auto":
            return []
        h, w = self.size
        fits = self.platform != "cpu" and PAIR * self.places * h * w <= host
        names = list(WAYS) if fits else ["bfloat16"]
        return [(replace(self, recipe=replace(self.recipe, pair_precision=name)), WAYS[name]) for name in names]

    @property
    def places(self) -> int:
        """Count the places for pairs of L-BFGS."""
        return 1 + max(1, min(MEMORY, self.recipe.steps))

    def with_remat(self) -> "Picture":
        """Give the same with its first layer computed twice, where the network can."""
        able = isinstance(self.network, VGG)
        return replace(self, recipe=replace(self.recipe, remat=self.recipe.remat or able))

    @property
    def layers(self) -> tuple[str, ...]:
        """Name the layers that are compared."""
        compared = objective(self.recipe, {})
        return tuple(dict.fromkeys(n for c in compared.values() for n in c.layers if n != PICTURE.name))

    def tiles(self) -> int:
        """Count the tiles of a picture that is taken in some."""
        layers = [self.network.layer(name) for name in self.layers]
        return sum(len(each.top) for _, each in windows.groups(layers, self.size, self.recipe.tile))

    def divisible(self) -> bool:
        """Say whether it can be computed in tiles."""
        if self.recipe.transforms or self.recipe.bucket > 1 or self.recipe.padding == "circular":
            return False
        for compare in objective(self.recipe, {}).values():
            for layer in compare.layers:
                loss = compare.loss.at(layer)
                alone = loss.reads(layer, self.network.by_depth(compare.layers)) == (layer,)
                if layer != PICTURE.name and not (alone and (loss.statistic.additive or loss.positional)):
                    return False
        return True

    def whole(self) -> int:
        """Guess the bytes of the picture at once."""
        h, w = self.size
        return WHOLE + self.scales() + self.own(h * w) + self.seen(self.size, "whole")

    def tiled(self, side: int, pixels: int | None = None) -> int:
        """Guess the bytes in tiles of `side` pixels, of the picture or of one of so many pixels."""
        align, halo = windows.geometry([self.network.layer(name) for name in self.layers])
        window = -(-side // align) * align + 2 * halo
        h, w = self.size
        pixels = h * w if pixels is None else pixels
        return TILED + self.scales() + self.own(pixels) + self.seen((min(window, h), min(window, w)), "tiles")

    def seen(self, size: tuple[int, int], how: str) -> int:
        """Guess the bytes of the activations of a picture or window: each once, as the compiled step has them.

        With `remat` the first layer is not among them; with padding other than zeros there are copies.
        """
        numbers = activations(self.network, self.layers, size) // 3
        numbers = numbers if self.recipe.padding == "zero" else int(numbers * WIDER[how])
        if self.recipe.remat:
            rows, columns = self.network.layers[0].positions(size)
            numbers -= self.network.layers[0].channels * rows * columns
        return (2 if self.halved else 4) * numbers

    def scales(self) -> int:
        """Guess the bytes of the programs of all scales but one, which are in the host's memory."""
        count, _ = ladder(max(self.size), self.recipe)
        return SCALE * (count - 1) if self.platform == "cpu" else 0

    def own(self, pixels: int) -> int:
        """Count the bytes of the picture's own arrays: pictures, content's targets, and what the optimizer holds."""
        recipe = self.recipe
        each = 12.0 * PICTURES
        for layer in map(self.network.layer, recipe.content_layers):
            each += COPIES * 4 * layer.channels / layer.stride**2
        if recipe.optimizer == "adam":
            each += 36 if recipe.ema else 24
        else:  # of pairs in the host's memory, one is here at a time
            pair, kept = (PAIR // 2 if self.halved_pairs else PAIR), 1 if self.hosted_pairs else self.places
            each += pair * PAIRS[self.platform] * kept + 12 * WORK[self.platform]
        return int(each * pixels)


def fitted(picture: Picture, free: int, host: int = 0) -> tuple[Recipe, str]:
    """Give the recipe, in tiles where the picture does not fit in so many bytes at once, and what to say of it.

    Where it does not fit in tiles either, L-BFGS keeps its pairs in bfloat16, or in so many bytes of the host's.

    Raises:
        UserError: a memory below the least, or a picture that fits in no way; with the largest that would.
    """
    recipe, (h, w) = picture.recipe, picture.size
    asked = f"{h * w / 1e6:.1f} megapixels ({w}x{h})"
    ways = picture.ways(host)
    pictures = [picture, *(each for each, _ in ways)]
    if side := recipe.tile:
        need = picture.tiled(side)
        for each, how in ways:
            if (less := each.tiled(side)) <= free < need:
                told = f"{asked} in tiles of {side} would need {_gb(need)} of {_gb(free)}: {how}, about {_gb(less)}"
                return each.recipe, told
        if need > free:
            raise _refused(pictures, side, free)
        return recipe, f"{asked} in tiles of {side}: about {_gb(need)} of {_gb(free)}"
    divisible = picture.divisible()
    if divisible and free < picture.tiled(SIDES[-1], pixels=0):
        raise _refused([picture], SIDES[-1], free)
    whole, again = picture.whole(), picture.with_remat()
    if whole <= free:
        return recipe, f"{asked} whole: about {_gb(whole)} of {_gb(free)}"
    if (need := again.whole()) <= free:
        told = f"{asked} whole would need {_gb(whole)} of {_gb(free)}: with remat, about {_gb(need)}"
        return again.recipe, told
    if not divisible:
        raise _refused([again], 0, free)
    for each, how in ((picture, ""), *ways):
        for side in SIDES:
            if (need := each.tiled(side)) <= free:
                how = f" with {how}" if how else ""
                told = f"whole would need {_gb(whole)} of {_gb(free)}: in tiles of {side}{how}, about {_gb(need)}"
                return replace(each.recipe, tile=side), f"{asked} {told}"
    raise _refused(pictures, SIDES[-1], free)


def _refused(pictures: list[Picture], side: int, free: int) -> UserError:
    """Say what the least of the pictures needs in tiles of `side`, or whole; and what would fit."""
    last = min(pictures, key=lambda each: each.own(10**6))
    h, w = last.size
    need = last.tiled(side) if side else last.whole()
    least = last.tiled(side, pixels=0) if side else WHOLE + last.scales()
    smaller = [f"tiles of less than {side}"] * (side > SIDES[-1])
    if free < least:
        how = f"tiles of {side} need" if side else "a picture that its losses need whole takes"
        told = f"the memory is {_gb(free)}: {how} at least {_gb(least)}, whatever the size"
        return UserError(told + "".join(f"; use {way}" for way in smaller))
    size = int(max(h, w) * ((free - least) / (need - least)) ** 0.5)
    how = f"in tiles of {side}" if side else "whole, as its losses need"
    ways = [f"a --size of at most {size}", *smaller]
    ways += ["fewer --steps at the finest scale"] * (last.recipe.optimizer == "lbfgs" and bool(side))
    ways += ["--precision bfloat16"] * (not last.halved)
    ways += ["--optimizer adam"] * (last.recipe.optimizer != "adam")
    told = f"{h * w / 1e6:.1f} megapixels ({w}x{h}) need {_gb(need)} {how}, and there are {_gb(free)}: use "
    return UserError(told + ", ".join(ways[:-1]) + " or " * (len(ways) > 1) + ways[-1])


def _gb(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
