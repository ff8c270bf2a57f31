"""`nst-jax weights`: convert, fetch, list, verify and normalize the networks that look at the pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from nst_jax import backend
from nst_jax.cli.scripts import Scripted
from nst_jax.cli.streams import delivered
from nst_jax.files import shown
from nst_jax.printing import give, tell
from nst_jax.recipe import Pooling

Dtype = Literal["float32", "float16", "uint8"]
Source = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SRC")]
Result = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DST")]


@dataclass(frozen=True, kw_only=True)
class Convert(Scripted):
    """Turn somebody else's VGG, Inception V3 or GoogLeNet into a weights file for --weights.

    SRC is recognised by its content: Keras .h5 and .weights.h5, PyTorch .pth, safetensors, ONNX, MatConvNet .mat,
    NumPy .npz and .npy, TensorFlow.js' model.json with its shards; VGG-11, 13, 16 or 19 by its shapes, whatever its
    layers are called; Inception V3 and GoogLeNet by the names that Keras and torchvision give. Only the convolutions
    are kept, with batch normalization folded in. Most files cannot tell which pictures the network was trained on, so
    say --convention:

        nst-jax weights convert vgg19-dcbb9e9d.pth vgg19.h5 --convention torchvision
        nst-jax weights convert inception_v3_google-0cc3c7bd.pth inception.h5 --convention inception
        nst-jax stylize photo.jpg painting.jpg -o out.png --weights ./vgg19.h5

    .onnx needs onnx: pip install 'nst-jax[convert]'.
    """

    src: Source
    """File to read."""
    dst: Result
    """File to write, .h5."""
    convention: Literal["caffe", "torchvision", "inception", "unit"] | None = None
    """Pictures the weights expect: caffe is BGR, 0 to 255, minus the mean; torchvision is RGB, [0, 1], standardised;
    inception is RGB, -1 to 1; unit is RGB, [0, 1], as it is."""
    prefix: str | None = None
    """What the names of the network begin with, in a file that holds several; the message names them."""
    last: str | None = None
    """Deepest layer to keep of an Inception V3 or GoogLeNet, such as mixed5: a smaller file; default: all of them."""
    dtype: Dtype = "float32"
    """Kernels on disk: float32 loses nothing, float16 is half as large and good to 3 digits; uint8 keeps the values of
    a file that is quantised to 8 bits."""
    source: str = ""
    """Where the weights come from, to be kept in the file; default: the name of SRC."""
    licence: str = ""
    """Their licence, to be kept in the file."""

    def run(self) -> int:
        """Convert; return the exit code."""
        from nst_jax.weights.convert import convert

        made = convert(
            self.src,
            self.dst,
            convention=self.convention,
            prefix=self.prefix,
            last=self.last,
            dtype=self.dtype,
            source=self.source,
            licence=self.licence,
        )
        how = made.preprocessing
        line = f"{shown(self.dst)}: {made.network.name}, {made.dtype}, {how.channel_order}, 0 to {how.range:g}"
        what = {"network": made.network.name, "dtype": made.dtype, "order": how.channel_order, "range": how.range}
        give("weights", line, path=self.dst, **what)
        return 0


@dataclass(frozen=True, kw_only=True)
class Fetch(Scripted):
    """Download Keras' published weights and convert them; `--weights vgg19` finds them from then on.

    The file is checked against Keras' md5 and kept in the cache directory of `nst-jax weights list`. Without a network
    the message says what to download elsewhere and how to convert it.
    """

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """vgg19, or vgg16 (the float32 original of the embedded file, to be used as vgg16-float32)."""
    base_url: str = ""
    """Another server with the same files; default: Keras' own."""

    def run(self) -> int:
        """Fetch; return the exit code."""
        from nst_jax.weights.fetch import BASE_URL, fetch

        path = fetch(self.name, base_url=self.base_url or BASE_URL, say=tell)
        give("weights", f"{shown(path)}: use it with --weights {path.stem}", path=path, name=path.stem)
        return 0


@dataclass(frozen=True, kw_only=True)
class List(Scripted):
    """List the networks by name: the embedded one, those in the cache, those that can be fetched."""

    def run(self) -> int:
        """Print the table; return the exit code."""
        from nst_jax.weights.inspect import available

        for name, what, where in available():
            give("weights", f"{name:16} {what:26} {where}", name=name, what=what, where=where)
        delivered()
        return 0


@dataclass(frozen=True, kw_only=True)
class Verify(Scripted):
    """Check a weights file against its architecture; print its origin, sha256 and the statistics of every array.

    Exit code 2, and one line that names everything missing, extra or of the wrong shape, if it is not whole.
    """

    file: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME|FILE")]
    """A name from `nst-jax weights list`, or an .h5 file."""

    def run(self) -> int:
        """Print the description; return the exit code."""
        from nst_jax.weights.inspect import verify

        found = verify(self.file)
        facts = {name.replace(" ", "_"): value for name, value in found.facts.items() if name != "file"}
        give("weights", *str(found).splitlines(), path=found.path, **facts, arrays=found.arrays)
        delivered()
        return 0


@dataclass(frozen=True, kw_only=True)
class Normalize(Scripted):
    """Scale every filter to mean activation 1 over pictures of yours, as Gatys et al. did.

    Each channel of each layer then weighs alike in the style loss. Features change by one factor per channel and by
    nothing else. Some dozens of varied photographs are enough:

        nst-jax weights normalize vgg16 vgg16-normalized.h5 --images photographs/
    """

    src: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME|SRC")]
    """A name from `nst-jax weights list`, or an .h5 file."""
    dst: Result
    """File to write, .h5."""
    images: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Directory of pictures; its subdirectories are not looked into."""
    size: int = 512
    """Longer side to which the pictures are resized, in pixels."""
    pooling: Pooling = "max"
    """Pooling with which the network will be used."""
    dtype: Literal["float32", "float16"] = "float32"
    """Kernels on disk."""

    def run(self) -> int:
        """Normalize; return the exit code."""
        backend.start()
        from nst_jax.weights.normalize import normalize_file

        count = normalize_file(self.src, self.dst, self.images, size=self.size, pooling=self.pooling, dtype=self.dtype)
        give("weights", f"{shown(self.dst)}: normalized over {count} pictures", path=self.dst, pictures=count)
        return 0


Command = (
    Annotated[Convert, tyro.conf.subcommand("convert")]
    | Annotated[Fetch, tyro.conf.subcommand("fetch")]
    | Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[Normalize, tyro.conf.subcommand("normalize")]
)


@dataclass(frozen=True)
class Weights:
    """Convert, fetch, list, verify and normalize the networks that --weights can name."""

    command: Annotated[tyro.conf.OmitSubcommandPrefixes[Command], tyro.conf.arg(name="")]

    def run(self) -> int:
        """Run the command; return its exit code."""
        return self.command.run()
