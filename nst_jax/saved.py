"""Targets of a style in a file of their own, to paint with where the pictures are not: one .h5 file that says what of.

Layout: `/SCALE/LAYER/target/I` and `/SCALE/LAYER/given/I`, the arrays of a layer at a scale (0 is the finest) in the
order in which the loss has them; `/SCALE/image/KIND/I`, by every formula of the total variation how rough each picture
is, the unit of a texture; root attributes `format`, `format_version`, `about` (JSON: see `About`), and `sha256`
of all that. The same targets always give the same bytes. No array is taken before its shape is known to be that of the
loss at this layer of this network.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from nst_jax.errors import UserError
from nst_jax.files import is_hdf5, said, shown, write_whole
from nst_jax.losses import VARIATION, Blend, Loss, Mixture, Relative, variation_within
from nst_jax.networks import PICTURE, Encoder, fingerprint
from nst_jax.plain import Digest, parsed, validated
from nst_jax.recipe import DEFAULT, LONGEST_SIDE, Recipe, Shares
from nst_jax.targets import Asked, Made, whole
from nst_jax.types import Image
from nst_jax.weights.foreign import opening
from nst_jax.weights.hdf5 import attribute, datasets, opened_h5, read_array

FORMAT, VERSION = "nst_jax-style", 1
TERM = "style"
"""The term of an objective that a file has targets of."""
SETTINGS = ("style_loss", "projections", "patch", "smoothing", "temperature")
"""Settings that decide which arrays a loss makes of a style; units and weights do not."""
AGAIN = "make it again with nst-jax style"

_Length = Annotated[int, msgspec.Meta(ge=1, le=LONGEST_SIDE, description=f"pixels from 1 to {LONGEST_SIDE}")]
Shape = tuple[_Length, _Length]


class Picture(msgspec.Struct, forbid_unknown_fields=True):
    """One picture of a style: its file's name and sha256, or the sha256 of the pixels that a program held."""

    name: str | None = None
    sha256: Digest | None = None
    pixels: Digest | None = None


class About(msgspec.Struct, forbid_unknown_fields=True):
    """What a file's targets are of.

    Attributes:
        network, weights: its name, and the sha256 that tells its weights from others.
        pooling, padding: of the network; nothing for one that has no such choice.
        loss: what is compared, without its units.
        settings: `SETTINGS` of the recipe.
        layers: by depth.
        shares: of several styles, where they were given any.
        pictures: of the style, in their order.
        sizes: by scale, the finest first, the shape (h, w) of each picture.
        version: of nst_jax.
    """

    network: str
    weights: Digest
    pooling: str
    padding: str
    loss: str
    settings: dict[str, Any]
    layers: Annotated[list[str], msgspec.Meta(min_length=1, max_length=200, description="from 1 to 200 layers")]
    shares: Shares
    pictures: Annotated[list[Picture], msgspec.Meta(min_length=1, max_length=32, description="from 1 to 32 pictures")]
    sizes: Annotated[list[list[Shape]], msgspec.Meta(min_length=1, max_length=100, description="from 1 to 100 scales")]
    version: str


@dataclass(frozen=True, eq=False)
class SavedStyle:
    """A style of which there are targets alone, one picture's or several's: what `nst_jax.load_style` gives.

    Attributes:
        about: what they are of.
        arrays: by `SCALE/LAYER/target/I` and `SCALE/LAYER/given/I`.
        source: the file and its sha256, as a record has them.
        scale: the one at which it is seen.
    """

    about: About
    arrays: Mapping[str, np.ndarray]
    source: Mapping[str, Any]
    scale: int = 0

    def __repr__(self) -> str:
        """Say what it is of."""
        return f"SavedStyle({self._name}: {self.about.loss} at {', '.join(self.about.layers)} of {self.about.network})"

    @property
    def _name(self) -> str:
        return shown(self.source["path"])

    @property
    def count(self) -> int:
        """Count its pictures."""
        return len(self.about.pictures)

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Give the shape (h, w) of each picture at this scale."""
        return tuple(self.about.sizes[self.scale])

    def at(self, shapes: tuple[tuple[int, int], ...]) -> "SavedStyle":
        """Give it at the scale where its pictures have these shapes (h, w).

        Raises:
            UserError: there is none, with those that there are.
        """
        known = [tuple(each) for each in self.about.sizes]
        if shapes in known:
            return replace(self, scale=known.index(shapes))
        there = "; ".join(", ".join(f"{w}x{h}" for h, w in each) for each in known)
        raise UserError(
            f"{self._name} holds targets of its style at {there}, and a scale needs "
            f"{', '.join(f'{w}x{h}' for h, w in shapes)}: {AGAIN} by the same --size, --scales, --scale-ratio and "
            "--min-scale, or paint with --style-scaling fixed"
        )

    def within(self, recipe: Recipe) -> Recipe:
        """Give a recipe with the shares of the file where it has none of its own, and no sizes but the file's.

        Raises:
            UserError: what asks for the pictures themselves, or for other sizes.
        """
        longest = [max(shape) for shape in self.about.sizes[0]]
        for name, needs in (("colour", recipe.colour != DEFAULT.colour), ("init", recipe.init == "style")):
            if needs:
                raise UserError(
                    f"{name} is {getattr(recipe, name)} and {self._name} holds targets and no picture: leave {name} "
                    "out, or give the pictures of the style"
                )
        wanted = list(recipe.style_sizes) or [recipe.style_size or side for side in longest]
        if wanted != longest:
            name = "style_sizes" if recipe.style_sizes else "style_size"
            raise UserError(
                f"{name} asks for {', '.join(map(str, wanted))} pixels and {self._name} holds targets of its style at "
                f"{', '.join(map(str, longest))}: leave {name} out, or {AGAIN}"
            )
        return recipe if recipe.style_shares else replace(recipe, style_shares=self.about.shares)

    def made(self, encoder: Encoder, asked: Asked) -> Made:
        """Give the targets that terms ask for, as the pictures would have made them.

        Args:
            encoder: as the style is seen by it.
            asked: what is compared with the style.

        Raises:
            UserError: targets of another network, other layers or another loss, or arrays that are not the loss's.
        """
        self._check(encoder, tuple(one for one in asked if not variation_within(one[1])))
        pictures = tuple(jax.ShapeDtypeStruct((*shape, 3), jnp.float32) for shape in self.shapes)
        like: Made = jax.eval_shape(lambda encoder, pictures: whole(encoder, pictures, asked), encoder, pictures)
        rough = {name: found.kind for name, loss, _ in asked if (found := variation_within(loss))}
        return {
            name: tuple(  # type: ignore[misc]
                {layer: self._filled(f"{self.scale}/{layer}/{rough.get(name, kind)}", x) for layer, x in each.items()}
                for kind, each in zip(KINDS, both, strict=True)
            )
            for name, both in like.items()
        }

    def _filled(self, place: str, like: Any) -> Any:
        leaves, tree = jax.tree.flatten(like)
        found = []
        for i, leaf in enumerate(leaves):
            array = self.arrays.get(f"{place}/{i}")
            if array is None or array.shape != leaf.shape or array.dtype != leaf.dtype:
                there = "nothing" if array is None else f"{array.dtype} {array.shape}"
                raise UserError(f"{self._name} has {there} at {place}/{i}, expected {leaf.dtype} {leaf.shape}: {AGAIN}")
            found.append(jnp.asarray(array))
        return jax.tree.unflatten(tree, found)

    def _check(self, encoder: Encoder, asked: Asked) -> None:
        network, about = encoder.network, self.about
        weights = fingerprint(encoder)
        if about.weights != weights:
            raise UserError(
                f"{self._name} holds targets of {shown(about.network)} with weights {about.weights[:12]}..., and the "
                f"network is {network.name} with weights {weights[:12]}...: give its --weights, or {AGAIN}"
            )
        for name in ("pooling", "padding"):
            if (old := getattr(about, name)) != (new := getattr(network, name, "")):
                raise UserError(
                    f"{self._name} holds targets with {name} {shown(old)}, and {name} is {new}: give the same, or "
                    f"{AGAIN}"
                )
        for name, loss, layers in asked:
            if name != TERM:
                raise UserError(
                    f"{self._name} holds targets of the term '{TERM}' alone, and '{name}' is compared with the style, "
                    "too: give the pictures of the style"
                )
            self._check_loss(loss)
            self._check_layers(loss, network.by_depth(layers))

    def _check_loss(self, loss: Loss) -> None:
        if self.about.loss != described(loss):
            raise UserError(
                f"{self._name} holds targets of the loss {shown(self.about.loss)}, and the loss is "
                f"{shown(described(loss))}: give the settings of the file "
                f"({', '.join(f'{k} {shown(str(v))}' for k, v in self.about.settings.items())}), or {AGAIN}"
            )

    def _check_layers(self, loss: Loss, layers: tuple[str, ...]) -> None:
        known = tuple(self.about.layers)
        if missing := [layer for layer in layers if layer not in known]:
            raise UserError(
                f"{self._name} holds targets at {shown(', '.join(known))}, and none at {missing[0]}: give "
                f"--style-layers, or {AGAIN}"
            )
        for layer in layers:
            if loss.at(layer).reads(layer, layers) != loss.at(layer).reads(layer, known):
                raise UserError(
                    f"{self._name} holds targets at {shown(', '.join(known))} together, of a loss that compares layers "
                    f"with each other: give all of them as --style-layers, or {AGAIN}"
                )


KINDS = ("target", "given")


def described(loss: Loss) -> str:
    """Say what a loss compares, without units and weights: two losses of one text make the same targets."""
    if isinstance(loss, Blend):
        return " + ".join(f"{name}: {described(part)}" for name, part in loss.parts)
    return described(loss.loss) if isinstance(loss, Mixture | Relative) else repr(loss)


def arrays_of(made: Made, scale: int) -> dict[str, np.ndarray]:
    """List the arrays of the style's term at a scale, by their places in a file."""
    found = {}
    for kind, each in zip(KINDS, made[TERM], strict=True):
        for layer, held in each.items():
            leaves = enumerate(jax.tree.leaves(held))
            found |= {f"{scale}/{layer}/{kind}/{i}": np.asarray(x) for i, x in leaves}
    return found


def roughness_of(pictures: Sequence[Image], scale: int) -> dict[str, np.ndarray]:
    """List by every formula how rough pictures (h, w, 3) are at a scale, by their places in a file."""
    return {
        f"{scale}/{PICTURE.name}/{kind}/{i}": np.asarray(loss.target(picture, None, ()), np.float32)
        for kind, loss in VARIATION.items()
        for i, picture in enumerate(pictures)
    }


def write(path: str | Path, about: About, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file of targets; it appears whole or not at all.

    Raises:
        UserError: numbers that are not finite, or a path that cannot be written.
    """
    import h5py  # only who writes needs it

    if odd := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise UserError(f"the target at {odd[0]} is not finite: nothing is written; use another style or loss")
    text = json.dumps(msgspec.to_builtins(about), sort_keys=True, allow_nan=False)
    with h5py.File("style.h5", "w", driver="core", backing_store=False) as file:
        for name, array in sorted(arrays.items()):
            # without track_times=False the file would carry the time of writing
            file.create_dataset(name, data=np.asarray(array, order="C"), track_times=False)
        marks = {"format": FORMAT, "format_version": VERSION, "about": text, "sha256": _digest(text, arrays)}
        for name, value in marks.items():
            file.attrs[name] = value
        file.flush()
        data = file.id.get_file_image()
    write_whole(path, lambda file: file.write(data))


def load_style(path: str | Path) -> SavedStyle:
    """Read a file of targets that `nst-jax style`, or `nst_jax.save_style`, wrote.

    Raises:
        UserError: no such file, another one, or one that is cut short or damaged.
    """
    path = Path(path)
    if not is_hdf5(path):
        raise UserError(f"{shown(path)} is no saved style: expected an .h5 file that nst-jax style wrote")
    try:
        with opening(path, "a saved style"):
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            with opened_h5(path) as file:
                about, arrays = _read(file, path.stat().st_size)
    except UserError as error:
        raise error if shown(path) in str(error) else UserError(f"{shown(path)} {error}") from None
    return SavedStyle(about, arrays, {"path": said(path), "sha256": sha256, "targets": len(about.pictures)})


def _read(file: Any, size: int) -> tuple[About, dict[str, np.ndarray]]:
    if (found := attribute(file, "format")) != FORMAT:
        weights = "; weights are given by --weights" if found == "nst_jax-encoder" else ""
        raise UserError(f"is no saved style: expected an .h5 file that nst-jax style wrote{weights}")
    if (version := attribute(file, "format_version")) != VERSION:
        raise UserError(f"has format {shown(str(version))}, this nst_jax reads {VERSION}: {AGAIN}")
    text = attribute(file, "about")
    if not isinstance(text, str):
        raise UserError(f"is damaged, it does not say what it is of: {AGAIN}")
    about = validated(parsed(text, "its attribute about"), About, "its attribute about")
    arrays = {}
    for name, dataset in datasets(file):
        nbytes = math.prod(dataset.shape or ()) * np.dtype(dataset.dtype).itemsize
        if np.dtype(dataset.dtype).kind not in "fiub" or nbytes > size:
            raise UserError(f"is damaged, {shown(name)} is larger than the file, or no numbers: {AGAIN}")
        arrays[name] = read_array(dataset)
    if _digest(text, arrays) != attribute(file, "sha256"):
        raise UserError(f"is damaged, its numbers are not those that were written: copy it again, or {AGAIN}")
    if odd := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise UserError(f"has numbers that are not finite at {shown(odd[0])}: {AGAIN}")
    if any(len(each) != len(about.pictures) for each in about.sizes):
        raise UserError(f"has sizes that are not one for each of its {len(about.pictures)} pictures: {AGAIN}")
    if about.shares and (len(about.shares) != len(about.pictures) or not sum(about.shares) > 0):
        raise UserError(f"has shares that are not one for each of its {len(about.pictures)} pictures: {AGAIN}")
    return about, arrays


def _digest(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype.str} {array.shape}".encode(errors="replace"))
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
