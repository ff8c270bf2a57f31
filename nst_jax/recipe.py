"""Every choice that makes a picture, with its one default. Imports nothing heavy: the command line starts here."""

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal, get_args, get_origin

from msgspec import Meta

from nst_jax import blend
from nst_jax.errors import UserError
from nst_jax.files import shown
from nst_jax.plain import validated

Pooling = Literal["max", "avg"]
Padding = Literal["zero", "reflect", "replicate", "circular"]
CanvasName = Literal["pixels", "fourier", "pyramid"]
Optimizer = Literal["adam", "lbfgs", "lbfgs-zoom"]
LrSchedule = Literal["constant", "cosine"]
StyleScaling = Literal["tied", "fixed"]
Precision = Literal["auto", "float32", "tf32", "bfloat16"]
PairPrecision = Literal["auto", "float32", "bfloat16", "host"]
CONTENT_LOSSES = ("half-sum", "sum", "mean", "laplacian", "self-similarity", "matting")
STYLE_LOSSES = (
    "gram", "gram-mean", "gram-johnson", "gram-keras", "covariance", "mean-std", "gram-mean-std", "w2", "mmd-poly",
    "mmd-gauss", "shifted", "cross-layer", "long-range", "sliced", "histogram", "nearest", "contextual", "remd",
)  # fmt: skip
DRAWN = ("sliced", "contextual", "remd", "self-similarity")
"""Losses that draw by the seed."""
Units = Literal["paper", "relative"]
Colour = Literal["none", "keep-luminance", "match-mk", "match-cholesky", "match-root", "histogram", "reinhard"]
Resample = Literal["lanczos", "bicubic", "bilinear", "box", "nearest", "bicubic-plain", "bilinear-plain"]
Rounding = Literal["nearest", "down"]
Guides = Literal["inside", "all", "simple"]
Smoothing = Literal["none", "softmax", "constant"]
TvLoss = Literal["squares", "johnson", "absolute", "mean-squares", "nine-point", "keras"]

LONGEST_SIDE = 16384
"""Pixels of the longer side of a picture."""
MOST_STEPS = 1_000_000

_LARGEST = 3e38
"""Just below the largest number of float32."""

Weight = Annotated[float, Meta(ge=0, le=_LARGEST, description="a finite number of at least 0, within float32")]
Side = Annotated[int, Meta(ge=0, le=LONGEST_SIDE, description=f"a whole number of pixels from 0 to {LONGEST_SIDE}")]
Steps = Annotated[int, Meta(ge=0, le=MOST_STEPS, description=f"a whole number from 0 to {MOST_STEPS}")]
Seed = Annotated[int, Meta(ge=0, lt=2**32, description="a whole number of at least 0 and below 2^32")]
Rate = Annotated[float, Meta(gt=0, le=_LARGEST, description="a finite rate above 0, such as 0.02")]
Temperature = Annotated[
    float, Meta(gt=0, le=1e6, description="a positive number of deviations, at most a million, such as 1")
]
Decay = Annotated[float, Meta(ge=0, lt=1, description="a decay of at least 0 and below 1, such as 0.99")]
Ratio = Annotated[float, Meta(ge=1.01, le=1000, description="a number above 1, from 1.01 to 1000, such as 2")]
Fewer = Annotated[float, Meta(ge=1, le=1000, description="a number of at least 1, such as 3")]
Least = Annotated[int, Meta(ge=1, le=LONGEST_SIDE, description="a longer side in pixels, such as 128")]
Bucket = Annotated[
    int, Meta(ge=1, le=4096, description="a multiple in pixels such as 64, at most 4096, or 1 for no margin")
]
Tile = Annotated[int, Meta(ge=0, le=LONGEST_SIDE, description="a side in pixels such as 512, or 0 for the whole")]
Frame = Annotated[
    str, Meta(pattern=r"^([1-9]\d{0,4}x[1-9]\d{0,4})?$", description="WIDTHxHEIGHT in pixels, such as 1024x512")
]
Scales = (
    Annotated[int, Meta(ge=1, le=100, description="a whole number of at least 1 and at most 100")] | Literal["auto"]
)
Layers = Annotated[
    tuple[Annotated[str, Meta(max_length=200, description="a name of a layer")], ...],
    Meta(max_length=200, description="a list of names of layers"),
]
Shares = Annotated[tuple[Weight, ...], Meta(max_length=32, description="a list of at most 32 numbers")]
Sizes = Annotated[tuple[Side, ...], Meta(max_length=32, description="a list of at most 32 sizes")]
LayerWeights = Annotated[tuple[Weight, ...], Meta(max_length=200, description="a list of numbers")]
Projections = (
    Annotated[int, Meta(ge=1, le=65536, description="at least 1 direction a layer, at most 65536")] | Literal["auto"]
)
Patch = Annotated[int, Meta(ge=1, le=64, description="from 1 to 64 positions a side, such as 3")]
Name = Annotated[str, Meta(max_length=4096, description="a name of at most 4096 characters")]

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of one style transfer: L = alpha * L_content + beta * L_style + tv * L_tv.

    By default the losses of Gatys, Ecker and Bethge (2015), each divided by its value for a blank picture. As the paper
    has them: `GATYS_2015`.
    """

    alpha: Weight = 1.0
    """Weight of the content loss; its formula is 1/2 sum (C - G)^2."""
    beta: Weight = 10.0
    """Weight of the style loss; its formula is sum_l w_l 1/(4 N^2) sum (Gram_S / M_S - Gram_G / M_G)^2."""
    tv: Weight = 0.1
    """Weight of the total variation; by default the sum of squared differences between neighbouring pixels."""
    units: Units = "relative"
    """Units of the losses: as their formulas are (paper), or each divided by its value for a blank picture (relative),
    so that weights mean about the same for every pair, and drift less with the size. Relative, alpha is 1 and beta the
    balance: 1 is nearly the photograph, 100 nearly the painting; of the layers' weights their shares count."""
    content_loss: Name = "half-sum"
    """Formula of the content loss: half-sum (of squares), sum or mean; others, and which to take: docs/losses.md.
    Several at once with their weights: mean:1+laplacian:100."""
    style_loss: Name = "gram"
    """Formula of a layer's style loss, with m the mean of (Gram_S / M_S - Gram_G / M_G)^2 over the N^2 entries:
    gram m/4; gram-mean m; gram-johnson m/N^2; gram-keras as in keras.io's example; covariance, mean-std, gram-mean-std,
    w2, mmd-poly, mmd-gauss, shifted, cross-layer, long-range, sliced, histogram, nearest, contextual, remd:
    docs/losses.md. Several at once: gram:1+histogram:0.1."""
    mmd_c: Weight = 1.0
    """The c of mmd-poly: at 0 it compares Gram matrices, the larger the more the means alone."""
    projections: Projections = "auto"
    """Random directions of each layer for sliced; auto for as many as the layer has channels."""
    patch: Patch = 3
    """Positions a side of the patches of nearest."""
    tv_loss: TvLoss = "squares"
    """Formula of the total variation: squares (of pixels in [0, 1]), or as neural-style (johnson), neural-style-pt
    (absolute), anishathalye (mean-squares), style-transfer-pytorch (nine-point) and keras.io (keras) have it."""
    smoothing: Smoothing = "none"
    """What content and style losses see of a layer: its features (none), their softmax over the whole layer, or a
    thousandth of them (constant)."""
    temperature: Temperature = 1.0
    """Of the softmax, in standard deviations of the features of the picture that is compared with."""
    content_layers: Layers = ("relu4_2",)
    """Layers whose features follow the content picture: relu4_2, or conv4_2 for before the ReLU."""
    style_layers: Layers = STYLE_LAYERS
    """Layers whose Gram matrices follow the style picture."""
    layer_weights: LayerWeights = ()
    """Weight w_l of each style layer, in their order; nothing means 1 / (number of layers) each."""
    style_shares: Shares = ()
    """How much each of several styles, or of the regions of a mask, counts, in their order, of their sum: 3 and 1 are
    0.75 and 0.25. Nothing means equal shares; a region of share 0 stays the content's, pixel by pixel."""
    init: Name = "content"
    """Starting image: content, style, noise, grey, blend:0.3 (30 % noise over the content), or a picture file."""
    seed: Seed = 0
    """Seed of the noise, and of the transforms."""
    size: Side = 512
    """Longer side of the content picture, in pixels; 0 keeps its own size."""
    frame: Frame = ""
    """WIDTHxHEIGHT of a picture that has no content: a texture, see `nst-jax texture`. Its longer side is size."""
    style_size: Side = 0
    """Longer side of the style picture, in pixels; 0 means the same as size."""
    style_sizes: Sizes = ()
    """Longer side of each of several styles, in their order: one style at two sizes has strokes of two widths. Nothing
    means style_size for all."""
    colour: Colour = "none"
    """Whose colours the result has: the style's (none), or the content's, by painting luminance alone
    (keep-luminance), by giving the style its mean and covariance first (match-mk, match-cholesky, match-root), its
    distribution (histogram), or the mean and deviation of its cone responses (reinhard)."""
    guides: Guides = "inside"
    """Which positions of a layer belong to a region of a mask: those that see it alone, grown by three (inside), all
    that see it (all), or those that lie in it (simple)."""
    resample: Resample = "lanczos"
    """Filter that brings pictures to their sizes; those called plain do not widen with the reduction."""
    rounding: Rounding = "nearest"
    """How the shorter side becomes whole pixels: to the nearest, or down."""
    bucket: Bucket = 1
    """Pad the content by reflection to a multiple of so many pixels a side, so that pictures of many shapes share a
    compiled program; the margin is cut off the result. 1 for none."""
    scales: Scales = 1
    """From coarse to fine in so many scales, the last of the full size; auto for those from min_scale up."""
    scale_ratio: Ratio = 2.0
    """Ratio of the sides of one scale and the next; with scales auto it is at most that, and even."""
    min_scale: Least = 128
    """Longer side of the coarsest scale in pixels, with scales auto: it settles the layout, whatever the size."""
    style_scaling: StyleScaling = "tied"
    """At coarse scales the style shrinks with the content (tied), or stays as it is (fixed)."""
    steps: Steps = 450
    """Steps of the optimizer, at each scale."""
    coarse_steps: Steps = 0
    """Steps at every scale but the last; 0 means as many as steps. Fewer keep more of the content's layout."""
    first_steps: Steps = 0
    """Steps at the first, coarsest of several scales; 0 means as many as at the other coarse ones."""
    steps_ratio: Fewer = 1.0
    """Each scale takes so many times fewer steps than the one before it, from first_steps down to steps: 600, 200, 66
    and 30 with 3. At 1 the steps between are coarse_steps."""
    canvas: CanvasName = "pixels"
    """What moves: pixels; fourier, frequencies by 1/f in uncorrelated colours; or pyramid, details by octave. The last
    two draw through a sigmoid: a picture begins within [0.01, 0.99]."""
    transforms: bool = False
    """Look at the picture, and at the content, from another side at each step: a border, jitter, scale and rotation,
    drawn from seed and step. For adam, whose last iterate, or average, is the picture."""
    optimizer: Optimizer = "lbfgs"
    """How it moves: adam; lbfgs, one evaluation a step; or lbfgs-zoom, with a line search of several."""
    lr: Rate = 0.02
    """Adam's step in units of what moves: of the range [0, 1] for pixels."""
    lr_schedule: LrSchedule = "constant"
    """Adam's step stays as it is, or falls to 0 along half a cosine over the steps of each scale."""
    ema: Decay = 0.0
    """Decay, such as 0.99, of a running average of Adam's iterates that becomes the picture; 0 for the best iterate."""
    pooling: Pooling = "avg"
    """Pooling of the network; networks are trained with max, Gatys et al. prefer avg."""
    padding: Padding = "replicate"
    """What the network's convolutions see beyond the border: zeros, the picture mirrored (reflect), its last pixels
    (replicate), or its other side (circular), so that copies of the result side by side have no seam."""
    weights: Name = "vgg16"
    """Network: a name from `nst-jax weights list`, a converted .h5 file, or random:vgg16:SEED for random weights."""
    precision: Precision = "auto"
    """Arithmetic of the convolutions; auto is the best of the device."""
    pair_precision: PairPrecision = "auto"
    """How L-BFGS keeps its pairs of vectors, most of its memory: in float32, in bfloat16, half as large, or in float32
    in the memory of a GPU's or TPU's host; auto is bfloat16 where the convolutions are, and for a picture that would
    not fit otherwise, and the host's for one that would not fit in bfloat16."""
    tile: Tile = 0
    """Side in pixels of the windows in which the gradient is computed, such as 512: exact, in a memory that does not
    grow with the picture, for 1.5 to 2.5 times the time; 0 takes the picture at once."""
    remat: bool = False
    """Compute the first layer again in the backward pass instead of keeping it: less memory, a little more time."""

    def __post_init__(self) -> None:
        """Take what programs hold, lists, arrays and their numbers, as the plain data that a record can hold."""
        for name, value in vars(self).items():
            if (plain := _plain(value)) is not value:
                object.__setattr__(self, name, plain)


def _plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list) or (isinstance(value, tuple) and any(hasattr(x, "tolist") for x in value)):
        return tuple(map(_plain, value))
    return value


def kind_of(name: str) -> Any:
    """Give the type of a setting without its bounds."""
    kind = Recipe.__dataclass_fields__[name].type
    return kind.__origin__ if get_origin(kind) is Annotated else kind  # type: ignore[union-attr]


DEFAULT = Recipe()
TEXTURE = Recipe(alpha=0.0, tv=0.0, content_layers=(), init="noise", frame="512x512")
"""A style alone, from noise."""
INVERSION = Recipe(beta=0.0, tv=0.0, style_layers=(), init="noise")
"""A content alone, from noise: what a layer knows of it."""


def check(recipe: Recipe) -> None:
    """Refuse values that cannot make a picture.

    Raises:
        UserError: naming the value, what was expected and what to do.
    """
    validated(vars(recipe), Recipe)
    _check_frame(recipe)
    if recipe.alpha == 0 and recipe.beta == 0:
        raise UserError("alpha and beta are both 0: nothing to optimise; give at least one of them a positive value")
    if recipe.alpha > 0 and not recipe.content_layers:
        raise UserError("content_layers is empty: name at least one layer, or set alpha to 0")
    if recipe.beta > 0 and not recipe.style_layers:
        raise UserError("style_layers is empty: name at least one layer, or set beta to 0")
    if recipe.layer_weights and len(recipe.layer_weights) != len(recipe.style_layers):
        raise UserError(
            f"layer_weights has {len(recipe.layer_weights)} numbers for {len(recipe.style_layers)} style layers: "
            "give one for each, or none for equal weights"
        )
    if recipe.transforms and recipe.optimizer != "adam":
        raise UserError(
            f"transforms is on and optimizer is {recipe.optimizer}: it compares losses, which are then of another "
            "objective at each step; use optimizer adam, or leave transforms out"
        )
    for name, value, least in (
        ("tile", recipe.tile, 0),
        ("bucket", recipe.bucket, 1),
        ("transforms", recipe.transforms, 0),
    ):
        if recipe.padding == "circular" and value != least:
            raise UserError(
                f"{name} is {value} and padding is circular: the border is then no border; leave {name} out"
            )
    if recipe.style_sizes and recipe.style_size:
        raise UserError(
            f"style_size is {recipe.style_size} and style_sizes name a size for each style: give one of them"
        )
    if recipe.style_shares and not sum(recipe.style_shares) > 0:
        raise UserError("style_shares are all 0: give at least one style a share above 0")
    blend.parsed("content_loss", recipe.content_loss, CONTENT_LOSSES)
    blend.parsed("style_loss", recipe.style_loss, STYLE_LOSSES)
    _check_init(recipe.init)
    _check_read(recipe)


def check_shares(styles: int, recipe: Recipe, what: str = "style pictures") -> None:
    """Refuse shares that are not one for each of several styles, or regions.

    Raises:
        UserError: with both numbers.
    """
    if recipe.style_shares and (count := len(recipe.style_shares)) != styles:
        raise UserError(f"style_shares has {count} numbers for {styles} {what}: give one for each, or none")


def check_sizes(styles: int, recipe: Recipe) -> None:
    """Refuse sizes of styles that are not one for each.

    Raises:
        UserError: with both numbers.
    """
    if recipe.style_sizes and (count := len(recipe.style_sizes)) != styles:
        raise UserError(f"style_sizes has {count} numbers for {styles} style pictures: give one for each, or none")


def check_guides(recipe: Recipe, there_are: bool) -> None:
    """Refuse a kind of guides where there are no masks, and masks beside what cannot have them.

    Raises:
        UserError: which.
    """
    if not there_are and recipe.guides != DEFAULT.guides:
        raise UserError(f"guides is {recipe.guides} and there is no mask: give --content-mask, or leave guides out")
    if there_are and recipe.transforms:
        raise UserError("transforms is on and masks stay where they are: leave transforms or the masks out")
    if there_are and recipe.padding == "circular":
        raise UserError("padding is circular and masks end at the border: leave padding or the masks out")


def input_name(of: str, i: int) -> str:
    """Give what a record calls an input, such as a style, by its number from 0: style, style_2, ..."""
    return f"{of}_{i + 1}" if i else of


def unread(recipe: Recipe) -> list[tuple[str, str, str]]:
    """List the settings that nothing would read: name, the setting that decides so, and why."""
    names = blend.names(recipe.style_loss)
    drawn = {*DRAWN} & {*names, *blend.names(recipe.content_loss)}
    one, given = recipe.scales == 1, recipe.scales not in (1, "auto")
    noisy = noise(recipe.init) > 0 or recipe.transforms
    rules = (
        (recipe.optimizer != "adam", ("lr", "ema", "lr_schedule"), "optimizer", "it belongs to Adam"),
        (recipe.optimizer != "lbfgs", ("pair_precision",), "optimizer", "it belongs to lbfgs"),
        (
            one,
            ("coarse_steps", "first_steps", "steps_ratio", "scale_ratio", "style_scaling"),
            "scales",
            "it belongs to several scales",
        ),
        (recipe.steps_ratio > 1, ("coarse_steps",), "steps_ratio", "that says how many steps the scales between take"),
        (recipe.smoothing != "softmax", ("temperature",), "smoothing", "it belongs to the softmax"),
        (one or given, ("min_scale",), "scales", "it is for scales auto"),
        ("sliced" not in names, ("projections",), "style_loss", "it belongs to sliced"),
        ("nearest" not in names, ("patch",), "style_loss", "it belongs to nearest"),
        ("mmd-poly" not in names, ("mmd_c",), "style_loss", "it belongs to mmd-poly"),
        (
            not noisy and not drawn,
            ("seed",),
            "init",
            "a seed belongs to a start with noise, such as noise or blend:0.3, or to a loss that draws, such as sliced",
        ),
    )
    return [
        (name, decider, why)
        for idle, names, decider, why in rules
        for name in names
        if idle and getattr(recipe, name) != getattr(DEFAULT, name)
    ]


def tidied(recipe: Recipe) -> Recipe:
    """Put the settings that nothing would read at their defaults."""
    return replace(recipe, **{name: getattr(DEFAULT, name) for name, _, _ in unread(recipe)})


def _check_read(recipe: Recipe) -> None:
    for name, decider, why in unread(recipe):
        raise UserError(
            f"{name} is {_text(getattr(recipe, name))} and {decider} is {shown(str(getattr(recipe, decider)))}: {why}; "
            f"change {decider}, or leave {name} out"
        )


def noise(init: str) -> float:
    """Give the fraction of noise of a starting image: 1 for `noise`, 0.3 for `blend:0.3`, else 0."""
    if init == "noise":
        return 1.0
    try:
        return float(init.removeprefix("blend:")) if init.startswith("blend:") else 0.0
    except ValueError:
        return 0.0


def precisions() -> tuple[str, ...]:
    """List what `precision` can be."""
    return get_args(Precision)


def _check_init(init: str) -> None:
    if init.startswith("blend:"):
        try:
            fraction = float(init.removeprefix("blend:"))
        except ValueError:
            fraction = -1.0
        if not 0 <= fraction <= 1:
            raise UserError(
                f"init is '{shown(init)}': expected blend:FRACTION with a fraction of noise between 0 and 1"
            )


def frame_of(recipe: Recipe) -> tuple[int, int]:
    """Give the height and width of a picture without a content."""
    width, height = map(int, recipe.frame.split("x"))
    return height, width


def _check_frame(recipe: Recipe) -> None:
    if not recipe.frame:
        return
    if max(frame_of(recipe)) != recipe.size:
        raise UserError(f"frame is {recipe.frame} and size is {recipe.size}: expected its longer side")
    for name, found, expected in (
        ("alpha", recipe.alpha, (0,)),
        ("content_layers", recipe.content_layers, ((),)),
        ("colour", recipe.colour, ("none",)),
        ("init", recipe.init, ("noise", "grey", "style")),
    ):
        if found not in expected and not (name == "init" and init_file(recipe.init)):
            known = " or ".join(str(one) if one != () else "none" for one in expected)
            raise UserError(f"{name} is {found} and a texture has no content: expected {known}")


def check_content(recipe: Recipe, there_is: bool) -> None:
    """Refuse a content beside the frame of a texture, and neither of them.

    Raises:
        UserError: which.
    """
    if there_is and recipe.frame:
        raise UserError(f"frame is {recipe.frame} and there is a content picture: leave frame out, or use texture")
    if not there_is and not recipe.frame:
        raise UserError("there is no content picture and no frame: give one of them")


def check_alone(recipe: Recipe) -> None:
    """Refuse a recipe that needs a style where there is none.

    Raises:
        UserError: naming the setting.
    """
    needs = {
        "beta": recipe.beta > 0,
        "style_layers": bool(recipe.style_layers),
        "init": recipe.init == "style",
        "colour": recipe.colour not in ("none", "keep-luminance"),
        "style_size": recipe.style_size > 0,
        "style_sizes": bool(recipe.style_sizes),
    }
    for name, wanted in needs.items():
        if wanted:
            raise UserError(f"{name} is {_text(getattr(recipe, name))} and there is no style picture: leave {name} out")


def init_file(init: str) -> str | None:
    """Give the path if the starting image is a file, else None."""
    return None if init in ("content", "style", "noise", "grey") or init.startswith("blend:") else init


def options(recipe: Recipe, base: Recipe = DEFAULT) -> dict[str, list[str]]:
    """Give the options of the command line that turn `base` into `recipe`, with their values: `{"--beta": ["100"]}`."""
    found = {}
    for field in fields(Recipe):
        value = getattr(recipe, field.name)
        if value != getattr(base, field.name):
            values = value if isinstance(value, tuple) else (value,)
            found[f"--{field.name.replace('_', '-')}"] = [_text(v) for v in values]
    return found


def _text(value: object) -> str:
    # every digit, but 100 rather than 100.0
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


PLAIN = Recipe(
    alpha=1.0,
    beta=1e3,
    tv=0.0,
    units="paper",
    content_loss="half-sum",
    style_loss="gram",
    mmd_c=1.0,
    projections="auto",
    patch=3,
    tv_loss="squares",
    smoothing="none",
    temperature=1.0,
    content_layers=("relu4_2",),
    style_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    layer_weights=(),
    style_shares=(),
    init="content",
    seed=0,
    size=512,
    frame="",
    style_size=0,
    style_sizes=(),
    colour="none",
    guides="inside",
    resample="lanczos",
    rounding="nearest",
    bucket=1,
    scales=1,
    scale_ratio=2.0,
    min_scale=128,
    style_scaling="tied",
    steps=500,
    coarse_steps=0,
    first_steps=0,
    steps_ratio=1.0,
    canvas="pixels",
    transforms=False,
    optimizer="lbfgs",
    lr=0.02,
    lr_schedule="constant",
    ema=0.0,
    pooling="max",
    padding="zero",
    weights="vgg16",
    precision="auto",
    pair_precision="auto",
    tile=0,
    remat=False,
)
"""Every setting, so that a change of the default moves no recipe that begins from here."""


def plain(**settings: Any) -> Recipe:
    """Give `PLAIN` with other settings; those that nothing would read are at their defaults."""
    return tidied(replace(PLAIN, **settings))


GATYS_2015 = plain(
    content_layers=("conv4_2",),
    style_layers=("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"),
    init="noise",
    pooling="avg",
    optimizer="lbfgs",
    beta=1e3,
)
